"""The application: one exchange, one switchboard, the REST API and the `/_sim` routes."""

from aiohttp import web

from simulators.mock.exchange import Exchange
from simulators.mock.rest import Rest
from simulators.mock.switchboard import Switchboard
from simulators.phone.app import put_together

__all__ = ["build"]


def build(exchange: Exchange, webhook_url: str) -> web.Application:
    """The application of one account, whose inbound calls go to `webhook_url` ("": not configured yet)."""
    switchboard = Switchboard(exchange, webhook_url)
    return put_together(switchboard, exchange.webhooks, Rest(switchboard))

"""The box put together: one exchange, one switchboard, two doors (REST and /_sim)."""

from aiohttp import web

from simulators.mock.exchange import Exchange
from simulators.mock.rest import Rest
from simulators.mock.switchboard import Switchboard
from simulators.phone.app import put_together

__all__ = ["build"]


def build(exchange: Exchange, webhook_url: str) -> web.Application:
    """The application of one account, whose numbers lead to `webhook_url` ("": nowhere yet)."""
    switchboard = Switchboard(exchange, webhook_url)
    return put_together(switchboard, exchange.webhooks, Rest(switchboard))

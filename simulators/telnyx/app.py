"""The application: one exchange, one switchboard, the REST API and the `/_sim` routes."""

from aiohttp import web

from simulators.phone.app import put_together
from simulators.telnyx.exchange import Exchange
from simulators.telnyx.rest import Rest
from simulators.telnyx.switchboard import Switchboard

__all__ = ["build"]


def build(exchange: Exchange) -> web.Application:
    """The application of one account."""
    switchboard = Switchboard(exchange)
    return put_together(switchboard, exchange.webhooks, Rest(switchboard))

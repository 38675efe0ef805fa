"""The application: one exchange, one switchboard, the REST API and the `/_sim` routes."""

from aiohttp import web

from simulators.phone.app import put_together
from simulators.twilio.exchange import Exchange
from simulators.twilio.rest import Rest
from simulators.twilio.switchboard import Number, Switchboard

__all__ = ["build"]


def build(exchange: Exchange, inbound: Number) -> web.Application:
    """The application of one account."""
    switchboard = Switchboard(exchange, inbound)
    return put_together(switchboard, exchange.webhooks, Rest(switchboard))

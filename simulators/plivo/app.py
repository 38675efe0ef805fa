"""The box put together: one exchange, one switchboard, two doors (REST and /_sim), opened and closed in one place."""

from collections.abc import AsyncIterator

from aiohttp import web

from simulators.phone.door import Door
from simulators.plivo.exchange import Exchange
from simulators.plivo.rest import Rest
from simulators.plivo.switchboard import Number, Switchboard

__all__ = ["build"]


def build(exchange: Exchange, inbound: Number) -> web.Application:
    """The application of one account. Calls that are live when it stops are dropped without ceremony."""
    switchboard = Switchboard(exchange, inbound)
    app = web.Application()
    Rest(switchboard).mount(app)
    Door(switchboard).mount(app)

    async def life(_: web.Application) -> AsyncIterator[None]:
        exchange.webhooks.open()
        yield
        await exchange.tasks.close()
        await exchange.webhooks.close()

    app.cleanup_ctx.append(life)
    return app

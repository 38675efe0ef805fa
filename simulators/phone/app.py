"""A box put together: a carrier's REST door and the sim door, and the courier's life around them."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from aiohttp import web

from simulators.phone.courier import Courier
from simulators.phone.door import Door
from simulators.phone.switchboard import Switchboard

__all__ = ["put_together"]


class Mounted(Protocol):
    """A REST door."""

    def mount(self, app: web.Application) -> None:
        """Add its routes."""


def put_together(switchboard: Switchboard[Any], courier: Courier, rest: Mounted) -> web.Application:
    """The application of one account. Calls that are live when it stops are dropped without ceremony."""
    app = web.Application()
    rest.mount(app)
    Door(switchboard).mount(app)

    async def life(_: web.Application) -> AsyncIterator[None]:
        courier.open()
        yield
        await switchboard.services.tasks.close()
        await courier.close()

    app.cleanup_ctx.append(life)
    return app

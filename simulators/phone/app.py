"""The application of a carrier: its REST API and the `/_sim` routes, with the webhook sender's lifetime around them."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from aiohttp import web

from simulators.phone.control_api import ControlApi
from simulators.phone.switchboard import Switchboard
from simulators.phone.webhook_sender import WebhookSender

__all__ = ["Mounted", "put_together"]


class Mounted(Protocol):
    """A REST API."""

    def mount(self, app: web.Application) -> None:
        """Add its routes."""


def put_together(switchboard: Switchboard[Any], webhook_sender: WebhookSender, rest: Mounted) -> web.Application:
    """The application of one account. Calls that are live at shutdown are dropped."""
    app = web.Application()
    rest.mount(app)
    ControlApi(switchboard).mount(app)

    async def life(_: web.Application) -> AsyncIterator[None]:
        webhook_sender.open()
        yield
        await switchboard.services.tasks.close()
        if switchboard.services.spoken is not None:
            await switchboard.services.spoken.close()
        await webhook_sender.close()

    app.cleanup_ctx.append(life)
    return app

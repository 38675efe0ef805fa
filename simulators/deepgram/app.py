"""The application: the service's routes and the `/_sim` routes.

The script is `{"misbehave": [{"where": "speech", ...}], "api_key": "..."}`, as at the simulator of OpenAI.
"""

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from simulators.deepgram.speak import Speak
from simulators.faults import Do, Rule, Rules
from simulators.ledger import Ledger
from simulators.service import add_control, json_reply, read_model

__all__ = ["Posted", "build"]


class Posted(BaseModel):
    """The body of POST /_sim/script; a section that is not named stays."""

    model_config = ConfigDict(extra="forbid")

    misbehave: list[Rule[Do]] | None = None
    api_key: str | None = None


def build() -> web.Application:
    """A new application without a script, with an empty ledger."""
    rules, ledger = Rules(Do()), Ledger()
    speak = Speak(rules, ledger)
    app = web.Application(client_max_size=1024 * 1024)
    app.router.add_post("/v1/speak", speak)
    _add_script(app, rules, speak)
    add_control(app, ledger, lambda: {"struck": rules.struck})
    return app


def _add_script(app: web.Application, rules: Rules[Do], speak: Speak) -> None:
    async def post(request: web.Request) -> web.Response:
        posted = await read_model(request, Posted)
        if posted.misbehave is not None:
            rules.replace(posted.misbehave)
        if posted.api_key is not None:
            speak.api_key = posted.api_key
        return json_reply({"struck": rules.struck})

    async def delete(_: web.Request) -> web.Response:
        rules.replace([])
        speak.api_key = ""
        return web.Response(status=204)

    app.router.add_post("/_sim/script", post)
    app.router.add_delete("/_sim/script", delete)

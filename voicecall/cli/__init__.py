"""`voicecall call | continue | speak | dtmf | end | status | tail`: a thin client of the gateway.

For people (rich, on a terminal) and for programs (JSON: `--json`, or whenever the output is no terminal). Decides
nothing: every word of a refusal is the gateway's.

Exit status: 0 done, 1 refused (code and reason on standard error), 2 wrong usage, 69 no gateway there, 77 wrong token,
78 the environment cannot be used.
"""

import asyncio
import os
from collections.abc import Coroutine
from typing import Annotated, Any, Final, NoReturn, TypeVar

import typer
from rich.console import Console

from voicecall.call.events import Mode
from voicecall.cli.config import config
from voicecall.cli.display import pretty, safe, show_call, show_calls, timeline_line
from voicecall.cli.expose import expose
from voicecall.cli.history import history_app
from voicecall.cli.tool import mcp, tool
from voicecall.client import AsyncVoicecall, GatewayDown, Refused, TokenRefused
from voicecall.errors import ConfigError
from voicecall.settings import Deployment, load_deployment

__all__ = ["app", "main"]

T = TypeVar("T")

_EX_UNAVAILABLE: Final = 69
_EX_NOPERM: Final = 77
_EX_CONFIG: Final = 78

app = typer.Typer(
    name="voicecall",
    help="Phone calls for AI agents, by way of the gateway (VOICECALL_GATEWAY_URL, VOICECALL_GATEWAY_TOKEN).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(tool)
app.command()(mcp)
app.add_typer(config, name="config")

_Json = Annotated[bool, typer.Option("--json", help="JSON, also on a terminal.")]
_CallId = Annotated[str, typer.Option("--call-id", help="The call, as printed by `voicecall call`.")]
_AnyCallId = Annotated[str | None, typer.Option("--call-id", help="One call; without it, all.")]
_Message = Annotated[str, typer.Option("-m", "--message", help="What to say.")]
_To = Annotated[str | None, typer.Option("-t", "--to", help="Whom to call, as in +15550001234 [default: toNumber].")]
_ModeOption = Annotated[Mode, typer.Option("--mode", help="Only tell, or talk.")]
_Key = Annotated[str | None, typer.Option("--idempotency-key", help="At most one phone call is made per key.")]


def main() -> None:
    app()


@app.command()
def call(
    message: _Message,
    to: _To = None,
    mode: _ModeOption = Mode.CONVERSATION,
    idempotency_key: _Key = None,
    *,
    as_json: _Json = False,
) -> None:
    """Place a call; prints its id when the carrier has taken it."""
    asked = {"message": message, "to": to, "mode": mode.value, "idempotencyKey": idempotency_key}
    _print_call_id(_payload("voicecall.initiate", asked), as_json=as_json)


@app.command()
def start(
    to: Annotated[str, typer.Option("--to", help="Whom to call.")],
    message: Annotated[str, typer.Option("--message", help="What to say.")] = "",
    mode: _ModeOption = Mode.CONVERSATION,
    *,
    as_json: _Json = False,
) -> None:
    """Place a call (the older name of `call`)."""
    _print_call_id(_payload("voicecall.start", {"to": to, "message": message, "mode": mode.value}), as_json=as_json)


@app.command("continue")
def continue_(call_id: _CallId, message: _Message, *, as_json: _Json = False) -> None:
    """Say something and print what the caller answers."""
    payload = _payload("voicecall.continue", {"callId": call_id, "message": message})
    _print(payload, payload.get("transcript", ""), as_json=as_json)


@app.command()
def speak(call_id: _CallId, message: _Message, *, as_json: _Json = False) -> None:
    """Say something; returns when it was heard."""
    _print(_payload("voicecall.speak", {"callId": call_id, "message": message}), "Spoken.", as_json=as_json)


@app.command()
def dtmf(
    call_id: _CallId,
    digits: Annotated[str, typer.Option("--digits", help="Keys: 0-9 * #, and pauses w W p P ,")],
    *,
    as_json: _Json = False,
) -> None:
    """Press keys."""
    _print(_payload("voicecall.dtmf", {"callId": call_id, "digits": digits}), "Pressed.", as_json=as_json)


@app.command()
def end(call_id: _CallId, *, as_json: _Json = False) -> None:
    """Hang up."""
    _print(_payload("voicecall.end", {"callId": call_id}), "Ended.", as_json=as_json)


@app.command()
def status(
    call_id: _AnyCallId = None,
    sid: Annotated[str | None, typer.Option("--sid", help="The carrier's id of the call.")] = None,
    *,
    as_json: _Json = False,
) -> None:
    """Show one call, or all that are live."""
    payload = _payload("voicecall.status", {"callId": call_id, "sid": sid})
    console = Console()
    if as_json or not console.is_terminal:
        typer.echo(pretty(payload.get("call", payload)))
    elif "call" in payload:
        show_call(console, payload["call"])
    elif payload.get("found"):
        show_calls(console, payload["calls"])
    else:
        typer.echo(pretty(payload, indent=None))


@app.command()
def tail(
    since: Annotated[int, typer.Option("--since", min=0, max=1000, help="How many past items to begin with.")] = 25,
    call_id: _AnyCallId = None,
    *,
    as_json: _Json = False,
) -> None:
    """Print what happens: the newest items, then each as it comes, until interrupted. Reconnects by itself."""
    _run(_tail(_deployment(), since, call_id, as_json=as_json))


async def _tail(deployment: Deployment, since: int, call_id: str | None, *, as_json: bool) -> None:
    console = Console()

    def lost(reason: str) -> None:
        typer.echo(f"lost the gateway ({safe(reason)}), connecting again", err=True)

    async with _gateway(deployment) as gateway:
        async for item in gateway.feed(last=since, call_id=call_id, on_loss=lost):
            _tell(console, item.model_dump(by_alias=True), as_json=as_json)


def _tell(console: Console, item: dict[str, Any], *, as_json: bool) -> None:
    if as_json or not console.is_terminal:
        typer.echo(pretty(item, indent=None))
    else:
        console.print(*timeline_line(item), sep="\n", soft_wrap=True)


app.command()(expose)


def _print_call_id(payload: dict[str, Any], *, as_json: bool) -> None:
    _print({"callId": payload["callId"]}, f"Call {payload['callId']}", as_json=as_json)


def _print(payload: dict[str, Any], sentence: str, *, as_json: bool) -> None:
    typer.echo(pretty(payload) if as_json or not Console().is_terminal else safe(sentence))


def _payload(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return _run(_asked(_deployment(), method, params))


async def _asked(deployment: Deployment, method: str, params: dict[str, Any]) -> dict[str, Any]:
    async with _gateway(deployment) as gateway:
        return await gateway.request(method, params)


def _gateway(deployment: Deployment) -> AsyncVoicecall:
    return AsyncVoicecall(deployment.gateway_url, token=deployment.gateway_token or "")


def _deployment() -> Deployment:
    try:
        return load_deployment(os.environ)
    except ConfigError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        raise typer.Exit(_EX_CONFIG) from error


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except Refused as refused:
        about = f" (call {refused.call_id})" if refused.call_id else ""
        _fail(f"{refused.code}: {refused.message}{about}", 1)
    except TokenRefused as refused:
        _fail(f"The gateway refuses the token: {refused}. Set VOICECALL_GATEWAY_TOKEN to the gateway's.", _EX_NOPERM)
    except GatewayDown as down:
        url = load_deployment(os.environ).gateway_url
        _fail(
            f"No gateway at {url}: {down}. Start it with `python -m gateway`, or set VOICECALL_GATEWAY_URL.",
            _EX_UNAVAILABLE,
        )


def _fail(sentence: str, status_: int) -> NoReturn:
    typer.echo(safe(sentence), err=True)
    raise typer.Exit(status_)


app.add_typer(history_app(_payload), name="history")

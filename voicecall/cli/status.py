"""`voicecall status`: one call, or every live call."""

from typing import Annotated

import typer
from rich.console import Console

from voicecall.api.methods import STATUS
from voicecall.cli.display import pretty, show_call, show_calls
from voicecall.cli.exits import request
from voicecall.cli.naming import call_named
from voicecall.cli.options import INSPECT, AnyCallId, AsJson, example, wants_json

__all__ = ["register", "status"]


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    epilog = example("voicecall status", "voicecall status --call-id ID")
    app.command(rich_help_panel=INSPECT, epilog=epilog)(status)


def status(
    call_id: AnyCallId = None,
    sid: Annotated[str | None, typer.Option("--sid", help="The carrier's id of the call.", metavar="SID")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show one call, or every live call. An unknown call is no error: {"found": false}."""
    payload = request(STATUS, {"callId": call_named(call_id), "sid": sid})
    if wants_json(as_json=as_json):
        typer.echo(pretty(payload.get("call", payload)))
    elif "call" in payload:
        show_call(Console(), payload["call"])
    elif payload.get("found"):
        show_calls(Console(), payload["calls"])
    else:
        typer.echo(pretty(payload, indent=None))

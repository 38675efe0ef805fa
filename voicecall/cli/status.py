"""`voicecall status`: one call, or all that are live."""

from typing import Annotated

import typer
from rich.console import Console

from voicecall.cli.display import pretty, show_call, show_calls
from voicecall.cli.exits import asked
from voicecall.cli.options import LOOK, AnyCallId, AsJson, example, for_programs

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Hang the command into the app."""
    epilog = example("voicecall status", "voicecall status --call-id ID")
    app.command(rich_help_panel=LOOK, epilog=epilog)(status)


def status(
    call_id: AnyCallId = None,
    sid: Annotated[str | None, typer.Option("--sid", help="The carrier's id of the call.", metavar="SID")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show one call, or all that are live. A call that nobody knows is no error: {"found": false}."""
    payload = asked("voicecall.status", {"callId": call_id, "sid": sid})
    if for_programs(as_json=as_json):
        typer.echo(pretty(payload.get("call", payload)))
    elif "call" in payload:
        show_call(Console(), payload["call"])
    elif payload.get("found"):
        show_calls(Console(), payload["calls"])
    else:
        typer.echo(pretty(payload, indent=None))

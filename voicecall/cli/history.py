"""`voicecall history list | show | recording | export | forget`: ended calls.

`export` opens the configured archive itself, so it works while no process runs; the others use the gateway, whose
refusals are printed unchanged.
"""

import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.request import urlopen

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from voicecall.api.methods import FORGET, HISTORY, RECORDING, STATUS, Method
from voicecall.archive import CallArchive, export_jsonl
from voicecall.call.events import EndReason
from voicecall.cli.conversation import outcome as outcome_of
from voicecall.cli.display import pretty, safe, short_id, show_call
from voicecall.cli.exits import configured, deployment, fail, request
from voicecall.cli.naming import call_or_only
from voicecall.cli.options import INSPECT, AsJson, CallId, example, wants_json
from voicecall.errors import ArchiveUnavailable
from voicecall.settings import Settings, load_settings

__all__ = ["ended_calls", "history_app", "register"]

_SAVE_S: Final = 30.0  # without a byte
_DAYS: Final = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]

Send = Callable[[Method[Any, Any], dict[str, Any]], dict[str, Any]]

_Number = Annotated[str | None, typer.Option("--number", help="Only calls to or from this number, as in +15550001234.")]
_Direction = Annotated[str | None, typer.Option("--direction", help="inbound or outbound.")]
_Since = Annotated[datetime | None, typer.Option("--since", formats=_DAYS, help="Started then or later, local time.")]
_Until = Annotated[datetime | None, typer.Option("--until", formats=_DAYS, help="Started before then, local time.")]
_Outcome = Annotated[EndReason | None, typer.Option("--outcome", help="Only calls that ended for this reason.")]
_Limit = Annotated[int, typer.Option("--limit", min=1, max=200, help="Number of calls.")]
_Cursor = Annotated[str | None, typer.Option("--cursor", help="The `next` of the previous page.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app, as a group."""
    app.add_typer(history_app(request), name="history", rich_help_panel=INSPECT)


def history_app(send: Send, name: Callable[[str | None], str] = call_or_only) -> typer.Typer:
    """The commands. `send(method, params)` returns the gateway's payload; a refusal exits the command.

    `name` returns the id of the call that a text names; of None, the only live call's.
    """
    app = typer.Typer(
        help="Ended calls: list, show, play, export, forget.",
        no_args_is_help=True,
        epilog=example("voicecall history list --limit 20"),
    )

    @app.command("list", epilog=example("voicecall history list --number +15550001234"))
    def list_(
        number: _Number = None,
        direction: _Direction = None,
        since: _Since = None,
        until: _Until = None,
        outcome: _Outcome = None,
        *,
        limit: _Limit = 50,
        cursor: _Cursor = None,
        as_json: AsJson = False,
    ) -> None:
        """List ended calls, newest first."""
        filters = {"number": number, "direction": direction, "since": _ms(since), "until": _ms(until)}
        filters["outcome"] = outcome
        page = send(HISTORY, _given({**filters, "limit": limit, "cursor": cursor}))
        _show_page(page, as_json=as_json)

    @app.command(epilog=example("voicecall history show --call-id ID"))
    def show(call_id: CallId = None, *, as_json: AsJson = False) -> None:
        """Show one call: its record, transcript, latencies and cost."""
        payload = send(STATUS, {"callId": name(call_id)})
        console = Console()
        if "call" in payload and console.is_terminal and not as_json:
            show_call(console, payload["call"])
        else:
            typer.echo(pretty(payload.get("call", payload)))

    _add_recording(app, send, name)

    @app.command(epilog=example("voicecall history export -o calls.jsonl --since 2026-01-31"))
    def export(
        output: Annotated[
            Path, typer.Option("-o", "--output", help="The file to write; an existing one is replaced.")
        ] = Path("calls.jsonl"),
        since: _Since = None,
    ) -> None:
        """Write the archive as JSON lines, one record per line, oldest first, like OpenClaw's `calls.jsonl`."""
        _export(configured(lambda: load_settings(os.environ)), output, since)

    @app.command(epilog=example("voicecall history forget --number +15550001234"))
    def forget(
        call_id: Annotated[
            str | None, typer.Option("--call-id", help="Forget this call: its id, or the first characters of it.")
        ] = None,
        number: Annotated[
            str | None, typer.Option("--number", help="Forget every call to or from this number.")
        ] = None,
        *,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Delete a call, or every call to or from a number. A live call is deleted when it ends."""
        if (call_id is None) == (number is None):
            raise typer.BadParameter("give --call-id or --number, and not both")
        if not yes:
            typer.confirm("Deleted calls cannot be restored. Continue?", abort=True)
        counts = send(FORGET, _given({"callId": call_id and name(call_id), "number": number}))
        sentence = f"Deleted: {counts['forgotten']}. To be deleted when they end: {counts['atEnd']}."
        typer.echo(pretty(counts) if wants_json(as_json=as_json) else sentence)

    return app


def _add_recording(app: typer.Typer, send: Send, name: Callable[[str | None], str]) -> None:
    @app.command(epilog=example("voicecall history recording --call-id ID -o call.wav"))
    def recording(
        call_id: CallId = None,
        output: Annotated[
            Path | None, typer.Option("-o", "--output", help="Save it there; an existing file is replaced.")
        ] = None,
        *,
        as_json: AsJson = False,
    ) -> None:
        """Show what was recorded of a call, and where it can be played for ten minutes; or save it."""
        found = send(RECORDING, {"callId": name(call_id)})
        if found["found"]:
            found["url"] = f"{deployment().gateway_url}{found['url']}"
        if output is not None:
            _save(found, output)
        elif wants_json(as_json=as_json) or not found["found"]:
            typer.echo(pretty(found))
        else:
            typer.echo(_described(found))


def _described(found: dict[str, Any]) -> str:
    facts = found["recording"]
    missing_s = sum(part["toMs"] - part["fromMs"] for part in facts.get("missing", ())) / 1000
    lost = f", of which {missing_s:.1f} s are missing" if missing_s else ""
    return f"{facts['durationMs'] / 1000:.1f} s{lost}, caller left, agent right\n{found['url']}"


def _save(found: dict[str, Any], output: Path) -> None:
    if not found["found"]:
        fail("there is no recording of this call")
    part = output.with_name(f".{output.name}.part")
    try:
        with urlopen(found["url"], timeout=_SAVE_S) as answer, part.open("wb") as file:  # noqa: S310  the gateway's address
            shutil.copyfileobj(answer, file)
        part.replace(output)
    except OSError as error:
        part.unlink(missing_ok=True)
        fail(f"{output} was not written: {error}")
    typer.echo(f"recording written to {output}", err=True)


def _show_page(page: dict[str, Any], *, as_json: bool) -> None:
    console = Console()
    if wants_json(as_json=as_json):
        typer.echo(pretty(page))
        return
    console.print(ended_calls(page["calls"]))
    if "next" in page:
        console.print(Text(f"More: --cursor {page['next']}", style="dim"))


def ended_calls(calls: list[dict[str, Any]]) -> Table:
    """One row for each record; eighty columns wide, unless an end takes more words."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("Started", "Call", "", "From", "To", "Ended", "Seconds"):
        table.add_column(name, no_wrap=name != "Ended")
    for call in calls:
        started = datetime.fromtimestamp(call["startedAt"] / 1000).astimezone()
        lasted = str(round((call["endedAt"] - call["startedAt"]) / 1000))
        way = "in" if call["direction"] == "inbound" else "out"
        facts = (short_id(call["callId"]), way, call["from"], call["to"], outcome_of(call))
        table.add_row(f"{started:%Y-%m-%d %H:%M}", *(Text(safe(fact)) for fact in facts), lasted)
    return table


def _export(settings: Settings, output: Path, since: datetime | None) -> None:
    archive = CallArchive(settings.archive_url)
    try:
        count = export_jsonl(archive, output, None if since is None else since.astimezone().timestamp())
    except ArchiveUnavailable as error:
        fail(str(error))
    except OSError as error:
        fail(f"{output} cannot be written: {error.strerror}")
    finally:
        archive.close()
    typer.echo(f"{count} calls written to {output}", err=True)


def _given(params: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if value is not None}


def _ms(at: datetime | None) -> int | None:
    return None if at is None else round(at.astimezone().timestamp() * 1000)

"""`voicecall replay`: a call's log played again through today's `decide`, and whether it ends where the call did.

From Redis by the call's id, or from a journal (a .jsonl of `--save`). Changes nothing: no effect is run.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from voicecall.bus.connection import connect
from voicecall.bus.log import RedisCallLog
from voicecall.call.ids import CallId, is_call_id
from voicecall.cli.display import pretty, safe
from voicecall.cli.exits import EX_REFUSED, deployment, fail, run
from voicecall.cli.options import LOOK, AsJson, example, for_programs
from voicecall.journal import Journal, describe, read_journal, steps, summary, write_journal
from voicecall.wire import Undecodable

__all__ = ["register"]

Step = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Hang the command into the app."""
    lines = ("voicecall replay ID --save call.jsonl", "voicecall replay call.jsonl")
    app.command(rich_help_panel=LOOK, epilog=example(*lines))(replay)


def replay(
    what: Annotated[str, typer.Argument(help="A call's id, or a journal.", metavar="CALL_ID|FILE")],
    save: Annotated[
        Path | None, typer.Option("--save", help="Write the log there as a journal; it holds what was said.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Play a call's log again, and tell each event, the state after it and what the call asked for.

    Exits 1 when that does not end in the state that was stored: for a call its snapshot, for a journal the
    NAME.golden.json beside it, if there is one.
    """
    journal, ends_right = _stored(CallId(what)) if is_call_id(what) else _kept(Path(what))
    told = [_step(*step) for step in steps(journal)]
    if save is not None:
        _save(save, journal)
    if for_programs(as_json=as_json):
        typer.echo(pretty({"call": journal.call, "story": journal.story, "steps": told, "endsAsStored": ends_right}))
    else:
        _show(Console(), journal, told, ends_right)
    if ends_right is False:
        raise typer.Exit(EX_REFUSED)


def _stored(call: CallId) -> tuple[Journal, bool | None]:
    async def read() -> tuple[Journal, bool | None]:
        redis = connect(deployment().redis_url)
        try:
            log = RedisCallLog(redis)
            records, snapshot = await log.history(call), await log.read(call)
        finally:
            await redis.aclose()
        journal = Journal(call, "", records)
        # News that comes after the end stands in the log, but nobody wakes up for it.
        return journal, any(folded == snapshot for _, folded, _ in steps(journal)) if snapshot is not None else None

    try:
        journal, ends_right = run(read())
    except Undecodable as error:
        fail(f"the snapshot of {call} cannot be read: {error}; replay it with the build that wrote it")
    if not journal.records:
        fail(f"NOT_FOUND: Redis keeps no log of {call}; it may be archived: voicecall status --call-id {call}")
    return journal, ends_right


def _kept(file: Path) -> tuple[Journal, bool | None]:
    try:
        journal = read_journal(file)
        golden = file.with_suffix(".golden.json")
        expected = orjson.loads(golden.read_bytes()) if golden.exists() else None
        return journal, None if expected is None else summary(journal) == expected
    except OSError as error:
        fail(f"{str(file)[:200]!r} is no call's id, and no file: {error.strerror or error}")
    except (ValueError, ValidationError) as error:
        fail(f"{str(file)[:200]!r} is no journal: {str(error).splitlines()[0][:200]}; write one with --save")


def _save(path: Path, journal: Journal) -> None:
    try:
        # What people said stands in it: nobody else on this machine need read it.
        path.touch(mode=0o600)
        write_journal(path, journal)
    except OSError as error:
        fail(f"--save {str(path)[:200]!r}: {error.strerror or error}; name a file that can be written")
    typer.echo(f"saved {len(journal.records)} events to {safe(str(path))}", err=True)


def _step(record: Any, call: Any, effects: tuple[Any, ...]) -> Step:
    return {
        "seq": record.seq,
        "at": round(record.event.at * 1000),
        "event": record.event.name,
        "state": None if call is None else call.phase.value,
        "effects": [describe(effect) for effect in effects],
    }


def _show(console: Console, journal: Journal, told: list[Step], ends_right: bool | None) -> None:
    if journal.story:
        console.print(Text(safe(journal.story), style="italic"))
    for step in told:
        clock = datetime.fromtimestamp(step["at"] / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
        line = Text(f"{clock} {step['seq']:>4} ", style="dim") + Text(f"{step['event']:<16} ", style="bold")
        console.print(line + Text(str(step["state"] or "-"), style="cyan"), soft_wrap=True)
        for effect in step["effects"]:
            console.print(Text(f"{'':>18}→ {safe(effect)}", style="green"), soft_wrap=True)
    words = {True: "It ends as it was stored.", False: "It does NOT end as it was stored.", None: "Nothing to compare."}
    console.print(words[ends_right], style="red" if ends_right is False else "dim")

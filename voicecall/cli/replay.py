"""`voicecall replay`: folds a call's log through the current `decide` and compares the end with the stored state.

Reads the log from Redis by the call's id, or from a journal (a .jsonl written by `--save`). Runs no effects.
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
from voicecall.cli.naming import call_or_only, may_be_call
from voicecall.cli.options import INSPECT, AsJson, example, wants_json
from voicecall.journal import Journal, describe, read_journal, steps, summary, write_journal
from voicecall.wire import Undecodable

__all__ = ["register", "replay"]

Step = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    lines = ("voicecall replay ID --save call.jsonl", "voicecall replay call.jsonl")
    app.command(rich_help_panel=INSPECT, epilog=example(*lines))(replay)


def replay(
    what: Annotated[
        str | None,
        typer.Argument(
            help="The id of a call, or its first characters; or a journal file. Default: the only live call.",
            metavar="CALL_ID|FILE",
            show_default=False,
        ),
    ] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Write the log to this file as a journal; it contains the transcript.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Fold a call's log again, and print each event, the state after it and its effects.

    Exit status 1 when the end differs from the stored state: of a call, its snapshot; of a journal, the
    NAME.golden.json in its folder, if there is one.
    """
    # A file comes first, so that a journal named like the beginning of an id is still found.
    is_file = what is not None and (Path(what).exists() or not may_be_call(what))
    named = what if what is not None and is_file else call_or_only(what)
    journal, matches = _from_redis(CallId(named)) if is_call_id(named) else _from_file(Path(named))
    replayed = [_step(*step) for step in steps(journal)]
    if save is not None:
        _save(save, journal)
    if wants_json(as_json=as_json):
        typer.echo(pretty({"call": journal.call, "story": journal.story, "steps": replayed, "endsAsStored": matches}))
    else:
        _show(Console(), journal, replayed, matches)
    if matches is False:
        raise typer.Exit(EX_REFUSED)


def _from_redis(call: CallId) -> tuple[Journal, bool | None]:
    async def read() -> tuple[Journal, bool | None]:
        where = deployment()
        redis = connect(where.redis_url, namespace=where.namespace)
        try:
            log = RedisCallLog(redis)
            records, snapshot = await log.history(call), await log.read(call)
        finally:
            await redis.aclose()
        journal = Journal(call, "", records)
        # Events after the end are in the log, but no worker processes them: the snapshot may be of an earlier step.
        return journal, any(folded == snapshot for _, folded, _ in steps(journal)) if snapshot is not None else None

    try:
        journal, matches = run(read())
    except Undecodable as error:
        fail(f"the snapshot of {call} cannot be read: {error}; replay it with the build that wrote it")
    if not journal.records:
        fail(f"NOT_FOUND: Redis keeps no log of {call}; it may be archived: voicecall status --call-id {call}")
    return journal, matches


def _from_file(file: Path) -> tuple[Journal, bool | None]:
    try:
        journal = read_journal(file)
        golden = file.with_suffix(".golden.json")
        expected = orjson.loads(golden.read_bytes()) if golden.exists() else None
        return journal, None if expected is None else summary(journal) == expected
    except OSError as error:
        fail(f"{str(file)[:200]!r} is neither the id of a call nor a file: {error.strerror or error}")
    except (ValueError, ValidationError) as error:
        fail(f"{str(file)[:200]!r} is not a journal: {str(error).splitlines()[0][:200]}; write one with --save")


def _save(path: Path, journal: Journal) -> None:
    try:
        # It contains a transcript: only its owner may read it.
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


def _show(console: Console, journal: Journal, replayed: list[Step], matches: bool | None) -> None:
    if journal.story:
        console.print(Text(safe(journal.story), style="italic"))
    for step in replayed:
        clock = datetime.fromtimestamp(step["at"] / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
        line = Text(f"{clock} {step['seq']:>4} ", style="dim") + Text(f"{step['event']:<16} ", style="bold")
        console.print(line + Text(str(step["state"] or "-"), style="cyan"), soft_wrap=True)
        for effect in step["effects"]:
            console.print(Text(f"{'':>18}→ {safe(effect)}", style="green"), soft_wrap=True)
    verdict = {True: "Ends as stored.", False: "Does NOT end as stored.", None: "No stored state to compare."}
    console.print(verdict[matches], style="red" if matches is False else "dim")

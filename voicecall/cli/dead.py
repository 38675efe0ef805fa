"""`voicecall dead list | show | retry | drop`: dead letters, the log records that a worker could not process (guarantee
P17).

Uses Redis directly, not the gateway: it is meant for operators with access to the system.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NoReturn, TypeVar

import typer
from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table
from rich.text import Text

from voicecall.bus.connection import connect
from voicecall.bus.dead import DeadLetter, DeadLetters
from voicecall.bus.log import RedisCallLog
from voicecall.bus.reports import LETTER, Reports
from voicecall.bus.scripts import Scripts
from voicecall.call.events import Event
from voicecall.cli.display import pretty, safe
from voicecall.cli.exits import deployment, fail, run
from voicecall.cli.options import RUN, AsJson, example, print_result, wants_json
from voicecall.wire import Undecodable, unpack_event

__all__ = ["drop", "list_", "register", "retry", "show"]

T = TypeVar("T")

_SHOWN_BYTES: Final = 512

_Id = Annotated[str, typer.Argument(help="The id of the letter, from `voicecall dead list`.", metavar="LETTER")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app, as a group."""
    group = typer.Typer(
        name="dead",
        help="Dead letters: events of calls that no worker could process.",
        no_args_is_help=True,
        epilog=example("voicecall dead list", "voicecall dead retry 1795248814873-0"),
    )
    group.command("list", epilog=example("voicecall dead list --last 20"))(list_)
    group.command(epilog=example("voicecall dead show 1795248814873-0"))(show)
    group.command(epilog=example("voicecall dead retry 1795248814873-0"))(retry)
    group.command(epilog=example("voicecall dead drop 1795248814873-0"))(drop)
    app.add_typer(group, rich_help_panel=RUN)


def list_(
    last: Annotated[int, typer.Option("--last", min=1, max=1000, help="Number of letters, newest first.")] = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """List the newest letters."""
    letters = _with(lambda dead, _: dead.newest(last))
    if wants_json(as_json=as_json):
        typer.echo(pretty({"letters": [_facts(letter) for letter in letters]}))
        return
    if not letters:
        typer.echo("No dead letters.")
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("Letter", "When", "Call", "Seq", "Reason"):
        table.add_column(name)
    for letter in letters:
        cells = (letter.id, _when(letter), letter.call, str(letter.seq), letter.reason)
        table.add_row(*(Text(safe(cell)) for cell in cells))
    Console().print(table)


def show(letter: _Id, *, as_json: AsJson = False) -> None:
    """Show one letter: why it was set aside, whether this build can decode it, and its first bytes."""
    found = _found(letter)
    event, why = _read(found)
    facts = {
        **_facts(found),
        "readable": event is not None,
        "event": None if event is None else event.name,
        "problem": why,
        "hex": found.data[:_SHOWN_BYTES].hex(),
    }
    if wants_json(as_json=as_json):
        typer.echo(pretty(facts))
    else:
        for name, value in facts.items():
            typer.echo(f"{name:<9} {safe(str(value))}")


def retry(letter: _Id, *, as_json: AsJson = False) -> None:
    """Post the letter's event to its call again, and delete the letter; a report is delivered again.

    For an event that this build can decode, or whose processing was fixed. Refused when the call has ended.
    """
    found = _found(letter)
    if found.reason.startswith(LETTER):
        _redeliver(found, as_json=as_json)
        return
    event, why = _read(found)
    if event is None:
        fail(f"CONFLICT: {letter} cannot be decoded by this build either: {why}; drop it, or retry with another build")

    async def post(dead: DeadLetters, redis: Redis) -> str | None:
        log = RedisCallLog(redis)
        phase = await log.phase(found.call)
        if phase is None or phase.is_over:
            return "is unknown" if phase is None else "has ended"
        # The key makes a second retry of the same letter harmless. The sweeper activates the call.
        await log.post(found.call, (event,), request_key=f"dead letter {found.id}")
        await dead.drop(found.id)
        return None

    if refusal := _with(post):
        fail(f"CONFLICT: the call of {letter} {refusal} (call {found.call}); drop the letter")
    print_result({"success": True, "callId": found.call}, "Posted again.", as_json=as_json)


def _redeliver(found: DeadLetter, *, as_json: bool) -> None:
    async def again(dead: DeadLetters, redis: Redis) -> bool:
        if not await Reports(redis).redeliver(found.call):
            return False
        await dead.drop(found.id)
        return True

    if not _with(again):
        fail(f"NOT_FOUND: the report of call {found.call} is not kept any more; drop the letter")
    print_result({"success": True, "callId": found.call}, "Will be delivered again.", as_json=as_json)


def drop(letter: _Id, *, as_json: AsJson = False) -> None:
    """Delete a letter."""
    if not _with(lambda dead, _: dead.drop(letter)):
        _unknown(letter)
    print_result({"success": True}, "Dropped.", as_json=as_json)


def _found(letter: str) -> DeadLetter:
    found = _with(lambda dead, _: dead.get(letter))
    if found is None:
        _unknown(letter)
    return found


def _unknown(letter: str) -> NoReturn:
    fail(f"NOT_FOUND: there is no dead letter {letter[:60]!r}; `voicecall dead list` lists them")


def _with(work: Callable[[DeadLetters, Redis], Awaitable[T]]) -> T:
    async def open_() -> T:
        where = deployment()
        redis = connect(where.redis_url, namespace=where.namespace)
        try:
            return await work(DeadLetters(redis, Scripts(redis)), redis)
        finally:
            await redis.aclose()

    return run(open_())


def _read(letter: DeadLetter) -> tuple[Event | None, str | None]:
    try:
        return unpack_event(letter.data), None
    except Undecodable as error:
        return None, str(error)


def _facts(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "at": round(letter.at * 1000),
        "callId": letter.call,
        "seq": letter.seq,
        "reason": letter.reason,
        "bytes": len(letter.data),
    }


def _when(letter: DeadLetter) -> str:
    return datetime.fromtimestamp(letter.at, UTC).strftime("%Y-%m-%d %H:%M:%S")

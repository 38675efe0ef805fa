"""`voicecall tail`: follows the conversations or the events of the gateway's feed, or the lines of a calls.jsonl."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from voicecall.cli.conversation import Conversation
from voicecall.cli.display import pretty, safe, spoken_line, timeline_line
from voicecall.cli.exits import fail, gateway, run
from voicecall.cli.naming import call_named
from voicecall.cli.options import INSPECT, AnyCallId, example
from voicecall.cli.records import follow

__all__ = ["printer", "register", "tail"]

_SHORTEST_POLL_MS: Final = 50


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    lines = (
        "voicecall tail",
        "voicecall tail --events --since 100",
        "voicecall tail --file ~/.openclaw/voice-calls/calls.jsonl",
    )
    app.command(rich_help_panel=INSPECT, epilog=example(*lines))(tail)


def tail(
    since: Annotated[int, typer.Option("--since", min=0, max=1000, help="Number of past items to begin with.")] = 25,
    call_id: AnyCallId = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Follow this calls.jsonl instead of the gateway.", metavar="PATH")
    ] = None,
    poll: Annotated[int, typer.Option("--poll", help="With --file: the polling interval in ms; 50 at least.")] = 250,
    *,
    events: Annotated[bool, typer.Option("--events", help="Print every event instead of the conversation.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every item of the feed as a line of JSON.")] = False,
) -> None:
    """Print what is said on the calls, then follow it until interrupted. Reconnects by itself.

    Who said what, and how each call ended; with --events each event of the calls' logs, with --json the items as
    programs read them. Lines of a --file are printed as they are.
    """
    if file is None:
        run(_feed(since, call_named(call_id), printer(events=events, as_json=as_json)))
        return
    try:
        for line in follow(file.expanduser(), last=since, every_s=max(poll, _SHORTEST_POLL_MS) / 1000):
            typer.echo(safe(line))
    except OSError as error:
        fail(f"--file {str(file)[:200]!r}: {error.strerror or error}; name the calls.jsonl of a store")


def printer(*, events: bool, as_json: bool) -> Callable[[dict[str, Any]], None]:
    """Prints items of the feed on standard output: as a conversation, as events, or as JSON."""
    console, conversation = Console(), Conversation()

    def show(item: dict[str, Any]) -> None:
        if as_json:
            typer.echo(pretty(item, indent=None))
        else:
            lines = timeline_line(item) if events else [spoken_line(line) for line in conversation.lines(item)]
            for line in lines:
                console.print(line, soft_wrap=True)
            console.file.flush()  # a pipe would keep the lines back

    return show


async def _feed(since: int, call_id: str | None, show: Callable[[dict[str, Any]], None]) -> None:
    reported = ""

    def lost(reason: str) -> None:
        nonlocal reported
        if reason != reported:  # once, not at every attempt
            typer.echo(f"lost the gateway ({safe(reason)}), reconnecting", err=True)
        reported = reason

    def gap(after: str) -> None:
        typer.echo(f"items after {safe(after)} are no longer kept; continuing from now", err=True)

    async with gateway() as client:
        async for item in client.feed(last=since, call_id=call_id, on_loss=lost, on_gap=gap):
            reported = ""
            show(item.model_dump(by_alias=True))

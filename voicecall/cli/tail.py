"""`voicecall tail`: follows the events of the gateway's feed, or the lines of a calls.jsonl."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from voicecall.cli.display import pretty, safe, timeline_line
from voicecall.cli.exits import fail, gateway, run
from voicecall.cli.options import INSPECT, AnyCallId, AsJson, example, wants_json
from voicecall.cli.records import follow

__all__ = ["register", "tail"]

_SHORTEST_POLL_MS: Final = 50


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    lines = ("voicecall tail --since 100", "voicecall tail --file ~/.openclaw/voice-calls/calls.jsonl")
    app.command(rich_help_panel=INSPECT, epilog=example(*lines))(tail)


def tail(
    since: Annotated[int, typer.Option("--since", min=0, max=1000, help="Number of past items to begin with.")] = 25,
    call_id: AnyCallId = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Follow this calls.jsonl instead of the gateway.", metavar="PATH")
    ] = None,
    poll: Annotated[int, typer.Option("--poll", help="With --file: the polling interval in ms; 50 at least.")] = 250,
    *,
    as_json: AsJson = False,
) -> None:
    """Print the newest events, then each new one, until interrupted. Reconnects by itself."""
    if file is None:
        run(_feed(since, call_id, as_json=as_json))
        return
    try:
        for line in follow(file.expanduser(), last=since, every_s=max(poll, _SHORTEST_POLL_MS) / 1000):
            typer.echo(safe(line))
    except OSError as error:
        fail(f"--file {str(file)[:200]!r}: {error.strerror or error}; name the calls.jsonl of a store")


async def _feed(since: int, call_id: str | None, *, as_json: bool) -> None:
    console, plain = Console(), wants_json(as_json=as_json)

    def lost(reason: str) -> None:
        typer.echo(f"lost the gateway ({safe(reason)}), reconnecting", err=True)

    def gap(after: str) -> None:
        typer.echo(f"items after {safe(after)} are no longer kept; continuing from now", err=True)

    async with gateway() as client:
        async for item in client.feed(last=since, call_id=call_id, on_loss=lost, on_gap=gap):
            _print(console, item.model_dump(by_alias=True), plain=plain)


def _print(console: Console, item: dict[str, Any], *, plain: bool) -> None:
    if plain:
        typer.echo(pretty(item, indent=None))
    else:
        console.print(*timeline_line(item), sep="\n", soft_wrap=True)

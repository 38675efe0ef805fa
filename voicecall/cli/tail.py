"""`voicecall tail`: what happens, as it happens, from the gateway's feed; or a calls.jsonl as it grows."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from voicecall.cli.display import pretty, safe, timeline_line
from voicecall.cli.exits import fail, gateway, run
from voicecall.cli.options import LOOK, AnyCallId, AsJson, example, for_programs
from voicecall.cli.records import follow

__all__ = ["register"]

_LEAST_MS: Final = 50


def register(app: typer.Typer) -> None:
    """Hang the command into the app."""
    lines = ("voicecall tail --since 100", "voicecall tail --file ~/.openclaw/voice-calls/calls.jsonl")
    app.command(rich_help_panel=LOOK, epilog=example(*lines))(tail)


def tail(
    since: Annotated[int, typer.Option("--since", min=0, max=1000, help="How many past items to begin with.")] = 25,
    call_id: AnyCallId = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Follow this calls.jsonl instead of the gateway.", metavar="PATH")
    ] = None,
    poll: Annotated[int, typer.Option("--poll", help="With --file: look so often, in ms; 50 at least.")] = 250,
    *,
    as_json: AsJson = False,
) -> None:
    """Print what happens: the newest items, then each as it comes, until interrupted. Reconnects by itself."""
    if file is None:
        run(_feed(since, call_id, as_json=as_json))
        return
    try:
        for line in follow(file.expanduser(), last=since, every_s=max(poll, _LEAST_MS) / 1000):
            typer.echo(safe(line))
    except OSError as error:
        fail(f"--file {str(file)[:200]!r}: {error.strerror or error}; name the calls.jsonl of a store")


async def _feed(since: int, call_id: str | None, *, as_json: bool) -> None:
    console, plain = Console(), for_programs(as_json=as_json)

    def lost(reason: str) -> None:
        typer.echo(f"lost the gateway ({safe(reason)}), connecting again", err=True)

    def gap(after: str) -> None:
        typer.echo(f"what came behind {safe(after)} is no longer kept; going on from now", err=True)

    async with gateway() as opened:
        async for item in opened.feed(last=since, call_id=call_id, on_loss=lost, on_gap=gap):
            _tell(console, item.model_dump(by_alias=True), plain=plain)


def _tell(console: Console, item: dict[str, Any], *, plain: bool) -> None:
    if plain:
        typer.echo(pretty(item, indent=None))
    else:
        console.print(*timeline_line(item), sep="\n", soft_wrap=True)

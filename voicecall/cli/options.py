"""Options that several commands share, and the panels of `voicecall --help`. Knows no command."""

from typing import Annotated, Final

import typer
from rich.console import Console

from voicecall.call.events import Mode
from voicecall.cli.display import pretty, safe

__all__ = [
    "AGENTS",
    "CALLS",
    "LOOK",
    "RUN",
    "SETUP",
    "AnyCallId",
    "AsJson",
    "CallId",
    "Message",
    "ModeOption",
    "To",
    "example",
    "for_programs",
    "tell",
]

CALLS: Final = "Calls"
LOOK: Final = "Look"
SETUP: Final = "Set up"
RUN: Final = "Run"
AGENTS: Final = "Agents"

AsJson = Annotated[bool, typer.Option("--json", help="JSON, also on a terminal.")]
CallId = Annotated[str, typer.Option("--call-id", help="The call, as `voicecall call` printed it.", metavar="ID")]
AnyCallId = Annotated[str | None, typer.Option("--call-id", help="Only this call.", metavar="ID")]
Message = Annotated[str, typer.Option("-m", "--message", help="What to say.", metavar="TEXT")]
To = Annotated[
    str | None,
    typer.Option("-t", "--to", help="Whom to call, as in +15550001234; without it, toNumber.", metavar="NUMBER"),
]
ModeOption = Annotated[
    Mode | None,
    typer.Option(
        "--mode",
        help="notify: say it and hang up. conversation: talk. Without it, the configuration's outbound.defaultMode.",
    ),
]


def example(*lines: str) -> str:
    """The end of a command's help: what one would type."""
    return "\n\n".join(("Example:", *(f"$ {line}" for line in lines)))


def for_programs(*, as_json: bool) -> bool:
    """Whether the output is JSON: when it was asked for, or when no terminal is there to read it."""
    return as_json or not Console().is_terminal


def tell(payload: dict[str, object], sentence: str, *, as_json: bool) -> None:
    """The payload for programs, the sentence for people."""
    typer.echo(pretty(payload) if for_programs(as_json=as_json) else safe(sentence))

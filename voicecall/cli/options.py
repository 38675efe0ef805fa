"""Options that several commands share, and the panels of `voicecall --help`. Knows no command."""

from typing import Annotated, Final

import typer
from rich.console import Console

from voicecall.call.events import Mode
from voicecall.cli.display import pretty, safe

__all__ = [
    "AGENTS",
    "CALLS",
    "INSPECT",
    "RUN",
    "SETUP",
    "AnyCallId",
    "AsJson",
    "CallId",
    "Message",
    "ModeOption",
    "To",
    "example",
    "print_result",
    "wants_json",
]

CALLS: Final = "Calls"
INSPECT: Final = "Inspect"
SETUP: Final = "Set up"
RUN: Final = "Run"
AGENTS: Final = "Agents"

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, also on a terminal.")]
CallId = Annotated[
    str | None,
    typer.Option(
        "--call-id", help="The id of the call, or its first characters. Default: the only live call.", metavar="ID"
    ),
]
AnyCallId = Annotated[
    str | None, typer.Option("--call-id", help="Only this call: its id, or the first characters of it.", metavar="ID")
]
Message = Annotated[str, typer.Option("-m", "--message", help="What to say.", metavar="TEXT")]
To = Annotated[
    str | None,
    typer.Option("-t", "--to", help="The number to dial, as in +15550001234. Default: toNumber.", metavar="NUMBER"),
]
ModeOption = Annotated[
    Mode | None,
    typer.Option(
        "--mode",
        help="notify: say it and hang up. conversation: stay on the line. Default: outbound.defaultMode.",
    ),
]


def example(*lines: str) -> str:
    """The epilog of a command's help: examples."""
    return "\n\n".join(("Example:", *(f"$ {line}" for line in lines)))


def wants_json(*, as_json: bool) -> bool:
    """Whether to print JSON: when requested, or when the output is not a terminal."""
    return as_json or not Console().is_terminal


def print_result(payload: dict[str, object], sentence: str, *, as_json: bool) -> None:
    """Print the payload as JSON, or the sentence on a terminal."""
    typer.echo(pretty(payload) if wants_json(as_json=as_json) else safe(sentence))

"""The app of the `voicecall` command, composed from a file per command.

A command line imports only the file of its command: `voicecall end` needs neither the archive nor the configuration.
The whole app is used for help, completion, tests and documents.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Final

import typer

__all__ = ["PARTS", "app_for", "whole_app"]

_HELP = """Phone calls for AI agents.

\b
A first call, without any account:
  voicecall dev                         run every process in one terminal
  voicecall call -m "Good morning!"     in another: a simulated person answers
  voicecall tail                        follow the conversation
  voicecall end --call-id ID            hang up

Commands talk to the gateway at VOICECALL_GATEWAY_URL (http://127.0.0.1:3335), with VOICECALL_GATEWAY_TOKEN.
Exit status: 0 done, 1 refused or failed, 2 wrong usage, 69 no gateway or Redis, 77 wrong token, 78 configuration.
"""

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "calls": ("call", "start", "continue", "speak", "steer", "dtmf", "answer", "end"),
    "status": ("status",),
    "tail": ("tail",),
    "history": ("history",),
    "reports": ("report", "callbacks"),
    "latency": ("latency",),
    "replay": ("replay",),
    "setup": ("setup", "smoke"),
    "config": ("config",),
    "doctor": ("doctor",),
    "expose": ("expose",),
    "dev": ("dev", "demo"),
    "roles": ("ingress", "gateway", "worker"),
    "speech_server": ("speech-server",),
    "dead": ("dead",),
    "tool": ("tool", "mcp"),
}
"""The commands of each file, in the order of the help."""


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """The app with the one command that the arguments name; with every command when they name none."""
    wanted = arguments[0] if arguments else ""
    part = next((part for part, names in PARTS.items() if wanted in names), None)
    return whole_app() if part is None else _composed((part,))


@cache
def whole_app() -> typer.Typer:
    """The app with every command."""
    return _composed(PARTS)


def _composed(parts: Iterable[str]) -> typer.Typer:
    composed = typer.Typer(
        name="voicecall",
        help=_HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        callback=_options,
    )
    for part in parts:
        import_module(f"voicecall.cli.{part}").register(composed)
    return composed


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"voicecall {version('voicecall')}")
        raise typer.Exit


def _options(
    _: Annotated[
        bool | None, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = None,
) -> None:
    pass

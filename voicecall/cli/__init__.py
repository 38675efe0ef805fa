"""The `voicecall` command.

On a terminal the output is text for people; with `--json`, or when the output is not a terminal, it is JSON. `commands`
composes the app, `exits` has the exit codes, `options` the shared options, `display` the formatting of answers.
"""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

    app: typer.Typer

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line. Imports nothing that its command does not use."""
    if sys.argv[1:] == ["--version"]:
        from importlib.metadata import version

        sys.stdout.write(f"voicecall {version('voicecall')}\n")
        return
    from voicecall.cli.commands import app_for

    app_for(sys.argv[1:])()


def __getattr__(name: str) -> object:
    if name == "app":
        from voicecall.cli.commands import whole_app

        return whole_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

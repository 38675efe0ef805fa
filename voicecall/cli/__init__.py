"""The `voicecall` command: one app, composed from a file per command.

On a terminal the output is text for people; with `--json`, or when the output is not a terminal, it is JSON. `exits`
has the exit codes, `options` the shared options, `display` the formatting of answers.
"""

from importlib.metadata import version
from typing import Annotated

import typer

from voicecall.cli import calls, config, dead, dev, doctor, expose, history, latency, replay, setup, status, tail, tool

__all__ = ["app", "main"]

_HELP = """Phone calls for AI agents.

\b
A first call, without any account:
  voicecall dev                         run every process in one terminal
  voicecall call -m "Good morning!"     in another: a simulated person answers
  voicecall tail                        follow the events
  voicecall end --call-id ID            hang up

Commands talk to the gateway at VOICECALL_GATEWAY_URL (http://127.0.0.1:3335), with VOICECALL_GATEWAY_TOKEN.
Exit status: 0 done, 1 refused or failed, 2 wrong usage, 69 no gateway or Redis, 77 wrong token, 78 configuration.
"""

app = typer.Typer(
    name="voicecall", help=_HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich"
)

for _part in (calls, status, tail, history, latency, replay, setup, config, doctor, expose, dev, dead, tool):
    _part.register(app)


def main() -> None:
    app()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"voicecall {version('voicecall')}")
        raise typer.Exit


@app.callback()
def _app(
    _: Annotated[
        bool | None, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = None,
) -> None:
    pass

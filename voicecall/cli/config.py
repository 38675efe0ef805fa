"""`voicecall config check | show | schema`: what is configured, whether it is good, and what may be.

Talks to no gateway: it reads what the processes would read, from the same environment. Never prints a secret.

Exit status: 0 good, 78 there are problems (on standard error, one a line).
"""

import os
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from voicecall.carriers.registry import codec_for
from voicecall.cli.display import pretty, safe
from voicecall.cli.exits import EX_CONFIG, fail
from voicecall.cli.options import SETUP, AsJson, example, for_programs
from voicecall.errors import ConfigError
from voicecall.settings import Loaded, load_deployment, read_settings
from voicecall.settings.describe.effective import Row, effective
from voicecall.settings.describe.schema import schema

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Hang the commands into the app, as a group."""
    group = typer.Typer(
        name="config",
        help="The configuration: check it, show what is in force, print its schema.",
        no_args_is_help=True,
        epilog=example("voicecall config check"),
    )
    group.command(epilog=example("voicecall config check"))(check)
    group.command(epilog=example("voicecall config show --json"))(show)
    group.command("schema", epilog=example("voicecall config schema > voicecall.schema.json"))(schema_)
    app.add_typer(group, rich_help_panel=SETUP)


def check(*, as_json: AsJson = False) -> None:
    """Tell every problem of the configuration and of the environment at once; exit status 78 if there are any."""
    loaded, problems = _read()
    if as_json:
        typer.echo(pretty({"ok": not problems, **_where(loaded), "problems": problems, "warnings": _doubts(loaded)}))
    for problem in () if as_json else problems:
        typer.echo(safe(problem), err=True)
    if problems or loaded is None:
        raise typer.Exit(EX_CONFIG)
    if as_json:
        return
    for doubt in loaded.doubts:
        typer.echo(f"warning: {safe(doubt)}", err=True)
    typer.echo(_summary(loaded))


def show(*, as_json: AsJson = False) -> None:
    """Print every key as it is in force and where its value comes from; secrets are masked."""
    loaded, problems = _read()
    if loaded is None:
        fail("\n".join(problems), EX_CONFIG)
    rows = effective(loaded)
    console = Console()
    if for_programs(as_json=as_json):
        values = {row.name: {"value": row.value, "from": row.source} for row in rows}
        typer.echo(pretty({**_where(loaded), "values": values}))
    else:
        console.print(f"{safe(str(loaded.source.path))} ({loaded.source.because})", markup=False, style="bold")
        console.print(_table(rows))


def schema_() -> None:
    """Print the JSON Schema of the configuration."""
    typer.echo(pretty(schema()))


def _read() -> tuple[Loaded | None, list[str]]:
    """What was read, if it could be, and every problem of it and of the environment."""
    problems: list[str] = []
    loaded = deployment = None
    try:
        loaded = read_settings(os.environ)
    except ConfigError as error:
        problems += error.problems
    try:
        deployment = load_deployment(os.environ)
    except ConfigError as error:
        problems += error.problems
    if loaded is not None and deployment is not None and loaded.settings.enabled:
        try:
            codec_for(loaded.settings, deployment)
        except ConfigError as error:
            problems += error.problems
    return loaded, problems


def _where(loaded: Loaded | None) -> dict[str, Any]:
    return {} if loaded is None else {"file": str(loaded.source.path), "because": loaded.source.because}


def _doubts(loaded: Loaded | None) -> list[str]:
    return [] if loaded is None else list(loaded.doubts)


def _summary(loaded: Loaded) -> str:
    made = loaded.settings
    if not made.enabled:
        return f"{loaded.source.path}: disabled, so nothing more was asked of it."
    speech = "media streams" if made.streaming.enabled else "the carrier's own voice"
    numbers = f", {len(made.numbers)} numbers with settings of their own" if made.numbers else ""
    return (
        f"{loaded.source.path} ({loaded.source.because}) is good: {made.provider}, {speech},"
        f" agent {made.response_model}, webhooks at {made.webhook_url}{numbers}."
    )


def _table(rows: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("key", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from")
    for row in rows:
        style = "dim" if row.source == "default" else ""
        shown = "" if row.value is None else pretty(row.value, indent=None)
        table.add_row(Text(safe(row.name)), Text(shown), Text(safe(row.source)), style=style)
    return table

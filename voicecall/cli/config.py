"""`voicecall config check | show | schema`: validate the configuration, show its values, print its schema.

Uses no gateway: reads the configuration that the processes would read, from the same environment. Never prints a
secret.

Exit status: 0 valid, 78 invalid (one problem per line on standard error).
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
from voicecall.cli.options import SETUP, AsJson, example, wants_json
from voicecall.errors import ConfigError
from voicecall.settings import Loaded, deployment_warnings, gateway_problems, load_deployment, read_settings
from voicecall.settings.describe.effective import Row, effective
from voicecall.settings.describe.schema import schema

__all__ = ["check", "register", "schema_", "show"]


def register(app: typer.Typer) -> None:
    """Add the commands to the app, as a group."""
    group = typer.Typer(
        name="config",
        help="Validate the configuration, show its values, print its schema.",
        no_args_is_help=True,
        epilog=example("voicecall config check"),
    )
    group.command(epilog=example("voicecall config check"))(check)
    group.command(epilog=example("voicecall config show --json"))(show)
    group.command("schema", epilog=example("voicecall config schema > voicecall.schema.json"))(schema_)
    app.add_typer(group, rich_help_panel=SETUP)


def check(*, as_json: AsJson = False) -> None:
    """Print every problem of the configuration and of the environment; exit status 78 if there are any."""
    loaded, problems, warnings = _read()
    if as_json:
        typer.echo(pretty({"ok": not problems, **_where(loaded), "problems": problems, "warnings": warnings}))
    for problem in () if as_json else problems:
        typer.echo(safe(problem), err=True)
    if problems or loaded is None:
        raise typer.Exit(EX_CONFIG)
    if as_json:
        return
    for warning in warnings:
        typer.echo(f"warning: {safe(warning)}", err=True)
    typer.echo(_summary(loaded))


def show(*, as_json: AsJson = False) -> None:
    """Print the value of every key and where it comes from; secrets are masked."""
    loaded, problems, _ = _read()
    if loaded is None:
        fail("\n".join(problems), EX_CONFIG)
    rows = effective(loaded)
    console = Console()
    if wants_json(as_json=as_json):
        values = {row.name: {"value": row.value, "from": row.source} for row in rows}
        typer.echo(pretty({**_where(loaded), "values": values}))
    else:
        console.print(f"{safe(str(loaded.source.path))} ({loaded.source.because})", markup=False, style="bold")
        console.print(_table(rows))


def schema_() -> None:
    """Print the JSON Schema of the configuration."""
    typer.echo(pretty(schema()))


def _read() -> tuple[Loaded | None, list[str], list[str]]:
    """The configuration, if it could be read, and every problem and warning of it and of the environment."""
    problems: list[str] = []
    warnings: list[str] = []
    loaded = deployment = None
    try:
        loaded = read_settings(os.environ)
        warnings += loaded.warnings
    except ConfigError as error:
        problems += error.problems
    try:
        deployment = load_deployment(os.environ)
        problems += gateway_problems(deployment)
        warnings += deployment_warnings(deployment)
    except ConfigError as error:
        problems += error.problems
    if loaded is not None and deployment is not None and loaded.settings.enabled:
        try:
            codec_for(loaded.settings, deployment)
        except ConfigError as error:
            problems += error.problems
    return loaded, problems, warnings


def _where(loaded: Loaded | None) -> dict[str, Any]:
    return {} if loaded is None else {"file": str(loaded.source.path), "because": loaded.source.because}


def _summary(loaded: Loaded) -> str:
    settings = loaded.settings
    if not settings.enabled:
        return f"{loaded.source.path}: disabled; nothing else was checked."
    speech = settings.way_of_speech
    numbers = f", {len(settings.numbers)} numbers with their own settings" if settings.numbers else ""
    return (
        f"{loaded.source.path} ({loaded.source.because}) is valid: {settings.provider}, {speech},"
        f" agent {settings.response_model}, webhooks at {settings.webhook_url}{numbers}."
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

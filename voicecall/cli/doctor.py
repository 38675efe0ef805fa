"""`voicecall doctor`: prints the findings of `voicecall.doctor`, each with its remedy."""

import os
from typing import Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from voicecall.cli.display import pretty, safe
from voicecall.cli.exits import EX_REFUSED, run
from voicecall.cli.options import SETUP, AsJson, example, wants_json
from voicecall.doctor import Finding, Level, findings

__all__ = ["doctor", "register"]

_STYLES: Final = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=SETUP, epilog=example("voicecall doctor", "voicecall doctor --json"))(doctor)


def doctor(*, as_json: AsJson = False) -> None:
    """Check Redis, the processes, the public address, the carrier's account and webhook, clocks and models.

    Places no call and changes nothing. Every problem comes with its remedy; exit status 1 if any check fails.
    """
    found = run(_all())
    healthy = all(finding.level is not Level.FAIL for finding in found)
    if wants_json(as_json=as_json):
        checks = [{"check": f.check, "level": f.level, "seen": f.seen, "remedy": f.remedy} for f in found]
        typer.echo(pretty({"ok": healthy, "findings": checks}))
    else:
        _show(Console(), found)
    if not healthy:
        raise typer.Exit(EX_REFUSED)


async def _all() -> list[Finding]:
    return [finding async for finding in findings(os.environ)]


def _show(console: Console, found: list[Finding]) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("", "Check", "Seen"):
        table.add_column(name, overflow="fold")
    for finding in found:
        text = Text(safe(finding.seen))
        if finding.remedy:
            text.append(f"\n→ {safe(finding.remedy)}", style="italic")
        table.add_row(Text(finding.level, style=_STYLES[finding.level]), Text(finding.check), text)
    console.print(table)

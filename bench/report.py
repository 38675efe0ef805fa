"""Prints the figures as tables and writes them to `out/bench.json`."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from bench.figures import Figure, Result

__all__ = ["show", "write"]


def show(console: Console, result: Result) -> None:
    """Print one table per benchmark, then its remarks."""
    table = Table(title=result.bench, title_justify="left", title_style="bold", expand=False)
    table.add_column("figure", overflow="fold")
    for column in ("N", "mean", "p50", "p95", "p99", "max"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("bar", overflow="fold")
    for figure in result.figures:
        table.add_row(*_row(figure))
    console.print(table)
    for remark in result.remarks:
        console.print(f"  · {remark}", highlight=False)


def write(path: Path, machine: dict[str, Any], results: Sequence[Result], took_s: float) -> None:
    """Write the whole run, replacing the previous one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    run = {"machine": machine, "took_s": round(took_s, 1), "benches": {r.bench: r.as_json() for r in results}}
    path.write_bytes(orjson.dumps(run, option=orjson.OPT_INDENT_2))


def _row(figure: Figure) -> list[str]:
    found = figure.found
    numbers = [_number(value) for value in (found.mean, found.p50, found.p95, found.p99, found.max)]
    bars = "\n".join(f"[{'green' if bar.reached(found) else 'red'}]{bar.text(found)}[/]" for bar in figure.bars)
    return [figure.name, str(found.n), *numbers, figure.unit, bars]


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 1 else f"{value:.4g}"

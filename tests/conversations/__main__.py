"""`python -m tests.conversations [NAME ...]`: play the conversations, print a table, write out/conversations.json.

NAME: a conversation, or a system. Exits 1 if any conversation has a complaint.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console
from rich.table import Table

from tests.conversations.play import Outcome, play
from tests.conversations.systems import SYSTEMS
from tests.conversations.table import CONVERSATIONS

__all__ = ["main"]

_OUT: Final = Path("out")
_P95_MS: Final = 2500
"""Within so long a caller hears something, in 95 of 100 turns, on a bad day too."""


def main() -> int:
    wanted = set(sys.argv[1:])
    talks = [talk for talk in CONVERSATIONS if not wanted or wanted & {talk.name, talk.system}]
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    journals = _OUT / "conversations"
    journals.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    outcomes: list[Outcome] = []
    for name, system in SYSTEMS.items():
        mine = [talk for talk in talks if talk.system == name]
        if mine:
            console.print(f"[dim]{name}: {len(mine)} conversations on {system.carrier} …[/]")
            outcomes += asyncio.run(play(system, mine, journals=journals, logs=journals / name))
    console.print(_table(outcomes))
    for outcome in outcomes:
        for complaint in outcome.complaints:
            console.print(f"{outcome.talk.name}: {complaint}", style="red", markup=False)
    summary = _summary(outcomes, time.monotonic() - began)
    console.print("\n".join(f"{name}: {value}" for name, value in summary.items()), markup=False)
    written = {"summary": summary, "conversations": [_written(each) for each in outcomes]}
    (_OUT / "conversations.json").write_bytes(orjson.dumps(written, option=orjson.OPT_INDENT_2))
    return 0 if summary["failed"] == 0 and summary["within 2.5 s"] else 1


def _table(outcomes: Iterable[Outcome]) -> Table:
    table = Table("conversation", "system", "verdict", "longest wait", "facts", "heard", title="conversations")
    for each in outcomes:
        waits = [waited for _, waited in each.waits if waited is not None]
        verdict = f"[red]{each.complaints[0].kind}[/]" if each.complaints else "[green]good[/]"
        heard = " · ".join(each.heard)
        table.add_row(
            each.talk.name, each.talk.system, verdict, f"{max(waits)} ms" if waits else "-", str(each.events),
            heard if len(heard) <= 90 else f"{heard[:88]} …",
        )  # fmt: skip
    return table


def _summary(outcomes: Sequence[Outcome], seconds: float) -> dict[str, Any]:
    kinds = [complaint.kind for outcome in outcomes for complaint in outcome.complaints]
    bad, good = ([each for each in outcomes if each.talk.is_bad_day is is_bad] for is_bad in (True, False))
    p95 = _percentile(_waits(bad), 0.95)
    return {
        "conversations": len(outcomes),
        "failed": sum(bool(outcome.complaints) for outcome in outcomes),
        "turns": len(_waits(outcomes)),
        "silent turns": kinds.count("silent turn"),
        "false cuts": kinds.count("false cut"),
        "missed cuts": kinds.count("missed cut"),
        "replayed facts": sum(outcome.events for outcome in outcomes),
        "wait, services well": _spread(_waits(good)),
        "wait, a service failing": _spread(_waits(bad)),
        "carrier's clock": f"{max((outcome.clock_late_ms for outcome in outcomes), default=0.0):.0f} ms late at most",
        "played again, for want of CPU": sum(outcome.is_second for outcome in outcomes),
        "within 2.5 s": p95 is None or p95 <= _P95_MS,
        "seconds": round(seconds),
    }


def _waits(outcomes: Iterable[Outcome]) -> list[float]:
    """A turn without an answer waits for ever."""
    return sorted(float("inf") if ms is None else float(ms) for each in outcomes for _, ms in each.waits)


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    """Nearest-rank."""
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)] if ordered else None


def _spread(ordered: Sequence[float]) -> str:
    if not ordered:
        return "-"
    p95 = _percentile(ordered, 0.95)
    return f"p50 {statistics.median_low(ordered):.0f}, p95 {p95:.0f}, max {ordered[-1]:.0f} ms (n={len(ordered)})"


def _written(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.talk.name,
        "system": outcome.talk.system,
        "complaints": [str(complaint) for complaint in outcome.complaints],
        "heard": outcome.heard,
        "waits": [{"after": words, "ms": waited} for words, waited in outcome.waits],
        "transcript": outcome.transcript,
        "facts": outcome.events,
        "seconds": round(outcome.seconds, 1),
    }


if __name__ == "__main__":
    sys.exit(main())

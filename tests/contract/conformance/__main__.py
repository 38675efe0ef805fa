"""`python -m tests.contract.conformance [carrier ...]`: play the matrix and print it; exits 1 if a cell failed."""

import sys
import traceback

from rich.console import Console
from rich.table import Table

from tests.contract.conformance.journeys import JOURNEYS
from tests.contract.conformance.play import Outcome, played, stacks
from tests.contract.conformance.ways import CARRIERS, Cell

__all__ = ["main"]


def main() -> int:
    """Play every stack, print the matrix, then the errors."""
    wanted = sys.argv[1:] or list(CARRIERS)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    columns = [stack for stack in stacks(partners=True) if stack[0] in wanted]
    outcomes: dict[Cell, Outcome] = {}
    for carrier, mode in columns:
        console.print(f"[dim]{carrier}, {mode} …[/]")
        outcomes |= played(carrier, mode)
    console.print(_matrix(outcomes, columns))
    reasons = sorted({f"{o.cell.carrier}: {o.carrier_cannot}" for o in outcomes.values() if o.carrier_cannot})
    console.print("\n".join(f"carrier cannot · {reason}" for reason in reasons), markup=False)
    red = [outcome for outcome in outcomes.values() if outcome.error is not None]
    for outcome in red:
        console.print(f"\n[red]{outcome.cell}[/]")
        trace = "".join(traceback.format_exception(outcome.error)) if outcome.error else ""
        console.print(trace[-1500:], markup=False)
    return 1 if red else 0


def _matrix(outcomes: dict[Cell, Outcome], columns: list[tuple[str, str]]) -> Table:
    table = Table("journey", *(f"{carrier}\n{mode}" for carrier, mode in columns), title="conformance")
    for journey in JOURNEYS:
        table.add_row(journey, *(_said(outcomes[Cell(journey, *column)]) for column in columns))
    return table


def _said(outcome: Outcome) -> str:
    if outcome.carrier_cannot:
        return "[dim]carrier cannot[/]"
    return "[red]FAIL[/]" if outcome.error is not None else f"[green]pass[/] [dim]{outcome.seconds:.1f} s[/]"


if __name__ == "__main__":
    sys.exit(main())

"""Every cell of the matrix is a test; the journeys of one carrier in one mode are played once, together."""

import pytest

from tests.contract.conformance.play import cells, played
from tests.contract.conformance.ways import Cell, cannot


# The first cell of a stack waits for all journeys of the stack.
@pytest.mark.timeout(150)
@pytest.mark.parametrize("cell", list(cells()), ids=str)
def test_a_journey_ends_as_it_should(cell: Cell) -> None:
    """Pass, or an explicit reason why the carrier cannot; no cell is missing."""
    outcome = played(cell.carrier, cell.mode)[cell]
    if outcome.error is not None:
        raise outcome.error
    assert outcome.carrier_cannot == cannot(cell)

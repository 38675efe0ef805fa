"""The measures can be taken of this checkout, and the ones that must not get worse have not."""

from pathlib import Path

from tests.project.figures import FIGURES, measure

_ROOT = Path(__file__).resolve().parents[2]


def test_every_measure_can_be_taken() -> None:
    """The modules of the product import each other in no circle, and functions stay short."""
    found = measure(_ROOT)
    assert list(found) == list(FIGURES)
    assert found["import cycles"] == "0"
    median, p90 = found["lines of a function, median / p90"].split(" / ")
    assert (float(median), int(p90)) <= (6.0, 17)

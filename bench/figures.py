"""The result of a benchmark: figures, each with its distribution and, where the issue sets one, its bar. Pure.

Percentiles are nearest-rank: every p99 printed is a measured value, never interpolated.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Bar", "Figure", "Result", "Spread", "percentile", "spread"]

Statistic = Literal["mean", "p50", "p95", "p99", "max"]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The distribution of `n` samples. Without samples every statistic is NaN, not zero."""

    n: int
    mean: float
    p50: float
    p95: float
    p99: float
    max: float


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the ascending samples do not exceed; NaN of none."""
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies between 0 and 1, not {share}")
    if not ordered:
        return math.nan
    # 0.95 * 20 is 19.000000000000004 in binary: rounding first keeps the exact rank.
    rank = math.ceil(round(share * len(ordered), 9))
    return ordered[max(rank, 1) - 1]


def spread(samples: Iterable[float]) -> Spread:
    """The distribution of samples in any order."""
    ordered = sorted(samples)
    mean = math.fsum(ordered) / len(ordered) if ordered else math.nan
    p50, p95, p99, most = (percentile(ordered, share) for share in (0.5, 0.95, 0.99, 1.0))
    return Spread(n=len(ordered), mean=mean, p50=p50, p95=p95, p99=p99, max=most)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What a statistic of a figure should reach: `at_most` or `at_least`, in the figure's unit."""

    of: Statistic
    limit: float
    sense: Literal["at_most", "at_least"] = "at_most"

    def value(self, found: Spread) -> float:
        value: float = getattr(found, self.of)
        return value

    def reached(self, found: Spread) -> bool:
        """Whether the bar was reached; False for a figure without samples."""
        value = self.value(found)
        return value <= self.limit if self.sense == "at_most" else value >= self.limit

    def text(self, found: Spread) -> str:
        """The bar and the figure's distance from it, as text."""
        sign = "≤" if self.sense == "at_most" else "≥"
        value = self.value(found)
        if self.reached(found):
            return f"{self.of} {sign} {self.limit:g}: reached"
        if math.isnan(value) or not self.limit:
            return f"{self.of} {sign} {self.limit:g}: missed"
        return f"{self.of} {sign} {self.limit:g}: missed, {value / self.limit:.2f} of it"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured figure. `unit` applies to every number in `found` and to the bars."""

    name: str
    unit: str
    found: Spread
    bars: tuple[Bar, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The figure as JSON; NaN becomes null, because JSON has none."""
        numbers = {name: _or_none(value) for name, value in vars(self.found).items()}
        bars = [{**vars(bar), "reached": bar.reached(self.found)} for bar in self.bars]
        return {"name": self.name, "unit": self.unit, **numbers, "bars": bars}


@dataclass(kw_only=True)
class Result:
    """The result of one benchmark: its figures, remarks on their reliability, and counts for the record."""

    bench: str
    figures: list[Figure] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, unit: str, samples: Iterable[float], *bars: Bar) -> Figure:
        """Add the distribution of samples as a figure of this result."""
        figure = Figure(name=name, unit=unit, found=spread(samples), bars=bars)
        self.figures.append(figure)
        return figure

    def as_json(self) -> dict[str, Any]:
        figures = [figure.as_json() for figure in self.figures]
        return {"figures": figures, "remarks": self.remarks, "facts": self.facts}


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value

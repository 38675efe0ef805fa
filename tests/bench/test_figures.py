"""Figures and bars of the benchmarks."""

import math
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Bar, Result, percentile, spread

SAMPLES = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=200)


@given(SAMPLES, st.floats(0, 1))
def test_a_percentile_is_the_smallest_sample_that_covers_its_share(samples: list[float], share: float) -> None:
    """Nearest rank: always a value that was measured, never an interpolated one."""
    ordered = sorted(samples)
    found = percentile(ordered, share)
    assert found in samples
    covered = sum(sample <= found for sample in ordered) / len(ordered)
    assert covered >= share - 1e-9
    smaller = [sample for sample in ordered if sample < found]
    assert not smaller or len(smaller) / len(ordered) < share + 1e-9


@given(SAMPLES)
def test_percentiles_rise_with_their_share(samples: list[float]) -> None:
    """p50 ≤ p95 ≤ p99 ≤ max, whatever was measured."""
    found = spread(samples)
    assert all(before <= after for before, after in pairwise((found.p50, found.p95, found.p99, found.max)))
    assert found.max == max(samples)
    assert found.n == len(samples)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 10), (0.95, 19), (0.99, 20), (1.0, 20), (0.0, 1)])
def test_the_ranks_of_twenty_kills_are_those_of_arithmetic(share: float, expected: int) -> None:
    """0.95 times 20 is 19, although binary floats give slightly more: p95 of twenty is not their maximum."""
    assert percentile(range(1, 21), share) == expected


def test_no_samples_are_not_zero_milliseconds() -> None:
    """A run without samples must not look like a perfect one."""
    found = spread([])
    assert found.n == 0
    assert math.isnan(found.p99)
    assert not Bar(of="p99", limit=20).reached(found)
    assert not Bar(of="mean", limit=0, sense="at_least").reached(found)


def test_a_share_outside_of_the_whole_is_refused() -> None:
    """99 in place of 0.99 would silently be the maximum."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        percentile([1.0], 99)


def test_a_bar_says_how_far_it_was_missed() -> None:
    """A missed bar states its distance."""
    found = spread([10.0, 20.0, 30.0])
    assert Bar(of="p50", limit=20).text(found) == "p50 ≤ 20: reached"
    assert Bar(of="max", limit=20).text(found) == "max ≤ 20: missed, 1.50 of it"
    assert Bar(of="mean", limit=40, sense="at_least").text(found) == "mean ≥ 40: missed, 0.50 of it"


def test_a_result_without_samples_is_still_json() -> None:
    """NaN is no JSON; readers of out/bench.json get null."""
    result = Result(bench="nothing")
    result.add("unseen", "ms", [], Bar(of="p99", limit=1))
    figure = orjson.loads(orjson.dumps(result.as_json()))["figures"][0]
    assert figure["n"] == 0
    assert figure["p99"] is None
    assert figure["bars"] == [{"of": "p99", "limit": 1, "sense": "at_most", "reached": False}]

"""Statistics of turn latencies: count, extremes, mean, and percentiles by nearest rank."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["latency_summary", "stage_of"]


def latency_summary(scanned: int, turn_ms: Iterable[float], listen_ms: Iterable[float]) -> dict[str, Any]:
    """The object that `voicecall latency` prints, in ms. A stage without values has only `count` 0."""
    return {"recordsScanned": scanned, "turnLatency": stage_of(turn_ms), "listenWait": stage_of(listen_ms)}


def stage_of(times: Iterable[float]) -> dict[str, float]:
    """Count, extremes, mean and percentiles; without times only `count` 0."""
    values = sorted(times)
    if not values:
        return {"count": 0}
    return {
        "count": len(values),
        "minMs": values[0],
        "maxMs": values[-1],
        "avgMs": round(sum(values) / len(values)),
        "p50Ms": _ranked(values, 0.50),
        "p95Ms": _ranked(values, 0.95),
    }


def _ranked(values: Sequence[float], share: float) -> float:
    return values[max(0, math.ceil(share * len(values)) - 1)]

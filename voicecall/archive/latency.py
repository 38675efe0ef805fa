"""Statistics of turn latencies: count, extremes, mean, and percentiles by nearest rank."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["latency_summary"]


def latency_summary(scanned: int, turn_ms: Iterable[float], listen_ms: Iterable[float]) -> dict[str, Any]:
    """The object that `voicecall latency` prints, in ms. A stage without values has only `count` 0."""
    return {"recordsScanned": scanned, "turnLatency": _stage(sorted(turn_ms)), "listenWait": _stage(sorted(listen_ms))}


def _stage(values: Sequence[float]) -> dict[str, float]:
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

"""What is left to say when a call is over: one line that sums it up.

Part of the job that archives it, for it may come late.
"""

import logging

from voicecall.call.state import Call
from voicecall.metrics import CALL_SECONDS

__all__ = ["facts_of", "summarise"]

_log = logging.getLogger(__name__)


def summarise(call: Call) -> None:
    """Write the line of a call that is over."""
    CALL_SECONDS.observe(_seconds(call.started_at, call.ended_at) or 0.0)
    _log.info("call summary", extra=facts_of(call))


def facts_of(call: Call) -> dict[str, object]:
    """Durations, turns and outcome; no words and no whole numbers (reliability 5.4)."""
    return {
        "call_id": call.id,
        "carrier": call.carrier,
        "direction": call.direction.value,
        "mode": call.mode.value,
        "from": call.from_,
        "to": call.to,
        "outcome": call.phase.value,
        "detail": call.detail,
        "duration_s": _seconds(call.started_at, call.ended_at),
        "answered_after_s": _seconds(call.started_at, call.answered_at),
        "connected_s": _seconds(call.answered_at, call.ended_at),
        "turns": call.stats.completed_turns,
        "utterances": call.playback.made,
        "turn_latency_ms": call.stats.last_turn_latency_ms,
        "failovers": call.reactivations,
        "ignored": call.ignored,
    }


def _seconds(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(end - start, 3)

"""What is left to say when a call is over: one line that sums it up.

A background job, for it may come late and even twice. The place where an archive would begin.
"""

import logging
from typing import Final

from voicecall.call.ids import CallId
from voicecall.call.state import Call
from voicecall.metrics import CALL_SECONDS
from voicecall.ports import CallLog

__all__ = ["AFTER_CALL", "AFTER_QUEUE", "facts_of", "summarise"]

_log = logging.getLogger(__name__)

AFTER_CALL: Final = "after_call"
AFTER_QUEUE: Final = "after"


async def summarise(log: CallLog, call_id: CallId) -> None:
    """Read the snapshot and write the line. Raises BusUnavailable."""
    call = await log.read(call_id)
    if call is None or not call.is_over:
        _log.warning("nothing to sum up", extra={"call_id": call_id})
        return
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
        "turns": call.completed_turns,
        "utterances": call.utterances_made,
        "turn_latency_ms": call.last_turn_latency_ms,
        "failovers": call.reactivations,
        "ignored": call.ignored,
    }


def _seconds(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(end - start, 3)

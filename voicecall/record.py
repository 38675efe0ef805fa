"""A call as the outside knows it: camelCase, milliseconds, no field of our machinery (behaviour 2.1).

Pure. The gateway shows it, the archive keeps it. Leaves out request ids and stream names: who knows one could answer
for another (reliability attack 79).
"""

from typing import Any

from voicecall.call.state import Call

__all__ = ["call_record"]


def call_record(call: Call) -> dict[str, Any]:
    """The documented record. `processedEventIds` stays empty: the log, not the record, knows what was seen."""
    record: dict[str, Any] = {
        "callId": call.id,
        "providerCallId": call.leg,
        "provider": call.carrier,
        "direction": call.direction.value,
        "state": call.phase.value,
        "from": call.from_ or "unknown",
        "to": call.to or "unknown",
        "sessionKey": call.session_key or None,
        "agentId": call.agent_id,
        "startedAt": _ms(call.started_at),
        "answeredAt": _ms(call.answered_at),
        "endedAt": _ms(call.ended_at),
        "endReason": call.end_reason.value if call.end_reason is not None else None,
        "transcript": [
            {"timestamp": _ms(line.at), "speaker": line.speaker.value, "text": line.text, "isFinal": True}
            for line in call.transcript
        ],
        "processedEventIds": [],
        "metadata": _filled(
            {
                "mode": call.mode.value,
                "initialMessage": call.opening_text or None,
                "turnCount": call.completed_turns,
                "lastTurnLatencyMs": call.last_turn_latency_ms,
                "lastTurnListenWaitMs": call.last_listen_wait_ms,
                "detail": call.detail or None,
                "digits": call.digits or None,
                "answeredBy": call.answered_by.value if call.answered_by is not None else None,
                "reactivations": call.reactivations,
                "numberRouteKey": call.route or None,
            },
        ),
    }
    return _filled(record)


def _ms(at: float | None) -> int | None:
    return None if at is None else round(at * 1000)


def _filled(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None}

"""Invented records of ended calls."""

import uuid
from typing import Any

__all__ = ["ANNA", "OURS", "call_id", "record"]

OURS = "+15550001000"
ANNA = "+15550002000"
_BASE = 1_750_000_000_000


def call_id(number: int) -> str:
    return str(uuid.UUID(int=number))


def record(number: int, **changes: Any) -> dict[str, Any]:
    """The `number`-th call: each begins a minute after the one before it."""
    began = _BASE + 60_000 * number
    made: dict[str, Any] = {
        "callId": call_id(number),
        "providerCallId": f"CA{number}",
        "provider": "twilio",
        "direction": "outbound",
        "state": "completed",
        "from": OURS,
        "to": ANNA,
        "startedAt": began,
        "answeredAt": began + 2_000,
        "endedAt": began + 30_000,
        "endReason": "completed",
        "transcript": [
            {"timestamp": began + 2_100, "speaker": "bot", "text": "Hello.", "isFinal": True},
            {"timestamp": began + 4_000, "speaker": "user", "text": f"I am {number}.", "isFinal": True},
        ],
        "processedEventIds": [],
        "metadata": {
            "mode": "conversation",
            "turnCount": 2,
            "lastTurnLatencyMs": 700,
            "billedSeconds": 60,
            "price": "0.00850",
            "currency": "USD",
            "reactivations": 0,
            "turns": [
                {"at": began + 5_000, "turn": 1, "latencyMs": 900, "listenWaitMs": 250},
                {"at": began + 9_000, "turn": 2, "latencyMs": 700},
            ],
        },
    }
    return {**made, **changes}

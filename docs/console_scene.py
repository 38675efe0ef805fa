"""The invented calls of the pictures in `console.md`: always the same, at the same moment."""

import uuid
from typing import Any, Final

from simulators.staged_gateway import StagedGateway

__all__ = ["HERO", "NOW", "fill", "push_past"]

NOW: Final = 1_790_848_800_000  # 2026-10-01 10:00 UTC
_AGENTS: Final = ("main", "bookings", "main", "orders", "main")
_STATES: Final = ("speaking", "listening", "listening", "speaking", "ringing", "active")
_ENDS: Final = ("completed", "hangup-user", "hangup-bot", "no-answer", "hangup-user", "voicemail", "completed", "busy")
_OURS: Final = "+15550100100"
_MOVED: Final = (5, 11, 14)  # taken over from a worker that died


def _id(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"console/{number}"))


HERO: Final = _id(0)
"""The call that is shown by itself."""


def _number(place: int) -> str:
    return f"+1555010{(place * 37 + 1200) % 10_000:04}"


def _record(number: int, **changes: Any) -> dict[str, Any]:
    inbound = number % 3 != 1
    began = NOW - 9_000 - (number * 53_000) % 400_000
    other = _number(number)
    return {
        "callId": _id(number),
        "providerCallId": f"CA{_id(number).replace('-', '')}",
        "provider": ("twilio", "telnyx", "plivo")[number % 3],
        "direction": "inbound" if inbound else "outbound",
        "state": _STATES[number % len(_STATES)],
        "from": other if inbound else _OURS,
        "to": _OURS if inbound else other,
        "agentId": _AGENTS[number % len(_AGENTS)],
        "startedAt": began,
        "answeredAt": began + 1_800,
        "metadata": {
            "mode": "conversation",
            "turnCount": (number * 5) % 9 + 1,
            "lastTurnLatencyMs": 520 + (number * 173) % 640,
            "reactivations": 0,
        },
        **changes,
    }


def fill(gateway: StagedGateway) -> None:
    """Put the scene into the gateway."""
    gateway.calls = {_id(number): _record(number) for number in range(1, 24)}
    gateway.calls[HERO] = _hero()
    gateway.events[HERO] = _EVENTS
    gateway.spans[HERO] = _SPANS
    gateway.ended = [_ended(number) for number in range(100, 164)]
    gateway.answers = {
        "voicecall.processes": _processes(gateway, fallen=False),
        "voicecall.doctor": {"ok": True, "at": NOW, "findings": [dict(zip(_KEYS, one, strict=True)) for one in _FOUND]},
        "voicecall.dead": {
            "count": 1,
            "letters": [
                {
                    "id": f"{NOW - 7_200_000}-0",
                    "at": NOW - 7_200_000,
                    "callId": _id(161),
                    "seq": 41,
                    "reason": "event of another build: SpeechPaused",
                }
            ],
        },
        "voicecall.latency": {
            "recordsScanned": 200,
            "turnLatency": {"count": 1184, "minMs": 402, "maxMs": 2310, "avgMs": 744, "p50Ms": 690, "p95Ms": 1240},
            "listenWait": {"count": 0},
        },
    }


def _processes(gateway: StagedGateway, *, fallen: bool) -> dict[str, Any]:
    """Two ingresses and four workers; of the fourth, before and after it died."""
    calls = sorted(gateway.calls)
    moved = [_id(number) for number in _MOVED]
    workers: dict[str, list[str]] = {name: [] for name in ("worker-a4", "worker-b1", "worker-c7", "worker-d2")}
    for place, call in enumerate(call for call in calls if call not in moved):
        workers[list(workers)[place % 3]].append(call)
    for place, call in enumerate(moved):
        workers[list(workers)[place % 3] if fallen else "worker-d2"].append(call)
    held = {"ingress-1": calls[::2], "ingress-2": calls[1::2], **workers}
    facts = [
        {
            "name": name,
            "kind": name.partition("-")[0],
            "alive": not fallen or name != "worker-d2",
            "seenAt": NOW,
            "calls": theirs,
        }
        for name, theirs in held.items()
    ]
    return {"processes": facts}


async def push_past(gateway: StagedGateway) -> None:
    """The last half hour, as the feed would have brought it: waits for replies, and take-overs."""
    for minute in range(58):
        at = NOW - 29 * 60_000 + minute * 30_000
        slow = 900 if 30 <= minute <= 34 else 0
        for turn in range(8):
            wait = 560 + (minute * 31 + turn * 97) % 260 + turn * 40 + slow * (turn > 4)
            event = {"seq": 900 + turn, "type": "PlaybackBegan", "at": at, "utterance": 1, "spans": {"agent": wait}}
            await gateway.push(_id(2 + turn), _STATES[(2 + turn) % len(_STATES)], event)
    for number in _MOVED:
        event = {"seq": 990, "type": "Reactivated", "at": NOW - 900 + number * 40, "epoch": 2, "cause": "died"}
        await gateway.push(_id(number), _STATES[number % len(_STATES)], event)
    gateway.answers["voicecall.processes"] = _processes(gateway, fallen=True)


def _ended(number: int) -> dict[str, Any]:
    reason = _ENDS[number % len(_ENDS)]
    began = NOW - (number - 98) * 1_260_000
    return _record(
        number, state=reason, endReason=reason, startedAt=began, endedAt=began + 21_000 + number * 977 % 90_000
    )


_BEGAN: Final = NOW - 48_000

_WAITS: Final = (
    (1, 6_980, (240, 110, 30, 45, 210, 0, 20, 150, 12, 0)),
    (2, 15_710, (240, 95, 30, 40, 190, 640, 25, 160, 14, 0)),
    (3, 27_900, (240, 120, 30, 42, 260, 0, 22, 410, 12, 0)),
    (4, 38_420, (240, 105, 30, 40, 175, 0, 18, 145, 11, 60)),
)
_NAMES: Final = (
    *("endpointing_wait", "transcription", "turn_decision", "agent_connect", "agent_first_token"),
    *("tool", "sentence", "tts_first_audio", "transport", "playout"),
)
_SPANS: Final = [
    {
        "turn": turn,
        "at": _BEGAN + at,
        "spans": dict(zip(_NAMES, spans, strict=True)),
        **({"tools": ["free_tables"]} if turn == 2 else {}),
    }
    for turn, at, spans in _WAITS
]


def _said(turn: int, asked: int, sentences: tuple[str, ...], reply_at: int, lasts: int, **done: Any) -> list[Any]:
    """A reply: its sentences, and one playback from `reply_at`."""
    first = {"at": asked, "type": "AgentSaid", "turn": turn, "text": sentences[0]}
    more = [
        {"at": asked + 140 * place, "type": "AgentSaid", "turn": turn, "text": text}
        for place, text in enumerate(sentences[1:], 1)
    ]
    began = {"at": reply_at, "type": "PlaybackBegan", "utterance": turn, "synthesisMs": 150, "queuedMs": 12}
    ended = {"at": reply_at + lasts, "type": "PlaybackDone", "utterance": turn, "heardMs": lasts, "complete": True}
    return [first, *more, {"at": asked + 420, "type": "AgentDone", "turn": turn}, began, {**ended, **done}]


def _heard(start: int, stop: int, at: int, text: str) -> list[Any]:
    return [
        {"at": start, "type": "SpeechStarted"},
        {"at": stop + 240, "type": "SpeechStopped", "silentMs": 240},
        {"at": at, "type": "Heard", "text": text, "final": True},
    ]


_STORY: Final = [
    {"at": 0, "type": "Arrived", "carrier": "twilio", "from": _number(0), "to": _OURS, "agentId": "bookings"},
    {"at": 900, "type": "Ringing"},
    {"at": 1_800, "type": "Answered"},
    {"at": 1_950, "type": "StreamOpened"},
    {"at": 2_100, "type": "PlaybackBegan", "utterance": 100, "synthesisMs": 130, "queuedMs": 10},
    {"at": 4_200, "type": "PlaybackDone", "utterance": 100, "heardMs": 2100, "totalMs": 2100, "complete": True},
    *_heard(4_700, 6_160, 6_510, "Do you have a table tonight?"),
    *_said(1, 6_800, ("We do.", "For how many, and at what time?"), 6_980, 2_400),
    *_heard(9_900, 14_270, 14_610, "For four of us, at half past eight, outside if you can."),
    *_said(
        2,
        15_520,
        ("At half past eight I have the terrace for four.", "Inside there would also be the window table at eight."),
        15_710,
        4_150,
        complete=False,
        totalMs=6_900,
    ),
    *_heard(19_400, 26_760, 27_120, "The terrace is fine. Is there something without gluten?"),
    {
        "at": 27_900,
        "type": "PlaybackBegan",
        "utterance": 3,
        "synthesisMs": 410,
        "queuedMs": 12,
        "failover": {"service": "tts", "from": "elevenlabs", "to": "openai", "reason": "timeout"},
    },
    {"at": 27_470, "type": "AgentSaid", "turn": 3, "text": "Yes, most of the fish and all of the risotto."},
    {"at": 27_800, "type": "AgentDone", "turn": 3},
    {"at": 31_000, "type": "PlaybackDone", "utterance": 3, "heardMs": 3100, "complete": True},
    {"at": 33_200, "type": "Reactivated", "epoch": 2, "cause": "died"},
    *_heard(34_500, 37_590, 37_935, "Good. My number is the one I call from."),
    *_said(4, 38_230, ("Then it is booked.", "Shall I send you a message with the address?"), 38_420, 3_000),
    {"at": 43_500, "type": "SpeechStarted"},
]
_EVENTS: Final = [
    {"seq": seq, **event, "at": _BEGAN + event["at"]}
    for seq, event in enumerate(sorted(_STORY, key=lambda event: event["at"]), 1)
]
_TALK: Final = (
    (2_000, "bot", "Good evening, the Olive Tree, how can I help?"),
    (6_510, "user", "Do you have a table tonight?"),
    (6_800, "bot", "We do."),
    (6_940, "bot", "For how many, and at what time?"),
    (14_610, "user", "For four of us, at half past eight, outside if you can."),
    (15_520, "bot", "At half past eight I have the terrace for four."),
    (15_660, "bot", "Inside there would"),
    (27_120, "user", "The terrace is fine. Is there something without gluten?"),
    (27_470, "bot", "Yes, most of the fish and all of the risotto."),
    (37_935, "user", "Good. My number is the one I call from."),
    (38_230, "bot", "Then it is booked."),
    (38_370, "bot", "Shall I send you a message with the address?"),
)


def _hero() -> dict[str, Any]:
    lines = [{"timestamp": _BEGAN + at, "speaker": who, "text": text, "isFinal": True} for at, who, text in _TALK]
    metadata = {
        "mode": "conversation",
        "turnCount": 4,
        "lastTurnLatencyMs": 824,
        "reactivations": 1,
        "failovers": [{"service": "tts", "from": "elevenlabs", "to": "openai", "reason": "timeout"}],
    }
    return _record(
        0,
        provider="twilio",
        agentId="bookings",
        state="listening",
        startedAt=_BEGAN,
        answeredAt=_BEGAN + 1_800,
        sessionKey="agent:bookings:voice:15550101200",
        transcript=lines,
        metadata=metadata,
    )


_KEYS: Final = ("check", "level", "seen", "remedy")
_FOUND: Final = (
    ("configuration", "ok", "/etc/voicecall/voicecall.json5: twilio", ""),
    ("redis.persistence", "ok", "appendonly everysec", ""),
    ("redis.memory", "ok", "noeviction, 41 of 512 MB", ""),
    ("workers", "ok", "3 alive: worker-a4, worker-b1, worker-c7", ""),
    ("dead-letters", "warn", "1 are kept", "read them: voicecall dead list"),
    ("gateway.health", "ok", "ready at http://127.0.0.1:3335", ""),
    ("ingress.health", "ok", "ready at http://127.0.0.1:3336", ""),
    ("address.webhook", "ok", "https://calls.example.com answers", ""),
    ("carrier.webhook", "ok", "the number's webhook is the address", ""),
    ("models", "ok", "none of the configured models ends soon", ""),
)

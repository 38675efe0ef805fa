"""Conversations at a person's pace, on any carrier, and what a restart did to them, judged from the carrier's ledger.

Used by the chaos tests of planned stops and of upgrades. Every sentence of every reply is unique, so a sentence that is
missing, torn or heard twice shows; the times of what was said and heard show each silence.
"""

import asyncio
import itertools
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from simulators.stack import Stack
from tests.chaos.callers import FIXED_PHRASES, Hits
from tests.journeys.stage import GREETING, Stage, texts
from voicecall.call.phrases import ENGLISH

__all__ = ["APOLOGIES", "CARRIERS", "SteadyCallers", "Verdict", "socket_ends"]

CARRIERS = ("twilio", "telnyx", "plivo", "mock")

APOLOGIES = FIXED_PHRASES | {ENGLISH.goodbye, ENGLISH.stt_lost, ENGLISH.stt_failed, ENGLISH.stt_recovered}
_FAREWELL = "Farewell to you."
_STREAM_NOTICES = frozenset({"streaming.started", "streaming.stopped", "streaming.failed"})
"""Telnyx reports every socket that it opens and closes; no other carrier does without being asked."""
_PATIENCE_MS = 15_000
_TURNS = 60  # more than any run needs
_AFTER_S = 8.0  # a question and its reply take less
_PAUSE_MS = 800


@dataclass
class Verdict:
    """What all calls together went through. Seconds."""

    legs: list[Any] = field(default_factory=list)
    """The carrier's reports of the calls that were not lost."""
    records: list[Any] = field(default_factory=list)
    """The system's records of the same calls."""
    lost: list[Any] = field(default_factory=list)
    apologies: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    replies: int = 0
    silences: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    most_webhooks: int = 0
    most_notices: int = 0
    sockets: int = 0

    def show(self, hits: Hits) -> None:
        hits.rows |= {
            "calls lost": len(self.lost),
            "apologies heard": len(self.apologies),
            "sentences torn, repeated": f"{len(self.torn)}, {len(self.repeated)}",
            "questions without an answer": len(self.unanswered),
            "replies heard whole": self.replies,
            "most webhooks of a call": self.most_webhooks,
            "most notices of its streams": self.most_notices,
            "most sockets of a call": self.sockets,
        }
        hits.spread("a caller's wait for words", self.silences)
        hits.spread("from one socket to the next", self.gaps)

    @property
    def longest_silence(self) -> float:
        return max(self.silences, default=0.0)


class SteadyCallers:
    """`start` the calls, restart what is to be restarted, then `finish`: every caller asks a last question.

    `pause_ms`: a caller's pause between what was heard and the next question.
    """

    _generations = itertools.count(1)

    def __init__(self, stack: Stack, size: int, *, pause_ms: int = _PAUSE_MS) -> None:
        self._stack = stack
        self._stage = Stage(stack)
        self._size = size
        self._pause_ms = pause_ms
        self._name = f"s{next(self._generations)}"
        self._numbers: list[str] = []
        self.calls: list[str] = []
        self._began_at = 0.0

    async def start(self) -> None:
        """Every call is answered and has heard the greeting."""
        rules = [
            {"match": f"{self._name} {who} asks {turn}$", "reply": " ".join(self._reply(who, turn))}
            for who in range(self._size)
            for turn in range(_TURNS)
        ]
        rules.append({"match": f"{self._name} the end", "reply": _FAREWELL})
        await self._stack.openai.post("/_sim/script", {"chat": {"rules": rules}})
        self._numbers = [await self._stage.person(*self._script(who)) for who in range(self._size)]
        self.calls = list(await asyncio.gather(*(self._stage.dial(to) for to in self._numbers)))
        for call in self.calls:
            await self._stage.record(call, lambda seen: bool(seen["transcript"]))
        self._began_at = time.time()

    def _script(self, who: int) -> list[dict[str, Any]]:
        script: list[dict[str, Any]] = [
            {"answer_after_ms": 37 * who},
            {"wait_heard": GREETING, "within_ms": _PATIENCE_MS},
            {"wait_ms": 113 * who % 2000},  # not all in the same phase of their turns
        ]
        for turn in range(_TURNS):
            ending = re.escape(self._reply(who, turn)[-1])
            script.append({"say": f"{self._name} {who} asks {turn}"})
            script.append({"wait_heard": ending, "within_ms": _PATIENCE_MS, "quiet_ms": self._pause_ms})
        return script

    def _reply(self, who: int, turn: int) -> tuple[str, str]:
        return f"What was asked as {who} {turn} is this.", f"So it is with {who} {turn}."

    async def finish(self) -> Verdict:
        """Let the callers talk on for a moment, end the calls, and judge what was said and heard until then."""
        restarted_at = time.time()
        await asyncio.sleep(_AFTER_S)
        stopped_at = time.time()
        records = await asyncio.gather(*(self._stage.record(call) for call in self.calls))
        for record in records:
            # The new script cuts what the person is saying: recognition needs a pause to end that utterance.
            script = [{"wait_ms": 1_000}, {"wait_quiet_ms": 500, "within_ms": 8_000}, *self._farewell()]
            asked = {"call_sid": record["providerCallId"], "script": script, "listens": True}
            await self._stack.carrier.post("/_sim/persona", asked)
        records = await asyncio.gather(*(self._stage.over(call, within_s=60) for call in self.calls))
        legs = [await self._stage.leg(record) for record in records]
        ledger = await self._stage.ledger()
        made = Counter(call["to"] for call in ledger["calls"])
        assert {to: made[to] for to in self._numbers} == dict.fromkeys(self._numbers, 1)
        found = Verdict()
        for who, (leg, record) in enumerate(zip(legs, records, strict=True)):
            if (leg["status"], leg["ended_by"], record["state"]) != ("completed", "callee", "completed"):
                found.lost.append((leg["status"], leg["ended_by"], record["state"], record["endReason"], texts(leg)))
                continue
            found.legs.append(leg)
            found.records.append(record)
            self._judge(who, leg, stopped_at, found)
            self._count_webhooks(leg["sid"], ledger["webhooks"], restarted_at, found)
        return found

    def _farewell(self) -> list[dict[str, Any]]:
        last: dict[str, Any] = {"wait_heard": "Farewell", "within_ms": _PATIENCE_MS}
        return [{"say": f"{self._name} the end"}, last, {"hangup": True}]

    def _judge(self, who: int, leg: Any, until: float, found: Verdict) -> None:
        """What was heard until then; the last question may have been cut."""
        expected = {sentence for turn in range(_TURNS) for sentence in self._reply(who, turn)}
        heard = Counter(utterance["text"] for utterance in leg["heard"] if utterance["start_at"] < until)
        for text, count in heard.items():
            if text in APOLOGIES:
                found.apologies += [text] * count
            elif text in expected:
                found.replies += 1
                found.repeated += [text] * (count - 1)
            elif text != GREETING:
                found.torn += [text] * count
        asked = [said for said in leg["said"] if said.get("end_at", until) < until - _AFTER_S]
        found.unanswered += [f"{who} {turn}" for turn in range(len(asked)) if not heard[self._reply(who, turn)[1]]]
        found.silences += _waits(leg, until)
        found.gaps += [opened_at - closed_at for closed_at, opened_at in socket_ends(leg)]
        found.sockets = max(found.sockets, len(leg["streams"]))

    def _count_webhooks(self, sid: str, webhooks: list[Any], until: float, found: Verdict) -> None:
        sent = [
            line["what"] for line in webhooks if line["call_sid"] == sid and self._began_at < line["started_at"] < until
        ]
        notices = sum(what in _STREAM_NOTICES for what in sent)
        found.most_webhooks = max(found.most_webhooks, len(sent) - notices)
        found.most_notices = max(found.most_notices, notices)


def _waits(leg: Any, until: float) -> list[float]:
    """Seconds from the end of each question to the first words after it, and between two sentences of a reply."""
    heard = [
        (utterance["start_at"], utterance["end_at"]) for utterance in leg["heard"] if utterance["start_at"] < until
    ]
    asked = [said["end_at"] for said in leg["said"] if said.get("end_at")]
    waits = []
    for end in asked:
        after = [start for start, _ in heard if start >= end]
        if after:
            waits.append(min(after) - end)
    for (_, end), (start, _) in itertools.pairwise(heard):
        if not any(end <= question <= start for question in asked):
            waits.append(start - end)
    return waits


def socket_ends(leg: Any) -> list[tuple[float, float]]:
    """When each socket that carried the call ended, but for the last, and when the next one opened."""
    carried = [
        stream
        for stream in leg["streams"]
        if stream["opened_at"] and (stream["received"] or stream["sent_frames"] > 25)
    ]
    return [(earlier["closed_at"], later["opened_at"]) for earlier, later in itertools.pairwise(carried)]

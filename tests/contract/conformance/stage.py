"""The stage of a journey: one stack shared with the others, its own personas and numbers, and the carrier's ledger.

Uses only the public interfaces of the simulators and of the gateway. Many journeys share it: faults and checks are
about a number or a leg, never about the stack.
"""

import asyncio
import itertools
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from simulators.stack import Stack
from simulators.tones import Ended, decode_all, mulaw_from_pcm16
from tests.contract.conformance.ways import Way

__all__ = [
    "CALL_IN",
    "FRIENDS",
    "GREETING",
    "HELLO",
    "OURS",
    "PEOPLE",
    "PLACES",
    "PLACES_OF_CALLERS",
    "STORY",
    "STRANGER",
    "TALE",
    "TALK",
    "Stage",
    "decode_across_pauses",
    "lines",
    "ours",
    "texts",
]

OURS = "+15550001000"
FRIENDS = tuple(f"+1555200{n:04d}" for n in range(8))  # on the allow list
STRANGER = "+15550009999"
GREETING = "Good morning."
HELLO = "Hello! How can I help you today?"
STORY = "Once upon a time there was a very long story that nobody ever heard to its end, because it never had one."
TALE = (
    "There was a king who had a daughter, and she had a ball of gold, and one day the ball fell into the well, "
    "and a frog brought it back to her, and nobody thanked the frog."
)
PEOPLE = {"busy": {"number": "+15554440001"}, "free": {"number": "+15554440002"}}  # to whom callers are handed over
PLACES = 24
PLACES_OF_CALLERS = 4
_FRAME = 160
_REPLIES = {
    "weather": "It is raining.",
    "pressed 42": "Forty-two it is.",
    "tomorrow": "It will snow.",
    "story": STORY,
    "tale": TALE,
    "enough": "As you like.",
    "thanks": "You are welcome.",
}

_HANDS_OVER = (("boss", "I ask my boss.", "busy"), ("free person", "I am connecting you.", "free"))

Step = dict[str, Any]
_WEATHER: tuple[Step, ...] = (
    {"say": "how is the weather"},
    {"wait_heard": "raining", "quiet_ms": 1500},
    {"hangup": True},
)
TALK: tuple[Step, ...] = ({"wait_heard": GREETING}, *_WEATHER)  # of a person whom we call
CALL_IN: tuple[Step, ...] = ({"wait_heard": "help you"}, *_WEATHER)  # of a person who calls us
_OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})


class Stage:
    """One stack, one carrier, one mode."""

    def __init__(self, stack: Stack, way: Way, *, streaming: bool) -> None:
        self.stack = stack
        self.way = way
        self.streaming = streaming
        self._numbers = itertools.count(1)
        self._friends = iter(FRIENDS)

    async def script_the_model(self) -> None:
        """Set the model's replies; the same for every caller."""
        rules: list[Step] = [{"match": word, "reply": reply} for word, reply in _REPLIES.items()]
        rules += [
            {"match": words, "reply": reply, "tool_call": {"name": "transfer_call", "arguments": {"to": name}}}
            for words, reply, name in _HANDS_OVER
        ]
        rules.append({"match": "boss", "reply": "My boss is on another line."})
        await self.stack.openai.post("/_sim/script", {"chat": {"rules": rules}})

    async def script_the_people(self) -> None:
        """Those to whom callers are handed over: one is busy, the other talks for two seconds."""
        for name, script in (("busy", [{"busy": True}]), ("free", [{"wait_ms": 2000}, {"hangup": True}])):
            asked = {"number": PEOPLE[name]["number"], "script": script}
            await self.stack.carrier.post("/_sim/persona", asked)

    # --- personas and faults

    async def person(self, *script: Step) -> str:
        """A new number that this persona answers."""
        number = f"+1555700{next(self._numbers):04d}"
        await self.stack.carrier.post("/_sim/persona", {"number": number, "script": script, "listens": True})
        return number

    async def webhooks_come_thrice(self, to: str) -> None:
        await self._add_fault("webhook", "duplicate", self.way.sent_to, to, copies=3, within_ms=500, times=1000)

    async def words_are_late(self, to: str, ms: int) -> None:
        """On native speech: the carrier reports this persona's first utterance so much later."""
        match = {**self.way.words, self.way.sent_to: to.removeprefix("+")}
        await self.stack.carrier.post("/_sim/misbehave", {"where": "webhook", "do": "late", "match": match, "ms": ms})

    async def dial_is_lost(self, to: str) -> None:
        """The carrier calls `to` and then answers 500."""
        await self._add_fault("rest", "status", self.way.ordered_to, to, status=500, when="after")

    async def commands_are_lost(self, sid: str) -> None:
        """The carrier obeys each command to this leg, and answers the first of each kind with 500."""
        for mark in self._commands_to(sid):
            await self._loses_one(mark)

    async def commands_find_it_busy(self, sid: str) -> None:
        """The carrier answers the first command of each kind to this leg with 503, and does not obey it."""
        for mark in self._commands_to(sid):
            rule = {"where": "rest", "do": "status", "match": mark, "status": 503, "when": "before"}
            await self.stack.carrier.post("/_sim/misbehave", rule)

    def _commands_to(self, sid: str) -> list[dict[str, str]]:
        return [{**mark, "path": re.escape(sid) + ".*" + mark.get("path", "")} for mark in self.way.commands]

    async def a_pick_up_is_lost(self) -> None:
        """The same for the command that answers the next caller, if there is one."""
        if self.way.picks_up is not None:
            await self._loses_one(self.way.picks_up)

    async def _loses_one(self, match: Mapping[str, str]) -> None:
        rule = {"where": "rest", "do": "status", "match": match, "status": 500, "when": "after"}
        await self.stack.carrier.post("/_sim/misbehave", rule)

    async def _add_fault(self, where: str, do: str, field: str, to: str, **rule: Any) -> None:
        match = {field: to.removeprefix("+")}
        await self.stack.carrier.post("/_sim/misbehave", {"where": where, "do": do, "match": match, **rule})

    # --- calls

    async def dial(self, to: str, message: str = GREETING, *, mode: str = "conversation") -> str:
        """Place a call; its id."""
        answer = await self.rpc("initiate", to=to, message=message, mode=mode)
        return str(answer["callId"])

    async def ring_us(self, *script: Step, number: str = "") -> str:
        """Start an inbound call, from an allowed number by default; returns the carrier's id of the call."""
        asked = {"from": number or next(self._friends), "to": OURS, "persona": script, "listens": True}
        asked["status_callback"] = self.stack.webhook_url
        return str((await self.stack.carrier.post("/_sim/inbound", asked))["sid"])

    async def rpc(self, method: str, **params: Any) -> Any:
        return await self.stack.gateway.rpc(f"voicecall.{method}", **params)

    # --- evidence

    async def record(self, call: str, good: Callable[[Any], bool] = lambda _: True, *, within_s: float = 30.0) -> Any:
        """The record of an outbound call, as soon as `good` is true of it."""
        found = await self.stack.gateway.until(
            call, lambda seen: seen["found"] and good(seen["call"]), within_s=within_s
        )
        return found["call"]

    async def over(self, call: str, *, within_s: float = 40.0) -> Any:
        """The record of an outbound call that has ended."""
        return await self.record(call, lambda seen: bool(seen.get("endedAt")), within_s=within_s)

    async def caller_over(self, sid: str, *, within_s: float = 40.0) -> Any:
        """The record of an inbound call that has ended, found by the carrier's id."""
        deadline = time.monotonic() + within_s
        while not (seen := await self.rpc("status", sid=sid))["found"]:
            assert time.monotonic() < deadline, f"we know nothing of {sid}"
        return await self.over(seen["call"]["callId"], within_s=within_s)

    async def leg(self, call: Any, *, within_s: float = 40.0) -> Any:
        """The carrier's report on a call that has ended, by its own id or by the system's record."""
        sid = call if isinstance(call, str) else call["providerCallId"]
        return await self.until_leg(sid, lambda seen: seen["status"] in _OVER, within_s=within_s)

    async def until_leg(self, sid: str, good: Callable[[Any], bool], *, within_s: float = 30.0) -> Any:
        return await self.stack.carrier.until(f"/_sim/calls/{sid}", good, within_s=within_s)

    async def heard_across_pauses(self, sid: str) -> list[Ended]:
        """The utterances that were heard on a leg, as `decode_across_pauses` reads them."""
        wav = await self.stack.carrier.read(f"/_sim/calls/{sid}/audio.wav")
        left = memoryview(wav[44:]).cast("h")[::2].tobytes()
        return await asyncio.to_thread(decode_across_pauses, mulaw_from_pcm16(left))

    async def legs_to(self, to: str) -> list[str]:
        """The carrier's ids of every call it made to this number."""
        ledger = await self.stack.carrier.get("/_sim/ledger", heard=0)
        return [call["sid"] for call in ledger["calls"] if call["to"] == to]

    async def until_struck(self, fault: str) -> None:
        """A fault that was ordered has happened."""
        await self.stack.carrier.until("/_sim/ledger?heard=0", lambda seen: fault in seen["struck"], within_s=30)

    async def reported_of(self, sid: str, kind: str) -> list[Any]:
        """The ledger lines of this kind about one leg."""
        ledger = await self.stack.carrier.get("/_sim/ledger", heard=0, lines=1)
        return [line for line in ledger["lines"] if line["kind"] == kind and line.get("call_sid") == sid]

    async def complaints(self, sid: str) -> list[Any]:
        """The protocol errors that the carrier found on one leg."""
        return [*await self.reported_of(sid, "error"), *await self.reported_of(sid, "stream.error")]


def decode_across_pauses(mulaw: bytes) -> list[Ended]:
    """The utterances of a recording; a pause of less than three seconds ends none.

    The one frame that playback may repeat after a pause (docs/voice.md) is read once; any other that is heard twice, or
    not at all, shows.
    """
    frames = [mulaw[at : at + _FRAME] for at in range(0, len(mulaw), _FRAME)]
    kept: list[bytes] = []
    last, is_silent = b"", False
    for frame in frames:
        was_silent, is_silent = is_silent, frame == frame[:1] * len(frame)
        if not (was_silent and frame == last):
            kept.append(frame)
        last = last if is_silent else frame
    return decode_all(b"".join(kept), silence_ms=3000)


def texts(leg: Any) -> list[str]:
    """What was heard at the callee, utterance by utterance, decoded from the audio."""
    return [utterance["text"] for utterance in leg["heard"]]


def lines(record: Any) -> list[tuple[str, str]]:
    """The transcript as (speaker, text)."""
    return [(line["speaker"], line["text"]) for line in record["transcript"]]


def ours(record: Any) -> list[str]:
    return [text for speaker, text in lines(record) if speaker == "bot"]

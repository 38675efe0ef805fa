"""The stage of a journey: one stack, personas to call, a model with scripted replies, and the carrier's ledger.

Used by the journeys and the chaos tests. Uses only the public interfaces of the simulators and of the gateway.
"""

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

from simulators.stack import Stack

__all__ = ["FRIEND", "GREETING", "OURS", "OURS_TOO", "STRANGER", "VOICES", "Stage", "lines", "said_by_us", "texts"]

OURS = "+15550001000"
OURS_TOO = "+15550001001"  # with a greeting, a voice and an agent of its own
FRIEND = "+15550002000"  # on the allow list
STRANGER = "+15550009999"
VOICES = {"+15550001011": "openai-realtime", "+15550001012": "elevenlabs-websocket", "+15550001013": "deepgram"}
"""Numbers of ours, and the voice of their calls."""
GREETING = "Good morning."

Step = dict[str, Any]
_OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
_numbers = itertools.count(1)


class Stage:
    """One stack and its clients. `clean_up` between two journeys."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._checked_to = 0

    # --- personas and the model

    async def person(self, *script: Step) -> str:
        """A new number that this persona answers."""
        number = f"+1555700{next(_numbers):04d}"
        await self.stack.twilio.post("/_sim/persona", {"number": number, "script": script, "listens": True})
        return number

    async def model(self, **replies: str | Mapping[str, Any]) -> None:
        """The model's reply to a message that contains each key (underscores are spaces)."""
        rules = [
            {"match": key.replace("_", " "), **({"reply": reply} if isinstance(reply, str) else reply)}
            for key, reply in replies.items()
        ]
        await self.stack.openai.post("/_sim/script", {"chat": {"rules": rules}})

    async def services_fail(self, *rules: Mapping[str, Any]) -> None:
        await self.stack.openai.post("/_sim/script", {"misbehave": rules})

    async def carrier_fails(self, **rule: Any) -> None:
        await self.stack.twilio.post("/_sim/misbehave", rule)

    # --- calls

    async def dial(self, to: str, message: str = GREETING, *, mode: str = "conversation", **params: Any) -> str:
        """Place a call; its id."""
        answer = await self.stack.gateway.rpc("voicecall.initiate", to=to, message=message, mode=mode, **params)
        return str(answer["callId"])

    async def ring_us(self, *script: Step, number: str = FRIEND, to: str = OURS) -> str:
        """Start an inbound call; returns the carrier's id of the call."""
        asked = {"from": number, "to": to, "persona": script, "listens": True}
        answer = await self.stack.twilio.post("/_sim/inbound", {**asked, "status_callback": self.stack.webhook_url})
        return str(answer["sid"])

    async def record(self, call: str, good: Callable[[Any], bool] = lambda _: True, *, within_s: float = 20.0) -> Any:
        """The record of a call, by the system's id or the carrier's, as soon as `good` is true of it."""

        def found(seen: Any) -> bool:
            return bool(seen["found"]) and good(seen["call"])

        if call.startswith("CA"):
            deadline = time.monotonic() + within_s
            while not (seen := await self.stack.gateway.rpc("voicecall.status", sid=call))["found"]:
                assert time.monotonic() < deadline, f"we know nothing of {call}"
            call = seen["call"]["callId"]
        return (await self.stack.gateway.until(call, found, within_s=within_s))["call"]

    async def over(self, call: str, *, within_s: float = 30.0) -> Any:
        """The record of a call that has ended."""
        return await self.record(call, lambda seen: bool(seen.get("endedAt")), within_s=within_s)

    # --- evidence

    async def leg(self, call: Any, *, within_s: float = 30.0) -> Any:
        """The carrier's report on a call that has ended, by its own id or by the system's record."""
        sid = call if isinstance(call, str) else call["providerCallId"]
        return await self.stack.twilio.until(
            f"/_sim/calls/{sid}", lambda seen: seen["status"] in _OVER, within_s=within_s
        )

    async def until_leg(self, sid: str, good: Callable[[Any], bool], *, within_s: float = 20.0) -> Any:
        """The carrier's report on a call as soon as `good` is true of it."""
        return await self.stack.twilio.until(f"/_sim/calls/{sid}", good, within_s=within_s)

    async def ledger(self) -> Any:
        return await self.stack.twilio.get("/_sim/ledger", heard=0)

    async def dials(self, to: str) -> list[Any]:
        """Every call that the carrier made to this number."""
        return [call for call in (await self.ledger())["calls"] if call["to"] == to]

    async def mistakes(self) -> list[Any]:
        """The protocol errors in the carrier's ledger since the last call of this method."""
        ledger = await self.ledger()
        fresh = [line for line in ledger["errors"] if line["seq"] > self._checked_to and line["kind"] != "fault"]
        self._checked_to = ledger["last_seq"]
        return fresh

    async def clean_up(self) -> None:
        """Remove the faults and end every call."""
        await self.stack.twilio.delete("/_sim/misbehave")
        await self.stack.openai.delete("/_sim/script")
        for call in (await self.ledger())["calls"]:
            if call["status"] not in _OVER:
                await self.stack.twilio.post(f"/_sim/hangup/{call['sid']}", None)
        for record in (await self.stack.gateway.rpc("voicecall.status"))["calls"]:
            await self.over(record["callId"])


def texts(leg: Any) -> list[str]:
    """What was heard at the callee, utterance by utterance."""
    return [utterance["text"] for utterance in leg["heard"]]


def lines(record: Any) -> list[tuple[str, str]]:
    """The transcript as (speaker, text)."""
    return [(line["speaker"], line["text"]) for line in record["transcript"]]


def said_by_us(record: Any) -> list[str]:
    return [text for speaker, text in lines(record) if speaker == "bot"]

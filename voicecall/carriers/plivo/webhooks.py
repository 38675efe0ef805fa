"""What a Plivo webhook says: query and form fields become facts of the call (behaviour 5.5, carriers 2.4).

Pure; the codec calls it with fields it has verified. Which of our URLs was called is in the query's `flow`; the bare
URL is a number's own answer URL. A status that we do not know is no event, only a kind to count.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final, TypeGuard

from voicecall.call.events import (
    Answered,
    AnsweredBy,
    DtmfReceived,
    Event,
    GreetingEnded,
    Heard,
    HungUp,
    PlaybackDone,
    Ringing,
)
from voicecall.call.ids import CallId, LegId, is_call_id
from voicecall.carriers.common.billing import billed
from voicecall.carriers.plivo.hangup import END_STATUSES, end_reason
from voicecall.errors import WebhookRejected
from voicecall.ports import Webhook

__all__ = ["FLOWS", "is_call_uuid", "read_webhook"]

_BILLED_IN: Final = "USD"

FLOWS: Final = frozenset(
    {"answer", "getinput", "greeting", "hangup", "machine", "ring", "stream", "xml-listen", "xml-speak"}
)
"""Values of `flow` in the URLs that we hand out. All but hangup, machine, ring and stream ask for instructions."""

_TELLING: Final = frozenset({"hangup", "machine", "ring", "stream"})
_STREAM_EVENTS: Final = frozenset({"StartStream", "StopStream", "DroppedStream", "DegradedStream"})
_TELLING_EVENTS: Final = _STREAM_EVENTS | {"Hangup", "Ring", "MachineDetection"}
_SPEECH: Final = ("Speech", "Transcription", "TranscriptionText", "SpeechResult", "RecognizedSpeech", "Text")
_UNSTATED_CONFIDENCE: Final = 0.9

_CALL_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_DIGITS = re.compile(r"[0-9*#A-D]{1,99}\Z")
_UTTERANCE = re.compile(r"[0-9]{1,6}\Z")
_VISIT = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")
_NUMBER = re.compile(r"[1-9][0-9]{6,14}\Z")


@dataclass(frozen=True, slots=True)
class _Told:
    """One request, its words in their normal spelling."""

    leg: LegId
    flow: str
    event: str
    status: str
    inbound: bool
    query: Mapping[str, str]
    fields: Mapping[str, str]


def read_webhook(query: Mapping[str, str], fields: Mapping[str, str]) -> Webhook:
    """The meaning of one request. Raises WebhookRejected (400) when it is not one that Plivo sends.

    `leg` is the CallUUID, which Plivo knows once it dials; before that, and only then, it is the RequestUUID that our
    dial was answered with. For a call to one number they are the same in practice (carriers 5.3).
    """
    told = _Told(
        leg=_leg(fields),
        flow=query.get("flow", ""),
        event=fields.get("Event", "").strip(),
        status=fields.get("CallStatus", "").strip().lower(),
        inbound=fields.get("Direction", "").strip().lower() == "inbound",
        query=query,
        fields=fields,
    )
    if told.flow and told.flow not in FLOWS:
        raise WebhookRejected("flow", status=400)
    kind, events = _facts(told)
    asks = _asks(told)
    if kind in ("answer", "status"):
        kind = "answer" if asks else "status"
    return Webhook(
        call=_call(query),
        leg=told.leg,
        inbound=told.inbound,
        from_=_number(fields.get("From", "")),
        to=_number(fields.get("To", "")),
        events=(*_said(told.leg, query), *_greeting(told), *events),
        wants_reply=asks,
        kind=kind,
        event_key=_visit(query),
        awaits_beep=asks and told.flow == "greeting",
        prompt=_prompt(query) if asks else None,
    )


def is_call_uuid(value: object) -> TypeGuard[str]:
    """True for a canonical lower-case UUID, as CallUUID and RequestUUID are."""
    return isinstance(value, str) and _CALL_UUID.match(value) is not None


def _asks(told: _Told) -> bool:
    """Whether Plivo waits for XML. A leg that is over takes no instructions, whichever URL it says so to."""
    if told.flow in _TELLING or told.event in _TELLING_EVENTS or told.status in END_STATUSES:
        return False
    return bool(told.flow or told.status or told.event == "StartApp")


def _facts(told: _Told) -> tuple[str, tuple[Event, ...]]:
    """The kind and the events: the first of stream, machine, keys, speech and status that is there."""
    if told.flow == "stream" or told.event in _STREAM_EVENTS:
        # The media socket itself tells us sooner and more surely.
        return "stream-status", ()
    if told.flow == "machine" or told.event == "MachineDetection":
        # Posted only for a machine; a person is answered by silence.
        is_machine = told.fields.get("Machine", "true").strip().lower() == "true"
        return "machine", (Answered(leg=told.leg, by=AnsweredBy.MACHINE),) if is_machine else ()
    if digits := told.fields.get("Digits", ""):
        return ("digits", (DtmfReceived(digits=digits, leg=told.leg),)) if _DIGITS.match(digits) else ("unknown", ())
    words = next((told.fields[name] for name in _SPEECH if told.fields.get(name, "").strip()), "")
    if words:
        confidence = _confidence(told.fields.get("SpeechConfidenceScore", ""))
        token = told.query.get("turnToken")
        return "speech", (Heard(text=words, confidence=confidence, turn_token=token, leg=told.leg),)
    return _progress(told)


def _progress(told: _Told) -> tuple[str, tuple[Event, ...]]:
    if told.status in END_STATUSES or told.flow == "hangup" or told.event == "Hangup":
        reason = end_reason(told.status, told.fields.get("HangupCauseCode", ""))
        cost = billed(
            told.leg, told.fields.get("BillDuration"), price=told.fields.get("TotalCost"), currency=_BILLED_IN
        )
        return "status", (*cost, HungUp(leg=told.leg, reason=reason))
    if told.status == "in-progress" or (told.event == "StartApp" and not told.status):
        return "answer", (Answered(leg=told.leg),)
    if told.status == "ringing" or told.event == "Ring":
        # "ringing" from a caller is their arrival, which the door decides upon and records itself.
        return "answer", () if told.inbound else (Ringing(leg=told.leg),)
    return "unknown", ()


def _visit(query: Mapping[str, str]) -> str | None:
    """What the caller said or left unsaid after one prompt: each prompt has URLs of its own, asked once.

    Plivo signs a repeated request with a new nonce, so its signature does not tell that it is a repetition.
    """
    visit = query.get("n", "")
    return f"plivo:visit:{visit}" if _VISIT.match(visit) else None


def _said(leg: LegId, query: Mapping[str, str]) -> tuple[Event, ...]:
    """Our own URL tells which prompt of ours was said before this request was made."""
    number = query.get("said", "")
    if not number:
        return ()
    if not _UTTERANCE.match(number):
        raise WebhookRejected("query", status=400)
    return (PlaybackDone(utterance=int(number), heard_ms=0, total_ms=None, complete=True, leg=leg),)


def _prompt(query: Mapping[str, str]) -> int | None:
    """Our own URL tells which prompt of ours the leg comes for (`Control.say`)."""
    number = query.get("say", "")
    if number and not _UTTERANCE.match(number):
        raise WebhookRejected("query", status=400)
    return int(number) if number else None


def _greeting(told: _Told) -> tuple[Event, ...]:
    """Our own URL tells that the wait for the beep is over. A leg that is over has heard none."""
    word = told.query.get("greeting", "")
    if word not in ("", "over"):
        raise WebhookRejected("query", status=400)
    return (GreetingEnded(leg=told.leg),) if word and _asks(told) else ()


def _leg(fields: Mapping[str, str]) -> LegId:
    for name in ("CallUUID", "RequestUUID", "ALegRequestUUID"):
        value = fields.get(name, "")
        if is_call_uuid(value):
            return LegId(value)
        if value:
            break
    raise WebhookRejected("call-uuid", status=400)


def _call(query: Mapping[str, str]) -> CallId | None:
    call = query.get("callId")
    if call is None:
        return None
    if not is_call_id(call):
        raise WebhookRejected("call-id", status=400)
    return CallId(call)


def _number(text: str) -> str:
    """Plivo writes numbers without their plus. What is no number (a name, a SIP address) stays as it came."""
    return f"+{text}" if _NUMBER.match(text) else text


def _confidence(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return _UNSTATED_CONFIDENCE
    return min(max(value, 0.0), 1.0) if isfinite(value) else _UNSTATED_CONFIDENCE

"""Parses a Plivo webhook: query and form fields become events of the call (Plivo's "Callbacks").

Pure; the codec calls it with verified fields. The query's `flow` says which of our URLs was requested; the bare URL is
the answer URL of a number. An unknown status is no event; its kind is counted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final, TypeGuard

from voicecall.call.events import (
    Answered,
    AnsweredBy,
    CommandDone,
    CommandFailed,
    DtmfReceived,
    Event,
    GreetingEnded,
    Heard,
    HungUp,
    PlaybackDone,
    Ringing,
)
from voicecall.call.ids import CallId, EffectId, LegId, is_call_id
from voicecall.call.tools import TRANSFER_CALL
from voicecall.carriers.common.billing import billed
from voicecall.carriers.plivo.hangup import END_STATUSES, end_reason
from voicecall.errors import WebhookRejected
from voicecall.ports import Webhook

__all__ = ["FLOWS", "is_call_uuid", "read_webhook"]

_BILLED_IN: Final = "USD"

FLOWS: Final = frozenset(
    {"answer", "dial", "getinput", "greeting", "hangup", "machine", "ring", "stream", "xml-listen", "xml-speak"}
)
"""Values of `flow` in the URLs that we hand out. All but hangup, machine, ring and stream request a document."""

_REPORTS: Final = frozenset({"hangup", "machine", "ring", "stream"})
_STREAM_EVENTS: Final = frozenset({"StartStream", "StopStream", "DroppedStream", "DegradedStream"})
_REPORT_EVENTS: Final = _STREAM_EVENTS | {"Hangup", "Ring", "MachineDetection"}
_SPEECH: Final = ("Speech", "Transcription", "TranscriptionText", "SpeechResult", "RecognizedSpeech", "Text")
_UNSTATED_CONFIDENCE: Final = 0.9

_NOT_CONNECTED: Final = {"busy": "busy", "no-answer": "no answer", "timeout": "no answer", "cancel": "canceled"}
_CALL_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_DIGITS = re.compile(r"[0-9*#A-D]{1,99}\Z")
_UTTERANCE = re.compile(r"[0-9]{1,6}\Z")
_VISIT = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")
_NUMBER = re.compile(r"[1-9][0-9]{6,14}\Z")


@dataclass(frozen=True, slots=True)
class _Request:
    """The fields of one request, in their normal spelling."""

    leg: LegId
    flow: str
    event: str
    status: str
    inbound: bool
    query: Mapping[str, str]
    fields: Mapping[str, str]


def read_webhook(query: Mapping[str, str], fields: Mapping[str, str]) -> Webhook:
    """The meaning of one request. Raises WebhookRejected (400) when it is not one that Plivo sends.

    `leg` is the CallUUID, which exists once Plivo dials; before that it is the RequestUUID of the reply to the dial.
    For a call to one number the two are equal.
    """
    request = _Request(
        leg=_leg(fields),
        flow=query.get("flow", ""),
        event=fields.get("Event", "").strip(),
        status=fields.get("CallStatus", "").strip().lower(),
        inbound=fields.get("Direction", "").strip().lower() == "inbound",
        query=query,
        fields=fields,
    )
    if request.flow and request.flow not in FLOWS:
        raise WebhookRejected("flow", status=400)
    kind, events = _facts(request)
    asks = _asks(request)
    if kind in ("answer", "status"):
        kind = "answer" if asks else "status"
    return Webhook(
        call=_call(query),
        leg=request.leg,
        inbound=request.inbound,
        from_=_number(fields.get("From", "")),
        to=_number(fields.get("To", "")),
        events=(*_said(request.leg, query), *_dialled(request), *_greeting(request), *events),
        wants_reply=asks,
        kind=kind,
        event_key=_visit(query),
        awaits_beep=asks and request.flow == "greeting",
        prompt=_prompt(query) if asks else None,
        hands_over=_effect(query, "dial") if asks else None,
        verified=fields.get("STIRVerification", "") == "Verified",
    )


def is_call_uuid(value: object) -> TypeGuard[str]:
    """True for a canonical lower-case UUID, as CallUUID and RequestUUID are."""
    return isinstance(value, str) and _CALL_UUID.match(value) is not None


def _asks(request: _Request) -> bool:
    """Whether Plivo waits for XML. A leg that has ended takes no instructions, at whichever URL it is reported."""
    if request.flow in _REPORTS or request.event in _REPORT_EVENTS or request.status in END_STATUSES:
        return False
    return bool(request.flow or request.status or request.event == "StartApp")


def _facts(request: _Request) -> tuple[str, tuple[Event, ...]]:
    """The kind and the events: the first of stream, machine, keys, speech and status that is present."""
    if request.flow == "stream" or request.event in _STREAM_EVENTS:
        # The media socket itself reports it sooner and more reliably.
        return "stream-status", ()
    if request.flow == "machine" or request.event == "MachineDetection":
        # Posted only for a machine, and not for a person.
        is_machine = request.fields.get("Machine", "true").strip().lower() == "true"
        return "machine", (Answered(leg=request.leg, by=AnsweredBy.MACHINE),) if is_machine else ()
    if digits := request.fields.get("Digits", ""):
        return ("digits", (DtmfReceived(digits=digits, leg=request.leg),)) if _DIGITS.match(digits) else ("unknown", ())
    transcript = next((request.fields[name] for name in _SPEECH if request.fields.get(name, "").strip()), "")
    if transcript:
        confidence = _confidence(request.fields.get("SpeechConfidenceScore", ""))
        token = request.query.get("turnToken")
        return "speech", (Heard(text=transcript, confidence=confidence, turn_token=token, leg=request.leg),)
    return _progress(request)


def _progress(request: _Request) -> tuple[str, tuple[Event, ...]]:
    if request.status in END_STATUSES or request.flow == "hangup" or request.event == "Hangup":
        reason = end_reason(request.status, request.fields.get("HangupCauseCode", ""))
        cost = billed(
            request.leg, request.fields.get("BillDuration"), price=request.fields.get("TotalCost"), currency=_BILLED_IN
        )
        return "status", (*cost, HungUp(leg=request.leg, reason=reason))
    if request.status == "in-progress" or (request.event == "StartApp" and not request.status):
        return "answer", (Answered(leg=request.leg),)
    if request.status == "ringing" or request.event == "Ring":
        # "ringing" of an inbound call is its arrival, which the ingress admits and records itself.
        return "answer", () if request.inbound else (Ringing(leg=request.leg),)
    return "unknown", ()


def _visit(query: Mapping[str, str]) -> str | None:
    """Key of the request that follows one prompt: each prompt has URLs of its own, which are requested once.

    Plivo signs a repeated request with a new nonce, so a repetition has another signature.
    """
    visit = query.get("n", "")
    return f"plivo:visit:{visit}" if _VISIT.match(visit) else None


def _said(leg: LegId, query: Mapping[str, str]) -> tuple[Event, ...]:
    """The URL that we handed out says which prompt was played before this request."""
    number = query.get("said", "")
    if not number:
        return ()
    if not _UTTERANCE.match(number):
        raise WebhookRejected("query", status=400)
    return (PlaybackDone(utterance=int(number), heard_ms=0, total_ms=None, complete=True, leg=leg),)


def _prompt(query: Mapping[str, str]) -> int | None:
    """The URL that we handed out says for which prompt the leg was transferred (`Control.say`)."""
    number = query.get("say", "")
    if number and not _UTTERANCE.match(number):
        raise WebhookRejected("query", status=400)
    return int(number) if number else None


def _effect(query: Mapping[str, str], name: str) -> int | None:
    """The URL that we handed out names an effect by its number."""
    number = query.get(name, "")
    if number and not _UTTERANCE.match(number):
        raise WebhookRejected("query", status=400)
    return int(number) if number else None


def _dialled(request: _Request) -> tuple[Event, ...]:
    """The outcome of a transfer: the URL that we handed out says of which one."""
    number, call = _effect(request.query, "dialled"), _call(request.query)
    status = request.fields.get("DialStatus", "").strip().lower()
    if number is None or call is None or not status:
        return ()
    effect = EffectId(f"{call}.{number}")
    if status == "completed":
        return (CommandDone(effect=effect, leg=request.leg, tool=TRANSFER_CALL, result="they have spoken"),)
    reason = _NOT_CONNECTED.get(status, "failed")
    return (CommandFailed(effect=effect, leg=request.leg, tool=TRANSFER_CALL, reason=reason, retryable=False),)


def _greeting(request: _Request) -> tuple[Event, ...]:
    """The URL that we handed out says that the wait for the beep has ended; not for a leg that has ended."""
    state = request.query.get("greeting", "")
    if state not in ("", "over"):
        raise WebhookRejected("query", status=400)
    return (GreetingEnded(leg=request.leg),) if state and _asks(request) else ()


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
    """Adds the plus that Plivo leaves out. What is not a number (a name, a SIP address) is unchanged."""
    return f"+{text}" if _NUMBER.match(text) else text


def _confidence(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return _UNSTATED_CONFIDENCE
    return min(max(value, 0.0), 1.0) if isfinite(value) else _UNSTATED_CONFIDENCE

"""Parses a Twilio webhook: query and form fields become events of the call ("TwiML Voice: Twilio's Request").

Pure; the codec calls it with verified fields. An unknown status is no event; its kind is counted.
"""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Final, TypeGuard
from urllib.parse import parse_qsl, urlsplit

from voicecall.call.events import (
    Answered,
    AnsweredBy,
    CommandDone,
    CommandFailed,
    DtmfReceived,
    EndReason,
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
from voicecall.errors import WebhookRejected
from voicecall.ports import Webhook

__all__ = ["END_REASONS", "is_call_sid", "read_webhook"]

END_REASONS: Final = {
    "completed": EndReason.COMPLETED,
    "failed": EndReason.FAILED,
    "busy": EndReason.BUSY,
    "no-answer": EndReason.NO_ANSWER,
    "canceled": EndReason.HANGUP_BOT,
}
"""Statuses of a leg that has ended, in webhooks and in REST."""

# Exactly this, because the signature stays valid when one field is merged into another (attack 16).
_CALL_SID = re.compile(r"CA[0-9a-f]{32}\Z")
_DIGITS = re.compile(r"[0-9*#A-D]{1,64}\Z")
_UNSTATED_CONFIDENCE: Final = 0.9  # newer speech models send none
_MAX_NUMBER: Final = 6  # digits
_GREETING_ENDS = frozenset({"machine_end_beep", "machine_end_silence", "machine_end_other"})
_CONNECTED = frozenset({"completed", "answered"})  # of the other leg of a transfer
_NOT_CONNECTED: Final = {"busy": "busy", "no-answer": "no answer", "failed": "failed", "canceled": "canceled"}
_SILENT = frozenset({"queued", "initiated"})  # known statuses that change nothing


def read_webhook(url: str, fields: Mapping[str, str], account_sid: str) -> Webhook:
    """The meaning of one request. Raises WebhookRejected (400) when Twilio would not send it for this account."""
    query = _query(url)
    if not is_call_sid(fields.get("CallSid")):
        raise WebhookRejected("call-sid", status=400)
    # The signature proves the account; where the account is named, it must be this one.
    if fields.get("AccountSid", account_sid) != account_sid:
        raise WebhookRejected("account-sid", status=400)
    leg = LegId(fields["CallSid"])
    call = _call(query)
    done = (*_said(leg, query), *_pressed(call, leg, query), *_dialled(call, leg, query, fields))
    status = fields.get("CallStatus", "").strip().lower()
    kind, events = _facts(leg, status, query, fields)
    # A number's own status callback has CallbackSource, and not our query. An ended leg takes no instructions.
    is_report = query.get("type") in ("status", "amd") or "CallbackSource" in fields or status in END_REASONS
    asks = not is_report and (bool(status) or kind in ("speech", "digits")) and kind != "stream-status"
    if kind in ("answer", "status"):
        kind = "answer" if asks else "status"
    return Webhook(
        call=call,
        leg=leg,
        inbound=fields.get("Direction", "").strip().lower() == "inbound",
        from_=fields.get("From", ""),
        to=fields.get("To", ""),
        events=(*done, *events),
        wants_reply=asks,
        kind=kind,
        verified=fields.get("StirVerstat", "") == "TN-Validation-Passed-A",
    )


def is_call_sid(value: object) -> TypeGuard[str]:
    """True for `CA` and 32 lower-case hex digits, and nothing else."""
    return isinstance(value, str) and _CALL_SID.match(value) is not None


def _facts(
    leg: LegId,
    status: str,
    query: Mapping[str, str],
    fields: Mapping[str, str],
) -> tuple[str, tuple[Event, ...]]:
    """The kind and the events: the first of machine, stream, speech, digits and status that is present."""
    if query.get("type") == "amd":
        return "machine", _amd_result(leg, fields.get("AnsweredBy", ""))
    if "StreamEvent" in fields:
        # The media socket itself reports it sooner and more reliably.
        return "stream-status", ()
    if transcript := fields.get("SpeechResult", ""):
        confidence = _confidence(fields.get("Confidence", ""))
        return "speech", (Heard(text=transcript, confidence=confidence, turn_token=query.get("turnToken"), leg=leg),)
    if digits := fields.get("Digits", ""):
        return ("digits", (DtmfReceived(digits=digits, leg=leg),)) if _DIGITS.match(digits) else ("unknown", ())
    return _progress(leg, status, fields)


def _progress(leg: LegId, status: str, fields: Mapping[str, str]) -> tuple[str, tuple[Event, ...]]:
    if status in END_REASONS:
        # In started minutes; webhooks do not report the price.
        cost = billed(leg, fields.get("Duration"), unit_s=60)
        return "status", (*cost, HungUp(leg=leg, reason=END_REASONS[status]))
    if status == "in-progress":
        return "answer", (Answered(leg=leg, by=_answered_by(fields.get("AnsweredBy", ""))),)
    if status == "ringing":
        # "ringing" of an inbound call is its arrival, which the ingress admits and records itself.
        inbound = fields.get("Direction", "").strip().lower() == "inbound"
        return "answer", () if inbound else (Ringing(leg=leg),)
    return ("answer" if status in _SILENT else "unknown"), ()


def _amd_result(leg: LegId, result: str) -> tuple[Event, ...]:
    """The result of asynchronous detection. `machine_end_*` is also the end of the greeting."""
    by = _answered_by(result)
    if by is None:
        return ()
    ended = (GreetingEnded(leg=leg),) if result in _GREETING_ENDS else ()
    return (Answered(leg=leg, by=by), *ended)


def _query(url: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True, errors="strict", max_num_fields=20)
    except ValueError as error:
        raise WebhookRejected("query", status=400) from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise WebhookRejected("query", status=400)
    return found


def _said(leg: LegId, query: Mapping[str, str]) -> tuple[Event, ...]:
    """The URL that we handed out says which prompt was played before this request."""
    number = _number(query, "said")
    if number is None:
        return ()
    return (PlaybackDone(utterance=number, heard_ms=0, total_ms=None, complete=True, leg=leg),)


def _pressed(call: CallId | None, leg: LegId, query: Mapping[str, str]) -> tuple[Event, ...]:
    """The URL that we handed out says which digits were played."""
    number = _number(query, "pressed")
    if number is None or call is None:
        return ()
    return (CommandDone(effect=EffectId(f"{call}.{number}"), leg=leg),)


def _dialled(call: CallId | None, leg: LegId, query: Mapping[str, str], fields: Mapping[str, str]) -> tuple[Event, ...]:
    """The outcome of a transfer: the URL that we handed out says of which one."""
    number = _number(query, "dialled")
    status = fields.get("DialCallStatus", "").strip().lower()
    if number is None or call is None or not status:
        return ()
    effect = EffectId(f"{call}.{number}")
    if status in _CONNECTED:
        return (CommandDone(effect=effect, leg=leg, tool=TRANSFER_CALL, result="they have spoken"),)
    reason = _NOT_CONNECTED.get(status, "failed")
    return (CommandFailed(effect=effect, leg=leg, tool=TRANSFER_CALL, reason=reason, retryable=False),)


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_NUMBER):
        raise WebhookRejected("query", status=400)
    return int(text)


def _call(query: Mapping[str, str]) -> CallId | None:
    call = query.get("callId")
    if call is None:
        return None
    if not is_call_id(call):
        raise WebhookRejected("call-id", status=400)
    return CallId(call)


def _answered_by(result: str) -> AnsweredBy | None:
    """None for "unknown" and other values: the call then goes on as with a person."""
    if result in _GREETING_ENDS or result == "machine_start":
        return AnsweredBy.MACHINE
    return {"human": AnsweredBy.HUMAN, "fax": AnsweredBy.FAX}.get(result)


def _confidence(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return _UNSTATED_CONFIDENCE
    return min(max(value, 0.0), 1.0) if isfinite(value) else _UNSTATED_CONFIDENCE

"""What a Twilio webhook says: query and form fields become facts of the call (behaviour 5.2).

Pure; the codec calls it with fields it has verified. A status that we do not know is no event, only a kind to count.
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
"""Twilio's words for a leg that is over, in webhooks and in REST alike."""

# Exactly this, because a signature stays valid when fields are folded into each other (attack 16).
_CALL_SID = re.compile(r"CA[0-9a-f]{32}\Z")
_DIGITS = re.compile(r"[0-9*#A-D]{1,64}\Z")
_UNSTATED_CONFIDENCE: Final = 0.9  # newer speech models do not say (behaviour 5.2)
_MAX_NUMBER: Final = 6  # digits
_GREETING_ENDS = frozenset({"machine_end_beep", "machine_end_silence", "machine_end_other"})
_SILENT = frozenset({"queued", "initiated"})  # words we know, and which change nothing


def read_webhook(url: str, fields: Mapping[str, str], account_sid: str) -> Webhook:
    """The meaning of one request. Raises WebhookRejected (400) when it is not one that Twilio sends for our account."""
    query = _query(url)
    if not is_call_sid(fields.get("CallSid")):
        raise WebhookRejected("call-sid", status=400)
    # The signature proves the account; its name, where it is told, must not contradict.
    if fields.get("AccountSid", account_sid) != account_sid:
        raise WebhookRejected("account-sid", status=400)
    leg = LegId(fields["CallSid"])
    call = _call(query)
    done = (*_said(leg, query), *_pressed(call, leg, query))
    status = fields.get("CallStatus", "").strip().lower()
    kind, events = _facts(leg, status, query, fields)
    # A number's own status callback has no query of ours; it marks itself. A leg that is over takes no instructions.
    tells = query.get("type") in ("status", "amd") or "CallbackSource" in fields or status in END_REASONS
    asks = not tells and (bool(status) or kind in ("speech", "digits")) and kind != "stream-status"
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
    """The kind and the events: the first of verdict, stream, speech, digits and status that is there."""
    if query.get("type") == "amd":
        return "machine", _verdict(leg, fields.get("AnsweredBy", ""))
    if "StreamEvent" in fields:
        # The media socket itself tells us sooner and more surely.
        return "stream-status", ()
    if words := fields.get("SpeechResult", ""):
        confidence = _confidence(fields.get("Confidence", ""))
        return "speech", (Heard(text=words, confidence=confidence, turn_token=query.get("turnToken"), leg=leg),)
    if digits := fields.get("Digits", ""):
        return ("digits", (DtmfReceived(digits=digits, leg=leg),)) if _DIGITS.match(digits) else ("unknown", ())
    return _progress(leg, status, fields)


def _progress(leg: LegId, status: str, fields: Mapping[str, str]) -> tuple[str, tuple[Event, ...]]:
    if status in END_REASONS:
        # In minutes begun; the price is not known yet, and never told by a webhook.
        cost = billed(leg, fields.get("Duration"), unit_s=60)
        return "status", (*cost, HungUp(leg=leg, reason=END_REASONS[status]))
    if status == "in-progress":
        return "answer", (Answered(leg=leg, by=_answered_by(fields.get("AnsweredBy", ""))),)
    if status == "ringing":
        # "ringing" from a caller is their arrival, which the door decides upon and records itself.
        inbound = fields.get("Direction", "").strip().lower() == "inbound"
        return "answer", () if inbound else (Ringing(leg=leg),)
    return ("answer" if status in _SILENT else "unknown"), ()


def _verdict(leg: LegId, word: str) -> tuple[Event, ...]:
    """Asynchronous detection, in a request of its own. A machine's "end" is also the end of its greeting."""
    by = _answered_by(word)
    if by is None:
        return ()
    ended = (GreetingEnded(leg=leg),) if word in _GREETING_ENDS else ()
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
    """Our own URL tells which prompt of ours was said before this request was made."""
    number = _number(query, "said")
    if number is None:
        return ()
    return (PlaybackDone(utterance=number, heard_ms=0, total_ms=None, complete=True, leg=leg),)


def _pressed(call: CallId | None, leg: LegId, query: Mapping[str, str]) -> tuple[Event, ...]:
    """And which keys of ours were pressed."""
    number = _number(query, "pressed")
    if number is None or call is None:
        return ()
    return (CommandDone(effect=EffectId(f"{call}.{number}"), leg=leg),)


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


def _answered_by(word: str) -> AnsweredBy | None:
    """None for "unknown", and for words that are no verdict: who is not known to be a machine is a person."""
    if word in _GREETING_ENDS or word == "machine_start":
        return AnsweredBy.MACHINE
    return {"human": AnsweredBy.HUMAN, "fax": AnsweredBy.FAX}.get(word)


def _confidence(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return _UNSTATED_CONFIDENCE
    return min(max(value, 0.0), 1.0) if isfinite(value) else _UNSTATED_CONFIDENCE

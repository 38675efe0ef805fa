"""Parses a mock webhook: `{"id": …, "event": {…}}` or `{"id": …, "events": […]}`, all of one leg.

Pure; used by the codec. Each event has `type`, and names its call by `callId` (ours) or its leg by `legId` (the
carrier's); `direction`, `from` and `to` describe an inbound call. Unknown types are skipped, and counted.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
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
from voicecall.errors import WebhookRejected
from voicecall.ports import Webhook

__all__ = ["leg_of", "read_webhook"]

_MAX_EVENTS: Final = 100
_LEG = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")
_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}\Z")
_DIGITS = re.compile(r"[0-9*#A-D]{1,64}\Z")
_MAX_UTTERANCE: Final = 999_999
_WAITING: Final = "call.waiting"  # the media socket has closed; posted to a reply's `resumeUrl`
_TRANSFERRED: Final = "call.transferred"  # it asks, as the leg comes back
_EFFECT = re.compile(r"[0-9a-f-]{36}\.[0-9]{1,6}\Z")
_NOT_CONNECTED: Final = {"busy": "busy", "no-answer": "no answer"}
_REASONS: Final = {reason.value: reason for reason in EndReason}
_BY: Final = {by.value: by for by in AnsweredBy}


def leg_of(call: CallId) -> LegId:
    """The leg of a dial for `call`, where the mock carrier has no API that names one."""
    return LegId(f"mock-{call}")


def read_webhook(url: str, body: Mapping[str, Any]) -> Webhook:
    """The meaning of one request. Raises WebhookRejected (400) when it is malformed."""
    items = _items(body)
    first = items[0]
    inbound = any(item.get("direction") == "inbound" for item in items)
    call, leg = _names(first, url, inbound=inbound)
    for item in items[1:]:
        if _names(item, url, inbound=inbound) != (call, leg):
            raise WebhookRejected("mixed-calls", status=400)
    types = [_text(item, "type") for item in items]
    turn = _query(url).get("turnToken", "")
    facts = [_fact(kind, leg, item, turn) for kind, item in zip(types, items, strict=True)]
    # An inbound call waits for instructions while it rings, an outbound call when it is answered.
    asks = _WAITING in types or _TRANSFERRED in types or ("call.initiated" if inbound else "call.answered") in types
    known = asks or "call.initiated" in types or any(facts)
    return Webhook(
        call=call,
        leg=leg,
        inbound=inbound,
        from_=_text(first, "from"),
        to=_text(first, "to"),
        events=tuple(fact for fact in facts if fact is not None),
        wants_reply=asks,
        kind=("answer" if asks else "status") if known else "unknown",
        event_key=_event_key(body),
        verified=first.get("verified") is True,
    )


def _fact(  # noqa: C901, PLR0911 - a table
    kind: str, leg: LegId, item: Mapping[str, Any], turn: str
) -> Event | None:
    """The event for an item; None when it changes nothing or its type is unknown."""
    match kind:
        case "call.ringing":
            return Ringing(leg=leg)
        case "call.answered":
            return Answered(leg=leg, by=_BY.get(_text(item, "answeredBy")))
        case "call.detected":
            return _detected(leg, item)
        case "call.beep":
            return GreetingEnded(leg=leg)
        case "call.speech":
            return _heard(leg, item, turn)
        case "call.dtmf":
            return _keyed(leg, item)
        case "call.said":
            return PlaybackDone(utterance=_utterance(item), heard_ms=0, total_ms=None, complete=True, leg=leg)
        case "call.transferred":
            return _transferred(leg, item)
        case "call.ended":
            return HungUp(leg=leg, reason=_REASONS.get(_text(item, "reason"), EndReason.COMPLETED))
        case "call.error":
            return None if item.get("retryable") is True else HungUp(leg=leg, reason=EndReason.ERROR)
        case _:
            return None


def _transferred(leg: LegId, item: Mapping[str, Any]) -> CommandDone | CommandFailed:
    effect, status = _text(item, "effect"), _text(item, "status")
    if not _EFFECT.match(effect):
        raise WebhookRejected("effect", status=400)
    if status == "completed":
        return CommandDone(effect=EffectId(effect), leg=leg, tool=TRANSFER_CALL, result="they have spoken")
    reason = _NOT_CONNECTED.get(status, "failed")
    return CommandFailed(effect=EffectId(effect), leg=leg, tool=TRANSFER_CALL, reason=reason, retryable=False)


def _detected(leg: LegId, item: Mapping[str, Any]) -> Answered:
    by = _BY.get(_text(item, "answeredBy"))
    if by is None:
        raise WebhookRejected("answered-by", status=400)
    return Answered(leg=leg, by=by)


def _keyed(leg: LegId, item: Mapping[str, Any]) -> DtmfReceived:
    digits = _text(item, "digits")
    if not _DIGITS.match(digits):
        raise WebhookRejected("digits", status=400)
    return DtmfReceived(digits=digits, leg=leg)


def _heard(leg: LegId, item: Mapping[str, Any], turn: str) -> Heard:
    """`turn`: the turn token in the URL, used when the event has none of its own."""
    confidence = item.get("confidence")
    if confidence is not None and (type(confidence) not in (int, float) or not 0 <= confidence <= 1):
        raise WebhookRejected("confidence", status=400)
    return Heard(
        text=_text(item, "transcript"),
        final=item.get("isFinal", True) is True,
        confidence=confidence,
        turn_token=_text(item, "turnToken") or turn or None,
        leg=leg,
    )


def _utterance(item: Mapping[str, Any]) -> int:
    """Number of the prompt that was played; 0 for the current one."""
    number = item.get("utterance", 0)
    if type(number) is not int or not 0 <= number <= _MAX_UTTERANCE:
        raise WebhookRejected("utterance", status=400)
    return number


def _event_key(body: Mapping[str, Any]) -> str | None:
    """Key of the event's `id`: a repetition is signed anew, but has the same id."""
    name = _text(body, "id")
    if name and not _ID.match(name):
        raise WebhookRejected("event-id", status=400)
    return f"mock:event:{name}" if name else None


def _items(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = body.get("events", [body.get("event")])
    if not isinstance(items, list) or not 1 <= len(items) <= _MAX_EVENTS:
        raise WebhookRejected("events", status=400)
    for item in items:
        if not isinstance(item, dict) or not item.get("type"):
            raise WebhookRejected("events", status=400)
    return items


def _names(item: Mapping[str, Any], url: str, *, inbound: bool) -> tuple[CallId | None, LegId]:
    """Our call id and the carrier's leg. An inbound call has no call id yet: its `callId` may name the leg."""
    call = _text(item, "callId") or _query(url).get("callId", "")
    leg = _text(item, "legId") or _text(item, "providerCallId")
    if call and not is_call_id(call):
        if not inbound or (leg and leg != call):
            raise WebhookRejected("call-id", status=400)
        call, leg = "", call
    leg = leg or (leg_of(CallId(call)) if call else "")
    if not _LEG.match(leg):
        raise WebhookRejected("leg-id", status=400)
    return CallId(call) if call else None, LegId(leg)


def _query(url: str) -> dict[str, str]:
    """The query of the webhook URL, as a dial or a reply gave it."""
    try:
        return dict(parse_qsl(urlsplit(url).query, errors="strict", max_num_fields=20))
    except ValueError as error:
        raise WebhookRejected("query", status=400) from error


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name, "")
    if not isinstance(value, str):
        raise WebhookRejected("events", status=400)
    return value

"""Parses a Telnyx webhook: `{"data": {"event_type", "payload"}}` becomes events of the call ("Call Control Webhooks").

Pure; the codec calls it with a verified body. Telnyx posts far more types than a call needs: an unknown type is no
event; its kind is counted.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from voicecall.call.events import (
    Answered,
    AnsweredBy,
    CommandDone,
    CommandFailed,
    Dialled,
    DtmfReceived,
    EndReason,
    Event,
    GreetingEnded,
    Heard,
    HungUp,
    PlaybackDone,
    Ringing,
    StreamClosed,
)
from voicecall.call.ids import NO_TURN, EffectId, LegId, StreamId
from voicecall.call.tools import TRANSFER_CALL
from voicecall.carriers.common.billing import billed
from voicecall.carriers.telnyx.client_state import ClientState, read_client_state
from voicecall.errors import WebhookRejected
from voicecall.ports import Webhook

__all__ = ["END_REASONS", "is_call_control_id", "read_webhook"]

END_REASONS: Final = {
    "call_rejected": EndReason.BUSY,
    "destination_out_of_order": EndReason.FAILED,
    "fax_detected": EndReason.VOICEMAIL,
    "machine_detected": EndReason.VOICEMAIL,
    "network_out_of_order": EndReason.FAILED,
    "no_answer": EndReason.NO_ANSWER,
    "no_user_response": EndReason.NO_ANSWER,
    "normal_clearing": EndReason.COMPLETED,
    "normal_unspecified": EndReason.COMPLETED,
    "not_found": EndReason.FAILED,
    "originator_cancel": EndReason.HANGUP_BOT,
    "recovery_on_timer_expire": EndReason.FAILED,
    "service_unavailable": EndReason.FAILED,
    "subscriber_absent": EndReason.HANGUP_USER,
    "time_limit": EndReason.TIMEOUT,
    "timeout": EndReason.NO_ANSWER,  # not answered within `timeout_secs`
    "unspecified": EndReason.COMPLETED,
    "user_busy": EndReason.BUSY,
    "user_hangup": EndReason.HANGUP_USER,
}
"""`hangup_cause`: the documented causes, and some that occur besides. Any other is COMPLETED."""

_ANSWERED_BY: Final = {
    "human": AnsweredBy.HUMAN,
    "not_sure": AnsweredBy.HUMAN,  # spoken to, because a person who hears nothing hangs up
    "human_residence": AnsweredBy.HUMAN,
    "human_business": AnsweredBy.HUMAN,
    "machine": AnsweredBy.MACHINE,
    "fax_detected": AnsweredBy.FAX,
}
_GREETING_ENDS: Final = frozenset({"beep_detected", "ended", "no_beep_detected", "not_sure", "prompt_ended"})

_KINDS: Final = {
    "call.initiated": "status",
    "call.ringing": "status",  # not documented, but sent
    "call.answered": "answer",
    "call.bridged": "status",
    "call.hangup": "status",
    "call.cost": "cost",  # where the account has it switched on; sent after the hang-up
    "call.transcription": "speech",
    "call.dtmf.received": "digits",
    "call.gather.ended": "digits",
    "call.machine.detection.ended": "machine",
    "call.machine.premium.detection.ended": "machine",
    "call.machine.greeting.ended": "machine",
    "call.machine.premium.greeting.ended": "machine",
    "call.speak.started": "speak-status",
    "call.speak.ended": "speak-status",
    "call.playback.started": "speak-status",
    "call.playback.ended": "speak-status",
    # The media socket itself reports these sooner and more reliably; a loss, only while its ingress lives.
    "streaming.started": "stream-status",
    "streaming.stopped": "stream-status",
    "streaming.failed": "stream-status",
}

_SPOKEN: Final = frozenset({EndReason.COMPLETED, EndReason.HANGUP_USER, EndReason.TIMEOUT})
_NOT_CONNECTED: Final = {EndReason.BUSY: "busy", EndReason.NO_ANSWER: "no answer", EndReason.HANGUP_BOT: "canceled"}
_CALL_CONTROL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.=-]{3,255}\Z")
_LONGEST_STREAM_ID: Final = 256
_DIGITS = re.compile(r"[0-9*#A-D]{1,128}\Z")


def read_webhook(body: Mapping[str, Any]) -> Webhook:
    """The meaning of one request. Raises WebhookRejected (400) when it is not one that Telnyx sends."""
    data = _object(body, "data")
    payload = _object(data, "payload")
    event_type = _text(data, "event_type")
    kind = _KINDS.get(event_type, "unknown")
    leg = _text(payload, "call_control_id")
    if not event_type:
        raise WebhookRejected("event-type", status=400)
    # Webhooks about recordings and conferences have no leg, and are not used.
    if not is_call_control_id(leg) and (leg or kind != "unknown"):
        raise WebhookRejected("leg-id", status=400)
    state = read_client_state(payload.get("client_state"))
    arrives = event_type == "call.initiated" and _text(payload, "direction") in ("incoming", "inbound")
    if state is not None and state.transfer:
        events = _of_transfer(event_type, state, payload)
    else:
        events = () if arrives else _facts(event_type, LegId(leg), state, payload)
    return Webhook(
        call=state.call if state else None,
        leg=LegId(leg),
        inbound=arrives,
        from_=_text(payload, "from"),
        to=_text(payload, "to"),
        events=events,
        wants_reply=arrives,
        kind="answer" if arrives else kind,
        verified=payload.get("shaken_stir_validated") is True and payload.get("shaken_stir_attestation") == "A",
        # A repetition has another attempt number and signature, but the same event id.
        event_key=f"telnyx:event:{_text(data, 'id')}" if _text(data, "id") else None,
    )


def is_call_control_id(value: object) -> bool:
    """Whether it can be a `call_control_id`: characters that need no escaping."""
    return isinstance(value, str) and _CALL_CONTROL_ID.match(value) is not None


def _facts(  # noqa: C901, PLR0911 - a table, one line a type
    event_type: str, leg: LegId, state: ClientState | None, payload: Mapping[str, Any]
) -> tuple[Event, ...]:
    """The events of a type; none when it changes nothing."""
    match event_type:
        case "call.initiated":
            # The first webhook of our own dial. It reports the leg when the reply to the dial was lost.
            return (Dialled(leg=leg),)
        case "call.ringing":
            return (Ringing(leg=leg),)
        case "call.answered":
            return (Answered(leg=leg),)
        case "call.hangup":
            return (HungUp(leg=leg, reason=_end_reason(state, payload)),)
        case "call.cost":
            return _cost(leg, payload)
        case "call.transcription":
            return _heard(leg, _object(payload, "transcription_data"), state)
        case "streaming.failed" if _text(payload, "stream_id"):
            return (StreamClosed(stream=StreamId(_text(payload, "stream_id")[:_LONGEST_STREAM_ID])),)
        case "call.dtmf.received":
            return _keyed(leg, _text(payload, "digit"))
        case "call.gather.ended":
            return _keyed(leg, _text(payload, "digits"))
        case "call.speak.ended" if _text(payload, "status") in ("", "completed"):
            # A prompt that was cut may come with the state of the one that cut it, and is not reported.
            # 0: the current prompt, where the state names none.
            said = state.utterance if state else 0
            return (PlaybackDone(utterance=said, heard_ms=0, total_ms=None, complete=True, leg=leg),)
        case _ if _KINDS.get(event_type) == "machine":
            return _of_machine(event_type, leg, _text(payload, "result"))
        case _:
            return ()


def _of_machine(event_type: str, leg: LegId, result: str) -> tuple[Event, ...]:
    """The detection's result, or the end of a machine's greeting."""
    if event_type.endswith("greeting.ended"):
        return (GreetingEnded(leg=leg),) if result in _GREETING_ENDS else ()
    by = _ANSWERED_BY.get(result)
    return (Answered(leg=leg, by=by),) if by else ()


def _of_transfer(event_type: str, state: ClientState, payload: Mapping[str, Any]) -> tuple[Event, ...]:
    """The end of the leg to someone to whom the call is transferred is the outcome; it is no leg of the call."""
    if event_type != "call.hangup":
        return ()
    effect = EffectId(f"{state.call}.{state.transfer}")
    reason = END_REASONS.get(_text(payload, "hangup_cause"), EndReason.COMPLETED)
    if reason in _SPOKEN:
        return (CommandDone(effect=effect, tool=TRANSFER_CALL, result="they have spoken"),)
    words = _NOT_CONNECTED.get(reason, "failed")
    return (CommandFailed(effect=effect, tool=TRANSFER_CALL, reason=words, retryable=False),)


def _end_reason(state: ClientState | None, payload: Mapping[str, Any]) -> EndReason:
    cause = _text(payload, "hangup_cause")
    if cause == "originator_cancel" and state is None:
        # It occurs only before the answer, and until then a leg without our state is inbound.
        return EndReason.HANGUP_USER
    return END_REASONS.get(cause, EndReason.COMPLETED)


def _cost(leg: LegId, payload: Mapping[str, Any]) -> tuple[Event, ...]:
    parts = payload.get("cost_parts")
    first = parts[0] if isinstance(parts, list) and parts and isinstance(parts[0], dict) else {}
    price, currency = payload.get("total_cost"), first.get("currency")
    return billed(leg, payload.get("billed_duration_secs"), price=price, currency=currency)


def _heard(leg: LegId, data: Mapping[str, Any], state: ClientState | None) -> tuple[Event, ...]:
    """A transcript of the caller. With `transcription_track` "outbound" it is of our own prompt, and ignored."""
    transcript = _text(data, "transcript")
    if not transcript.strip() or _text(data, "transcription_track") == "outbound":
        return ()
    confidence = data.get("confidence")
    if confidence is not None and type(confidence) not in (int, float):
        raise WebhookRejected("confidence", status=400)
    sure = None if confidence is None else min(max(float(confidence), 0.0), 1.0)
    # The state is that of the newest prompt; without one there was no question yet.
    token = (state.token or NO_TURN) if state and state.utterance else None
    final = data.get("is_final", True) is not False
    return (Heard(text=transcript, final=final, confidence=sure, turn_token=token, leg=leg),)


def _keyed(leg: LegId, digits: str) -> tuple[Event, ...]:
    """The keys; nothing for an empty gather."""
    if not digits:
        return ()
    if not _DIGITS.match(digits):
        raise WebhookRejected("digits", status=400)
    return (DtmfReceived(digits=digits, leg=leg),)


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    if not isinstance(found, dict):
        raise WebhookRejected("envelope", status=400)
    return found


def _text(value: Mapping[str, Any], name: str) -> str:
    """A text member; "" when it is missing or null."""
    found = value.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise WebhookRejected("envelope", status=400)
    return found

"""What a local caller orders, checked against the house's rules, and the fact it becomes.

Pure. Used by the desk before anything is reserved or posted. Knows numbers, lengths and settings; no bus.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from voicecall.api.limits import KEYS, LONGEST_KEY, LONGEST_MESSAGE
from voicecall.call.brief import Brief
from voicecall.call.events import CallPolicy, Mode, Placed
from voicecall.call.ids import E164, RequestId, parse_e164
from voicecall.errors import InvalidRequest
from voicecall.service.numbering import refusal_of
from voicecall.settings import Settings

__all__ = ["CallRequest", "checked_keys", "checked_message", "placed"]

_NOBODY: Final = E164("+15550000000")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """A call somebody wants. `to` None: the configured `toNumber`; `mode` None: the configured one.

    `keys` are pressed when the other side has answered, before anything is said. `voicemail_message` and
    `max_duration_s` come from the brief and become terms of the call.
    """

    to: str | None
    message: str = ""
    mode: Mode | None = None
    session_key: str = ""
    requester: str = ""
    keys: str = ""
    brief: Brief | None = None
    voicemail_message: str = ""
    max_duration_s: float | None = None

    def content(self) -> tuple[object, ...]:
        """What tells one order from another under the same idempotency key."""
        more = (self.requester, self.keys, self.brief, self.voicemail_message, self.max_duration_s)
        return more if any(more) else ()


def placed(order: CallRequest, settings: Settings, request: RequestId) -> Placed:
    """The fact that this order was taken. Raises InvalidRequest, naming what is wrong with it."""
    caller = settings.from_number or (None if settings.capabilities.has_account else _NOBODY)
    if caller is None:
        raise InvalidRequest("fromNumber not configured")
    for name, key in (("sessionKey", order.session_key), ("requesterSessionKey", order.requester)):
        if len(key) > LONGEST_KEY:
            raise InvalidRequest(f"{name} is longer than {LONGEST_KEY} characters")
        if not key.isprintable():
            raise InvalidRequest(f"{name} must be printable: no line breaks, no control characters")
    mode = order.mode or settings.outbound.default_mode
    if order.keys:
        _may_press(order.keys, mode)
    return Placed(
        carrier=settings.provider,
        from_=caller,
        to=_dialable(order.to if order.to is not None else settings.to_number),
        mode=mode,
        message=checked_message(order.message, required=False),
        session_key=order.session_key,
        agent_id=settings.agent_id,
        requester=order.requester,
        opening_digits=order.keys,
        brief=order.brief,
        request=request,
        policy=_policy(order, settings),
    )


def checked_message(text: str, *, required: bool) -> str:
    text = text.strip()
    if required and not text:
        raise InvalidRequest("message required")
    if len(text) > LONGEST_MESSAGE:
        raise InvalidRequest(f"message is longer than {LONGEST_MESSAGE} characters")
    return text


def checked_keys(keys: str, name: str) -> str:
    if re.fullmatch(KEYS, keys) is None:
        raise InvalidRequest(f"{name} must be 1 to 64 of 0-9 * # w W p P ,")
    return keys


def _may_press(keys: str, mode: Mode) -> None:
    checked_keys(keys, "dtmfSequence")
    if mode is not Mode.CONVERSATION:
        raise InvalidRequest("dtmfSequence needs mode conversation: a notice is only spoken")


def _policy(order: CallRequest, settings: Settings) -> CallPolicy:
    """The house's policy, and what the order narrows: it never lasts longer than the configuration says."""
    policy = settings.call_policy()
    if order.max_duration_s is not None:
        policy = replace(policy, max_duration_s=min(order.max_duration_s, policy.max_duration_s))
    return replace(policy, machine_message=order.voicemail_message) if order.voicemail_message else policy


def _dialable(to: str | None) -> E164:
    if not to:
        raise InvalidRequest("to required")
    number = parse_e164(to)
    if number is None:
        raise InvalidRequest("to is not an E.164 number: write + and 2 to 15 digits, without spaces or extension")
    refusal = refusal_of(number)
    if refusal is not None:
        raise InvalidRequest(f"to is not dialled: {refusal}")
    return number

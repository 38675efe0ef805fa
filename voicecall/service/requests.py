"""A request to place a call, checked against the configuration, and the event it becomes.

`CallService` uses it before it reserves or posts anything. Pure: knows numbers, lengths and settings; no bus.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from voicecall.api.limits import KEYS, LONGEST_KEY, LONGEST_MESSAGE
from voicecall.call.brief import CallBrief
from voicecall.call.events import CallPolicy, Mode, Placed
from voicecall.call.ids import E164, RequestId
from voicecall.call.numbers import NotANumber, read_number
from voicecall.call.tools import restricted
from voicecall.errors import InvalidRequest
from voicecall.service.numbering import country_refusal, refusal_of
from voicecall.settings import Settings
from voicecall.text.speakable import speakable

__all__ = ["CallRequest", "checked_keys", "checked_message"]

_NO_ACCOUNT_CALLER: Final = E164("+15550000000")
"""The caller ID of a provider without an account, when `fromNumber` is not set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """A call to place. `to` None or "": the configured `toNumber`; `mode` None: the configured mode.

    `keys` are pressed after the answer, before the message. `voicemail_message` and `max_duration_s` come from the
    brief and become part of the call's policy. `report_schema`: JSON Schema, as JSON, of what its report is to say.
    `tools`: of the configured ones those that its agent may call; None: all.
    """

    to: str | None
    message: str = ""
    mode: Mode | None = None
    session_key: str = ""
    requester: str = ""
    keys: str = ""
    brief: CallBrief | None = None
    voicemail_message: str = ""
    max_duration_s: float | None = None
    report_schema: str = ""
    tools: tuple[str, ...] | None = None

    def content(self) -> tuple[object, ...]:
        """The optional fields that distinguish two requests with the same idempotency key; empty when none is set."""
        more = (self.requester, self.keys, self.brief, self.voicemail_message, self.max_duration_s)
        named = () if self.tools is None else (self.tools,)
        named = (*named, self.report_schema) if self.report_schema else named
        return (*more, *named) if any(more) or self.tools is not None else named

    def to_event(self, settings: Settings, request: RequestId) -> Placed:
        """The event that places this call. Raises InvalidRequest, naming what is wrong."""
        caller = settings.from_number or (None if settings.capabilities.has_account else _NO_ACCOUNT_CALLER)
        if caller is None:
            raise InvalidRequest("fromNumber not configured")
        for name, key in (("sessionKey", self.session_key), ("requesterSessionKey", self.requester)):
            if len(key) > LONGEST_KEY:
                raise InvalidRequest(f"{name} is longer than {LONGEST_KEY} characters")
            if not key.isprintable():
                raise InvalidRequest(f"{name} must be printable: no line breaks, no control characters")
        mode = self.mode or settings.outbound.default_mode
        if self.keys:
            _check_sequence(self.keys, mode)
        return Placed(
            carrier=settings.provider,
            from_=caller,
            to=_dialable(self.to or settings.to_number, caller, settings),
            mode=mode,
            message=checked_message(self.message, settings, required=False),
            session_key=self.session_key,
            agent_id=settings.agent_id,
            requester=self.requester,
            opening_digits=self.keys,
            brief=self.brief,
            report_schema=self.report_schema,
            request=request,
            policy=self._policy(settings),
        )

    def _policy(self, settings: Settings) -> CallPolicy:
        """The configured policy, narrowed by this request: a call never lasts longer than the configuration allows."""
        policy = settings.call_policy()
        checked_message(self.voicemail_message, settings, required=False)
        if self.max_duration_s is not None:
            policy = replace(policy, max_duration_s=min(self.max_duration_s, policy.max_duration_s))
        if self.tools is not None:
            offered = restricted(policy.tools.offered, self.tools)
            policy = replace(policy, tools=replace(policy.tools, offered=offered))
        return replace(policy, machine_message=self.voicemail_message) if self.voicemail_message else policy


def checked_message(text: str, settings: Settings, *, required: bool) -> str:
    """The text without surrounding whitespace. Raises InvalidRequest, also for what the voice would refuse to say."""
    text = text.strip()
    if required and not text:
        raise InvalidRequest("message required")
    if len(text) > LONGEST_MESSAGE:
        raise InvalidRequest(f"message is longer than {LONGEST_MESSAGE} characters")
    if text and not speakable(text):
        raise InvalidRequest("message has nothing to say: no letters or digits remain without markup")
    if settings.is_streaming and len(text) > settings.tts.max_text_length:
        raise InvalidRequest(f"message is longer than {settings.tts.max_text_length} characters (tts.maxTextLength)")
    return text


def checked_keys(keys: str, name: str) -> str:
    """The keys unchanged. Raises InvalidRequest with `name`, the parameter."""
    if re.fullmatch(KEYS, keys) is None:
        raise InvalidRequest(f"{name} must be 1 to 64 of 0-9 * # w W p P ,")
    return keys


def _check_sequence(keys: str, mode: Mode) -> None:
    checked_keys(keys, "dtmfSequence")
    if mode is not Mode.CONVERSATION:
        raise InvalidRequest("dtmfSequence needs mode conversation: a notification is only spoken")


def _dialable(to: str | None, caller: E164, settings: Settings) -> E164:
    if not to:
        raise InvalidRequest("to required")
    try:
        number = read_number(to)
    except NotANumber as why:
        raise InvalidRequest(
            f"to is not an E.164 number: {why}; write + and 2 to 15 digits, as in +15550001234"
        ) from why
    refusal = refusal_of(number)
    if refusal is None and number != settings.to_number:  # the operator's own number may be in any country
        refusal = country_refusal(number, caller=caller, allowed=settings.outbound.allow_countries)
    if refusal is not None:
        raise InvalidRequest(f"to is not dialled: {refusal}")
    return number

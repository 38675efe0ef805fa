"""Reads and checks the form fields of REST requests, as Twilio checks them. Pure.

A request that Twilio would refuse raises Refusal with Twilio's HTTP status and error code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from simulators.phone.rest import Refusal as AnyRefusal
from simulators.twilio.call import StatusCallback
from simulators.twilio.twiml import BadTwiml, Destination, read_twiml

__all__ = ["TWIML_LIMIT", "DialRequest", "Refusal", "destination_from", "read_dial", "time_limit_from"]

TWIML_LIMIT = 4000
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_EVENTS = frozenset({"initiated", "ringing", "answered", "completed"})
_MORE = "https://www.twilio.com/docs/errors/"

Form = Mapping[str, list[str]]


class Refusal(AnyRefusal):
    """Twilio refuses, in its error document."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(status, {"code": code, "message": message, "more_info": f"{_MORE}{code}", "status": status})


@dataclass(frozen=True)
class DialRequest:
    """An outbound call as ordered."""

    to: str
    from_: str
    destination: Destination
    callback: StatusCallback | None
    ring_timeout_s: float
    time_limit_s: float
    send_digits: str
    machine_detection: str
    amd_callback: str


def read_dial(form: Form) -> DialRequest:
    """The order in a create request. Raises Refusal."""
    to, from_ = _one(form, "To"), _one(form, "From")
    if not to:
        raise Refusal(400, 21201, "No 'To' number is specified")
    if not from_:
        raise Refusal(400, 21213, "No 'From' number is specified")
    if not _E164.fullmatch(to):
        raise Refusal(400, 21211, f"The phone number you are attempting to call, {to}, is not valid.")
    if not _E164.fullmatch(from_):
        raise Refusal(400, 21212, f"The source phone number provided, {from_}, is not valid.")
    destination = destination_from(form)
    if destination is None:
        raise Refusal(400, 21205, "Url parameter is required.")
    digits = _one(form, "SendDigits")
    if len(digits) > 32 or not re.fullmatch(r"[0-9*#wW]*", digits):
        raise Refusal(400, 20001, f"SendDigits {digits!r} is not valid")
    asynchronous = _one(form, "AsyncAmd") == "true"
    return DialRequest(
        to=to,
        from_=from_,
        destination=destination,
        callback=_callback(form),
        ring_timeout_s=_number(form, "Timeout", 60, 600),
        time_limit_s=time_limit_from(form) or 14_400,
        send_digits=digits,
        machine_detection=_one(form, "MachineDetection"),
        amd_callback=_url(form, "AsyncAmdStatusCallback", 20001) if asynchronous else "",
    )


def destination_from(form: Form) -> Destination | None:
    """Where the call's instructions come from: Url, else Twiml; None when neither was given. Raises Refusal."""
    url = _url(form, "Url", 21205)
    if url:
        return Destination(
            url=url,
            method=_method(form, "Method"),
            fallback_url=_url(form, "FallbackUrl", 21205),
            fallback_method=_method(form, "FallbackMethod"),
        )
    twiml = _one(form, "Twiml")
    if not twiml:
        return None
    if len(twiml) > TWIML_LIMIT:
        raise Refusal(400, 20001, f"Twiml must not be longer than {TWIML_LIMIT} characters")
    try:
        read_twiml(twiml)
    except BadTwiml as fault:
        raise Refusal(400, fault.code, f"Twiml is not valid: {fault}") from fault
    return Destination(twiml=twiml)


def time_limit_from(form: Form) -> float | None:
    """TimeLimit in seconds after answer; None when not given. Raises Refusal."""
    return _number(form, "TimeLimit", 14_400, 86_400) if _one(form, "TimeLimit") else None


def _callback(form: Form) -> StatusCallback | None:
    url = _url(form, "StatusCallback", 21609)
    if not url:
        return None
    # Repeated fields are the documented form; the console's "a b c" in one field is accepted too.
    events = {event for value in form.get("StatusCallbackEvent", []) for event in value.split()}
    if events - _EVENTS:
        raise Refusal(400, 21626, f"Invalid status callback events: {' '.join(sorted(events - _EVENTS))}")
    return StatusCallback(url, frozenset(events or {"completed"}), _method(form, "StatusCallbackMethod"))


def _one(form: Form, name: str) -> str:
    values = form.get(name)
    return values[-1].strip() if values else ""


def _method(form: Form, name: str) -> str:
    method = _one(form, name).upper() or "POST"
    if method not in ("GET", "POST"):
        raise Refusal(400, 21403, f"{name} must be GET or POST")
    return method


def _url(form: Form, name: str, code: int) -> str:
    url = _one(form, name)
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise Refusal(400, code, f"{name} is not a valid URL: {url}")
    return url


def _number(form: Form, name: str, default: int, most: int) -> float:
    text = _one(form, name)
    if not text:
        return default
    if not text.isdigit() or not 0 < int(text) <= most:
        raise Refusal(400, 20001, f"{name} must be between 1 and {most}, not {text}")
    return int(text)

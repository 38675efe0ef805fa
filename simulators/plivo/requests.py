"""Reads and checks the JSON of REST requests, as Plivo checks it. Pure."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from simulators.phone.rest import Refusal as AnyRefusal
from simulators.plivo.call import Callback
from simulators.plivo.document import Destination
from simulators.plivo.media import Order

__all__ = ["DialRequest", "Fields", "Refusal", "api_id", "method_from", "read_dial", "stream_from", "url_from"]

Fields = Mapping[str, Any]
_NUMBER = re.compile(r"\+?[1-9]\d{6,14}")


class Refusal(AnyRefusal):
    """Plivo refuses, in its error document."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, {**api_id(), "error": message})


def api_id() -> dict[str, Any]:
    """The field that every response has."""
    return {"api_id": str(uuid.uuid4())}


@dataclass(frozen=True)
class DialRequest:
    """An outbound call as ordered; `to` may be several numbers. Numbers are E.164 with a plus here."""

    to: tuple[str, ...]
    from_: str
    destination: Destination
    ring: Callback | None
    hangup: Callback | None
    ring_timeout_s: float
    limits_ringing: bool
    time_limit_s: float
    send_digits: str
    machine_detection: str
    machine: Callback | None


def read_dial(fields: Fields) -> DialRequest:
    """The order in a create request. Raises Refusal."""
    for name in ("from", "to", "answer_url"):
        if not fields.get(name):
            raise Refusal(400, f"{name} parameter not present")
    numbers = str(fields["to"]).split("<")
    for number in numbers:
        if not _NUMBER.fullmatch(number):
            raise Refusal(400, f"{number} is not a valid phone number")
    if not _NUMBER.fullmatch(str(fields["from"])):
        raise Refusal(400, "from is not a valid phone number")
    detection = str(fields.get("machine_detection") or "")
    if detection not in ("", "true", "hangup"):
        raise Refusal(400, "machine_detection must be true or hangup")
    return DialRequest(
        to=tuple("+" + number.removeprefix("+") for number in numbers),
        from_="+" + str(fields["from"]).removeprefix("+"),
        destination=Destination(
            url=url_from(fields, "answer_url"),
            method=method_from(fields, "answer_method"),
            fallback_url=url_from(fields, "fallback_url"),
            fallback_method=method_from(fields, "fallback_method"),
        ),
        ring=_callback(fields, "ring_url", "ring_method"),
        hangup=_callback(fields, "hangup_url", "hangup_method"),
        ring_timeout_s=_number(fields, "ring_timeout", 120, 600),
        limits_ringing=bool(fields.get("ring_timeout")),
        time_limit_s=_number(fields, "time_limit", 14_400, 86_400),
        send_digits=str(fields.get("send_digits") or ""),
        machine_detection=detection,
        machine=_callback(fields, "machine_detection_url", "machine_detection_method"),
    )


def stream_from(fields: Fields) -> Order:
    """The stream in a REST request. Raises Refusal."""
    url = str(fields.get("service_url") or "")
    if urlsplit(url).scheme not in ("ws", "wss"):
        raise Refusal(400, "service_url must be a ws:// or wss:// address")
    if fields.get("content_type") != "audio/x-mulaw;rate=8000":
        raise Refusal(400, "content_type: the simulator speaks audio/x-mulaw;rate=8000")
    return Order(
        url=url,
        two_way=str(fields.get("bidirectional", "")).lower() == "true",
        timeout_s=_number(fields, "stream_timeout", 86_400, 86_400),
        extra_headers=str(fields.get("extra_headers") or ""),
        callback=_callback(fields, "status_callback_url", "status_callback_method"),
    )


def url_from(fields: Fields, name: str) -> str:
    """An http(s) URL, or "" when there is none. Raises Refusal."""
    url = str(fields.get(name) or "")
    if url and urlsplit(url).scheme not in ("http", "https"):
        raise Refusal(400, f"{name} is not a valid URL")
    return url


def method_from(fields: Fields, name: str) -> str:
    """GET or POST, which is the default. Raises Refusal."""
    method = str(fields.get(name) or "POST").upper()
    if method not in ("GET", "POST"):
        raise Refusal(400, f"{name} must be GET or POST")
    return method


def _callback(fields: Fields, url_name: str, method_name: str) -> Callback | None:
    url = url_from(fields, url_name)
    return Callback(url, method_from(fields, method_name)) if url else None


def _number(fields: Fields, name: str, default: int, most: int) -> float:
    text = str(fields.get(name) or default)
    if not text.isdigit() or not 0 < int(text) <= most:
        raise Refusal(400, f"{name} must be between 1 and {most}")
    return int(text)

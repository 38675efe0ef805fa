"""Reads and checks the JSON of requests, as Telnyx checks it. Pure.

A request that Telnyx would refuse raises Refusal with Telnyx's HTTP status and error code.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from simulators.telnyx.codecs import KNOWN
from simulators.telnyx.refusal import BAD_CLIENT_STATE, BAD_VALUE, MISSING, Refusal
from simulators.telnyx.webhooks import Routes

__all__ = [
    "DialRequest",
    "Fields",
    "Streaming",
    "client_state_from",
    "codecs_from",
    "number_from",
    "read_dial",
    "routes_from",
    "streaming_from",
    "text_from",
]

Fields = Mapping[str, Any]

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_AMD = frozenset(
    {
        "premium",
        "premium_ios_call_screening_detection",
        "detect",
        "detect_beep",
        "detect_words",
        "greeting_end",
        "disabled",
    }
)
_MOST_RETRIES = 5
_LONGEST_RETRIES_MS = 60_000
_LONGEST_TOKEN = 4000


@dataclass(frozen=True)
class Streaming:
    """A media stream as ordered. `two_way`: what the customer sends is played."""

    url: str
    two_way: bool
    token: str = ""
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class DialRequest:
    """An outbound call as ordered."""

    to: str
    from_: str
    ring_timeout_s: float
    time_limit_s: float
    routes: Routes
    client_state: str | None
    streaming: Streaming | None
    machine_detection: str
    transcription: Mapping[str, Any] | None = None
    send_digits: str = ""
    headers: tuple[Mapping[str, str], ...] = field(default=())
    preferred_codecs: tuple[str, ...] = ()


def read_dial(fields: Fields, connection_id: str, default: Routes) -> DialRequest:
    """The order in a dial request. Raises Refusal."""
    if text_from(fields, "connection_id", required=True) != connection_id:
        raise Refusal(422, BAD_VALUE, "The requested connection_id is not an active Call Control App.", "connection_id")
    for name in ("to", "from"):
        if not _E164.fullmatch(text_from(fields, name, required=True)):
            raise Refusal(422, BAD_VALUE, f"The {name!r} parameter must be a phone number in +E.164 format.", name)
    detection = text_from(fields, "answering_machine_detection") or "disabled"
    if detection not in _AMD:
        raise Refusal(422, BAD_VALUE, f"{detection!r} is no kind of detection.", "answering_machine_detection")
    return DialRequest(
        to=fields["to"],
        from_=fields["from"],
        ring_timeout_s=number_from(fields, "timeout_secs", 30, 5, 600),
        time_limit_s=number_from(fields, "time_limit_secs", 14_400, 30, 14_400),
        routes=routes_from(fields, default),
        client_state=client_state_from(fields),
        streaming=streaming_from(fields),
        machine_detection="" if detection == "disabled" else detection,
        transcription=dict(fields.get("transcription_config") or {}) if fields.get("transcription") else None,
        send_digits=text_from(fields, "send_digits_on_answer"),
        headers=tuple(fields.get("custom_headers") or ()),
        preferred_codecs=codecs_from(fields),
    )


def routes_from(fields: Fields, default: Routes) -> Routes:
    """The webhook URLs of this call: its own, else the connection's. Raises Refusal."""
    url = text_from(fields, "webhook_url")
    by_type = fields.get("webhook_urls") or {}
    for name, value in (("webhook_url", url), *(("webhook_urls", one) for one in by_type.values())):
        if value and urlsplit(str(value)).scheme not in ("http", "https"):
            raise Refusal(422, BAD_VALUE, f"{value!r} is not a URL.", name)
    if text_from(fields, "webhook_url_method", default="POST") != "POST":
        raise Refusal(422, BAD_VALUE, "The simulator sends webhooks by POST only.", "webhook_url_method")
    pauses = {}
    for event, policy in (fields.get("webhook_retries_policies") or {}).items():
        pauses[event] = tuple(int(ms) for ms in policy["retries_ms"])
        if len(pauses[event]) > _MOST_RETRIES or sum(pauses[event]) > _LONGEST_RETRIES_MS:
            raise Refusal(422, BAD_VALUE, "At most 5 retries within 60000 ms.", "webhook_retries_policies")
    # The failover URL belongs to the connection: a call with a URL of its own has none.
    return Routes(url or default.url, "" if url else default.failover_url, dict(by_type), pauses)


def streaming_from(fields: Fields) -> Streaming | None:
    """The stream in a dial, answer or streaming_start request; None when there is none. Raises Refusal."""
    url = text_from(fields, "stream_url")
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.netloc:
        raise Refusal(422, BAD_VALUE, "stream_url must be a ws:// or wss:// address.", "stream_url")
    if text_from(fields, "stream_track", default="inbound_track") != "inbound_track":
        raise Refusal(422, BAD_VALUE, "The simulator streams the inbound track only.", "stream_track")
    for name in ("stream_codec", "stream_bidirectional_codec"):
        if text_from(fields, name, default="PCMU") not in ("PCMU", "default"):
            raise Refusal(422, BAD_VALUE, "The simulator speaks PCMU only.", name)
    mode = text_from(fields, "stream_bidirectional_mode", default="mp3")
    if mode not in ("mp3", "rtp"):
        raise Refusal(422, BAD_VALUE, f"{mode!r} is neither mp3 nor rtp.", "stream_bidirectional_mode")
    token = text_from(fields, "stream_auth_token")
    if len(token) > _LONGEST_TOKEN:
        raise Refusal(422, BAD_VALUE, f"At most {_LONGEST_TOKEN} characters.", "stream_auth_token")
    given = fields.get("custom_parameters") or []
    parameters = tuple((str(one["name"]), str(one["value"])) for one in given)
    return Streaming(url, two_way=mode == "rtp", token=token, parameters=parameters)


def codecs_from(fields: Fields) -> tuple[str, ...]:
    """The preferred codecs of the leg, separated by commas; empty when not given. Raises Refusal."""
    codecs = tuple(name.strip() for name in text_from(fields, "preferred_codecs").split(",") if name.strip())
    if not set(codecs) <= set(KNOWN):
        raise Refusal(422, BAD_VALUE, f"preferred_codecs must be of {', '.join(KNOWN)}.", "preferred_codecs")
    return codecs


def client_state_from(fields: Fields) -> str | None:
    """The client_state, still base64; None when not given. Raises Refusal when it is not base64."""
    state = fields.get("client_state")
    if state is None:
        return None
    try:
        base64.b64decode(str(state), validate=True)
    except binascii.Error as fault:
        raise Refusal(422, BAD_CLIENT_STATE, "client_state must be base64.", "client_state") from fault
    return str(state)


def text_from(fields: Fields, name: str, *, default: str = "", required: bool = False) -> str:
    """A text field. Raises Refusal when it is missing or not text."""
    value = fields.get(name)
    if value is None or value == "":
        if required:
            raise Refusal(422, MISSING, f"The {name!r} parameter is required.", name)
        return default
    if not isinstance(value, str):
        raise Refusal(422, BAD_VALUE, f"The {name!r} parameter must be a string.", name)
    return value


def number_from(fields: Fields, name: str, default: int, least: int, most: int) -> int:
    """A whole number within its range. Raises Refusal."""
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Refusal(422, BAD_VALUE, f"The {name!r} parameter must be between {least} and {most}.", name)
    return value

"""The path of a media socket that identifies its call: `<stream path>/<call id>/<token>`.

For carriers whose start frame returns no custom parameters (Plivo) or no secret (Telnyx). Their codecs and controls
write such a URL; the ingress completes the start frame from the path of the handshake. Pure.
"""

import re
from dataclasses import replace

from voicecall.call.ids import CallId, is_call_id
from voicecall.errors import WebhookRejected
from voicecall.ports import MediaStarted

__all__ = ["completed", "personal_url"]

# The alphabet of `secrets.token_urlsafe`, and a number: they need no escaping in a path or in a signed URL.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}(\.[0-9]{1,3})?\Z")


def personal_url(stream_url: str, call: CallId, token: str) -> str:
    """The URL of one call's socket. `stream_url` has no query; `token`: letters, digits, `-`, `_`, and a number."""
    return f"{stream_url.rstrip('/')}/{call}/{token}"


def completed(started: MediaStarted, path: str, stream_path: str) -> MediaStarted:
    """The start frame with call and token from the handshake's `path`; unchanged when the path names none.

    Raises WebhookRejected("media-path", 400) for a path that is neither, or that names another call than the frame.
    """
    if path == stream_path:
        return started
    rest = path.removeprefix(stream_path.rstrip("/") + "/")
    call, _, token = rest.partition("/")
    if rest == path or not is_call_id(call) or not _TOKEN.match(token):
        raise WebhookRejected("media-path", status=400)
    if started.call not in ("", call) or started.token not in ("", token):
        raise WebhookRejected("media-path", status=400)
    return replace(started, call=call, token=token)

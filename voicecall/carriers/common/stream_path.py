"""A media socket's path that says whose it is: `<stream path>/<call id>/<token>`.

For carriers whose start frame brings nothing of ours back (Plivo) or no secret (Telnyx). Their codecs and controls
write such a URL; the ingress reads the path of the handshake and completes the start frame with it. Pure.
"""

import re
from dataclasses import replace

from voicecall.call.ids import CallId, is_call_id
from voicecall.errors import WebhookRejected
from voicecall.ports import MediaStarted

__all__ = ["completed", "personal_url"]

# What `secrets.token_urlsafe` makes: it needs no escaping in a path, and no signature is ambiguous about it.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")


def personal_url(stream_url: str, call: CallId, token: str) -> str:
    """`stream_url`, which has no query, for one socket of one call. `token`: letters, digits, `-` and `_`."""
    return f"{stream_url.rstrip('/')}/{call}/{token}"


def completed(started: MediaStarted, path: str, stream_path: str) -> MediaStarted:
    """The start frame with the call and token of the handshake's `path`; as it is when the path names none.

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

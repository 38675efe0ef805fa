"""Which requests are refused for their headers alone, before a handler reads them.

A repetition of a header that decides whether a request is believed means that a proxy in front may have read one value
and this process another; no proper client sends one (attack 103). The private servers serve no compressed bodies and no
expectations either. Pure; used by every HTTP server. Knows names, not what they mean.
"""

from collections.abc import Iterable
from typing import Final

__all__ = ["REASONS", "SINGLE", "refusal_status"]

SINGLE: Final = frozenset(
    {
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "origin",
        "sec-fetch-site",
        "sec-websocket-key",
        "sec-websocket-version",
        "transfer-encoding",
        "upgrade",
    }
)
"""Names, in lower case, of headers that a request has once."""

REASONS: Final = {400: "Bad Request", 415: "Unsupported Media Type", 417: "Expectation Failed"}
"""The constant text of each answer: nothing of the request is repeated."""


def refusal_status(headers: Iterable[tuple[str, str]]) -> int | None:
    """The status with which a private server refuses a request; None when it serves it."""
    known: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in SINGLE and lower in known:
            return 400
        known[lower] = value
    if "transfer-encoding" in known and "content-length" in known:
        return 400
    if known.get("content-encoding", "identity").lower() != "identity":
        return 415
    return None if known.get("expect", "100-continue").lower() == "100-continue" else 417

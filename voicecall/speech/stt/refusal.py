"""What a service's refusal means for further attempts. Its prose is never used: it may quote the caller."""

import re
from collections.abc import Mapping
from typing import Final

import aiohttp

from voicecall.errors import FailureKind
from voicecall.speech.stt.link import LinkLost

__all__ = ["identifier", "lost_by", "lost_by_status"]

_FATAL_STATUS: Final = frozenset({400, 401, 402, 403, 404, 405, 410, 422})
_IDENTIFIER: Final = re.compile(r"[\w.-]{1,64}\Z", re.ASCII)
_SECONDS: Final = re.compile(r"\d{1,6}(?:\.\d{1,3})?\Z", re.ASCII)


def lost_by(error: aiohttp.ClientError | OSError) -> LinkLost:
    """A connection that was not made: refused by the service, or the service is unreachable."""
    if isinstance(error, aiohttp.ClientResponseError):
        return lost_by_status(error.status, error.headers or {})
    unmade = isinstance(error, aiohttp.ClientConnectorError)
    kind = FailureKind.UNREACHABLE if unmade else FailureKind.BROKEN
    return LinkLost(f"connection failed: {type(error).__name__}", kind=kind)


def lost_by_status(status: int, headers: Mapping[str, str]) -> LinkLost:
    """A refusal with an HTTP status. A wrong key or model stays wrong; a busy service says when to come again."""
    asked = headers.get("Retry-After", "").strip()
    wait_s = float(asked) if _SECONDS.match(asked) else 0.0
    reason, kind = f"refused with status {status}", FailureKind.of_status(status)
    return LinkLost(reason, is_final=status in _FATAL_STATUS, wait_s=wait_s, kind=kind)


def identifier(value: object) -> str:
    """The value if it is an identifier; other text may quote the caller and becomes "unknown"."""
    return value if isinstance(value, str) and _IDENTIFIER.match(value) else "unknown"

"""A service's refusal as an error: whether a repetition may help, and after how long.

Used for answers over HTTP and for handshakes of WebSockets. The service's prose is never used: it may quote the text.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp

from voicecall.errors import FailureKind, ServiceError

__all__ = ["Reworded", "TextRefused", "identifier", "refused", "refused_handshake"]

_RETRYABLE: Final = frozenset({408, 409, 425, 429})
_IDENTIFIER: Final = re.compile(r"[\w.-]{1,64}\Z", re.ASCII)
_SECONDS: Final = re.compile(r"\d{1,9}(?:\.\d{1,9})?\Z", re.ASCII)


class Reworded(ServiceError):
    """The voice said something else than the text."""

    def __init__(self, service: str) -> None:
        super().__init__(service, "did not read the text as it is written", kind=FailureKind.REWORDED)


class TextRefused(ServiceError):
    """This text is not spoken by this service: nothing was sent, and nothing is known of the service."""

    def __init__(self, service: str, text: str) -> None:
        super().__init__(service, f"cannot speak {len(text)} characters", retryable=False, kind=FailureKind.UNSUITABLE)


def refused(service: str, status: int, headers: Mapping[str, str], code: str = "") -> ServiceError:
    """The error of an HTTP status other than the expected one; `code`: the service's own, "" for none."""
    retryable = status in _RETRYABLE or status >= 500
    return ServiceError(
        service,
        f"answered {status} {code}".rstrip(),
        retryable=retryable,
        retry_after_s=_retry_after_s(headers) if retryable else None,
        kind=FailureKind.of_status(status),
    )


def refused_handshake(service: str, error: aiohttp.WSServerHandshakeError) -> ServiceError:
    """The error of a WebSocket that was not opened."""
    return refused(service, error.status, error.headers or {})


def identifier(value: Any) -> str:
    """The value when it is an error code of a service, "" for prose and for everything else."""
    return value if isinstance(value, str) and _IDENTIFIER.match(value) else ""


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of `retry-after-ms` or `Retry-After`; a date there is compared with the service's own clock."""
    milliseconds, asked = headers.get("retry-after-ms", "").strip(), headers.get("Retry-After", "").strip()
    if _SECONDS.match(milliseconds):
        return float(milliseconds) / 1000
    if _SECONDS.match(asked):
        return float(asked)
    try:
        until, now = parsedate_to_datetime(asked), parsedate_to_datetime(headers.get("Date", ""))
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError):
        return None

"""POST over a shared HTTP session, and what an answer says about trying again.

Used by the adapters of agents, speech and carriers. A service closes a connection that was idle for some time; a
request that is sent in the moment before this is known gets no answer. It is sent once more, on a connection of its
own: a repeated request for text or audio costs little and changes nothing. aiohttp repeats idempotent methods only.
"""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractStreamWriter

__all__ = ["may_pass", "post", "retry_after_s"]

_log = logging.getLogger(__name__)

_BUSY: Final = frozenset({408, 409, 425, 429})
_NUMBER: Final = re.compile(r"\d{1,300}(?:\.\d{1,9})?\Z", re.ASCII)


async def post(
    session: aiohttp.ClientSession,
    url: str,
    *,
    data: bytes,
    headers: Mapping[str, str],
    timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  aiohttp's own limits; the caller limits the whole
    on_sent: Callable[[], None] | None = None,
) -> aiohttp.ClientResponse:
    """The answer, with its head read; close it. Redirects are not followed: a key must not reach another host.

    `on_sent` is called when there is a connection and the request is written to it: again, if it is sent again. Raises
    aiohttp.ClientError and TimeoutError.
    """
    body = data if on_sent is None else _Reporting(data, on_sent)
    try:
        return await session.post(url, data=body, headers=headers, timeout=timeout, allow_redirects=False)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        # The connection was closed before anything was received.
        _log.info("request sent again", extra={"service": urlsplit(url).hostname, "reason": str(error)})
    fresh = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
    try:
        return await fresh.post(url, data=body, headers=headers, timeout=timeout, allow_redirects=False)
    finally:
        fresh.detach()  # the connection is closed with the answer


class _Reporting(aiohttp.BytesPayload):
    """A body that reports when it was written."""

    def __init__(self, data: bytes, on_sent: Callable[[], None]) -> None:
        super().__init__(data)
        self._on_sent = on_sent

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        await super().write_with_length(writer, content_length)
        self._on_sent()


def may_pass(status: int) -> bool:
    """Whether the service was only busy, or broken for the moment: the same request may succeed a little later."""
    return status in _BUSY or status >= 500


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The seconds of `retry-after-ms` or `Retry-After`, None without either.

    A date is compared with the service's own clock, if the answer says what that is.
    """
    milliseconds, asked = headers.get("retry-after-ms", "").strip(), headers.get("Retry-After", "").strip()
    if _NUMBER.match(milliseconds):
        return float(milliseconds) / 1000
    if _NUMBER.match(asked):
        return float(asked)
    until = _date(asked)
    if until is None:
        return None
    return max(0.0, (until - (_date(headers.get("Date", "")) or datetime.now(UTC))).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)

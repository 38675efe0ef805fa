"""One request to a carrier's API, with a certain outcome: answered, not processed, or unknown.

Used by each carrier's control. It follows no redirect, so credentials stay with their host, and reads a bounded reply.
It does not know what a reply means, and repeats a request after 5xx or silence only if the caller calls it harmless.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import orjson

from voicecall.aio import backoff
from voicecall.errors import CarrierSilent, CarrierUnreachable
from voicecall.http_client import retry_after_s

__all__ = ["Reply", "RestClient", "RestTimeouts"]

_MAX_REPLY: Final = 1_048_576
_LONGEST_PAUSE_S: Final = 5.0
_LONGEST_RETRY_AFTER_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestTimeouts:
    """`attempts` includes the first; the pauses between them double from `pause_s`, with jitter."""

    connect_s: float = 3.0
    total_s: float = 10.0
    attempts: int = 3
    pause_s: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The server's reply, of any status."""

    status: int
    body: bytes
    retry_after_s: float | None = None
    date: str | None = None  # the Date header

    def json(self) -> dict[str, Any] | None:
        """The body as an object; None when it is not one."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        return value if isinstance(value, dict) else None


@dataclass(frozen=True, kw_only=True)
class RestClient:
    """One carrier's API over a shared session. `authorization` is the header of every request; "" for none."""

    http: aiohttp.ClientSession
    authorization: str = field(default="", repr=False)
    timeouts: RestTimeouts = RestTimeouts()

    async def ask(
        self,
        method: str,
        url: str,
        *,
        form: Sequence[tuple[str, str]] | None = None,
        json: Mapping[str, Any] | None = None,
        harmless: bool,
        repeat_503: bool = False,
    ) -> Reply:
        """The reply, of any status but 429. Repeats after 429 and failed connects; if `harmless`, after 5xx or silence.

        `repeat_503`: the carrier is known not to process what it answers so, which is treated as a 429.

        Raises CarrierUnreachable (not processed, at the last try too) or CarrierSilent (sent, then no whole reply).
        """
        attempt, pauses = 1, backoff(first_s=self.timeouts.pause_s, most_s=_LONGEST_PAUSE_S, jitter=(0.5, 1.5))
        while True:
            last = attempt >= self.timeouts.attempts
            wait_s: float | None = None
            try:
                reply = await self._once(method, url, form=form, json=json)
                if repeat_503:
                    _refuse_503(reply)
                if last or not (harmless and reply.status >= 500):
                    return reply
                wait_s = reply.retry_after_s
            except CarrierUnreachable as error:
                if last or (error.retry_after_s or 0.0) > _LONGEST_PAUSE_S:
                    raise
                wait_s = error.retry_after_s
            except CarrierSilent:
                if last or not harmless:
                    raise
            # At least what the carrier asked for.
            await asyncio.sleep(min(max(next(pauses), wait_s or 0.0), _LONGEST_PAUSE_S))
            attempt += 1

    async def _once(
        self,
        method: str,
        url: str,
        *,
        form: Sequence[tuple[str, str]] | None,
        json: Mapping[str, Any] | None,
    ) -> Reply:
        timeout = aiohttp.ClientTimeout(total=self.timeouts.total_s, connect=self.timeouts.connect_s)
        try:
            async with self.http.request(
                method,
                url,
                data=None if form is None else aiohttp.FormData(form),
                json=json,
                headers={"Authorization": self.authorization} if self.authorization else None,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                reply = Reply(
                    status=response.status,
                    body=await _bounded(response.content),
                    retry_after_s=_retry_after_s(response.status, response.headers),
                    date=response.headers.get("Date"),
                )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise CarrierUnreachable(f"no connection: {type(error).__name__}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise CarrierSilent(f"no whole reply: {type(error).__name__}") from error
        if reply.status == 429:
            raise CarrierUnreachable("too many requests", status=429, retry_after_s=reply.retry_after_s)
        return reply


def _refuse_503(reply: Reply) -> None:
    if reply.status == 503:
        raise CarrierUnreachable("unavailable", status=503, retry_after_s=reply.retry_after_s)


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_chunked(65_536):
        body += chunk
        if len(body) > _MAX_REPLY:
            raise aiohttp.ClientPayloadError("reply over 1 MiB")
    return bytes(body)


def _retry_after_s(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds until the next try: `Retry-After`, or for 429 `x-ratelimit-reset` (Telnyx)."""
    asked = retry_after_s(headers)
    if asked is None and status == 429:
        asked = retry_after_s({"Retry-After": headers.get("x-ratelimit-reset", "")})
    return None if asked is None else min(asked, _LONGEST_RETRY_AFTER_S)

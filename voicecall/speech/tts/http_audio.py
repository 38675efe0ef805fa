"""One speech synthesis request over HTTP: yields mu-law as it arrives, within time and size limits (guarantee P13).

Used by the voices of this folder. A service that is busy or breaks off before any audio gets one more try within the
limit of the first audio. Knows timeouts, sizes and refusals; what the body is, `voicecall/audio/reader.py` knows.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aiohttp
import orjson

from voicecall.audio.formats import MULAW_8K, AudioFormat, UnreadableAudio
from voicecall.audio.reader import AudioReader
from voicecall.errors import ServiceError, ServiceTimeout
from voicecall.http_client import may_pass, post, retry_after_s

__all__ = ["SynthesisRequest", "SynthesisTimeouts", "audio_of", "longest_s"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_IDENTIFIER: Final = re.compile(r"[\w.-]{1,64}\Z", re.ASCII)
_MAX_REFUSAL: Final = 8192
_PAUSE_S: Final = 0.25  # before the second try, where the service names no time
_LEAST_LEFT_S: Final = 0.5  # of the limit: a second try with less would not be answered in time
_MOST_BYTES_PER_S: Final = 96_000 * 8  # of a body, whatever its format


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisTimeouts:
    """Only the time spent waiting for the service counts, not the time the consumer takes for a chunk.

    `stall_s`: how long the caller may hear nothing in mid-sentence, after the end of what was received.
    """

    connect_s: float = 3.0
    first_audio_s: float = 8.0
    stall_s: float = 2.5
    total_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisRequest:
    """One POST. `service` is the name in errors; `audio`: what `body` asks for; more than `longest_s` is an error."""

    service: str
    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    audio: AudioFormat
    longest_s: float


def longest_s(text: str) -> float:
    """An upper bound on the seconds that the slowest voice needs for `text`; more audio than that is an error."""
    return 10 + 0.5 * len(text)


async def audio_of(
    session: aiohttp.ClientSession, request: SynthesisRequest, timeouts: SynthesisTimeouts
) -> AsyncGenerator[bytes]:
    """The audio in mu-law, in chunks as they arrive. Closing the iterator closes the connection.

    Raises ServiceError: retryable when the service was busy, broken or silent (then ServiceTimeout); not when it
    refused the request or sent what is no speech.
    """
    patience = _Patience(request.service, timeouts)
    has_audio = False
    for is_last in (False, True):
        try:
            async with aclosing(_one_try(session, request, patience)) as audio:
                async for chunk in audio:
                    has_audio = True
                    yield chunk
        except ServiceError as failure:
            pause_s = patience.pause_before_retry_s(failure)
            if is_last or has_audio or pause_s is None:
                raise
            _log.info("speech requested again", extra={"service": request.service, "reason": str(failure)})
        else:
            return
        await patience.pause(pause_s)


async def _one_try(
    session: aiohttp.ClientSession, request: SynthesisRequest, patience: "_Patience"
) -> AsyncGenerator[bytes]:
    response = await patience.wait_for(
        post(
            session,
            request.url,
            data=orjson.dumps(request.body),
            headers={"Content-Type": "application/json", **request.headers},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=patience.timeouts.connect_s),
        ),
        late="no answer in time",
        failed="cannot be reached",
    )
    try:
        if response.status != 200:
            raise await _refusal(response, request.service)
        async with aclosing(_read(response, request, patience)) as audio:
            async for chunk in audio:
                yield chunk
    finally:
        response.close()


async def _read(
    response: aiohttp.ClientResponse, request: SynthesisRequest, patience: "_Patience"
) -> AsyncGenerator[bytes]:
    received = made = 0
    try:
        reader = AudioReader(response.headers.get("Content-Type", ""), request.audio)
        while chunk := await patience.wait_for(response.content.readany(), late="fell silent"):
            received += len(chunk)
            audio = reader.feed(chunk)
            made += len(audio)
            if made > request.longest_s * MULAW_8K.rate or received > request.longest_s * _MOST_BYTES_PER_S:
                raise ServiceError(request.service, "sent more audio than the text can be")
            if audio:
                patience.received(len(audio) / MULAW_8K.rate)
                yield audio
        if rest := reader.flush():
            made += len(rest)
            yield rest
    except UnreadableAudio as error:
        raise ServiceError(request.service, f"sent {error}", retryable=False) from error
    if not made:
        raise ServiceError(request.service, "sent no audio")


class _Patience:
    """How long one sentence waits for the service: the time spent so far, over both tries."""

    def __init__(self, service: str, timeouts: SynthesisTimeouts) -> None:
        self.timeouts = timeouts
        self._service = service
        self._spent_s = 0.0
        self._heard_until: float | None = None  # loop time at which what was received has been played

    def received(self, audio_s: float) -> None:
        """So many more seconds can be played."""
        now = asyncio.get_running_loop().time()
        self._heard_until = max(now, self._heard_until or now) + audio_s

    async def wait_for(self, awaited: Awaitable[T], *, late: str, failed: str = "broke off") -> T:
        """The result, within what is left. Raises ServiceTimeout(`late`), or ServiceError(`failed`)."""
        clock = asyncio.get_running_loop().time
        started = clock()
        if self._heard_until is None:
            limit_s = self.timeouts.first_audio_s - self._spent_s
        else:
            limit_s = self.timeouts.stall_s + max(0.0, self._heard_until - started)
        try:
            async with asyncio.timeout(min(limit_s, self.timeouts.total_s - self._spent_s)):
                return await awaited
        except TimeoutError as error:
            raise ServiceTimeout(self._service, late) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ServiceError(self._service, f"{failed}: {type(error).__name__}") from error
        finally:
            self._spent_s += clock() - started

    def pause_before_retry_s(self, failure: ServiceError) -> float | None:
        """How long to wait before the second try; None when none would be answered within the first-audio limit."""
        if not failure.retryable or isinstance(failure, ServiceTimeout):
            return None
        pause_s = _PAUSE_S if failure.retry_after_s is None else failure.retry_after_s
        return pause_s if self._spent_s + pause_s + _LEAST_LEFT_S <= self.timeouts.first_audio_s else None

    async def pause(self, pause_s: float) -> None:
        self._spent_s += pause_s
        await asyncio.sleep(pause_s)


async def _refusal(response: aiohttp.ClientResponse, service: str) -> ServiceError:
    retryable = may_pass(response.status)
    message = f"answered {response.status} {await _error_code(response)}".rstrip()
    return ServiceError(
        service, message, retryable=retryable, retry_after_s=retry_after_s(response.headers) if retryable else None
    )


async def _error_code(response: aiohttp.ClientResponse) -> str:
    """The service's error code, or "". Its message is not used, for it may quote the text."""
    try:
        async with asyncio.timeout(1.0):
            refusal = orjson.loads((await response.content.readany())[:_MAX_REFUSAL])
    except (orjson.JSONDecodeError, TimeoutError, aiohttp.ClientError, OSError):
        return ""
    if isinstance(refusal, dict):
        for outer, inner in (("error", "code"), ("error", "type"), ("detail", "status")):
            fields = refusal.get(outer)
            value = fields.get(inner) if isinstance(fields, dict) else None
            if isinstance(value, str) and _IDENTIFIER.match(value):
                return value
    return ""

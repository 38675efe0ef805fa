"""One speech synthesis request over HTTP: yields the audio as it arrives, within time and size limits (guarantee P13).

Used by the voices of this folder. Knows timeouts, sizes and refusals; knows no provider and no audio format.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson

from voicecall.errors import ServiceError
from voicecall.http_client import post

__all__ = ["SynthesisRequest", "SynthesisTimeouts", "audio_of", "longest_s"]

_RETRYABLE: Final = frozenset({408, 409, 425, 429})
_IDENTIFIER: Final = re.compile(r"[\w.-]{1,64}\Z", re.ASCII)
_MAX_REFUSAL: Final = 8192
# The first bytes of WAV, MP3, Ogg and FLAC: played as raw samples they would be loud noise.
_CONTAINERS: Final = (b"RIFF", b"ID3", b"OggS", b"fLaC")


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisTimeouts:
    """Only the time spent waiting for the service counts, not the time the consumer takes for a chunk."""

    connect_s: float = 3.0
    first_audio_s: float = 8.0
    stall_s: float = 8.0
    total_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisRequest:
    """One POST. `service` is the name in errors; a body above `longest_bytes` is an error."""

    service: str
    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    longest_bytes: int


def longest_s(text: str) -> float:
    """An upper bound on the seconds that the slowest voice needs for `text`; more audio than that is an error."""
    return 10 + 0.5 * len(text)


async def audio_of(
    session: aiohttp.ClientSession, request: SynthesisRequest, timeouts: SynthesisTimeouts
) -> AsyncGenerator[bytes]:
    """The body in chunks as they arrive. Closing the iterator closes the connection.

    Raises ServiceError: retryable when the service was busy, broken or silent; not when it refused the request.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    response = await _answer(session, request, timeouts)
    try:
        await _check(response, request.service)
        waited, received = clock() - started, 0
        while True:
            limit = timeouts.stall_s if received else timeouts.first_audio_s - waited
            requested = clock()
            chunk = await _next_chunk(response, min(limit, timeouts.total_s - waited), request.service)
            waited += clock() - requested
            if not received and chunk.startswith(_CONTAINERS):
                raise ServiceError(request.service, "sent a sound file, not raw audio", retryable=False)
            received += len(chunk)
            if received > request.longest_bytes:
                raise ServiceError(request.service, "sent more audio than the text can be")
            if not chunk:
                break
            yield chunk
    finally:
        response.close()
    if not received:
        raise ServiceError(request.service, "sent no audio")


async def _answer(
    session: aiohttp.ClientSession, request: SynthesisRequest, timeouts: SynthesisTimeouts
) -> aiohttp.ClientResponse:
    try:
        async with asyncio.timeout(timeouts.first_audio_s):
            return await post(
                session,
                request.url,
                data=orjson.dumps(request.body),
                headers={"Content-Type": "application/json", **request.headers},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect_s),
            )
    except TimeoutError as error:
        raise ServiceError(request.service, "no answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise ServiceError(request.service, f"cannot be reached: {type(error).__name__}") from error


async def _next_chunk(response: aiohttp.ClientResponse, limit_s: float, service: str) -> bytes:
    """b"" at the end."""
    try:
        async with asyncio.timeout(limit_s):
            return await response.content.readany()
    except TimeoutError as error:
        raise ServiceError(service, "fell silent") from error
    except (aiohttp.ClientError, OSError) as error:
        raise ServiceError(service, f"broke off: {type(error).__name__}") from error


async def _check(response: aiohttp.ClientResponse, service: str) -> None:
    if response.status != 200:
        retryable = response.status in _RETRYABLE or response.status >= 500
        message = f"answered {response.status} {await _error_code(response, service)}".rstrip()
        raise ServiceError(service, message, retryable=retryable)
    if response.content_type.startswith("text/") or response.content_type == "application/json":
        raise ServiceError(service, f"sent {response.content_type}, not audio", retryable=False)


async def _error_code(response: aiohttp.ClientResponse, service: str) -> str:
    """The service's error code, or "". Its message is not used, for it may quote the text."""
    try:
        refusal = orjson.loads((await _next_chunk(response, 1.0, service))[:_MAX_REFUSAL])
    except (orjson.JSONDecodeError, ServiceError):
        return ""
    if isinstance(refusal, dict):
        for outer, inner in (("error", "code"), ("error", "type"), ("detail", "status")):
            fields = refusal.get(outer)
            value = fields.get(inner) if isinstance(fields, dict) else None
            if isinstance(value, str) and _IDENTIFIER.match(value):
                return value
    return ""

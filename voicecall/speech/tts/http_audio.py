"""Asks a voice over HTTP and hands out its audio as it arrives, with a limit on everything (reliability P13).

The voices of this folder use it. Knows waiting, sizes and refusals; knows no provider, and not what the bytes mean.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson

from voicecall.errors import ServiceError

__all__ = ["Request", "Timeouts", "audio_of", "longest_s"]

_RETRYABLE: Final = frozenset({408, 409, 425, 429})
_WORD: Final = re.compile(r"[\w.-]{1,64}\Z", re.ASCII)
_LONGEST_REFUSAL: Final = 8192
# The openings of WAV, MP3, Ogg and FLAC: played as raw samples they are noise at full loudness.
_CONTAINERS: Final = (b"RIFF", b"ID3", b"OggS", b"fLaC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds. Only our waiting counts, not how long the consumer takes with a chunk."""

    connect_s: float = 3.0
    first_audio_s: float = 8.0
    stall_s: float = 8.0
    total_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One POST. `service` is the name in errors, `longest_bytes` more than the answer can sensibly be."""

    service: str
    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    longest_bytes: int


def longest_s(text: str) -> float:
    """More seconds than the slowest voice needs for `text`: an answer beyond that is no speech."""
    return 10 + 0.5 * len(text)


async def audio_of(session: aiohttp.ClientSession, request: Request, timeouts: Timeouts) -> AsyncGenerator[bytes]:
    """The body in chunks as they arrive. Closing the iterator closes the connection.

    Raises ServiceError: retryable when the service was busy, broken or silent, not when it refused the request.
    """
    clock = asyncio.get_running_loop().time
    begun = clock()
    response = await _answer(session, request, timeouts)
    try:
        await _check(response, request.service)
        waited, received = clock() - begun, 0
        while True:
            limit = timeouts.stall_s if received else timeouts.first_audio_s - waited
            asked = clock()
            chunk = await _next_chunk(response, min(limit, timeouts.total_s - waited), request.service)
            waited += clock() - asked
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


async def _answer(session: aiohttp.ClientSession, request: Request, timeouts: Timeouts) -> aiohttp.ClientResponse:
    try:
        async with asyncio.timeout(timeouts.first_audio_s):
            return await session.post(
                request.url,
                data=orjson.dumps(request.body),
                headers={"Content-Type": "application/json", **request.headers},
                allow_redirects=False,  # our key is for this host only
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
        message = f"answered {response.status} {await _code(response, service)}".rstrip()
        raise ServiceError(service, message, retryable=retryable)
    if response.content_type.startswith("text/") or response.content_type == "application/json":
        raise ServiceError(service, f"sent {response.content_type}, not audio", retryable=False)


async def _code(response: aiohttp.ClientResponse, service: str) -> str:
    """The service's own word for its refusal. Its prose may quote what was to be said, and is left alone."""
    try:
        refusal = orjson.loads((await _next_chunk(response, 1.0, service))[:_LONGEST_REFUSAL])
    except (orjson.JSONDecodeError, ServiceError):
        return ""  # the status says enough
    if isinstance(refusal, dict):
        for holder, word in (("error", "code"), ("error", "type"), ("detail", "status")):
            held = refusal.get(holder)
            value = held.get(word) if isinstance(held, dict) else None
            if isinstance(value, str) and _WORD.match(value):
                return value
    return ""

"""One speech synthesis request over HTTP: yields mu-law as it arrives, within time and size limits (guarantee P13).

Used by the voices of this folder that answer one POST with a stream of audio. Knows HTTP; `patience` has the times,
`intake` what the body is, `refusal` what a status means.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson

from voicecall.audio.formats import AudioFormat
from voicecall.http_client import post
from voicecall.speech.tts.intake import Intake
from voicecall.speech.tts.patience import Patience, SynthesisTimeouts, in_two_tries
from voicecall.speech.tts.refusal import TextRefused, identifier, refused

__all__ = ["HttpVoice", "SynthesisRequest", "audio_of"]

_MAX_REFUSAL: Final = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisRequest:
    """One POST. `service` is the name in errors; `audio`: what `body` asks for; more than `longest_s` is an error."""

    service: str
    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    audio: AudioFormat
    longest_s: float


class HttpVoice(ABC):
    """TextToSpeech by a service that answers one POST per sentence. The session is the node's.

    `longest`: characters of a sentence that the service takes. A subclass says what is sent.
    """

    def __init__(
        self, session: aiohttp.ClientSession, *, service: str, longest: int, timeouts: SynthesisTimeouts
    ) -> None:
        self._session = session
        self._service = service
        self._longest = longest
        self._timeouts = timeouts

    def warm(self) -> None:  # noqa: B027  complete: there is nothing to prepare
        """HTTP connections are opened by requests."""

    async def speak(self, text: str) -> AsyncGenerator[bytes]:
        """Yield mu-law as it arrives. Raises ServiceError, for a text that is too long before sending anything."""
        if not text.strip() or len(text) > self._longest:
            raise TextRefused(self._service, text)
        async with aclosing(audio_of(self._session, self._request(text), self._timeouts)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def close(self) -> None:  # noqa: B027  complete, likewise
        """Nothing is open between two sentences."""

    @abstractmethod
    def _request(self, text: str) -> SynthesisRequest: ...


async def audio_of(
    session: aiohttp.ClientSession, request: SynthesisRequest, timeouts: SynthesisTimeouts
) -> AsyncGenerator[bytes]:
    """The audio in mu-law, in chunks as they arrive. Closing the iterator closes the connection.

    Raises ServiceError, as `in_two_tries`.
    """
    patience = Patience(request.service, timeouts)
    async with aclosing(in_two_tries(lambda: _one_try(session, request, patience), patience)) as audio:
        async for chunk in audio:
            yield chunk


async def _one_try(
    session: aiohttp.ClientSession, request: SynthesisRequest, patience: Patience
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
            raise refused(request.service, response.status, response.headers, await _error_code(response))
        async with aclosing(_read(response, request, patience)) as audio:
            async for chunk in audio:
                yield chunk
    finally:
        response.close()


async def _read(
    response: aiohttp.ClientResponse, request: SynthesisRequest, patience: Patience
) -> AsyncGenerator[bytes]:
    intake = Intake(request.service, response.headers.get("Content-Type", ""), request.audio, request.longest_s)
    while chunk := await patience.wait_for(response.content.readany(), late="fell silent", has_audio=intake.made > 0):
        if audio := intake.feed(chunk):
            patience.received(audio)
            yield audio
    if rest := intake.flush():
        yield rest


async def _error_code(response: aiohttp.ClientResponse) -> str:
    """The service's error code, or ""."""
    try:
        async with asyncio.timeout(1.0):
            refusal = orjson.loads((await response.content.readany())[:_MAX_REFUSAL])
    except (orjson.JSONDecodeError, TimeoutError, aiohttp.ClientError, OSError):
        return ""
    if not isinstance(refusal, dict):
        return ""
    for outer, inner in (("error", "code"), ("error", "type"), ("detail", "status")):
        fields = refusal.get(outer)
        if isinstance(fields, dict) and (code := identifier(fields.get(inner))):
            return code
    return identifier(refusal.get("err_code"))

"""`POST /v1/audio/speech`: a text, spoken sentence by sentence as it is synthesised (OpenAI's "Create speech").

A client that goes away ends the work after the piece under way.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import orjson
from aiohttp import web

from voicecall.speech_server.errors import Refused
from voicecall.speech_server.pool import InferencePool
from voicecall.speech_server.synthesis import RATE, VOICES, Synthesis, pieces_of

__all__ = ["Speech", "SpeechRequest", "read_request"]

_log = logging.getLogger(__name__)

_LONGEST: Final = 4096
_CHUNK: Final = 9600  # bytes: 200 ms


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRequest:
    """What is to be spoken. `pitch`: of the voice; 1 is its own."""

    text: str
    pitch: float
    speed: float


class Speech:
    """The route."""

    def __init__(self, synthesis: Synthesis, pool: InferencePool) -> None:
        self._synthesis = synthesis
        self._pool = pool

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        asked = read_request(await request.read())
        async with aclosing(self._audio(asked)) as audio:
            first = await anext(audio, None)
            if first is None:
                raise Refused(400, "'input' has nothing to speak: the voice reads English.", "invalid_value", "input")
            response = web.StreamResponse(headers={"Content-Type": f"audio/pcm;rate={RATE};channels=1"})
            await response.prepare(request)
            try:
                await _send(response, first)
                async for pcm in audio:
                    await _send(response, pcm)
            except Exception:  # noqa: BLE001  the answer has begun: all it can still say is that it is not whole
                _log.exception("speech broke off")
                if request.transport is not None:
                    request.transport.abort()
                return response
        await response.write_eof()
        return response

    async def _audio(self, asked: SpeechRequest) -> AsyncGenerator[bytes]:
        goes_on = False
        for piece in pieces_of(asked.text):
            for phonemes in await self._pool.run(partial(self._synthesis.phonemes, piece), goes_on=goes_on):
                speak = partial(self._synthesis.speak, phonemes, pitch=asked.pitch, speed=asked.speed)
                yield await self._pool.run(speak, goes_on=True)
                goes_on = True


async def _send(response: web.StreamResponse, pcm: bytes) -> None:
    for at in range(0, len(pcm), _CHUNK):
        await response.write(pcm[at : at + _CHUNK])


def read_request(body: bytes) -> SpeechRequest:
    """The request in a body. Raises Refused."""
    try:
        asked: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused(400, "We could not parse the JSON body of your request.", "invalid_json") from None
    if not isinstance(asked, dict):
        raise Refused(400, "The body must be a JSON object.", "invalid_type")
    text, voice, speed = asked.get("input"), asked.get("voice"), asked.get("speed", 1)
    checks = (
        ("input", isinstance(text, str) and bool(text.strip()), "is missing or blank"),
        ("input", isinstance(text, str) and len(text) <= _LONGEST, f"is over {_LONGEST} characters"),
        ("voice", isinstance(voice, str) and voice in VOICES, f"is unknown; choose {', '.join(sorted(VOICES))}"),
        ("response_format", asked.get("response_format") == "pcm", 'is not served; ask for "pcm"'),
        ("stream_format", asked.get("stream_format", "audio") == "audio", 'is not served; ask for "audio"'),
        ("speed", _is_number(speed) and 0.25 <= speed <= 4, "is no number from 0.25 to 4"),
    )
    for param, is_good, problem in checks:
        if not is_good:
            raise Refused(400, f"'{param}' {problem}.", "invalid_value", param)
    return SpeechRequest(text=str(text), pitch=VOICES[str(voice)], speed=float(speed))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

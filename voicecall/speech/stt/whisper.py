"""Speech recognition by any server with OpenAI's `/audio/transcriptions`, as people host it for Whisper models.

Such a server takes one recording per request, so our own detector finds the utterances, and each is one POST. Knows
HTTP; `session.py` does the rest.
"""

import asyncio
import logging
import secrets
import struct
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, Final

import aiohttp
import orjson

from voicecall import http_client
from voicecall.aio import end
from voicecall.audio import mulaw as codec
from voicecall.errors import FailureKind
from voicecall.manifests.whisper import WhisperRecognition
from voicecall.speech.stt.link import LinkLost, Service, Signal, Transcribed, UtteranceCommitted
from voicecall.speech.stt.refusal import lost_by, lost_by_status
from voicecall.speech.vad import VoiceActivity

__all__ = ["WhisperLink", "build"]

_log = logging.getLogger(__name__)

_RATE: Final = 8000
_LONGEST_ANSWER: Final = 1_048_576
_LONGEST_UTTERANCE: Final = 60 * _RATE  # bytes of mu-law: a minute; then it is transcribed in parts
_TIMEOUT: Final = aiohttp.ClientTimeout(total=15.0, sock_connect=3.0, sock_read=10.0)
_UNKNOWN_PATH: Final = frozenset({404, 405, 501})


def build(block: WhisperRecognition, http: aiohttp.ClientSession) -> Service:
    """The service as configured under `streaming.providers.compatible`."""
    return Service(
        name="compatible",
        model=block.model,
        link=lambda _: WhisperLink(block, http),
        silence_ms=block.silence_duration_ms,
        detector=partial(VoiceActivity, silence_ms=block.silence_duration_ms, threshold=block.vad_threshold),
    )


class WhisperLink:
    """Link. `open` asks for the list of models: a server that is down is noticed before the caller speaks."""

    def __init__(self, block: WhisperRecognition, http: aiohttp.ClientSession) -> None:
        self._block = block
        self._http = http
        self._utterance = bytearray()
        self._count = 0
        self._signals: asyncio.Queue[Sequence[Signal] | LinkLost] = asyncio.Queue()
        self._requests: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        url = f"{self._block.base_url}/models"
        try:
            async with self._http.get(url, headers=self._headers, timeout=_TIMEOUT, allow_redirects=False) as answer:
                if answer.status >= 400 and answer.status not in _UNKNOWN_PATH:
                    raise lost_by_status(answer.status, answer.headers)
        except (aiohttp.ClientError, OSError) as error:
            raise lost_by(error) from error

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._block.api_key}"} if self._block.api_key else {}

    async def send(self, mulaw: bytes) -> None:
        self._utterance += mulaw
        if len(self._utterance) >= _LONGEST_UTTERANCE:
            await self.commit()

    async def commit(self) -> None:
        """Have the utterance transcribed, beside the ones that are under way."""
        recording, self._utterance = bytes(self._utterance), bytearray()
        previous, self._count = self._count, self._count + 1
        item = str(self._count)
        self._signals.put_nowait((UtteranceCommitted(item, str(previous) if previous else None),))
        task = asyncio.create_task(self._transcribe(item, recording), name="stt request")
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _transcribe(self, item: str, recording: bytes) -> None:
        try:
            self._signals.put_nowait((Transcribed(item, await self._text_of(recording)),))
        except LinkLost as lost:
            self._signals.put_nowait(lost)
        except TimeoutError:
            self._signals.put_nowait(LinkLost("no answer in time", kind=FailureKind.TIMEOUT))
        except (aiohttp.ClientError, OSError) as error:
            self._signals.put_nowait(lost_by(error))

    async def _text_of(self, recording: bytes) -> str:
        boundary = secrets.token_hex(16)
        headers = {**self._headers, "Content-Type": f"multipart/form-data; boundary={boundary}"}
        url = f"{self._block.base_url}/audio/transcriptions"
        body = _form(boundary, self._fields, _wav(recording))
        answer = await http_client.post(self._http, url, data=body, headers=headers, timeout=_TIMEOUT)
        async with answer:
            if answer.status != 200:
                raise lost_by_status(answer.status, answer.headers)
            return _text(await _whole(answer))

    @property
    def _fields(self) -> dict[str, str]:
        language = (self._block.language or "").partition("-")[0]
        return {
            "model": self._block.model,
            "response_format": "json",
            **({"language": language} if language else {}),
            **({"prompt": self._block.prompt} if self._block.prompt else {}),
        }

    async def signals(self) -> AsyncIterator[Sequence[Signal]]:
        while True:
            said = await self._signals.get()
            if isinstance(said, LinkLost):
                raise said
            yield said

    async def close(self) -> None:
        for task in tuple(self._requests):
            await end(task)


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > _LONGEST_ANSWER:
            raise LinkLost("the answer is too long")
    return body


def _text(body: bytes) -> str:
    """The transcript in an answer. Raises LinkLost for one of another shape."""
    try:
        answer: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    text = answer.get("text") if isinstance(answer, dict) else None
    if not isinstance(text, str):
        raise LinkLost("the answer has no transcript")
    return text


def _form(boundary: str, fields: dict[str, str], wav: bytes) -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="speech.wav"\r\n'
    return b"".join(
        [*parts, head.encode(), b"Content-Type: audio/wav\r\n\r\n", wav, f"\r\n--{boundary}--\r\n".encode()]
    )


def _wav(mulaw: bytes) -> bytes:
    """A WAV file of 16-bit PCM, which every server reads."""
    pcm = codec.decode(mulaw)
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(pcm), b"WAVE", b"fmt ", 16, 1, 1, _RATE, 2 * _RATE, 2, 16)
    return head + struct.pack("<4sI", b"data", len(pcm)) + pcm

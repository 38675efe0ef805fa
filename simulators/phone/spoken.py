"""People with real voices: they speak and listen by a speech server with OpenAI's API, in place of tone code.

The server is any with `/v1/audio/speech` and Realtime transcription, as `voicecall speech-server`. `SpokenHearing` has
the methods of `hearing.Hearing`; its transcripts come some hundred milliseconds after the speech.
"""

import asyncio
import binascii
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
import orjson

from simulators.phone.line import FRAME_BYTES, FRAME_MS, SILENCE
from simulators.tones import mulaw_from_pcm16
from simulators.words import normalised

__all__ = ["OnUtterance", "Spoken", "SpokenHearing"]

_CHAR_MS = 65  # of fluent speech
_TOGETHER = 5  # frames in one message
_LAST_S = 8.0  # until the transcript of what was heard when the call ended
_EARLY_MS = 450  # recognition places a beginning so much too early at most
_PAUSE_MS = 500

OnUtterance = Callable[[str, int, int, bool], None]


class Spoken:
    """A client of the speech server at `url`. `voice`: of the people on the phone."""

    def __init__(self, url: str, *, voice: str = "low") -> None:
        self.url = url.rstrip("/")
        self._voice = voice
        self._http: aiohttp.ClientSession | None = None
        self._made: dict[str, bytes] = {}

    @property
    def http(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession()
        return self._http

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()

    async def mulaw(self, text: str) -> bytes:
        """The text as 8 kHz mu-law, made once."""
        if text not in self._made:
            asked = {"model": "any", "input": text, "voice": self._voice, "response_format": "pcm"}
            async with self.http.post(f"{self.url}/v1/audio/speech", json=asked) as answer:
                answer.raise_for_status()
                pcm = await answer.read()
            thirds = np.frombuffer(pcm[: len(pcm) // 6 * 6], "<i2").reshape(-1, 3)
            self._made[text] = mulaw_from_pcm16(thirds.mean(axis=1).astype("<i2").tobytes())
        return self._made[text]


@dataclass
class _Heard:
    text: str
    start_ms: int


@dataclass
class SpokenHearing:
    """What one person hears, from `from_ms` after answer. `spawn` starts work that outlives the call."""

    spoken: Spoken
    on_utterance: OnUtterance
    from_ms: int
    spawn: Callable[[Coroutine[Any, Any, Any]], object]
    _frames: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    _heard: list[_Heard] = field(default_factory=list)
    _ms: int = 0
    _since_ms: int = 0
    _loud_ms: int = 0
    _is_open: bool = False

    def feed(self, heard: bytes | None) -> None:
        """Take the next 20 ms; None is silence."""
        if not self._is_open:
            self._is_open = True
            self.spawn(self._listen())
        self._ms += FRAME_MS
        if heard is not None and heard != SILENCE:
            self._loud_ms += FRAME_MS
        self._frames.put_nowait(SILENCE if heard is None else heard.ljust(FRAME_BYTES, b"\xff"))

    def close(self) -> None:
        """The line is closed: what was heard last is transcribed still."""
        for _ in range(2 * _PAUSE_MS // FRAME_MS):
            self._frames.put_nowait(SILENCE)
        self._frames.put_nowait(None)

    def understood(self) -> None:
        """Take everything heard so far into account; only later speech matches from here on."""
        self._since_ms = self._ms
        self._loud_ms = 0

    @property
    def chars(self) -> int:
        """About so many characters were heard since then."""
        return self._loud_ms // _CHAR_MS

    def matches(self, pattern: re.Pattern[str]) -> bool:
        """Whether an utterance since then matches the pattern, as it was written down or with its numbers in words."""
        texts = (text for each in self._new for text in (each.text, " ".join(normalised(each.text))))
        return any(pattern.search(text) for text in texts)

    @property
    def utterances(self) -> int:
        """Utterances since then."""
        return len(self._new)

    @property
    def _new(self) -> list[_Heard]:
        return [each for each in self._heard if each.start_ms + _EARLY_MS >= self._since_ms]

    async def _listen(self) -> None:
        url = f"{self.spoken.url}/v1/realtime?intent=transcription"
        async with self.spoken.http.ws_connect(url) as socket:
            await socket.send_str(_SESSION)
            reading = asyncio.create_task(self._read(socket))
            try:
                await self._send(socket)
                await asyncio.wait({reading}, timeout=_LAST_S)
            finally:
                reading.cancel()

    async def _send(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        together: list[bytes] = []
        while (frame := await self._frames.get()) is not None:
            together.append(frame)
            if len(together) >= _TOGETHER:
                audio = binascii.b2a_base64(b"".join(together), newline=False).decode()
                await socket.send_str(f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}')
                together.clear()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        starts: dict[str, int] = {}
        ends: dict[str, int] = {}
        async for message in socket:
            event = orjson.loads(message.data)
            item = event.get("item_id", "")
            match event["type"].rpartition(".")[2]:
                case "speech_started":
                    starts[item] = event["audio_start_ms"]
                case "speech_stopped":
                    ends[item] = max(starts.get(item, 0), event["audio_end_ms"] - _PAUSE_MS)
                case "completed" if event["transcript"]:
                    self._heard.append(_Heard(event["transcript"], starts.get(item, 0)))
                    start_ms, end_ms = self.from_ms + starts.get(item, 0), self.from_ms + ends.get(item, 0)
                    self.on_utterance(event["transcript"], start_ms, end_ms, True)


_SESSION = orjson.dumps(
    {
        "type": "session.update",
        "session": {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "transcription": {"model": "tiny.en"},
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.5,
                        "prefix_padding_ms": 200,
                        "silence_duration_ms": _PAUSE_MS,
                    },
                }
            },
        },
    }
).decode()

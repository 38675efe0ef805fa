"""WebSocket /v1/speech-to-text/realtime (ElevenLabs API reference, "Realtime speech to text")."""

import binascii
from typing import Any

from aiohttp import web

from simulators.listening import Listening

__all__ = ["Scribe", "problem"]

_KNOWN = {
    *("model_id", "audio_format", "language_code", "commit_strategy", "vad_silence_threshold_secs", "vad_threshold"),
    *("min_speech_duration_ms", "min_silence_duration_ms", "include_timestamps"),
}
_RANGES = {"vad_silence_threshold_secs": (0.3, 3.0), "vad_threshold": (0.1, 0.9)}


def problem(request: web.Request) -> int | None:
    """The status with which a request is refused; a wrong key is an event on the socket."""
    query = request.query
    try:
        in_range = all(least <= float(query.get(key, least)) <= most for key, (least, most) in _RANGES.items())
    except ValueError:
        in_range = False
    good = in_range and set(query) <= _KNOWN and query.get("audio_format") == "ulaw_8000" and "model_id" in query
    return None if good else 400


class Scribe(Listening):
    """One socket. Its only sign of speech is a partial transcript."""

    def ends_after_ms(self) -> int | None:
        if self.query.get("commit_strategy", "manual") == "manual":
            return None
        return int(float(self.query.get("vad_silence_threshold_secs", 1.5)) * 1000)

    async def begin(self) -> None:
        self._heard = ""
        if not self._script.accepts(self.request.headers.get("xi-api-key", "")):
            await self.send(message_type="auth_error", error="You must be authenticated to use this endpoint.")
            await self.close(1008)
            return
        config = {"model_id": self.query["model_id"], "audio_format": "ulaw_8000", "sample_rate": 8000}
        await self.send(message_type="session_started", session_id="1", config=config)

    async def take(self, event: Any) -> None:
        if not isinstance(event, dict) or event.get("message_type") != "input_audio_chunk":
            await self._refuse("input_error", "Invalid message.")
            return
        try:
            audio = binascii.a2b_base64(event.get("audio_base_64", ""), strict_mode=True)
        except (TypeError, ValueError):
            await self._refuse("input_error", "Invalid audio.")
            return
        if len(audio) > 16_000:
            await self._refuse("chunk_size_exceeded", "The chunk is too long.")
            return
        await self.hear(audio)
        if event.get("commit") is True:
            await self.end_turn(self.hearing.take(), self.hearing.now_ms)

    async def progress(self, text: str) -> None:
        if text and text != self._heard:
            self._heard = text
            await self.send(message_type="partial_transcript", text=text)

    async def finished(self, text: str) -> None:
        self._heard = ""
        await self.send(message_type="committed_transcript", text=text)

    async def _refuse(self, kind: str, message: str) -> None:
        await self.send(message_type=kind, error=message)
        await self.close(1008)

"""What a person without a microphone types, spoken by the configured voice into the call, 20 ms at a time.

Used by `leg`, which sends it in place of the browser's audio.
"""

import asyncio
import logging
from binascii import b2a_base64
from collections import deque
from collections.abc import Callable
from typing import Final

from voicecall.aio import closing
from voicecall.call.events import Failover
from voicecall.errors import ServiceError
from voicecall.phone.media import FRAME_BYTES
from voicecall.ports import TextToSpeech

__all__ = ["TypedSpeech"]

_WAITING: Final = 8  # texts that wait to be spoken

_log = logging.getLogger(__name__)


class TypedSpeech:
    """The typed speech of one leg. `on_failure` takes a sentence for the person who typed."""

    def __init__(self, voice: TextToSpeech, on_failure: Callable[[str], None]) -> None:
        self._voice = voice
        self._on_failure = on_failure
        self._texts: deque[str] = deque()
        self._frames: deque[str] = deque()
        self._speaking: asyncio.Task[None] | None = None

    def say(self, text: str) -> bool:
        """Speak it behind what is being spoken. False: too many texts wait."""
        if len(self._texts) >= _WAITING:
            return False
        self._texts.append(text)
        if self._speaking is None or self._speaking.done():
            self._speaking = asyncio.create_task(self._speak())
        return True

    def next_frame(self) -> str | None:
        """The next 20 ms as base64 mu-law; None while nothing is said."""
        return self._frames.popleft() if self._frames else None

    def close(self) -> None:
        if self._speaking is not None:
            self._speaking.cancel()
        self._frames.clear()

    async def _speak(self) -> None:
        while self._texts:
            rest = b""
            try:
                async with closing(self._voice.speak(self._texts.popleft())) as audio:
                    async for chunk in audio:
                        rest = rest if isinstance(chunk, Failover) else self._queue(rest + chunk)
            except ServiceError as error:
                _log.warning("typed speech not synthesised", extra={"error": str(error)})
                self._on_failure("the configured voice failed, so what you typed was not said; see the log")
            if rest:
                self._queue(rest.ljust(FRAME_BYTES, b"\xff"))

    def _queue(self, audio: bytes) -> bytes:
        """Queue the whole frames; returns the rest."""
        whole = len(audio) - len(audio) % FRAME_BYTES
        for start in range(0, whole, FRAME_BYTES):
            self._frames.append(b2a_base64(audio[start : start + FRAME_BYTES], newline=False).decode())
        return audio[whole:]

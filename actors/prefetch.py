"""TTS that is started before its `Speak` is committed: the first sentence of a reply, and the opening text of a call.

Used by `speaker`. Nothing is sent before the commit: the audio waits here, bounded, until it is taken or dropped.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final

from voicecall.aio import closing
from voicecall.call.events import Failover
from voicecall.call.state import Call

__all__ = ["OPENING_S", "OpeningPrefetch", "TtsPrefetch"]

OPENING_S: Final = 30.0
"""So much audio of an opening text waits at most; then TTS waits."""

_SENTENCE_S: Final = 3.0
_BYTES_PER_S: Final = 8000  # mu-law, 8 kHz, one byte a sample

_Chunk = bytes | Failover | Exception | None
"""A chunk of audio; that another voice speaks; the exception that ends it; or None, the end."""


class TtsPrefetch:
    """For one text at a time. `synthesise`: text in, audio out. `most_s`: seconds of audio that wait."""

    def __init__(
        self, synthesise: Callable[[str], AsyncIterator[bytes | Failover]], *, most_s: float = _SENTENCE_S
    ) -> None:
        self._synthesise = synthesise
        self._most = round(most_s * _BYTES_PER_S)
        self._started: _Started | None = None

    @property
    def has_failed(self) -> bool:
        """What was started, and not taken, ended in an error before any audio."""
        return self._started is not None and self._started.has_failed

    def start(self, text: str) -> None:
        """Start TTS; what was started before and not taken is dropped."""
        self.cancel()
        self._started = _Started(text, self._synthesise(text), self._most)

    def take(self, text: str) -> AsyncIterator[bytes | Failover] | None:
        """The audio of `text` if that was started; otherwise None. Closing the audio stops TTS."""
        started, self._started = self._started, None
        if started is None:
            return None
        if text != started.text:
            started.cancel()
            return None
        return started.read()

    def cancel(self) -> None:
        """Stop TTS and drop its audio."""
        started, self._started = self._started, None
        if started is not None:
            started.cancel()


class OpeningPrefetch:
    """The text that a call opens with: synthesised once, while the phone rings, and dropped when it is not said first.

    An error is forgotten: the text is then synthesised when it is said.
    """

    def __init__(self, synthesise: Callable[[str], AsyncIterator[bytes | Failover]]) -> None:
        self._prefetch = TtsPrefetch(synthesise, most_s=OPENING_S)
        self._is_settled = False  # started, or not to be started any more

    def follow(self, call: Call) -> None:
        """Start when the leg is known and the text waits for it; drop the audio when there will be no stream."""
        if call.is_ending or call.is_native:
            self.drop()
        elif not self._is_settled and call.leg is not None and call.stream is None and call.playback.opening_text:
            self._is_settled = True
            self._prefetch.start(call.playback.opening_text)

    def take(self, text: str) -> AsyncIterator[bytes | Failover] | None:
        """The audio, for the first text that is said; None when it is another one."""
        self._is_settled = True
        if self._prefetch.has_failed:
            self._prefetch.cancel()
        return self._prefetch.take(text)

    def drop(self) -> None:
        self._is_settled = True
        self._prefetch.cancel()


class _Started:
    """One text, from its first chunk on."""

    def __init__(self, text: str, audio: AsyncIterator[bytes | Failover], most: int) -> None:
        self.text = text
        self.has_failed = False
        self._most = most
        self._held = 0  # bytes that wait
        self._has_audio = False
        self._has_room = asyncio.Event()
        self._chunks: asyncio.Queue[_Chunk] = asyncio.Queue()
        self._task = asyncio.ensure_future(self._fill(audio))

    def cancel(self) -> None:
        self._task.cancel()

    async def read(self) -> AsyncGenerator[bytes | Failover]:
        try:
            while (chunk := await self._chunks.get()) is not None:
                if isinstance(chunk, Exception):
                    raise chunk
                self._held -= _length(chunk)
                self._has_room.set()
                yield chunk
        finally:
            self._task.cancel()

    async def _fill(self, audio: AsyncIterator[bytes | Failover]) -> None:
        try:
            async with closing(audio) as chunks:
                async for chunk in chunks:
                    self._has_audio = self._has_audio or not isinstance(chunk, Failover)
                    await self._put(chunk)
        except Exception as error:  # noqa: BLE001  raised again where the audio is read
            self.has_failed = not self._has_audio
            self._chunks.put_nowait(error)
        else:
            self._chunks.put_nowait(None)

    async def _put(self, chunk: bytes | Failover) -> None:
        self._chunks.put_nowait(chunk)
        self._held += _length(chunk)
        while self._held >= self._most:
            self._has_room.clear()
            await self._has_room.wait()


def _length(chunk: bytes | Failover) -> int:
    return 0 if isinstance(chunk, Failover) else len(chunk)

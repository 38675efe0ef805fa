"""Synthesis begun ahead of its commit: a reply's first sentence goes to the voice while Redis still writes it down.

Nothing leaves for the caller before the commit: what the voice makes waits here, bounded, until `Speak` asks for it; it
is thrown away when nobody does. One sentence at a time: only for the first of a reply does a caller sit in silence.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final

from actors.streams import closing

__all__ = ["TtsPrefetch"]

_CHUNKS: Final = 16  # then the voice waits for us

_Made = bytes | Exception | None
"""A chunk; why there will be no more; or the end."""


class TtsPrefetch:
    """`speak` is the voice: text in, audio out."""

    def __init__(self, speak: Callable[[str], AsyncIterator[bytes]]) -> None:
        self._speak = speak
        self._text = ""
        self._task: asyncio.Task[None] | None = None
        self._made: asyncio.Queue[_Made] = asyncio.Queue()

    def begin(self, text: str) -> None:
        """Start to synthesise; what was begun before and never taken is dropped."""
        self.forget()
        self._text, self._made = text, asyncio.Queue(_CHUNKS)
        self._task = asyncio.ensure_future(self._make(text, self._made))

    def take(self, text: str) -> AsyncIterator[bytes] | None:
        """The audio of what was begun, or None if that was something else. Closing it stops the synthesis."""
        task, self._task = self._task, None
        if task is None or text != self._text:
            if task is not None:
                task.cancel()
            return None
        return _drain(task, self._made)

    def forget(self) -> None:
        """Nobody will ask for it."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _make(self, text: str, made: asyncio.Queue[_Made]) -> None:
        try:
            async with closing(self._speak(text)) as audio:
                async for chunk in audio:
                    await made.put(chunk)
        except Exception as error:  # noqa: BLE001  whoever takes the audio meets it, as if they had asked themselves
            await made.put(error)
        else:
            await made.put(None)


async def _drain(task: asyncio.Task[None], made: asyncio.Queue[_Made]) -> AsyncGenerator[bytes]:
    try:
        while (chunk := await made.get()) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk
    finally:
        task.cancel()

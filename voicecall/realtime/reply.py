"""One reply of a model that speaks: its items as they come, words and sound apart.

Filled by `conversation.py` from what the service reports; read as words by the agent lane, and as sound by the voice
lane, each at its own pace. Sans-IO but for waiting.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Final

from voicecall.errors import FailureKind, ServiceError, ServiceTimeout
from voicecall.ports import EndCall, Spoken

__all__ = ["Broken", "Item", "Reply"]

_SERVICE: Final = "realtime"
_BYTES_PER_MS: Final = 8
_LONGEST_MS: Final = 300_000  # of one item: more is not kept
_ENDS: Final = frozenset(".!?…。！？")  # noqa: RUF001  full stops of other scripts
_UNWRITTEN: Final = "…"  # what stands for words that have not come, while their sound is heard


class Broken(Exception):
    """The connection broke in the middle of the reply."""


class Item:
    """A piece of speech of the model. `audio_ms`: what has come of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = ""
        self.audio_ms = 0
        self.is_whole = False
        self._bytes = 0
        self._chunks: deque[bytes] = deque()
        self._changed = asyncio.Event()

    def add(self, mulaw: bytes) -> None:
        if self.audio_ms < _LONGEST_MS:
            self._chunks.append(mulaw)
            self._bytes += len(mulaw)
            self.audio_ms = self._bytes // _BYTES_PER_MS
            self._changed.set()

    def end(self) -> None:
        self.is_whole = True
        self._changed.set()

    async def audio(self) -> AsyncGenerator[bytes]:
        """Its sound as it comes, once: what was read is not kept."""
        while True:
            while self._chunks:
                yield self._chunks.popleft()
            if self.is_whole:
                return
            self._changed.clear()
            await self._changed.wait()


class Reply:
    """`tag`: of the request for it. `after`: the utterance of the caller that it answers, as the service names it."""

    def __init__(self, tag: str, after: str) -> None:
        self.tag = tag
        self.after = after
        self.name = ""  # as the service calls it, once it has begun
        self.items: list[Item] = []
        self.ends_call = False
        self.is_over = False
        self.is_dropped = False
        self.is_said = False  # it was read to its end
        self._failure = ""
        self._is_broken = False
        self._changed = asyncio.Event()

    @property
    def text(self) -> str:
        return " ".join(item.text for item in self.items).strip()

    def item(self, name: str) -> Item:
        """The item of that name, which is a new one if it is unknown: then those before it are whole."""
        if not self.items or self.items[-1].name != name:
            for item in self.items:
                item.end()
            self.items.append(Item(name))
        return self.items[-1]

    def changed(self) -> None:
        self._changed.set()

    def end(self, failure: str = "", *, is_broken: bool = False) -> None:
        """No more comes. Only the first end counts."""
        if self.is_over:
            return
        self.is_over, self._failure, self._is_broken = True, failure, is_broken
        for item in self.items:
            item.end()
        self._changed.set()

    async def spoken(self, first_s: float) -> AsyncGenerator[Spoken | EndCall]:
        """What is said: with the first sound, at the end of each sentence, and at the end of each item.

        `first_s`: how long the first sound may take. Raises ServiceError, and Broken.
        """
        given: dict[str, Spoken] = {}
        within = asyncio.timeout(first_s)
        try:
            async with within:
                while not self.is_over and not any(item.audio_ms for item in self.items):
                    await self._change()
        except TimeoutError as error:
            raise ServiceTimeout(_SERVICE, "did not begin to speak in time") from error
        while True:
            for change in self._changes(given):
                given[change.item] = change
                yield change
            if self.is_over:
                break
            await self._change()
        self._raise_failure(has_spoken=bool(given))
        if self.ends_call:
            yield EndCall()

    def _raise_failure(self, *, has_spoken: bool) -> None:
        if self._is_broken:
            raise Broken
        if self._failure:
            raise ServiceError(_SERVICE, f"the reply failed: {self._failure}", retryable=not has_spoken)
        if not has_spoken and not self.ends_call:
            raise ServiceError(_SERVICE, "the reply has no audio", kind=FailureKind.EMPTY)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _changes(self, given: dict[str, Spoken]) -> list[Spoken]:
        changes = []
        for item in self.items:
            if not item.audio_ms:
                continue
            before = given.get(item.name)
            # Until it is whole, words run ahead of the sound: how much of it is theirs is not known.
            now = Spoken(item.name, item.text.strip() or _UNWRITTEN, item.audio_ms if item.is_whole else None)
            if before is None or (now != before and (item.is_whole or _ends_sentence(before.text, now.text))):
                changes.append(now)
        return changes


def _ends_sentence(before: str, now: str) -> bool:
    """Whether a sentence has ended in what is new."""
    return not _ENDS.isdisjoint(now.removeprefix(before))

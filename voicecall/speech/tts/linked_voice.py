"""One sentence over a link: taken from the pool, read within the limits, tried again where that helps.

Used by the voices that speak over WebSockets, as `http_audio.py` by those over HTTP. The messages are the voice's own.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Generic, Protocol, TypeVar

from voicecall.audio.formats import MULAW_8K
from voicecall.errors import ServiceError
from voicecall.speech.tts.intake import Intake
from voicecall.speech.tts.links import Link, LinkLost, LinkPool
from voicecall.speech.tts.patience import Patience, SynthesisTimeouts, in_two_tries, longest_s
from voicecall.speech.tts.refusal import TextRefused

__all__ = ["LinkedVoice", "Sentence", "SpeakingLink", "linked_audio"]

_MOST_BYTES_PER_S: Final = 96_000  # mu-law has 8,000; a WAV file in its place more

S = TypeVar("S", bound="SpeakingLink")


class Sentence:
    """What arrives for one sentence: audio, then its end or the error that ends it. Filled by the link.

    The socket is read at once, however slowly the audio is played: more than `text` can be is an error.
    """

    def __init__(self, service: str, text: str) -> None:
        self._service = service
        self._room = longest_s(text) * _MOST_BYTES_PER_S
        self._arrived: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.is_answered = False
        """The service sent something for it."""

    def make_room(self, size: int) -> bool:
        """Whether so many bytes more are to be kept; the first that are too many end the sentence."""
        self.is_answered = True
        had_room, self._room = self._room > 0, self._room - size
        if had_room and self._room <= 0:
            self.end(ServiceError(self._service, "sent more audio than the text can be"))
        return self._room > 0

    def add(self, audio: bytes) -> None:
        """Pass on a piece of audio that there was room for."""
        self._arrived.put_nowait(audio)

    def end(self, error: Exception | None = None) -> None:
        self._arrived.put_nowait(error)

    async def next(self) -> bytes | None:
        """The next piece of audio; None at the end. Raises what ended it."""
        arrived = await self._arrived.get()
        if isinstance(arrived, Exception):
            raise arrived
        return arrived


class SpeakingLink(Link, Protocol):
    """A link that speaks mu-law at 8 kHz."""

    async def begin(self, text: str) -> Sentence:
        """Request a sentence. Raises LinkLost."""
        ...

    def stop(self) -> None:
        """The sentence is over, or not wanted any more. Leaves the link free as soon as the service allows."""
        ...


class LinkedVoice(ABC, Generic[S]):
    """TextToSpeech by a service that speaks over sockets, which are the voice's own. A subclass opens one.

    `longest`: characters of a sentence that the service takes.
    """

    def __init__(self, *, service: str, longest: int, timeouts: SynthesisTimeouts) -> None:
        self._service = service
        self._longest = longest
        self._timeouts = timeouts
        self._pool: LinkPool[S] = LinkPool(self._open)

    def warm(self) -> None:
        """Open a socket for a call that is about to speak."""
        self._pool.warm()

    async def speak(self, text: str) -> AsyncGenerator[bytes]:
        """Yield mu-law as it arrives. Raises ServiceError, for a text that is too long before sending anything."""
        if not text.strip() or len(text) > self._longest:
            raise TextRefused(self._service, text)
        async with aclosing(linked_audio(self._pool, text, service=self._service, timeouts=self._timeouts)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def close(self) -> None:
        await self._pool.close()

    @abstractmethod
    async def _open(self) -> S:
        """A socket that may be spoken over. Raises ServiceError."""
        ...


async def linked_audio(
    pool: "LinkPool[S]", text: str, *, service: str, timeouts: SynthesisTimeouts
) -> AsyncGenerator[bytes]:
    """The audio in mu-law as it arrives. Closing the iterator stops the sentence. Raises ServiceError."""
    patience = Patience(service, timeouts)
    tries = _Tries(pool, text, patience)
    async with aclosing(in_two_tries(tries.one, patience)) as audio:
        async for chunk in audio:
            yield chunk


class _Tries(Generic[S]):
    def __init__(self, pool: "LinkPool[S]", text: str, patience: Patience) -> None:
        self._pool = pool
        self._text = text
        self._patience = patience

    async def one(self) -> AsyncGenerator[bytes]:
        """One try; a link that was closed while it waited is replaced by a fresh one, once."""
        for fresh in (False, True):
            link, waited = await self._patience.wait_for(self._pool.take(fresh=fresh), late="no answer in time")
            sentence: Sentence | None = None
            try:
                sentence = await link.begin(self._text)
                async with aclosing(self._read(sentence)) as audio:
                    async for chunk in audio:
                        yield chunk
            except LinkLost as lost:
                if waited and not fresh and (sentence is None or not sentence.is_answered):
                    continue
                raise ServiceError(self._patience.service, f"closed with code {lost.code}") from lost
            finally:
                link.stop()
                self._pool.give_back(link)
            return

    async def _read(self, sentence: Sentence) -> AsyncGenerator[bytes]:
        intake = Intake(self._patience.service, "", MULAW_8K, longest_s(self._text))
        while True:
            piece = await self._patience.wait_for(sentence.next(), late="fell silent", has_audio=intake.made > 0)
            if piece is None:
                break
            if audio := intake.feed(piece):
                self._patience.received(audio)
                yield audio
        if rest := intake.flush():
            yield rest

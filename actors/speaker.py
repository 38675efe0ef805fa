"""The call's mouth: text becomes audio, and audio goes to the door that holds the socket.

The first chunk leaves as it is made; after that the door is kept about three seconds ahead and no more, so that a
barge-in abandons little and a long reply fills nobody's memory. The door paces, counts what was heard and reports it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Final

from actors.context import ActorContext, Report
from actors.native_speaker import NativeSpeaker
from actors.streams import closing
from actors.tts_prefetch import TtsPrefetch
from voicecall.call.effects import Speak
from voicecall.call.events import SpeechFailed
from voicecall.call.state import MediaStream
from voicecall.errors import ServiceError
from voicecall.ports import Clear, Finish, Lease, MediaItem, Play

__all__ = ["AHEAD_S", "Speaker"]

_log = logging.getLogger(__name__)

AHEAD_S: Final = 3.0
"""The door never holds more audio than this, by our estimate of its playing."""

_BYTES_PER_S: Final = 8000  # mu-law, 8 kHz, one byte a sample
_PIECE: Final = 4000  # a chunk of a whole sentence is sent in half seconds, each under the same pacing


class Speaker:
    """Speaks one utterance at a time for one activation. `stream` gives the committed media stream, if there is one.

    `native`: who speaks where no stream is meant. `route`: on which of our numbers, for its own voice.
    """

    def __init__(
        self,
        context: ActorContext,
        lease: Lease,
        stream: Callable[[], MediaStream | None],
        report: Report,
        native: NativeSpeaker,
        *,
        route: Callable[[], str] = str,
    ) -> None:
        self._context = context
        self._lease = lease
        self._stream = stream
        self._report = report
        self._native = native
        self._route = route
        self._ahead = TtsPrefetch(self._made)
        self._busy_until = 0.0  # loop time at which the door will have played what it was sent
        self._busy_on: MediaStream | None = None

    async def speak(self, speak: Speak) -> None:
        """Say it, or report `SpeechFailed`. What was heard of it is the door's to report."""
        if self._stream() is None and self._native.is_meant:
            await self._native.speak(speak)
            return
        if self._stream() is None:
            self._report(SpeechFailed(utterance=speak.utterance, reason="no media stream"))
            return
        sent = False
        try:
            made = self._ahead.take(speak.text)
            async with closing(made if made is not None else self._made(speak.text)) as audio:
                async for chunk in audio:
                    sent = await self._play(speak.utterance, chunk) or sent
        except ServiceError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001  see below
            # An adapter broke its word: a bug of ours, but the caller must not pay for it with silence.
            _log.exception("voice broke", extra=self._facts(speak))
            reason = type(error).__name__
        else:
            reason = "" if sent else "the voice made no sound"
        if reason:
            await self._failed(speak, reason, sent=sent)
        else:
            await self._finish(speak.utterance)

    def expect(self, text: str) -> None:
        """This will be asked for within moments, if the commit under way goes in."""
        if self._stream() is not None:
            self._ahead.begin(text)

    def forget(self) -> None:
        """What was expected will not be asked for."""
        self._ahead.forget()

    def clear(self) -> None:
        """Silence at the door and at the carrier, now."""
        self._ahead.forget()
        self._busy_until = 0.0
        if self._context.lease_guard.alive:
            self._send(Clear(call=self._lease.call, epoch=self._lease.epoch))

    def _made(self, text: str) -> AsyncIterator[bytes]:
        return self._context.ports.on(self._route()).tts.speak(text)

    async def _failed(self, speak: Speak, reason: str, *, sent: bool) -> None:
        _log.warning("voice failed", extra={**self._facts(speak), "reason": reason})
        if speak.or_clip and not sent:
            # This was the apology for a voice that failed: there is a recorded one, and nothing left to report.
            await self._play(speak.utterance, self._context.apology)
            await self._finish(speak.utterance)
            return
        if sent:
            # The door waits for more of an utterance it has begun.
            await self._finish(speak.utterance)
        self._report(SpeechFailed(utterance=speak.utterance, reason=reason))

    async def _play(self, utterance: int, mulaw: bytes) -> bool:
        """Send audio when the door has room for it; True if there was any."""
        for start in range(0, len(mulaw), _PIECE):
            piece = mulaw[start : start + _PIECE]
            await self._make_room()
            self._send(Play(call=self._lease.call, epoch=self._lease.epoch, utterance=utterance, mulaw=piece))
            now = asyncio.get_running_loop().time()
            self._busy_until = max(now, self._busy_until) + len(piece) / _BYTES_PER_S
        return bool(mulaw)

    async def _make_room(self) -> None:
        """Wait until the door has played down to the allowed lead, and this node may still speak."""
        loop = asyncio.get_running_loop()
        while (ahead_s := self._busy_until - loop.time()) > AHEAD_S - _PIECE / _BYTES_PER_S:
            if self._busy_on != self._stream():
                break  # another socket: its door has nothing yet
            await asyncio.sleep(ahead_s - (AHEAD_S - _PIECE / _BYTES_PER_S))
        await self._context.lease_guard.wait()
        if self._busy_on != self._stream():
            self._busy_on, self._busy_until = self._stream(), 0.0

    async def _finish(self, utterance: int) -> None:
        await self._context.lease_guard.wait()
        self._send(Finish(call=self._lease.call, epoch=self._lease.epoch, utterance=utterance))

    def _send(self, item: MediaItem) -> None:
        stream = self._stream()
        if stream is not None:
            self._context.media.send(stream.ingress, item)

    def _facts(self, speak: Speak) -> dict[str, object]:
        return {"call_id": self._lease.call, "epoch": self._lease.epoch, "utterance": speak.utterance}

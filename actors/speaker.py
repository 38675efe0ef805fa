"""Speaks utterances: text goes to TTS, the audio goes to the ingress that holds the call's media socket.

Run by the voice lane. The first chunk is sent as soon as TTS gives it, later ones in pieces of 80 ms or more. The
ingress is kept about three seconds ahead and no more, so that a barge-in discards little and a long reply needs little
memory. It paces the audio, counts how much was heard and reports it. A call without a media stream speaks through
`native_speaker`.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from typing import Final

from actors.context import ActorContext, Report
from actors.metering import EffectResult, effect_counted, stream_timed
from actors.native_speaker import NativeSpeaker
from actors.prefetch import OpeningPrefetch, TtsPrefetch
from actors.relay_speaker import RelaySpeaker
from voicecall.aio import closing
from voicecall.audio.dtmf import keyed
from voicecall.call.effects import Speak
from voicecall.call.events import Failover, SpeechFailed
from voicecall.call.state import Call, MediaStream
from voicecall.errors import ServiceError, ServiceTimeout
from voicecall.ports import Clear, Finish, FirstAudio, Lease, MediaItem, Pause, Play, Resume

__all__ = ["AHEAD_S", "Speaker"]

_log = logging.getLogger(__name__)

AHEAD_S: Final = 3.0
"""The ingress never holds more seconds of audio than this, by our estimate of its playout."""

_BYTES_PER_S: Final = 8000  # mu-law, 8 kHz, one byte a sample
_PIECE: Final = 4000  # a longer chunk is sent in pieces of half a second, each under the same pacing
_SMALL: Final = 640  # a shorter chunk waits for the next, 80 ms: each message costs the same, however short
_LEAD_S: Final = 0.2  # but not when the ingress has no more than this left to play
_PAUSE_AGAIN_S: Final = 0.5  # the ingress ends a pause that is not repeated
_APOLOGY_WITHIN_S: Final = 2.0  # the caller has waited already: then the recorded one


class Speaker:
    """Speaks one utterance at a time for one activation.

    `stream` gives the committed media stream, if there is one; `native` speaks where the call is not to have one, and
    `relay` where it carries text.
    `route` gives our number of the call, which may have a voice of its own; `language` that of the recorded apology.
    """

    def __init__(
        self,
        context: ActorContext,
        lease: Lease,
        stream: Callable[[], MediaStream | None],
        report: Report,
        native: NativeSpeaker,
        *,
        relay: RelaySpeaker | None = None,
        route: Callable[[], str] = str,
        language: Callable[[], str] = str,
    ) -> None:
        self._context = context
        self._lease = lease
        self._stream = stream
        self._report = report
        self._native = native
        self._relay = relay
        self._route = route
        self._language = language
        self._prefetch = TtsPrefetch(self._synthesise)
        self._early = TtsPrefetch(self._synthesise)  # of a reply that may be discarded
        self._opening = OpeningPrefetch(self._synthesise)
        self._is_warm = False
        self._busy_until = 0.0  # loop time at which the ingress will have played what it was sent
        self._busy_on: MediaStream | None = None
        self._plays = asyncio.Event()  # cleared while playback is paused
        self._plays.set()
        self._paused_at = 0.0  # loop time
        self._next_pause: asyncio.TimerHandle | None = None

    async def speak(self, speak: Speak) -> None:
        """Speak it, or report `SpeechFailed`. How much of it was heard is reported by the ingress."""
        if self._stream() is None and self._native.is_meant:
            await self._native.speak(speak)
            return
        if self._relay is not None and self._relay.is_meant:
            await self._relay.speak(speak)
            return
        with effect_counted(speak) as result:
            if self._stream() is None:
                result.value = "failed"
                self._report(SpeechFailed(utterance=speak.utterance, reason="no media stream"))
            else:
                await self._speak(speak, result)

    def follow(self, call: Call) -> None:
        """Prepare while the phone rings: open the voice's connection, and synthesise what the call opens with."""
        if call.is_relayed:
            return
        if not self._is_warm and not call.is_native and call.leg is not None and not call.is_ending:
            self._is_warm = True
            self._context.ports.on(call.route).tts.warm()
        self._opening.follow(call)

    @property
    def _has_voice(self) -> bool:
        """What is said is synthesised here, and can be sent."""
        return self._stream() is not None and not (self._relay is not None and self._relay.is_meant)

    def drop_prepared(self) -> None:
        """Nothing that was prepared will be spoken."""
        self._opening.drop()
        self._prefetch.cancel()
        self._early.cancel()

    def prefetch(self, text: str) -> None:
        """Start TTS for a sentence whose `Speak` is expected as soon as the running commit succeeds."""
        if self._has_voice:
            self._prefetch.start(text)

    def prefetch_early(self, text: str) -> None:
        """Start TTS for the first sentence of a reply that may be discarded."""
        if self._has_voice:
            self._early.start(text)

    def keep_early(self) -> None:
        """That reply is not discarded: its first sentence is prefetched as any other."""
        if not self._early.has_failed:
            self._prefetch, self._early = self._early, self._prefetch
        self._early.cancel()

    def drop_early(self) -> None:
        """That reply is discarded."""
        self._early.cancel()

    def cancel_prefetch(self) -> None:
        """The prefetched sentence will not be spoken."""
        self._prefetch.cancel()

    def pause(self) -> None:
        """Stop playback at the ingress; it keeps what was not heard. Nothing more is sent to it until `resume`."""
        if self._plays.is_set():
            self._plays.clear()
            self._paused_at = asyncio.get_running_loop().time()
            self._send_pause()

    def resume(self) -> None:
        """Playback goes on; so does the sending of audio, with the same lead as before."""
        if self._end_pause():
            self._busy_until += asyncio.get_running_loop().time() - self._paused_at
            self._halt(Resume(call=self._lease.call, epoch=self._lease.epoch))

    def close(self) -> None:
        """Send nothing more: the activation ends."""
        self.drop_prepared()
        self._end_pause()

    def clear(self) -> None:
        """Discard the audio that waits at the ingress and at the carrier."""
        self._prefetch.cancel()
        self._end_pause()
        self._busy_until = 0.0
        if self._context.lease_guard.holds:
            self._send(Clear(call=self._lease.call, epoch=self._lease.epoch))

    def _send_pause(self) -> None:
        self._halt(Pause(call=self._lease.call, epoch=self._lease.epoch))
        self._next_pause = asyncio.get_running_loop().call_later(_PAUSE_AGAIN_S, self._send_pause)

    def _halt(self, item: Pause | Resume) -> None:
        """Send it, but not to an ingress of an earlier build."""
        stream = self._stream()
        if stream is not None and stream.pauses and self._context.lease_guard.holds:
            self._send(item)

    def _end_pause(self) -> bool:
        """Whether there was a pause."""
        was_paused = not self._plays.is_set()
        if self._next_pause is not None:
            self._next_pause.cancel()
            self._next_pause = None
        self._plays.set()
        return was_paused

    async def _speak(self, speak: Speak, result: EffectResult) -> None:
        if speak.clip or speak.tones:
            await self._play_ready(speak, keyed(speak.tones) if speak.tones else self._clip())
            return
        sent = False
        failure: Exception
        try:
            started = asyncio.get_running_loop().time()
            stream = self._audio_of(speak)
            async with closing(self._in_pieces(_begun_in_time(stream) if speak.or_clip else stream)) as audio:
                failover: Failover | None = None
                async for chunk in audio:
                    if isinstance(chunk, Failover):
                        failover = chunk
                        continue
                    took_s = None if sent else asyncio.get_running_loop().time() - started
                    first = None if took_s is None else self._first_audio(speak.utterance, took_s, failover)
                    sent = await self._play(speak.utterance, chunk, first) or sent
            if sent:
                await self._finish(speak.utterance)
                return
            failure = ServiceError("tts", "returned no audio")
        except ServiceError as error:
            failure = error
        except Exception as error:  # noqa: BLE001  see below
            # An adapter broke its contract: a defect, and for the caller the same as a voice that failed.
            _log.exception("TTS adapter raised", extra=self._facts(speak))
            failure = error
        result.value = "failed"
        await self._fail(speak, failure, sent=sent)

    def _first_audio(self, utterance: int, seconds: float, failover: Failover | None) -> FirstAudio:
        """How long the voice took, for the latency record of the turn, and whether it is another voice."""
        call, epoch = self._lease.call, self._lease.epoch
        return FirstAudio(call, epoch, utterance, round(seconds * 1000), failover)

    def _synthesise(self, text: str) -> AsyncIterator[bytes | Failover]:
        return stream_timed(self._context.ports.on(self._route()).tts.speak(text), "tts", "first-audio")

    async def _in_pieces(self, stream: AsyncIterator[bytes | Failover]) -> AsyncGenerator[bytes | Failover]:
        """The same audio, short chunks joined while the ingress has enough to play. Raises what `stream` raises."""
        held, failure = b"", None
        async with closing(stream) as audio:
            try:
                async for chunk in audio:
                    if isinstance(chunk, Failover):
                        yield chunk
                        continue
                    held += chunk
                    if len(held) >= _SMALL or self._ahead_s <= _LEAD_S:
                        yield held
                        held = b""
            except Exception as error:  # noqa: BLE001  raised again below, behind what came before it
                failure = error
        if held:
            yield held
        if failure is not None:
            raise failure

    @property
    def _ahead_s(self) -> float:
        """How much audio the ingress has not played yet, by our estimate."""
        return self._busy_until - asyncio.get_running_loop().time()

    def _audio_of(self, speak: Speak) -> AsyncIterator[bytes | Failover]:
        """The agent's own audio, what was synthesised ahead, or what is synthesised now."""
        if speak.item:
            partner = self._context.ports.on(self._route()).partner
            if partner is None:
                raise ServiceError("realtime", "the agent does not speak itself any more")
            return partner.audio(self._lease.call, speak.item)
        prefetched = self._opening.take(speak.text) or self._prefetch.take(speak.text)
        return prefetched if prefetched is not None else self._synthesise(speak.text)

    async def _fail(self, speak: Speak, failure: Exception, *, sent: bool) -> None:
        known = isinstance(failure, ServiceError)
        hung = isinstance(failure, ServiceTimeout)
        failed = SpeechFailed(
            utterance=speak.utterance,
            reason=str(failure) if known else type(failure).__name__,
            retryable=isinstance(failure, ServiceError) and failure.retryable and not hung,
            hung=hung,
            sent=sent,
        )
        _log.warning("TTS failed", extra={**self._facts(speak), "reason": failed.reason})
        if speak.or_clip and not sent:
            # This was the apology for a voice that failed: play the recorded one, and report that it is heard.
            self._report(replace(failed, clip=True))
            await self._play_ready(speak, self._clip())
            return
        if sent:
            # The ingress waits for the end of an utterance it has begun.
            await self._finish(speak.utterance)
        self._report(failed)

    def _clip(self) -> bytes:
        return self._context.apology(self._language())

    async def _play_ready(self, speak: Speak, mulaw: bytes) -> None:
        """Play audio that needs no voice."""
        await self._play(speak.utterance, mulaw)
        await self._finish(speak.utterance)

    async def _play(self, utterance: int, mulaw: bytes, report: FirstAudio | None = None) -> bool:
        """Send audio as the ingress has room for it; True if there was any. `report`: before the first of it."""
        for start in range(0, len(mulaw), _PIECE):
            piece = mulaw[start : start + _PIECE]
            await self._until_room()
            stream = self._stream()
            if report is not None and start == 0 and stream is not None and stream.pauses:
                self._send(report)
            self._send(Play(call=self._lease.call, epoch=self._lease.epoch, utterance=utterance, mulaw=piece))
            now = asyncio.get_running_loop().time()
            self._busy_until = max(now, self._busy_until) + len(piece) / _BYTES_PER_S
        return bool(mulaw)

    async def _until_room(self) -> None:
        """Wait until the ingress has played down to the allowed lead and this node may act."""
        await self._plays.wait()
        while (ahead_s := self._ahead_s) > AHEAD_S - _PIECE / _BYTES_PER_S:
            if self._busy_on != self._stream():
                break  # another socket: its ingress holds nothing yet
            await asyncio.sleep(ahead_s - (AHEAD_S - _PIECE / _BYTES_PER_S))
            await self._plays.wait()
        await self._context.lease_guard.until_held()
        if self._busy_on != self._stream():
            self._busy_on, self._busy_until = self._stream(), 0.0

    async def _finish(self, utterance: int) -> None:
        await self._context.lease_guard.until_held()
        self._send(Finish(call=self._lease.call, epoch=self._lease.epoch, utterance=utterance))

    def _send(self, item: MediaItem) -> None:
        stream = self._stream()
        if stream is not None:
            self._context.media.send(stream.ingress, item)

    def _facts(self, speak: Speak) -> dict[str, object]:
        return {"call_id": self._lease.call, "epoch": self._lease.epoch, "utterance": speak.utterance}


async def _begun_in_time(stream: AsyncIterator[bytes | Failover]) -> AsyncGenerator[bytes | Failover]:
    """The audio of an apology, unchanged. Raises ServiceTimeout when it does not begin within `_APOLOGY_WITHIN_S`."""
    async with closing(stream) as audio:
        try:
            async with asyncio.timeout(_APOLOGY_WITHIN_S):
                first = await anext(audio, b"")
        except TimeoutError as error:
            raise ServiceTimeout("tts", "the apology did not begin in time") from error
        yield first
        async for chunk in audio:
            yield chunk

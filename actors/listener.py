"""Feeds the caller's audio to STT and reports speech events; keeps the ingress pointed at this activation.

One per activation: the actor calls `follow` with each committed state, the node calls `hear` with the audio. Audio
never enters `decide`, only events about it do; what our own detectors find in it is added (`sound_judge`,
`pause_judge`). Knows the roles `MediaBus` and `SpeechToText`, and how frames are counted; does not know what a
transcript means.
"""

import asyncio
import logging
from collections import deque
from dataclasses import replace
from typing import Final

from actors.context import ActorContext, Report
from actors.metering import request_timed
from actors.pause_judge import PauseJudge
from actors.preemptive import EarlyReplies
from actors.sound_judge import SoundJudge
from voicecall.aio import end
from voicecall.call.events import Failover, Heard, SpeechStarted, SpeechStopped, SttFailed, SttLost
from voicecall.call.ids import NodeId
from voicecall.call.state import Call, Direction, MediaStream
from voicecall.errors import ServiceError
from voicecall.metrics import PROVIDER_ERRORS
from voicecall.ports import (
    NO_OWNER,
    Attach,
    CallerAudio,
    Detach,
    Lease,
    PartialTranscript,
    RecordStream,
    SttEvent,
    SttSession,
)

__all__ = ["Listener"]

_log = logging.getLogger(__name__)

_ATTACH_EVERY_S: Final = 1.0
_FRAME: Final = 160  # bytes of 20 ms
_GAP_FRAMES: Final = 25  # a gap of up to half a second is filled with silence, so that pauses keep their length
_SILENCE: Final = b"\xff"  # mu-law
_PAUSE_S: Final = 0.2  # a pause is reported when no transcript has followed it for so long
_KEPT_BEFORE_OPEN: Final = 250  # pieces of audio kept while the STT session opens: about five seconds


class Listener:
    """The listening part of one activation. `follow` each committed state, `hear` the caller's audio, `close` once."""

    def __init__(self, context: ActorContext, lease: Lease, report: Report, early: EarlyReplies | None = None) -> None:
        self._context = context
        self._records: bool | None = None  # what is sent to the ingress; None: nothing
        self._early_replies = early  # they get partial transcripts
        self._words_interrupt = False
        self._lease = lease
        self._report = report
        self._stream: MediaStream | None = None
        self._next_attach: asyncio.TimerHandle | None = None
        self._next_frame = 0  # the number of the frame expected next; 0 before the first one
        self._early: deque[bytes] = deque(maxlen=_KEPT_BEFORE_OPEN)
        self._opening: asyncio.Task[None] | None = None
        self._session: SttSession | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._stopped_at = 0.0  # loop time at which recognition last reported that they fell silent
        self._silent_since: float | None = None  # loop time at which the caller fell silent; None: they speak
        self._knows_silence = False  # that time is known, not only when it was reported
        self._awaits_transcript = False  # an utterance has ended
        self._sounds = SoundJudge(self._on_found)
        judge = context.ports.turn_judge
        self._judge = PauseJudge(judge, self._sounds.noise, self._on_judged) if judge is not None else None
        self._is_unreported = False  # the judgement of this pause has not been reported
        self._turn_waits = False  # the transcript came, and the turn is not over
        self._failover: Failover | None = None  # which the next transcript reports
        self._closed = False
        self._closing: asyncio.Task[None] | None = None

    def follow(self, call: Call) -> None:
        """Attach to the call's media stream, open STT as soon as speech may come, detach when the call is over.

        Once the call is native, the carrier listens: STT that was opened for a stream is closed.
        """
        if call.is_over:
            self._detach()
            return
        self._sounds.follow(call)
        if self._judge is not None:
            self._judge.follow(call)
            self._turn_waits = call.floor.held is not None and call.floor.speech is None
            self._report_judgement()
        was, self._records = self._records, _recording_of(call)
        if call.stream == self._stream and self._stream is not None and self._records != was:
            self._send_record(self._stream)
        if call.stream != self._stream:
            self._stream, self._next_frame = call.stream, 0
            self._attach()
        if self._opening is None and not self._closed and _may_speak(call):
            self._opening = asyncio.ensure_future(self._open(call))
        elif self._opening is not None and not self._closed and call.is_native:
            self._closing = asyncio.ensure_future(self.close())

    def hear(self, audio: CallerAudio) -> None:
        """Feed audio in order and without repeats. Audio of another stream, or after `close`, is dropped."""
        if self._stream is None or audio.stream != self._stream.id or self._closed:
            return
        mulaw = audio.mulaw
        if self._next_frame:
            ahead = audio.first - self._next_frame
            if ahead < 0:
                mulaw = mulaw[-ahead * _FRAME :]
            elif ahead <= _GAP_FRAMES:
                mulaw = _SILENCE * (ahead * _FRAME) + mulaw
        if not mulaw:
            return
        self._next_frame = audio.first + -(-len(audio.mulaw) // _FRAME)
        self._sounds.hear(mulaw)
        if self._judge is not None and self._session is not None and self._session.ends_at_pauses:
            self._judge.hear(mulaw)
        if self._session is not None:
            self._session.feed(mulaw)
        else:
            self._early.append(mulaw)

    async def close(self, *, handed_over: bool = False) -> None:
        """Stop listening and attaching. Sends no Detach: another activation may be attached by now.

        `handed_over`: none is yet, and the ingress keeps the caller's audio for it.
        """
        self._closed = True
        self._stop_attaching()
        if handed_over and self._stream is not None:
            self._send_attach(self._stream, NO_OWNER)
        self._cancel_pause()
        if self._judge is not None:
            self._judge.close()
        if self._opening is not None:
            await end(self._opening)
        if self._session is not None:
            session, self._session = self._session, None
            try:
                await session.close()
            except Exception:  # noqa: BLE001  the session is not needed any more: a failure is for the log only
                _log.exception("STT session not closed", extra=self._facts())

    async def _open(self, call: Call) -> None:
        try:
            with request_timed("stt", "open"):
                # Words interrupt before the transcript is final; where none are needed, partial ones cost for nothing.
                self._words_interrupt = call.policy.turns.min_words > 0
                likely_ends = self._early_replies is not None and self._early_replies.are_wanted(call)
                on_partial = self._on_partial if self._words_interrupt or likely_ends else None
                stt = self._context.ports.on(call.route).stt
                session = await stt.open(self._lease.call, self._on_event, on_partial, likely_ends=likely_ends)
        except ServiceError as error:
            self._fail(str(error))
            return
        except Exception as error:  # noqa: BLE001  see below
            # An adapter broke its contract: a defect, and for the caller the same as a service that is down.
            _log.exception("STT adapter raised", extra=self._facts())
            self._fail(type(error).__name__)
            return
        self._session = session
        while self._early:
            session.feed(self._early.popleft())

    def _on_partial(self, partial: PartialTranscript) -> None:
        if self._early_replies is not None:
            self._early_replies.on_partial(partial)
        if self._words_interrupt:
            self._on_event(Heard(text=partial.text, final=False))

    def _on_event(self, event: SttEvent) -> None:
        if isinstance(event, Failover):
            meant = event.from_ if self._failover is None else self._failover.from_
            self._failover = None if meant == event.to else replace(event, from_=meant)
            return
        is_partial = isinstance(event, Heard) and not event.final
        if is_partial and not self._sounds.is_unsure:
            return  # of use only for a sound that may be an interruption
        if isinstance(event, SpeechStarted):
            self._on_sound(self._sounds.sound_began(event))
            return
        self._cancel_pause()
        if not is_partial:
            self._sounds.sound_ended()
        if isinstance(event, SttFailed | SttLost):
            PROVIDER_ERRORS.labels("stt", "session").inc()
        if isinstance(event, SpeechStopped):
            loop = asyncio.get_running_loop()
            self._stopped_at, self._awaits_transcript = loop.time(), True
            self._silent_since = self._stopped_at - (event.silent_ms or 0) / 1000
            self._knows_silence = event.silent_ms is not None
            # The transcript usually follows at once and supersedes it: the commit of a pause would only delay it.
            self._pause = loop.call_later(_PAUSE_S, self._on_pause)
        elif not self._closed:
            self._report(self._timed(event) if isinstance(event, Heard) and event.final else event)

    def _on_sound(self, event: SpeechStarted) -> None:
        """The caller makes a sound. One that is no louder than the noise ends no pause."""
        if event.above_noise is not False:
            self._cancel_pause()
            self._silent_since = None
        if not self._closed:
            self._report(event)

    def _on_found(self, change: SpeechStarted | SpeechStopped) -> None:
        """Our own detector found the end of a sound, the next piece of it, or a voice in a noise."""
        if isinstance(change, SpeechStarted) and change.above_noise:
            self._on_sound(change)
        elif not self._closed:
            self._report(change)

    def _on_judged(self) -> None:
        self._is_unreported = True
        self._report_judgement()

    def _report_judgement(self) -> None:
        """What the turn model says of this pause, when the transcript came before."""
        complete = self._judge.complete if self._judge is not None else None
        matters = self._is_unreported and self._turn_waits and self._silent_since is not None
        if matters and complete is not None and not self._closed:
            self._is_unreported = False
            self._report(SpeechStopped(silent_ms=self._silent_ms(), turn_complete=complete))

    def _timed(self, heard: Heard) -> Heard:
        """The transcript, with how long the caller has been silent since: 0 when they speak again."""
        heard, self._failover = replace(heard, failover=self._failover), None
        awaited, self._awaits_transcript = self._awaits_transcript, False
        if self._silent_since is None:
            return replace(heard, silent_ms=0) if awaited else heard
        if not self._knows_silence:
            return heard
        complete = self._judge.complete if self._judge is not None else None
        self._is_unreported = self._is_unreported and complete is None
        stopped_ms = round((asyncio.get_running_loop().time() - self._stopped_at) * 1000)
        return replace(heard, silent_ms=self._silent_ms(), stopped_ms=stopped_ms, turn_complete=complete)

    def _silent_ms(self) -> int:
        since = self._silent_since
        return 0 if since is None else max(1, round((asyncio.get_running_loop().time() - since) * 1000))

    def _on_pause(self) -> None:
        self._pause = None
        if not self._closed:
            self._report(SpeechStopped(silent_ms=self._silent_ms() if self._knows_silence else None))

    def _cancel_pause(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _fail(self, reason: str) -> None:
        _log.warning("STT failed", extra={**self._facts(), "reason": reason})
        self._early.clear()
        if not self._closed:
            self._report(SttFailed(reason=reason))

    def _attach(self) -> None:
        """Send the ingress the owner of this call, now and every second: a message or its effect may be lost."""
        self._stop_attaching()
        stream = self._stream
        if stream is None:
            return
        self._send_attach(stream, self._context.node)
        self._send_record(stream)
        self._next_attach = asyncio.get_running_loop().call_later(_ATTACH_EVERY_S, self._attach)

    def _send_attach(self, stream: MediaStream, node: NodeId) -> None:
        if self._context.lease_guard.holds:
            attach = Attach(call=self._lease.call, epoch=self._lease.epoch, node=node, stream=stream.id)
            self._context.media.send(stream.ingress, attach)

    def _send_record(self, stream: MediaStream) -> None:
        if self._records is not None and stream.records and self._context.lease_guard.holds:
            record = RecordStream(call=self._lease.call, epoch=self._lease.epoch, on=self._records)
            self._context.media.send(stream.ingress, record)

    def _stop_attaching(self) -> None:
        if self._next_attach is not None:
            self._next_attach.cancel()
            self._next_attach = None

    def _detach(self) -> None:
        self._stop_attaching()
        stream, self._stream = self._stream, None
        if stream is not None and self._context.lease_guard.holds:
            self._context.media.send(stream.ingress, Detach(call=self._lease.call, epoch=self._lease.epoch))

    def _facts(self) -> dict[str, object]:
        return {"call_id": self._lease.call, "epoch": self._lease.epoch}


def _recording_of(call: Call) -> bool | None:
    """Whether the call is recorded now; None: nothing was ever said of that."""
    return None if call.recording.consent is None else call.recording.is_on


def _may_speak(call: Call) -> bool:
    """The caller is connected, or will be within moments: STT opens now, so that the first word meets a session."""
    if call.is_native or call.is_relayed or call.is_provisional:
        return False
    arriving = call.direction is Direction.INBOUND and call.leg is not None
    return call.stream is not None or call.phase.is_connected or arriving

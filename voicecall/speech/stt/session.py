"""The speech recognition of one call: one connection after the other, of one service or of several in turn.

What every service's recognition has in common is here: connecting and reconnecting, fail-over, the audio that waits or
must be sent again, the order of transcripts, and what is reported to the call. Knows services as `Service` and
connections as `Link`; knows no protocol, no socket, no call and no turn.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from voicecall.aio import begin_now
from voicecall.breaker import Attempt
from voicecall.call.events import Failover, Heard, SpeechStarted, SpeechStopped, SttFailed
from voicecall.call.ids import CallId
from voicecall.errors import FailureKind
from voicecall.failover import record_failover
from voicecall.metrics import PROVIDER_ERRORS
from voicecall.ports import PartialTranscript, SttEvent
from voicecall.speech.stt import link as said
from voicecall.speech.stt.answers import Answers
from voicecall.speech.stt.gate import SpeechGate
from voicecall.speech.stt.link import Link, LinkLost, Service, Signal
from voicecall.speech.stt.outage import Outage
from voicecall.speech.stt.partials import Partials
from voicecall.speech.stt.roster import Roster
from voicecall.speech.stt.tape import Tape
from voicecall.speech.stt.transcripts import Transcripts

__all__ = ["Patience", "Session"]

_log = logging.getLogger(__name__)

_LONGEST_WAIT_S: Final = 16.0  # a caller waits: a service that asks for longer is asked before


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a session waits for what.

    `connect_timeout_s`: for a connection to be ready; with several services no longer than their share of `first_s`.
    `first_s`: recognition fails when none was ready by then, so that a caller is not left unheard for all retries.
    `transcript_s`: for a transcript after a pause, and for any answer to speech, where another service can take over.
    `retry_delays_s`: seconds before every service is tried once more; after the last one recognition has failed. The
    delays start anew only after a connection has lasted `stable_s`, so that one that fails right after opening is not
    reopened for ever. `late_s`: how long a transcript waits for that of an earlier utterance. `lost_after_s`: an
    interruption longer than this is reported as `SttLost`, once no other service is left to try.
    """

    connect_timeout_s: float = 10.0
    first_s: float = 5.0
    transcript_s: float = 3.0
    retry_delays_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0)
    stable_s: float = 30.0
    late_s: float = 1.5
    lost_after_s: float = 2.5
    partials_every_s: float = 0.25


class Session:
    """SttSession. `forget` is called when it is over; `on_failure` after each failed attempt at a service."""

    def __init__(
        self,
        call: CallId,
        on_event: Callable[[SttEvent], None],
        services: Sequence[Service],
        patience: Patience,
        *,
        on_partial: Callable[[PartialTranscript], None] | None,
        likely_ends: bool,
        forget: Callable[["Session"], None],
        on_failure: Callable[[Service], None],
    ) -> None:
        self._call = call
        self._on_event = on_event
        self._services = tuple(services)
        self._patience = patience
        self._forget = forget
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._partials = Partials(on_partial, patience.partials_every_s) if on_partial is not None else None
        self._likely_ends = likely_ends
        self._roster = Roster(services)
        self._language = ""  # as reported last: transcripts may come in another order, and callers seldom change it
        self._service = services[0]  # the one in use, or the last that was
        self._used = services[0]  # the last that was ready, or is to be used
        self._attempt: Attempt | None = None
        self._tape = Tape()
        self._audio = asyncio.Event()
        self._direct: Link | None = None  # the connection, when nothing waits: audio is sent as it comes
        self._rest: asyncio.Task[None] | None = None  # of a sending that has to wait for the socket
        self._transcripts = Transcripts()
        self._late_timer: asyncio.TimerHandle | None = None
        self._speaking = False
        self._answers = Answers(patience.transcript_s)
        self._ready_at: float | None = None  # when the current connection became ready
        self._outage = Outage(self._report, patience.lost_after_s)
        self._first_try = asyncio.timeout(patience.first_s)
        self._last_reason, self._last_kind = "no answer in time", FailureKind.PASSED_OVER
        self._asked_to_wait_s = 0.0
        self._closed = False
        self._closing: set[asyncio.Task[None]] = set()
        self._task = asyncio.create_task(self._run(), name=f"stt {call}")

    # --- SttSession

    @property
    def ends_at_pauses(self) -> bool:
        return self._service.silence_ms is not None

    def feed(self, mulaw: bytes) -> None:
        if self._closed:
            return
        self._tape.put(mulaw)
        if self._tape.waiting < self._service.piece:
            return
        if self._direct is not None:
            self._pass_on(self._direct)
        else:
            self._audio.set()

    async def close(self) -> None:
        self._closed = True
        self._forget(self)
        self._cancel_timers()
        if self._attempt is not None:
            self._attempt.abandoned(time.monotonic())
        self._task.cancel()
        await asyncio.wait([self._task])
        if self._closing:
            await asyncio.wait(self._closing)

    def _report(self, event: SttEvent) -> None:
        if self._closed:
            return
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001  a fault of the handler must not end recognition
            _log.exception("event handler failed", extra=self._fields(event=type(event).__name__))

    # --- connections

    async def _run(self) -> None:
        try:
            async with self._first_try:
                reason = await self._until_final()
        except TimeoutError:
            reason = self._last_reason
            _log.error("speech recognition was never ready", extra=self._fields(reason=reason))
        except Exception:  # noqa: BLE001  the call must learn of any failure
            _log.exception("speech recognition raised", extra=self._fields())
            reason = "internal error"
        self._cancel_timers()
        self._report(SttFailed(reason=reason))
        self._closed = True
        if self._closing:
            await asyncio.wait(self._closing)
        self._forget(self)

    async def _until_final(self) -> str:
        """Serve one connection after the other. Returns why there will be no further one."""
        rounds = 0
        again: Service | None = None
        while True:
            chosen = self._roster.choose(time.monotonic()) if again is None else (again, None)
            if chosen is None:
                if self._roster.is_exhausted or rounds >= len(self._patience.retry_delays_s):
                    fields = self._fields(reason=self._last_reason, attempts=rounds + 1)
                    _log.error("speech recognition failed", extra=fields)
                    return self._last_reason
                self._outage.expect()
                await asyncio.sleep(max(self._patience.retry_delays_s[rounds], self._asked_to_wait_s))
                rounds += 1
                self._roster.begin_round()
                continue
            self._service, self._attempt = chosen
            lost = await self._until_lost(self._service)
            self._note(lost)
            again = self._at_once(lost, before=again)
            if self._ready_at is not None and self._loop.time() - self._ready_at >= self._patience.stable_s:
                rounds = 0
                self._roster.begin_round()

    def _at_once(self, lost: LinkLost, *, before: Service | None) -> Service | None:
        """The service that is connected to once more at once, because it holds more than recognition."""
        service, ready_at = self._service, self._ready_at
        if service.link_of is None or ready_at is None or lost.is_final:
            return None
        lasted = self._loop.time() - ready_at >= self._patience.stable_s
        return service if before is None or lasted else None

    def _note(self, lost: LinkLost) -> None:
        """Count the failure, and remember what it means for further attempts."""
        service, now = self._service, time.monotonic()
        if self._attempt is not None:
            if lost.kind is FailureKind.UNAUTHORIZED:
                self._attempt.refused(now)
            self._attempt.failed(now, wait_s=lost.wait_s)
            self._on_failure(service)
        PROVIDER_ERRORS.labels(service.name, "stt").inc()
        self._last_reason, self._last_kind = lost.reason, lost.kind
        self._asked_to_wait_s = min(lost.wait_s, _LONGEST_WAIT_S)
        if lost.is_final:
            self._roster.refuse(service)
        _log.warning("speech recognition lost", extra=self._fields(reason=lost.reason, dropped=self._tape.dropped))

    async def _until_lost(self, service: Service) -> LinkLost:
        """Serve one connection to its end. Returns why it ended."""
        self._ready_at = None
        link = service.link(self._likely_ends) if service.link_of is None else service.link_of(self._call)
        try:
            try:
                async with asyncio.timeout(self._connect_timeout_s):
                    await link.open()
            except TimeoutError:
                return LinkLost("no answer in time", kind=FailureKind.TIMEOUT)
            self._on_ready(service)
            await self._exchange(service, link)
        except LinkLost as lost:
            return lost
        finally:
            self._on_link_lost()
            self._close(link)

    def _close(self, link: Link) -> None:
        """Close it aside: a service that does not answer must not delay the one that takes over."""
        task = asyncio.create_task(link.close(), name=f"stt close {self._call}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    @property
    def _connect_timeout_s(self) -> float:
        patience = self._patience
        if len(self._services) == 1:
            return patience.connect_timeout_s
        return min(patience.connect_timeout_s, patience.first_s / len(self._services))

    async def _exchange(self, service: Service, link: Link) -> NoReturn:
        sender = asyncio.create_task(self._send(service, link), name=f"stt audio {self._call}")
        try:
            async with self._answers.begin(has_another=self._roster.has_another, pause_s=service.patience_s):
                async for signals in link.signals():
                    self._answers.answered()
                    for signal in signals:
                        self._on_signal(signal)
        except TimeoutError as error:
            raise LinkLost(self._answers.why, kind=FailureKind.TIMEOUT) from error
        finally:
            sender.cancel()
            await asyncio.wait([sender])
        raise LinkLost("closed without a reason")

    def _pass_on(self, link: Link) -> None:
        """Send what waits, here: waking the task below for a frame cost 3 of the 23 us of its sending."""
        self._direct = None
        try:
            while self._tape.waiting:
                self._rest = begin_now(link.send(self._next_audio()))
                if self._rest is not None:
                    self._audio.set()
                    return
        except Exception:  # noqa: BLE001  audio that is not sent any more must end the connection
            _log.exception("audio not sent", extra=self._fields())
            self._close(link)
            return
        self._direct = link

    async def _send(self, service: Service, link: Link) -> None:
        """Send what has piled up at once (measured in docs/adding-a-voice.md), and what `_pass_on` cannot send."""
        gate = SpeechGate(service.detector()) if service.detector is not None else None
        self._audio.set()  # audio that came while there was no connection
        try:
            while True:
                await self._audio.wait()
                self._audio.clear()
                if self._rest is not None:
                    await self._rest
                    self._rest = None
                while self._tape.waiting:
                    audio = self._next_audio()
                    await (link.send(audio) if gate is None else self._send_speech(gate, link, audio))
                self._direct = link if gate is None else None
        except Exception:  # noqa: BLE001  audio that is not sent any more must end the connection
            _log.exception("audio not sent", extra=self._fields())
            await link.close()
        finally:
            self._direct = None
            if self._rest is not None:
                self._rest.cancel()
                self._rest = None

    def _next_audio(self) -> bytes:
        audio = self._tape.take()
        if self._answers.is_sound(audio) and not self._speaking:
            self._tape.suspect()
        return audio

    async def _send_speech(self, gate: SpeechGate, link: Link, audio: bytes) -> None:
        for part in gate.feed(audio):
            if isinstance(part, bytes):
                await link.send(part)
            elif isinstance(part, SpeechStarted):
                self._on_signal(said.SpeechBegan())
            else:
                await link.commit()
                self._on_signal(said.SpeechEnded())

    # --- signals

    def _on_signal(self, signal: Signal) -> None:
        match signal:
            case said.SpeechBegan():
                self._begin()
            case said.SpeechEnded():
                self._pause(self._service.silence_ms)
            case said.UtteranceCommitted(item, previous):
                self._pause(self._service.silence_ms)
                self._tape.committed(item)
                self._transcripts.committed(item, previous)
            case said.Transcribed(item, text, language):
                self._language = language or self._language
                self._on_transcript(item, text)
            case said.NotTranscribed(item, code):
                _log.warning("utterance not transcribed", extra=self._fields(code=code))
                self._on_transcript(item, None)
            case said.Partial(text) | said.LikelyEnd(text):
                self._on_partial(text, is_likely_end=isinstance(signal, said.LikelyEnd))
            case said.ServiceFault():
                self._on_fault(signal)
            case said.Ready():
                pass

    def _on_fault(self, fault: said.ServiceFault) -> None:
        _log.warning("speech recognition reported an error", extra=self._fields(kind=fault.kind, code=fault.code))
        if fault.ends:
            kind = FailureKind.REFUSED if fault.is_final else FailureKind.BROKEN
            raise LinkLost(f"reported {fault.kind}, {fault.code}", is_final=fault.is_final, kind=kind)

    def _begin(self) -> None:
        if not self._speaking:
            self._speaking = True
            self._tape.began()
            self._answers.spoke()
            self._report(SpeechStarted())

    def _pause(self, silent_ms: int | None = None) -> None:
        """The caller fell silent; the service reports it after a pause of so long, if that is known."""
        if not self._speaking:
            return
        self._speaking = False
        self._tape.ended()
        self._answers.paused()
        self._report(SpeechStopped(silent_ms=silent_ms))

    def _on_transcript(self, item: str, text: str | None) -> None:
        if self._transcripts.has(item):
            return
        self._tape.settled(item)
        self._answers.transcribed(is_due=self._tape.awaits_transcript)
        if self._partials is not None:
            self._partials.clear()
        if self._attempt is not None:
            self._attempt.succeeded(time.monotonic())
            self._attempt = None
        self._report_transcripts(self._transcripts.completed(item, text))

    def _on_partial(self, text: str, *, is_likely_end: bool) -> None:
        self._answers.recognised(text)
        if self._partials is not None and not self._closed:
            is_stable = self._service.stable_partials
            self._partials.put(PartialTranscript(text=text, is_likely_end=is_likely_end, is_stable=is_stable))

    def _report_transcripts(self, texts: list[str]) -> None:
        for text in texts:
            self._report(Heard(text=text, language=self._language))
        if self._late_timer is not None:
            self._late_timer.cancel()
            self._late_timer = None
        if self._transcripts.is_held_up and not self._closed:
            self._late_timer = self._loop.call_later(self._patience.late_s, self._on_late)

    def _on_late(self) -> None:
        _log.warning("transcript late, continuing without it", extra=self._fields())
        self._late_timer = None
        self._report_transcripts(self._transcripts.overdue())

    # --- what is reported of connections

    def _on_ready(self, service: Service) -> None:
        self._ready_at = self._loop.time()
        self._first_try.reschedule(None)
        if service is not self._used:
            kind = self._last_kind
            reason = "its breaker is open" if kind is FailureKind.PASSED_OVER else self._last_reason
            failover = Failover(service="stt", from_=self._used.name, to=service.name, reason=kind.value)
            self._report(record_failover(failover, reason, call_id=self._call))
            self._used = service
        self._outage.end()

    def _on_link_lost(self) -> None:
        """End the current speech and release held-back transcripts: the next connection knows nothing of this one."""
        if self._speaking:
            self._speaking = False
            self._report(SpeechStopped())
        self._report_transcripts(self._transcripts.overdue())
        self._transcripts = Transcripts()
        self._tape.rewind()
        if self._partials is not None:
            self._partials.clear()
        if self._ready_at is not None:
            self._outage.begin()

    def _cancel_timers(self) -> None:
        self._outage.cancel()
        if self._late_timer is not None:
            self._late_timer.cancel()
        if self._partials is not None:
            self._partials.clear()

    def _fields(self, **more: object) -> dict[str, object]:
        return {"call_id": self._call, "provider": self._service.name, "model": self._service.model, **more}

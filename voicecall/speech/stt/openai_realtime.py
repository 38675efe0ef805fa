"""Speech recognition by OpenAI's Realtime transcription, or any service that offers the same API.

One WebSocket per call, opened before the caller speaks and opened again when it is lost. Knows sockets, timeouts and
retries; `openai_messages.py` has the messages, `transcripts.py` the order of transcripts. Does not know calls or turns.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

import aiohttp

from voicecall.call.events import Heard, SpeechStarted, SpeechStopped, SttFailed, SttLost, SttRecovered
from voicecall.call.ids import CallId
from voicecall.errors import ServiceError
from voicecall.manifests.openai import RealtimeKeys
from voicecall.ports import SttEvent, SttSession
from voicecall.speech.retiring import warn_if_retiring
from voicecall.speech.stt import openai_messages as wire
from voicecall.speech.stt.backlog import Backlog
from voicecall.speech.stt.gate import SpeechGate
from voicecall.speech.stt.transcripts import Transcripts
from voicecall.speech.vad import VoiceActivity

__all__ = ["OpenAIRealtime", "Options", "build"]

_log = logging.getLogger(__name__)

_SERVICE: Final = "openai-stt"
_LONGEST_MESSAGE: Final = 1_048_576
_HEARTBEAT_S: Final = 20.0
_FATAL_STATUS: Final = frozenset({400, 401, 403, 404, 405, 410, 422})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`retry_delays_s`: seconds before each reconnection; after the last one recognition has failed.

    The delays start anew only after a session has lasted `stable_s`, so that one that fails right after opening is not
    reopened for ever. `late_s`: how long a transcript waits for that of an earlier utterance. `first_s`: recognition
    fails when no session was ready by then, so that a caller is not left unheard for all retries. `lost_after_s`: an
    interruption longer than this is reported as `SttLost`.
    """

    api_key: str | None
    base_url: str = "https://api.openai.com/v1"
    model: str = "gpt-4o-transcribe"
    silence_ms: int = 800
    threshold: float = 0.5
    language: str | None = None
    connect_timeout_s: float = 10.0
    retry_delays_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0)
    stable_s: float = 30.0
    late_s: float = 1.5
    first_s: float = 5.0
    lost_after_s: float = 2.5


class OpenAIRealtime:
    """SpeechToText. The HTTP session is the node's; `close` closes the recognition sessions only."""

    def __init__(self, options: Options, session: aiohttp.ClientSession) -> None:
        self._options = options
        self._session = session
        self._open: set[_Session] = set()
        self._closed = False
        warn_if_retiring(options.model)

    async def open(self, call: CallId, on_event: Callable[[SttEvent], None]) -> SttSession:
        """As the port says. Up to five seconds of audio wait while the session connects."""
        if self._closed:
            raise ServiceError(_SERVICE, "is closed", retryable=False)
        session = _Session(call, on_event, self._options, self._session, self._open.discard)
        self._open.add(session)
        return session

    async def close(self) -> None:
        self._closed = True
        await asyncio.gather(*(session.close() for session in tuple(self._open)))


class _Lost(Exception):
    """The socket is lost. `reason` is constant text and a status or code; `is_final`: reconnecting is pointless."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final


class _Session:
    """SttSession: the recognition of one call, over one socket after the other."""

    def __init__(
        self,
        call: CallId,
        on_event: Callable[[SttEvent], None],
        options: Options,
        http: aiohttp.ClientSession,
        forget: Callable[["_Session"], None],
    ) -> None:
        self._call = call
        self._on_event = on_event
        self._options = options
        self._http = http
        self._forget = forget
        self._loop = asyncio.get_running_loop()
        self._backlog = Backlog()
        self._gate: SpeechGate | None = None
        if not wire.detects_pauses(options.model):
            detector = VoiceActivity(silence_ms=options.silence_ms, threshold=options.threshold)
            self._gate = SpeechGate(detector, self._backlog)
        self._audio = asyncio.Event()
        self._transcripts = Transcripts()
        self._late_timer: asyncio.TimerHandle | None = None
        self._speaking = False  # according to the service
        self._ready_at: float | None = None  # when the current socket became ready
        self._lost_timer: asyncio.TimerHandle | None = None  # runs out when the interruption must be reported
        self._is_reported_lost = False
        self._first_try = asyncio.timeout(options.first_s)
        self._last_reason = "no answer in time"
        self._closed = False
        self._task = asyncio.create_task(self._run(), name=f"stt {call}")

    # --- SttSession

    def feed(self, mulaw: bytes) -> None:
        if self._closed:
            return
        if self._gate is None:
            self._backlog.put(mulaw)
        else:
            for change in self._gate.feed(mulaw):
                self._report(change)
        self._audio.set()

    async def close(self) -> None:
        self._closed = True
        self._forget(self)
        if self._late_timer is not None:
            self._late_timer.cancel()
        self._cancel_lost_timer()
        self._task.cancel()
        await asyncio.wait([self._task])

    def _report(self, event: SttEvent) -> None:
        if self._closed:
            return
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001  a fault of the handler must not end recognition
            _log.exception("event handler failed", extra=self._fields(event=type(event).__name__))

    # --- sockets

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
        self._cancel_lost_timer()
        self._report(SttFailed(reason=reason))
        self._closed = True
        self._forget(self)

    async def _until_final(self) -> str:
        """Serve one socket after the other. Returns why there will be no further one."""
        attempt = 0
        while True:
            self._ready_at = None
            reason, is_final = await self._until_lost()
            if self._ready_at is not None and self._loop.time() - self._ready_at >= self._options.stable_s:
                attempt = 0
            if is_final or attempt >= len(self._options.retry_delays_s):
                _log.error("speech recognition failed", extra=self._fields(reason=reason, attempts=attempt + 1))
                return reason
            _log.warning("speech recognition lost", extra=self._fields(reason=reason, dropped=self._backlog.dropped))
            self._last_reason = reason
            await asyncio.sleep(self._options.retry_delays_s[attempt])
            attempt += 1

    async def _until_lost(self) -> tuple[str, bool]:
        """Serve one socket to its end. Returns why it ended, and whether that is final."""
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                ws = await self._connect()
            try:
                async with asyncio.timeout(self._options.connect_timeout_s):
                    await self._set_up(ws)
                await self._exchange(ws)
            finally:
                await ws.close()
        except _Lost as lost:
            return lost.reason, lost.is_final
        except TimeoutError:
            return "no answer in time", False
        except aiohttp.WSServerHandshakeError as refusal:
            return f"refused with status {refusal.status}", refusal.status in _FATAL_STATUS
        except (aiohttp.ClientError, OSError) as error:
            return f"connection failed: {type(error).__name__}", False
        finally:
            self._on_socket_lost()

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        options = self._options
        return await self._http.ws_connect(
            wire.realtime_url(options.base_url),
            headers={"Authorization": f"Bearer {options.api_key}"} if options.api_key else {},
            heartbeat=_HEARTBEAT_S,
            max_msg_size=_LONGEST_MESSAGE,
            timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
        )

    async def _set_up(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        options = self._options
        update = wire.session_update(
            options.model, threshold=options.threshold, silence_ms=options.silence_ms, language=options.language
        )
        await ws.send_str(update)
        async for message in ws:
            received = wire.read(message.data) if message.type is aiohttp.WSMsgType.TEXT else None
            if isinstance(received, wire.SessionUpdated):
                self._ready_at = self._loop.time()
                self._first_try.reschedule(None)
                self._on_ready_again()
                return
            if isinstance(received, wire.ServiceErrorMessage):
                # An error before the session is ready concerns the key or the settings, so reconnecting is pointless.
                is_final = received.kind in {"invalid_request_error", "authentication_error", "permission_error"}
                raise _Lost(f"refused: {received.kind}, {received.code}", is_final=is_final)
        raise _Lost("closed before it was ready")

    async def _exchange(self, ws: aiohttp.ClientWebSocketResponse) -> NoReturn:
        sender = asyncio.create_task(self._send(ws), name=f"stt audio {self._call}")
        try:
            async for message in ws:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._on_message(wire.read(message.data))
        finally:
            sender.cancel()
            await asyncio.wait([sender])
        raise _Lost(f"closed with code {ws.close_code}")

    async def _send(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        """Send each frame as it comes, and a backlog as one message (measured in docs/adding-a-voice.md)."""
        self._audio.set()  # audio that came while there was no socket
        while True:
            await self._audio.wait()
            self._audio.clear()
            try:
                for audio in self._backlog.take():
                    await ws.send_str(wire.COMMIT if audio is None else wire.append(audio))
            except (aiohttp.ClientError, ConnectionError):
                await ws.close()  # which ends the reading loop as well
                return

    # --- messages

    def _on_message(self, message: wire.ServerMessage | None) -> None:
        match message:
            case wire.ServiceSpeechStarted():
                if not self._speaking and self._gate is None:
                    self._speaking = True
                    self._report(SpeechStarted())
            case wire.ServiceSpeechStopped():
                self._pause(self._options.silence_ms)
            case wire.UtteranceCommitted(item, previous):
                self._pause(self._options.silence_ms)
                self._transcripts.committed(item, previous)
            case wire.TranscriptCompleted(item, text):
                self._report_transcripts(self._transcripts.completed(item, text))
            case wire.TranscriptFailed(item, code):
                _log.warning("utterance not transcribed", extra=self._fields(code=code))
                self._report_transcripts(self._transcripts.completed(item, None))
            case wire.ServiceErrorMessage(kind, code):
                _log.warning("speech recognition reported an error", extra=self._fields(kind=kind, code=code))
            case wire.SessionUpdated() | None:
                pass

    def _pause(self, silent_ms: int | None = None) -> None:
        """The caller fell silent; the service reports it after its own pause."""
        if self._speaking:
            self._speaking = False
            self._report(SpeechStopped(silent_ms=silent_ms))

    def _report_transcripts(self, texts: list[str]) -> None:
        for text in texts:
            self._report(Heard(text=text))
        if self._late_timer is not None:
            self._late_timer.cancel()
            self._late_timer = None
        if self._transcripts.is_held_up and not self._closed:
            self._late_timer = self._loop.call_later(self._options.late_s, self._on_late)

    def _on_late(self) -> None:
        _log.warning("transcript late, continuing without it", extra=self._fields())
        self._late_timer = None
        self._report_transcripts(self._transcripts.overdue())

    def _on_socket_lost(self) -> None:
        """End the current speech and release held-back transcripts: the next socket knows nothing of this one."""
        self._pause()
        self._report_transcripts(self._transcripts.overdue())
        self._transcripts = Transcripts()
        if self._ready_at is not None and self._lost_timer is None and not self._is_reported_lost and not self._closed:
            self._lost_timer = self._loop.call_later(self._options.lost_after_s, self._report_lost)

    def _report_lost(self) -> None:
        self._lost_timer, self._is_reported_lost = None, True
        self._report(SttLost())

    def _on_ready_again(self) -> None:
        self._cancel_lost_timer()
        if self._is_reported_lost:
            self._is_reported_lost = False
            self._report(SttRecovered())

    def _cancel_lost_timer(self) -> None:
        if self._lost_timer is not None:
            self._lost_timer.cancel()
            self._lost_timer = None

    def _fields(self, **more: object) -> dict[str, object]:
        return {"call_id": self._call, "model": self._options.model, **more}


def build(block: RealtimeKeys, session: aiohttp.ClientSession) -> OpenAIRealtime:
    """Speech recognition as configured under `streaming`."""
    options = Options(
        api_key=block.openai_api_key,
        base_url=block.base_url,
        model=block.stt_model,
        silence_ms=block.silence_duration_ms,
        threshold=block.vad_threshold,
    )
    return OpenAIRealtime(options, session)

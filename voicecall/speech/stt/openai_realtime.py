"""Hearing by OpenAI's Realtime transcription, or any service that speaks it (behaviour 7.7, carriers 7.1).

One WebSocket per call, opened before the caller speaks and opened again when it is lost. Knows sockets, waiting and
retrying; the messages are `openai_messages.py`'s, their order `transcripts.py`'s. Does not know calls or turns.
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
from voicecall.speech.retiring import warn
from voicecall.speech.stt import openai_messages as wire
from voicecall.speech.stt.backlog import Backlog
from voicecall.speech.stt.gate import Gate
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
    """How to hear. `retry_delays_s`: one reconnection after each; then recognition is gone.

    A session counts as well again, and the delays begin anew, only after `stable_s`: one that opens and falls over
    each time must not go on for ever. `late_s`: how long a transcript waits for that of an earlier utterance.
    `first_s`: a service not reached even once by then is gone, for a caller must not talk to a wall for half a minute.
    `deaf_s`: one that was there and stays away longer than this is told as `SttLost`.
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
    deaf_s: float = 2.5


class OpenAIRealtime:
    """SpeechToText. The HTTP session is the node's; closing this closes what it opened, not that."""

    def __init__(self, options: Options, session: aiohttp.ClientSession) -> None:
        self._options = options
        self._session = session
        self._open: set[_Session] = set()
        self._closed = False
        warn(options.model)

    async def open(self, call: CallId, on_event: Callable[[SttEvent], None]) -> SttSession:
        """Begin to open a session and come back at once: audio waits for it, five seconds at most.

        A service that cannot be reached is told as HeardFailure. Raises ServiceError after `close`.
        """
        if self._closed:
            raise ServiceError(_SERVICE, "is closed", retryable=False)
        session = _Session(call, on_event, self._options, self._session, self._open.discard)
        self._open.add(session)
        return session

    async def close(self) -> None:
        self._closed = True
        await asyncio.gather(*(session.close() for session in tuple(self._open)))


class _Lost(Exception):
    """The session is over. `reason` is made of constant words and a status."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final


class _Session:
    """Hearing: one call's ear, over as many sockets as it takes."""

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
        self._gate: Gate | None = None
        if not wire.hears_pauses(options.model):
            ear = VoiceActivity(silence_ms=options.silence_ms, threshold=options.threshold)
            self._gate = Gate(ear, self._backlog)
        self._audio = asyncio.Event()
        self._transcripts = Transcripts()
        self._lateness: asyncio.TimerHandle | None = None
        self._speaking = False  # by the service's word
        self._ready_at: float | None = None  # when the present socket became of use
        self._deafness: asyncio.TimerHandle | None = None  # until the caller must learn that the ears are gone
        self._is_missed = False  # and has learnt it
        self._first_try = asyncio.timeout(options.first_s)
        self._why = "no answer in time"
        self._closed = False
        self._task = asyncio.create_task(self._run(), name=f"stt {call}")

    # --- Hearing

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
        if self._lateness is not None:
            self._lateness.cancel()
        self._forget_deafness()
        self._task.cancel()
        await asyncio.wait([self._task])

    def _report(self, event: SttEvent) -> None:
        if self._closed:
            return
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001  a fault of the listener must not cost the caller the ear
            _log.exception("a listener failed", extra=self._fields(event=type(event).__name__))

    # --- one socket after the other

    async def _run(self) -> None:
        try:
            async with self._first_try:
                reason = await self._until_hopeless()
        except TimeoutError:
            reason = self._why
            _log.error("hearing was never reached", extra=self._fields(reason=reason))
        except Exception:  # noqa: BLE001  whatever it is, the caller must learn that nobody listens
            _log.exception("hearing broke", extra=self._fields())
            reason = "internal error"
        self._forget_deafness()
        self._report(SttFailed(reason=reason))
        self._closed = True
        self._forget(self)

    async def _until_hopeless(self) -> str:
        """Serve one socket after the other, and say why there will be no more."""
        attempt = 0
        while True:
            self._ready_at = None
            reason, is_final = await self._until_lost()
            if self._ready_at is not None and self._loop.time() - self._ready_at >= self._options.stable_s:
                attempt = 0
            if is_final or attempt >= len(self._options.retry_delays_s):
                _log.error("hearing failed", extra=self._fields(reason=reason, attempts=attempt + 1))
                return reason
            _log.warning("hearing lost", extra=self._fields(reason=reason, dropped=self._backlog.dropped))
            self._why = reason
            await asyncio.sleep(self._options.retry_delays_s[attempt])
            attempt += 1

    async def _until_lost(self) -> tuple[str, bool]:
        """Serve one socket to its end, and say why it ended and whether that is final."""
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                ws = await self._connect()
            try:
                async with asyncio.timeout(self._options.connect_timeout_s):
                    await self._set_up(ws)
                await self._converse(ws)
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
            self._socket_is_gone()

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
            said = wire.read(message.data) if message.type is aiohttp.WSMsgType.TEXT else None
            if isinstance(said, wire.Ready):
                self._ready_at = self._loop.time()
                self._first_try.reschedule(None)
                self._ears_are_back()
                return
            if isinstance(said, wire.Refused):
                # Before it is ready, what is refused is our key or our settings: asking again changes neither.
                is_final = said.kind in {"invalid_request_error", "authentication_error", "permission_error"}
                raise _Lost(f"refused: {said.kind}, {said.code}", is_final=is_final)
        raise _Lost("closed before it was ready")

    async def _converse(self, ws: aiohttp.ClientWebSocketResponse) -> NoReturn:
        sender = asyncio.create_task(self._send(ws), name=f"stt audio {self._call}")
        try:
            async for message in ws:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._hear(wire.read(message.data))
        finally:
            sender.cancel()
            await asyncio.wait([sender])
        raise _Lost(f"closed with code {ws.close_code}")

    async def _send(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        """One message per frame as it comes, and what has piled up as one: measured in docs/adding-a-voice.md."""
        self._audio.set()  # what came while there was no socket
        while True:
            await self._audio.wait()
            self._audio.clear()
            try:
                for audio in self._backlog.take():
                    await ws.send_str(wire.COMMIT if audio is None else wire.append(audio))
            except (aiohttp.ClientError, ConnectionError):
                await ws.close()  # which ends the reading, and with it the conversation
                return

    # --- what was heard

    def _hear(self, said: wire.ServerMessage | None) -> None:
        match said:
            case wire.Began():
                if not self._speaking and self._gate is None:
                    self._speaking = True
                    self._report(SpeechStarted())
            case wire.Paused():
                self._pause()
            case wire.Committed(item, previous):
                self._pause()
                self._transcripts.committed(item, previous)
            case wire.Completed(item, text):
                self._tell_finals(self._transcripts.completed(item, text))
            case wire.Failed(item, code):
                _log.warning("an utterance was not transcribed", extra=self._fields(code=code))
                self._tell_finals(self._transcripts.completed(item, ""))
            case wire.Refused(kind, code):
                _log.warning("the recogniser complains", extra=self._fields(kind=kind, code=code))
            case wire.Ready() | None:
                pass

    def _pause(self) -> None:
        if self._speaking:
            self._speaking = False
            self._report(SpeechStopped())

    def _tell_finals(self, texts: list[str]) -> None:
        for text in texts:
            self._report(Heard(text=text))
        if self._lateness is not None:
            self._lateness.cancel()
            self._lateness = None
        if self._transcripts.is_held_up and not self._closed:
            self._lateness = self._loop.call_later(self._options.late_s, self._stop_waiting)

    def _stop_waiting(self) -> None:
        _log.warning("a transcript is late: going on without it", extra=self._fields())
        self._lateness = None
        self._tell_finals(self._transcripts.overdue())

    def _socket_is_gone(self) -> None:
        """What it knew is gone with it: nobody will say that the caller paused, or send what was held back."""
        self._pause()
        self._tell_finals(self._transcripts.overdue())
        self._transcripts = Transcripts()
        if self._ready_at is not None and self._deafness is None and not self._is_missed and not self._closed:
            self._deafness = self._loop.call_later(self._options.deaf_s, self._ears_are_gone)

    def _ears_are_gone(self) -> None:
        self._deafness, self._is_missed = None, True
        self._report(SttLost())

    def _ears_are_back(self) -> None:
        self._forget_deafness()
        if self._is_missed:
            self._is_missed = False
            self._report(SttRecovered())

    def _forget_deafness(self) -> None:
        if self._deafness is not None:
            self._deafness.cancel()
            self._deafness = None

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

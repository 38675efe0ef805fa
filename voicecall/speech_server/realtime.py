"""`GET /v1/realtime?intent=transcription`: a WebSocket of one caller's audio (OpenAI's "Realtime transcription").

Partial transcripts are sent when the caller pauses and goes on, because that text is there already. Finds utterances
with `utterances`, or the client commits them; the transcripts come as they are ready.
"""

import asyncio
import binascii
import itertools
import logging
import secrets
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from voicecall.audio.formats import Converter
from voicecall.speech_server.errors import Refused
from voicecall.speech_server.pool import Busy, InferencePool
from voicecall.speech_server.session import Session, updated
from voicecall.speech_server.transcription import Transcription
from voicecall.speech_server.utterances import Began, Ended, Finding, Paused, Resumed, Utterances

__all__ = ["Realtime"]

_log = logging.getLogger(__name__)

_LONGEST_MESSAGE: Final = 1_048_576
_HEARTBEAT_S: Final = 30.0
_LEAST_COMMIT: Final = 800  # bytes of mu-law: 100 ms
_LONGEST_COMMIT: Final = 300 * 8000
_TRANSCRIPTION: Final = "conversation.item.input_audio_transcription"
_BUSY: Final = Refused(429, "Too much is being transcribed; try again soon.", "rate_limit_exceeded")
_FAILED: Final = Refused(500, "The audio could not be transcribed.", "transcription_failed")
_PUNCTUATION: Final = " .,!?;:…-"


class Realtime:
    """The route."""

    def __init__(self, transcription: Transcription, pool: InferencePool) -> None:
        self._transcription = transcription
        self._pool = pool
        self._open: set[web.WebSocketResponse] = set()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("intent") != "transcription":
            raise Refused(400, "'intent' is not served; ask for intent=transcription.", "invalid_value", "intent")
        socket = web.WebSocketResponse(compress=False, max_msg_size=_LONGEST_MESSAGE, heartbeat=_HEARTBEAT_S)
        await socket.prepare(request)
        self._open.add(socket)
        caller = _Caller(socket, self._text_of)
        try:
            await caller.serve()
        except ConnectionError:
            pass  # the client is gone
        finally:
            self._open.discard(socket)
            caller.close()
        return socket

    async def close(self) -> None:
        for socket in tuple(self._open):
            await socket.close(code=WSCloseCode.GOING_AWAY)

    async def _text_of(self, audio: bytes, prompt: str, begun: threading.Event) -> str:
        """The words in the audio. `begun` is set when it is not worth cancelling any more."""

        def work() -> str:
            begun.set()
            return self._transcription.text_of(audio, prompt)

        return await self._pool.run(work)


TextOf = Callable[[bytes, str, threading.Event], Coroutine[Any, Any, str]]


class _Draft:
    """A transcript under way: of an utterance, or of what was heard of it at a pause."""

    def __init__(self, text_of: TextOf, audio: bytes, prompt: str) -> None:
        self._begun = threading.Event()
        self.text = asyncio.create_task(text_of(audio, prompt, self._begun))

    def drop(self) -> None:
        """It is not wanted any more, unless it is nearly there."""
        if not self._begun.is_set():
            self.text.cancel()


class _Caller:
    """One socket."""

    def __init__(self, socket: web.WebSocketResponse, text_of: TextOf) -> None:
        self._socket = socket
        self._text_of = text_of
        self._session = Session()
        self._id = f"sess_{secrets.token_hex(8)}"
        self._numbers = itertools.count(1)
        self._converter = Converter(self._session.format)
        self._utterances = self._new_utterances()
        self._buffer = bytearray()  # without turn detection: what is not committed
        self._item = ""  # the utterance under way
        self._previous: str | None = None
        self._draft: _Draft | None = None  # the transcript up to the last pause
        self._said = ""  # of the utterance under way, sent as deltas
        self._tasks: set[asyncio.Task[Any]] = set()
        self._handlers: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
            "session.update": self._on_update,
            "input_audio_buffer.append": self._on_append,
            "input_audio_buffer.commit": self._on_commit,
            "input_audio_buffer.clear": self._on_clear,
        }

    async def serve(self) -> None:
        """Answer each event until the socket closes."""
        await self._send("session.created", session=self._session.wire(self._id))
        async for message in self._socket:
            try:
                event = _event_in(message.data if message.type is WSMsgType.TEXT else None)
                await self._handler(event)(event)
            except Refused as refused:
                await self._send("error", error={**refused.fields, "event_id": None})

    def close(self) -> None:
        """What is under way is of no use any more."""
        for task in self._tasks:
            task.cancel()

    # --- events of the client

    def _handler(self, event: dict[str, Any]) -> Callable[[dict[str, Any]], Awaitable[None]]:
        handler = self._handlers.get(str(event.get("type")))
        if handler is None:
            raise Refused(400, f"'type' is unknown; choose {', '.join(self._handlers)}.", "invalid_value", "type")
        return handler

    async def _on_update(self, event: dict[str, Any]) -> None:
        before, self._session = self._session, updated(self._session, event.get("session"))
        if self._session.type != before.type:
            self._converter = Converter(self._session.format)
        self._utterances = self._new_utterances(self._utterances)
        await self._send("session.updated", session=self._session.wire(self._id))

    async def _on_append(self, event: dict[str, Any]) -> None:
        try:
            audio = binascii.a2b_base64(event["audio"], strict_mode=True)
        except (KeyError, TypeError, ValueError):
            raise Refused(400, "'audio' is not audio in base64.", "invalid_value", "audio") from None
        mulaw = self._converter.feed(audio)
        if self._utterances is not None:
            for found in self._utterances.feed(mulaw):
                await self._report(found)
        elif len(self._buffer) + len(mulaw) > _LONGEST_COMMIT:
            raise Refused(400, "'audio' is over five minutes; commit it.", "input_audio_buffer_full", "audio")
        else:
            self._buffer += mulaw

    async def _on_commit(self, _: dict[str, Any]) -> None:
        if self._utterances is not None:
            raise Refused(400, "Utterances are committed by turn detection, which is not null.", "invalid_state")
        audio = bytes(self._buffer)
        if len(audio) < _LEAST_COMMIT:
            problem = f"at least 100 ms of audio are needed, and there are {len(audio) // 8}"
            raise Refused(400, f"The buffer is too small: {problem}.", "input_audio_buffer_commit_empty")
        self._buffer.clear()
        self._item = self._new_id("item")
        await self._commit(self._new_draft(audio))

    async def _on_clear(self, _: dict[str, Any]) -> None:
        self._buffer.clear()
        self._drop_draft()
        self._utterances = self._new_utterances(self._utterances)
        await self._send("input_audio_buffer.cleared")

    # --- utterances

    def _new_utterances(self, before: Utterances | None = None) -> Utterances | None:
        if self._session.silence_ms is None:
            return None
        made = Utterances(
            silence_ms=self._session.silence_ms, threshold=self._session.threshold, prefix_ms=self._session.prefix_ms
        )
        made.now_ms = 0 if before is None else before.now_ms
        return made

    async def _report(self, found: Finding) -> None:
        match found:
            case Began(at_ms=at_ms):
                self._item, self._said = self._new_id("item"), ""
                await self._send("input_audio_buffer.speech_started", audio_start_ms=at_ms, item_id=self._item)
            case Paused(audio=audio):
                self._drop_draft()
                self._draft = self._new_draft(audio)
            case Resumed():
                if self._draft is not None:
                    self._spawn(self._send_partial(self._item, self._draft))
            case Ended(at_ms=at_ms, audio=audio, goes_on=goes_on):
                await self._send("input_audio_buffer.speech_stopped", audio_end_ms=at_ms, item_id=self._item)
                if goes_on:
                    self._drop_draft()
                draft, self._draft = self._draft, None
                await self._commit(draft or self._new_draft(audio))

    def _new_draft(self, audio: bytes) -> _Draft:
        draft = _Draft(self._text_of, audio, self._session.prompt)
        self._keep(draft.text)
        return draft

    def _drop_draft(self) -> None:
        if self._draft is not None:
            self._draft.drop()
            self._draft = None

    async def _send_partial(self, item: str, draft: _Draft) -> None:
        """What is new in it, if it begins as what was sent before: deltas cannot be taken back."""
        try:
            text = (await asyncio.shield(draft.text)).rstrip(_PUNCTUATION)
        except (asyncio.CancelledError, Busy):
            return
        if item != self._item or not text.lower().startswith(self._said.lower()) or len(text) == len(self._said):
            return
        delta, self._said = text[len(self._said) :], text
        await self._send(f"{_TRANSCRIPTION}.delta", item_id=item, content_index=0, delta=delta)

    async def _commit(self, draft: _Draft) -> None:
        """Make the utterance an item of the conversation, and send its transcript when it is ready."""
        item, previous = self._item, self._previous
        self._previous, self._item = item, ""
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=previous)
        content = [{"type": "input_audio", "transcript": None}]
        whole = {"id": item, "object": "realtime.item", "type": "message", "status": "completed", "role": "user"}
        for kind in ("added", "done"):
            await self._send(f"conversation.item.{kind}", previous_item_id=previous, item={**whole, "content": content})
        self._spawn(self._send_transcript(item, draft))

    async def _send_transcript(self, item: str, draft: _Draft) -> None:
        fields = {"item_id": item, "content_index": 0}
        try:
            text = await draft.text
        except Busy:
            await self._send(f"{_TRANSCRIPTION}.failed", **fields, error=_BUSY.fields)
        except Exception:  # noqa: BLE001  a defect, and for the client one utterance without words
            _log.exception("transcription failed")
            await self._send(f"{_TRANSCRIPTION}.failed", **fields, error=_FAILED.fields)
        else:
            await self._send(f"{_TRANSCRIPTION}.completed", **fields, transcript=text)

    # ---

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._keep(asyncio.create_task(work))

    def _keep(self, task: asyncio.Task[Any]) -> None:
        """End it with the socket."""
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # who waits for it has it

    async def _send(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "event_id": self._new_id("event"), **fields}
        if not self._socket.closed:
            await self._socket.send_str(orjson.dumps(event).decode())

    def _new_id(self, kind: str) -> str:
        return f"{kind}_{self._id[5:]}_{next(self._numbers)}"


def _event_in(text: str | None) -> dict[str, Any]:
    """The event in a message; None: it was no text."""
    try:
        event: Any = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        event = None
    if not isinstance(event, dict):
        raise Refused(400, "We could not parse the message as a JSON object.", "invalid_json")
    return event

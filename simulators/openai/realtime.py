"""WebSocket /v1/realtime?intent=transcription, one session per socket (OpenAI API reference, "Realtime").

Knows the events and the script; `hearing` recognises speech, `session` validates settings.
"""

import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from simulators.faults import CLIENT_GONE, GARBAGE, cut_off, in_place_of_answer
from simulators.ledger import Ledger, Line
from simulators.openai.errors import error_body, refused, refused_by_script
from simulators.openai.intake import Intake
from simulators.openai.script import OpenAIDo, Script
from simulators.openai.session import Refusal, Settings, updated
from simulators.openai.transcripts import Transcripts
from simulators.recognition import Fact, Hearing, SpeechStarted
from simulators.service import facts_of

__all__ = ["Realtime"]

_LONGEST_MESSAGE = 16 * 1024 * 1024
_LEAST_COMMIT_MS = 100


class Realtime:
    """The route. Ledger lines: each socket `realtime`, each sound `speech_started`, each utterance `transcript`."""

    def __init__(self, script: Script, ledger: Ledger) -> None:
        self._script = script
        self._ledger = ledger
        self._numbers = itertools.count(1)
        self.open: set[web.WebSocketResponse] = set()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        line = self._ledger.write("realtime", **facts_of(request), outcome="refused", appends=0, audio_ms=0, asked=[])
        if request.query.get("intent") != "transcription":
            return refused(400, "The simulator transcribes only: intent=transcription.", param="intent")
        do = self._script.rules.take("realtime")
        instead = await in_place_of_answer(request, line, do, refused_by_script)
        if instead is not None:
            return instead
        socket = web.WebSocketResponse(compress=False, max_msg_size=_LONGEST_MESSAGE, decode_text=False)
        await socket.prepare(request)
        self.open.add(socket)
        line["outcome"] = "client_gone"
        line["session"] = f"sess_{next(self._numbers)}"
        session = _Session(self._script, self._ledger, request=request, socket=socket, line=line, do=do)
        try:
            if "OpenAI-Beta" in request.headers:
                await session.refuse_beta()
            else:
                await session.serve()
        except CLIENT_GONE:
            pass  # already recorded as the outcome
        finally:
            self.open.discard(socket)
            session.close()
        return socket


class _Session:
    """One socket from session.created to its end."""

    def __init__(
        self,
        script: Script,
        ledger: Ledger,
        *,
        request: web.Request,
        socket: web.WebSocketResponse,
        line: Line,
        do: OpenAIDo,
    ) -> None:
        self._id: str = line["session"]
        self._script = script
        self._ledger = ledger
        self._request = request
        self._socket = socket
        self._line = line
        self._do = do
        self._settings = Settings.opened()
        self._intake = Intake(self._settings.format)
        self._hearing = self._new_hearing(0)
        self._emptied_ms = 0  # the position at which the audio buffer begins
        self._items = itertools.count(1)
        self._events = itertools.count(1)
        self._item: str | None = None  # the item of the current turn
        self._previous: str | None = None
        self._live = ""  # what was sent of the current turn's transcript, while it is spoken
        self._is_mute = False
        self._transcripts = Transcripts(self._id, script.rules, ledger, self._send)
        self._handlers: dict[str, Callable[[Any], Awaitable[None]]] = {
            "session.update": self._on_update,
            "input_audio_buffer.append": self._on_append,
            "input_audio_buffer.commit": self._on_commit,
            "input_audio_buffer.clear": self._on_clear,
        }

    async def serve(self) -> None:
        """Send session.created, then answer each event, until the socket closes."""
        await self._send("session.created", session=self._settings.wire(self._id))
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.TEXT:
                await self._take(message.data)
            elif message.type is WSMsgType.BINARY:
                await self._error("invalid_request_error", "Expected a text message.", code="invalid_json")
            else:
                self._line["outcome"] = "cut" if self._line["outcome"] == "cut" else "closed"
                self._line["ended_at"] = time.time()
                return

    async def refuse_beta(self) -> None:
        """Refuse the withdrawn protocol of the header OpenAI-Beta."""
        message = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
        await self._error("invalid_request_error", message, code="beta_api_shape_disabled")
        await self._socket.close(code=4000, message=b"invalid_request_error.beta_api_shape_disabled")
        self._line["outcome"] = "refused"

    def close(self) -> None:
        self._transcripts.close()

    # --- client events

    async def _take(self, raw: bytes) -> None:
        try:
            event = orjson.loads(raw)
        except orjson.JSONDecodeError:
            await self._error("invalid_request_error", "Could not parse the event as JSON.", code="invalid_json")
            return
        kind = event.get("type") if isinstance(event, dict) else None
        handler: Callable[[Any], Awaitable[None]] = self._handlers.get(str(kind), self._on_unknown)
        if kind != "input_audio_buffer.append":
            self._line["asked"].append(event)
        try:
            await handler(event)
        except Refusal as no:
            about = event.get("event_id") if isinstance(event, dict) else None
            await self._error("invalid_request_error", no.message, code=no.code, param=no.param, event_id=about)

    async def _on_unknown(self, event: Any) -> None:
        kind = event.get("type") if isinstance(event, dict) else None
        supported = ", ".join(f"'{name}'" for name in self._handlers)
        message = f"Invalid value: {kind!r}. Supported values are: {supported}."
        raise Refusal(message, code="invalid_value", param="type")

    async def _on_update(self, event: dict[str, Any]) -> None:
        before, self._settings = self._settings, updated(self._settings, event.get("session"))
        if before.format != self._settings.format:
            self._intake = Intake(self._settings.format)
        if before.turn_detection != self._settings.turn_detection:
            self._hearing = self._new_hearing(self._hearing.now_ms)
        await self._send("session.updated", session=self._settings.wire(self._id))
        self._is_mute = self._do.mute
        if self._do.garbage:
            for nonsense in GARBAGE:
                await self._socket.send_str(nonsense)

    async def _on_append(self, event: dict[str, Any]) -> None:
        self._line["appends"] += 1
        if self._line["appends"] == self._do.drop_after_appends:
            self._line["outcome"] = "cut"
            await cut_off(self._request)
            return
        try:
            audio = self._intake.mulaw(event.get("audio"))
        except ValueError as fault:
            message = f"Invalid 'audio': expected base64-encoded audio bytes ({fault})."
            raise Refusal(message, code="invalid_value", param="audio") from fault
        for fact in self._hearing.feed(audio):
            await self._report(fact)
        self._line["audio_ms"] = self._hearing.now_ms
        if self._settings.transcribes_live:
            await self._send_live()
        if self._script.rules.has("words") and (text := self._hearing.so_far):
            await self._fail_in_turn(text)

    async def _send_live(self) -> None:
        """Send what is new in the transcript of the turn that is being spoken."""
        text = self._hearing.so_far
        if text != self._live and text.startswith(self._live):
            self._item = self._item or self._new_item()
            new, self._live = text[len(self._live) :], text
            await self._transcripts.send_delta(self._item, new)

    async def _fail_in_turn(self, text: str) -> None:
        do = self._script.rules.take("words", text)
        self._is_mute = self._is_mute or do.mute
        for nonsense in GARBAGE if do.garbage else ():
            await self._socket.send_str(nonsense)
        if do.drop:
            self._line["outcome"] = "cut"
            await cut_off(self._request)

    async def _on_commit(self, _: dict[str, Any]) -> None:
        buffered_ms = self._hearing.now_ms - self._emptied_ms
        if buffered_ms < _LEAST_COMMIT_MS:
            message = (
                f"Expected at least {_LEAST_COMMIT_MS}ms of audio, but buffer only has {buffered_ms:.2f}ms of audio."
            )
            raise Refusal(
                f"Error committing input audio buffer: buffer too small. {message}",
                code="input_audio_buffer_commit_empty",
            )
        start_ms, item = self._emptied_ms, self._item or self._new_item()
        await self._commit(item, self._hearing.take(), start_ms, self._hearing.now_ms)

    async def _on_clear(self, _: dict[str, Any]) -> None:
        self._hearing.take()
        self._item, self._live = None, ""
        self._emptied_ms = self._hearing.now_ms
        await self._send("input_audio_buffer.cleared")

    # --- server events

    async def _report(self, fact: Fact) -> None:
        if isinstance(fact, SpeechStarted):
            self._item = self._new_item()
            self._emptied_ms = max(0, fact.at_ms - self._settings.prefix_ms)
            at_ms = self._emptied_ms
            await self._send("input_audio_buffer.speech_started", audio_start_ms=at_ms, item_id=self._item)
            self._ledger.write("speech_started", session=self._id, item_id=self._item)
            return
        item = self._item or self._new_item()
        await self._send("input_audio_buffer.speech_stopped", audio_end_ms=fact.at_ms, item_id=item)
        await self._commit(item, fact.text, self._emptied_ms, fact.at_ms)

    async def _commit(self, item: str, text: str, start_ms: int, end_ms: int) -> None:
        """Turn the buffer into an item of the conversation and have it transcribed."""
        previous, self._previous, self._item = self._previous, item, None
        sent, self._live = self._live, ""
        self._emptied_ms = end_ms
        content = [{"type": "input_audio", "transcript": None}]
        whole = {"id": item, "object": "realtime.item", "type": "message", "status": "completed", "role": "user"}
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=previous)
        added = {"previous_item_id": previous, "item": {**whole, "content": content}}
        await self._send("conversation.item.added", **added)
        await self._send("conversation.item.done", **added)
        if self._settings.transcription is not None:
            await self._transcripts.say(item, text, start_ms, end_ms, sent=sent)

    async def _error(
        self, kind: str, message: str, *, code: str, param: str | None = None, event_id: str | None = None
    ) -> None:
        error = {**error_body(kind, message, code=code, param=param), "event_id": event_id}
        self._line.setdefault("errors", []).append(error)
        await self._send("error", error=error)

    async def _send(self, kind: str, **fields: Any) -> None:
        if self._is_mute:
            return
        event = {"type": kind, "event_id": f"event_{self._id}_{next(self._events)}", **fields}
        await self._socket.send_str(orjson.dumps(event).decode())

    def _new_item(self) -> str:
        return f"item_{self._id}_{next(self._items)}"

    def _new_hearing(self, from_ms: int) -> Hearing:
        at_symbol = self._script.end_on_symbol or self._settings.ends_at_symbol
        return Hearing(silence_ms=self._settings.silence_ms, at_symbol=at_symbol, from_ms=from_ms)

"""WebSocket /v1/realtime?model=…: a model that speaks, as far as it reads texts aloud (OpenAI API, "Realtime").

Responses outside of the conversation only: text in, tone code and its transcript out. Each socket is one ledger line of
kind `voice`, each response one of kind `reading`. Its transcript comes in words, ahead of the audio.
"""

import asyncio
import base64
import itertools
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from simulators.faults import CLIENT_GONE, GARBAGE, cut_off, in_place_of_answer
from simulators.ledger import Ledger, Line
from simulators.openai.errors import error_body, refused, refused_by_script
from simulators.openai.script import OpenAIDo, Script
from simulators.openai.session import Refusal
from simulators.service import facts_of
from simulators.tones import encode_mulaw, encode_pcm16
from simulators.wrong_audio import disguised

__all__ = ["ReadingSession", "Voices"]

_LONGEST_MESSAGE = 16 * 1024 * 1024
_CHUNK_BYTES = 800
_VOICES = {"alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"}
_FORMATS = ("audio/pcm", "audio/pcmu", "audio/pcma")


class Voices:
    """The route. `session` serves its sockets."""

    def __init__(self, script: Script, ledger: Ledger, session: "type[ReadingSession]") -> None:
        self._script = script
        self._ledger = ledger
        self._session = session
        self._numbers = itertools.count(1)
        self.open: set[web.WebSocketResponse] = set()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        line = self._ledger.write("voice", **facts_of(request), outcome="refused", asked=[])
        if not request.query.get("model", "").startswith("gpt-realtime"):
            return refused(404, "The model does not exist, or does not speak.", code="model_not_found", param="model")
        do = self._script.rules.take("voice")
        instead = await in_place_of_answer(request, line, do, refused_by_script)
        if instead is not None:
            return instead
        socket = web.WebSocketResponse(compress=False, max_msg_size=_LONGEST_MESSAGE, decode_text=False)
        await socket.prepare(request)
        self.open.add(socket)
        line["outcome"], line["session"] = "client_gone", f"sess_v{next(self._numbers)}"
        session = self._session(self._script, self._ledger, request=request, socket=socket, line=line, do=do)
        try:
            await session.serve()
        except CLIENT_GONE:
            pass  # already recorded as the outcome
        finally:
            self.open.discard(socket)
            session.close()
        return socket


class ReadingSession:
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
        self._model = request.query["model"]
        self._output: dict[str, Any] = {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy", "speed": 1.0}
        self._numbers = itertools.count(1)
        self._events = itertools.count(1)
        self._running: dict[str, tuple[asyncio.Task[None], Line]] = {}
        self._handlers: dict[str, Callable[[Any], Awaitable[None]]] = {
            "session.update": self._on_update,
            "response.create": self._on_create,
            "response.cancel": self._on_cancel,
        }

    async def serve(self) -> None:
        for nonsense in GARBAGE if self._do.garbage else ():
            await self._socket.send_str(nonsense)
        await self._send("session.created", session=self._wire())
        while True:
            message = await self._socket.receive()
            if message.type is not WSMsgType.TEXT:
                self._line["outcome"], self._line["ended_at"] = "closed", time.time()
                return
            if await self._take(message.data):
                return

    def close(self) -> None:
        for task, line in self._running.values():
            task.cancel()
            line["outcome"] = "client_gone"

    async def _take(self, raw: bytes) -> bool:
        """Answer an event; True: the socket is over."""
        event: Any = None
        try:
            event = orjson.loads(raw)
            if event.get("type") != "input_audio_buffer.append":
                self._line["asked"].append(event)
            handler: Callable[[Any], Awaitable[None]] = self._handlers.get(str(event.get("type")), self._on_unknown)
            await handler(event)
        except orjson.JSONDecodeError:
            await self._error("Could not parse the event as JSON.", code="invalid_json")
        except Refusal as no:
            about = event.get("event_id") if isinstance(event, dict) else None
            await self._error(no.message, code=no.code, param=no.param, event_id=about)
        return bool(self._line["outcome"] == "cut")

    async def _on_unknown(self, event: dict[str, Any]) -> None:
        raise Refusal(f"Invalid value: {event.get('type')!r}.", code="invalid_value", param="type")

    async def _on_update(self, event: dict[str, Any]) -> None:
        session = event.get("session", {})
        if session.get("type") != "realtime":
            raise Refusal(f"Invalid value: {session.get('type')!r}.", code="invalid_value", param="session.type")
        output = session.get("audio", {}).get("output", {})
        voice = output.get("voice", self._output["voice"])
        if not (isinstance(voice, dict) or voice in _VOICES):
            raise Refusal(f"Invalid value: {voice!r}.", code="invalid_value", param="session.audio.output.voice")
        if output.get("format", {}).get("type", "audio/pcm") not in _FORMATS:
            raise Refusal("Invalid value.", code="invalid_value", param="session.audio.output.format")
        speed = output.get("speed", 1.0)
        if not 0.25 <= speed <= 1.5:
            raise Refusal("speed must be from 0.25 to 1.5.", code="invalid_value", param="session.audio.output.speed")
        self._output = {**self._output, **output}
        if self._do.keeps_pcm:
            self._output["format"] = {"type": "audio/pcm", "rate": 24000}
        await self._send("session.updated", session=self._wire())

    async def _on_create(self, event: dict[str, Any]) -> None:
        asked = event.get("response", {})
        if asked.get("conversation") != "none":
            raise Refusal("The simulator reads aloud only: conversation none.", code="invalid_value", param="response")
        text = "".join(part.get("text", "") for item in asked.get("input", []) for part in item.get("content", []))
        name = f"resp_{self._id}_{next(self._numbers)}"
        line = self._ledger.write(
            "reading", session=self._id, response=name, text=text, instructions=asked.get("instructions"),
            outcome="running", sent=0,
        )  # fmt: skip
        do = self._script.rules.take("reading", text)
        task = asyncio.create_task(self._read(name, text, asked.get("metadata"), line, do))
        self._running[name] = (task, line)
        task.add_done_callback(lambda _: self._running.pop(name, None))

    async def _on_cancel(self, event: dict[str, Any]) -> None:
        running = self._running.pop(str(event.get("response_id")), None)
        if running is None:
            raise Refusal("Cancellation failed: no active response found.", code="response_cancel_not_active")
        task, line = running
        task.cancel()
        line["outcome"], line["ended_at"] = "cancelled", time.time()
        await self._done(line["response"], line["metadata"], "cancelled", {"reason": "client_cancelled"})

    async def _read(self, name: str, text: str, metadata: Any, line: Line, do: OpenAIDo) -> None:
        line["metadata"] = metadata
        await self._send("response.created", response=self._response(name, metadata, "in_progress"))
        await asyncio.sleep(do.delay_ms / 1000)
        if do.hang:
            line["outcome"] = "hung"
            await asyncio.get_running_loop().create_future()
        if do.status is not None or do.failed:
            code = "rate_limit_exceeded" if do.status == 429 else "server_error"
            line["outcome"] = "refused"
            await self._done(name, metadata, "failed", {"error": {"type": code, "code": code}})
            return
        said = text if do.says is None else do.says
        try:
            if not do.audio_first:
                await self._write_down(name, said)
            line["sent"] = await self._speak(name, said, do)
            if do.cut_after_bytes is not None:
                line["outcome"] = "cut"
                await cut_off(self._request)
                return
            if do.audio_first:
                await self._write_down(name, said)
            await self._send("response.output_audio_transcript.done", response_id=name, item_id=name, transcript=said)
            await self._send("response.output_audio.done", response_id=name, item_id=name)
            line["outcome"], line["ended_at"] = "complete", time.time()
            await self._done(name, metadata, "completed", None)
        except CLIENT_GONE:
            line["outcome"] = "client_gone"

    async def _write_down(self, name: str, said: str) -> None:
        for words in re.findall(r"\s*\S{1,9}", said):
            await self._send(
                "response.output_audio_transcript.delta", response_id=name, item_id=name, content_index=0, delta=words
            )

    async def _speak(self, name: str, said: str, do: OpenAIDo) -> int:
        body = encode_mulaw(said) if self._output["format"]["type"] == "audio/pcmu" else encode_pcm16(said, 24000)
        if do.disguise is not None:
            body, _ = disguised(do.disguise, said)
        end = len(body) if do.cut_after_bytes is None else min(len(body), do.cut_after_bytes)
        step = do.chunk_bytes or _CHUNK_BYTES
        for at in range(0, end, step):
            if at and do.per_chunk_ms:
                await asyncio.sleep(do.per_chunk_ms / 1000)
            delta = base64.b64encode(body[at : min(at + step, end)]).decode()
            await self._send(
                "response.output_audio.delta", response_id=name, item_id=name, content_index=0, delta=delta
            )
        return end

    async def _done(self, name: str, metadata: Any, status: str, details: Any) -> None:
        await self._send("response.done", response=self._response(name, metadata, status, details))

    async def _error(self, message: str, *, code: str, param: str | None = None, event_id: str | None = None) -> None:
        error = {**error_body("invalid_request_error", message, code=code, param=param), "event_id": event_id}
        self._line.setdefault("errors", []).append(error)
        await self._send("error", error=error)

    async def _send(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "event_id": f"event_{self._id}_{next(self._events)}", **fields}
        await self._socket.send_str(orjson.dumps(event).decode())

    def _wire(self) -> dict[str, Any]:
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": self._id,
            "model": self._model,
            "output_modalities": ["audio"],
            "audio": {"output": self._output},
        }

    def _response(self, name: str, metadata: Any, status: str, details: Any = None) -> dict[str, Any]:
        return {
            "object": "realtime.response",
            "id": name,
            "status": status,
            "status_details": None if details is None else {"type": status, **details},
            "metadata": metadata,
            "conversation_id": None,
        }

"""WebSocket /v1/text-to-speech/{voice_id}/multi-stream-input (ElevenLabs API reference, "Multi-Context WebSocket").

A context speaks what was sent to it when it is flushed or closed; it is open until its end was sent. A sixth one at a
time closes the socket with code 1008. Each socket is one ledger line of kind `socket`, each flushed text one of kind
`context`.
"""

import asyncio
import base64
import time
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from simulators.faults import CLIENT_GONE, GARBAGE, Do, cut_off, in_place_of_answer
from simulators.ledger import Ledger, Line
from simulators.listening import ListenScript
from simulators.service import facts_of, json_reply
from simulators.wrong_audio import disguised

__all__ = ["Contexts"]

_MOST_CONTEXTS = 5
_CHUNK_BYTES = 800


class Contexts:
    """The route. `formats`: what is spoken in, by `output_format`."""

    def __init__(self, script: ListenScript, ledger: Ledger, formats: dict[str, Callable[[str], bytes]]) -> None:
        self._script = script
        self._ledger = ledger
        self._formats = formats
        self.open: set[web.WebSocketResponse] = set()
        self._sessions: set[_Socket] = set()

    @property
    def live(self) -> int:
        """Contexts that are open, on all sockets."""
        return sum(session.contexts for session in self._sessions)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        line = self._ledger.write(
            "socket", **facts_of(request), voice=request.match_info["voice_id"], outcome="refused", most_contexts=0
        )
        do = self._script.rules.take("socket")
        instead = await in_place_of_answer(request, line, do, _refused_by_script)
        if instead is not None:
            return instead
        encode = self._formats.get(request.query.get("output_format", "mp3_44100_128"))
        if encode is None:
            return json_reply({"detail": {"status": "invalid_output_format"}}, 400)
        socket = web.WebSocketResponse(compress=False, decode_text=False)
        await socket.prepare(request)
        for nonsense in GARBAGE if do.garbage else ():
            await socket.send_str(nonsense)
        self.open.add(socket)
        line["outcome"] = "client_gone"
        session = _Socket(self._script, self._ledger, request=request, socket=socket, line=line, encode=encode)
        self._sessions.add(session)
        try:
            if self._script.accepts(request.headers.get("xi-api-key", "")):
                await session.serve()
            else:
                await session.refuse("invalid_api_key", "Invalid API key")
        except CLIENT_GONE:
            pass  # already recorded as the outcome
        finally:
            self.open.discard(socket)
            self._sessions.discard(session)
            session.close()
        return socket


class _Socket:
    def __init__(
        self,
        script: ListenScript,
        ledger: Ledger,
        *,
        request: web.Request,
        socket: web.WebSocketResponse,
        line: Line,
        encode: Callable[[str], bytes],
    ) -> None:
        self._script = script
        self._ledger = ledger
        self._request = request
        self._socket = socket
        self._line = line
        self._encode = encode
        self._texts: dict[str, str] = {}  # of every open context: what was not flushed yet
        self._speaking: dict[str, asyncio.Task[None]] = {}
        self._closing: set[str] = set()  # their end is sent as soon as they have spoken

    @property
    def contexts(self) -> int:
        return len(self._texts)

    async def serve(self) -> None:
        while True:
            message = await self._socket.receive()
            if message.type is not WSMsgType.TEXT:
                self._line["outcome"], self._line["ended_at"] = "closed", time.time()
                return
            event = orjson.loads(message.data)
            if event.get("close_socket"):
                await self._socket.close()
                return
            await self._take(str(event.get("context_id", "default")), event)

    async def refuse(self, code: str, message: str) -> None:
        await self._send({"message": message, "error": code, "code": 1008})
        await self._socket.close(code=1008, message=code.encode())
        self._line["outcome"] = "refused"

    def close(self) -> None:
        for task in self._speaking.values():
            task.cancel()

    async def _take(self, context: str, event: dict[str, Any]) -> None:
        if event.get("close_context"):
            await self._close_context(context)
            return
        if context not in self._texts:
            self._texts[context] = ""
            self._line["most_contexts"] = max(self._line["most_contexts"], len(self._texts))
            if len(self._texts) > _MOST_CONTEXTS:
                await self.refuse("max_active_conversations", "Too many contexts")
                return
        self._texts[context] += event.get("text", "")
        if event.get("flush"):
            await self._flush(context)

    async def _flush(self, context: str) -> None:
        text, self._texts[context] = self._texts[context].strip(), ""
        if not text:
            return
        line = self._ledger.write("context", context=context, text=text, outcome="running", sent=0)
        do = self._script.rules.take("context", text)
        self._speaking[context] = asyncio.create_task(self._speak(context, text, line, do))

    async def _close_context(self, context: str) -> None:
        if context not in self._texts:
            return
        if context not in self._closing:
            self._closing.add(context)
            await self._flush(context)
            if context in self._speaking:
                return
        elif task := self._speaking.pop(context, None):
            task.cancel()  # closed again: what it has not spoken is dropped
        await self._end(context)

    async def _speak(self, context: str, text: str, line: Line, do: Do) -> None:
        try:
            await asyncio.sleep(do.delay_ms / 1000)
            if do.hang:
                line["outcome"] = "hung"
                await asyncio.get_running_loop().create_future()
            if do.status is not None:
                line["outcome"] = "refused"
                code = "rate_limit_exceeded" if do.status == 429 else "internal_server_error"
                await self._send({"contextId": context, "error": code, "message": "The simulator's script says so."})
                self._forget(context)
                return
            body = self._encode(text) if do.disguise is None else disguised(do.disguise, text)[0]
            end = len(body) if do.cut_after_bytes is None else min(len(body), do.cut_after_bytes)
            step = do.chunk_bytes or _CHUNK_BYTES
            for at in range(0, end, step):
                if at and do.per_chunk_ms:
                    await asyncio.sleep(do.per_chunk_ms / 1000)
                audio = base64.b64encode(body[at : min(at + step, end)]).decode()
                await self._send({"audio": audio, "isFinal": None, "contextId": context})
                line["sent"] = min(at + step, end)
            if do.cut_after_bytes is not None:
                line["outcome"] = "cut"
                await cut_off(self._request)
                return
            line["outcome"], line["ended_at"] = "complete", time.time()
            self._speaking.pop(context, None)
            if context in self._closing:
                await self._end(context)
        except CLIENT_GONE:
            line["outcome"] = "client_gone"
        except asyncio.CancelledError:
            line["outcome"] = "cancelled"
            raise

    def _forget(self, context: str) -> None:
        """It is over: an error ends it too."""
        self._closing.discard(context)
        self._speaking.pop(context, None)
        self._texts.pop(context, None)

    async def _end(self, context: str) -> None:
        self._forget(context)
        await self._send({"isFinal": True, "contextId": context})

    async def _send(self, event: dict[str, Any]) -> None:
        await self._socket.send_str(orjson.dumps(event).decode())


def _refused_by_script(status: int, retry_after_s: int | None) -> web.Response:
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return json_reply({"detail": {"status": "scripted"}}, status, headers)

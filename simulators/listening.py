"""A WebSocket of speech recognition, whatever its protocol: what the simulators of such services have in common.

A service's simulator subclasses `Listening` with its messages; `Listener` is the route. Each socket is one ledger line
of kind `listen`, each utterance one of kind `transcript`.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any, ClassVar

import orjson
from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import BaseModel, ConfigDict

from simulators.faults import CLIENT_GONE, GARBAGE, ListenDo, Rule, Rules, cut_off, in_place_of_answer
from simulators.ledger import Ledger, Line
from simulators.recognition import Fact, Hearing, SpeechStarted
from simulators.service import facts_of, json_reply, read_model

__all__ = ["ListenPosted", "ListenScript", "Listener", "Listening", "add_script"]

_PROGRESS_MS = 250


class ListenPosted(BaseModel):
    """The body of POST /_sim/script; a section that is not named stays."""

    model_config = ConfigDict(extra="forbid")

    misbehave: list[Rule[ListenDo]] | None = None
    """Where: `listen` (per socket; matches its query), `transcript` (per utterance), `words` (in the middle of a turn,
    once what was recognised of it matches), `eager` (Flux: per eager end; only `delay_ms`)."""
    api_key: str | None = None
    end_on_symbol: bool | None = None
    """End a turn at the END tone, not after the silence: endpointing without delay."""


class ListenScript:
    """The script in force. `api_key`: the only key accepted; empty accepts every non-empty key."""

    def __init__(self) -> None:
        self.rules: Rules[ListenDo] = Rules(ListenDo())
        self.api_key = ""
        self.end_on_symbol = False

    def post(self, posted: ListenPosted) -> None:
        if posted.misbehave is not None:
            self.rules.replace(posted.misbehave)
        if posted.api_key is not None:
            self.api_key = posted.api_key
        if posted.end_on_symbol is not None:
            self.end_on_symbol = posted.end_on_symbol

    def clear(self) -> None:
        self.post(ListenPosted(misbehave=[], api_key="", end_on_symbol=False))

    def accepts(self, key: str) -> bool:
        return bool(key) and self.api_key in {"", key}


def add_script(app: web.Application, script: ListenScript) -> None:
    """Add `/_sim/script`: POST replaces the sections it names, GET counts the faults, DELETE resets the script."""

    async def post(request: web.Request) -> web.Response:
        script.post(await read_model(request, ListenPosted))
        return json_reply({"struck": script.rules.struck})

    async def get(_: web.Request) -> web.Response:
        return json_reply({"struck": script.rules.struck})

    async def delete(_: web.Request) -> web.Response:
        script.clear()
        return web.Response(status=204)

    app.router.add_post("/_sim/script", post)
    app.router.add_get("/_sim/script", get)
    app.router.add_delete("/_sim/script", delete)


class Listening:
    """One socket from its opening to its end. Subclasses know the messages."""

    silence_ms: ClassVar[int] = 300

    def __init__(self, request: web.Request, script: ListenScript, ledger: Ledger, line: Line, do: ListenDo) -> None:
        self.request = request
        self.query = request.query
        self.line = line
        self.utterances = 0
        self._script = script
        self._ledger = ledger
        self._do = do
        self._socket = web.WebSocketResponse(compress=False)
        self._is_mute = False
        self._progress_ms = 0
        self._is_endless = False  # this turn
        self._unended = ""  # the words of one whose end is not reported
        self._late: set[asyncio.Task[None]] = set()
        self.hearing = Hearing(silence_ms=self.ends_after_ms(), at_symbol=script.end_on_symbol)

    def ends_after_ms(self) -> int | None:
        """The silence that ends an utterance; None: the client does."""
        return self.silence_ms

    # --- for subclasses

    async def begin(self) -> None:
        """The socket is open."""

    async def take(self, event: Any) -> None:
        """A text message of the client."""

    async def started(self, at_ms: int) -> None:
        """The caller began to speak."""

    async def progress(self, text: str) -> None:
        """A quarter of a second of audio later; `text`: what was recognised of the turn so far."""

    async def finished(self, text: str) -> None:
        """The turn is over: send its transcript."""

    # --- the socket

    async def serve(self) -> web.WebSocketResponse:
        await self._socket.prepare(self.request)
        self.line["outcome"] = "client_gone"
        try:
            await self.begin()
            self._is_mute = self._do.mute
            if self._do.garbage:
                for nonsense in GARBAGE:
                    await self._socket.send_str(nonsense)
                await self._socket.send_bytes(b"\x00\xff")
            await self._receive()
        except CLIENT_GONE:
            pass  # already recorded as the outcome
        finally:
            for task in self._late:
                task.cancel()
        self.line["ended_at"] = time.time()
        return self._socket

    async def _receive(self) -> None:
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY:
                await self.hear(message.data)
            elif message.type is WSMsgType.TEXT:
                await self._take(message.data)
            else:
                self.line["outcome"] = "cut" if self.line["outcome"] == "cut" else "closed"
                return

    async def _take(self, raw: str) -> None:
        try:
            event = orjson.loads(raw)
        except orjson.JSONDecodeError:
            event = None
        await self.take(event)

    async def hear(self, mulaw: bytes) -> None:
        """The next piece of audio."""
        self.line["pieces"] += 1
        self.line["largest"] = max(self.line["largest"], len(mulaw))
        facts = self.hearing.feed(mulaw)
        self.line["audio_ms"] = self.hearing.now_ms
        if self._do.drop_after_ms is not None and self.hearing.now_ms >= self._do.drop_after_ms:
            self.line["outcome"] = "cut"
            await cut_off(self.request)
            return
        for fact in facts:
            await self._report(fact)
        if self._script.rules.has("words") and (text := self.hearing.so_far):
            await self._fail_in_turn(text)
        if self.hearing.now_ms - self._progress_ms >= _PROGRESS_MS:
            self._progress_ms = self.hearing.now_ms
            await self.progress(self.hearing.so_far or self._unended)

    async def _fail_in_turn(self, text: str) -> None:
        do = self._script.rules.take("words", text)
        self._is_mute = self._is_mute or do.mute
        self._is_endless = self._is_endless or do.endless
        for nonsense in GARBAGE if do.garbage else ():
            await self._socket.send_str(nonsense)
        if do.drop:
            self.line["outcome"] = "cut"
            await cut_off(self.request)

    async def _report(self, fact: Fact) -> None:
        if isinstance(fact, SpeechStarted):
            self._is_endless, self._unended = False, ""
            await self.started(fact.at_ms)
        elif self._is_endless:
            self._unended = fact.text
        else:
            await self.end_turn(fact.text, fact.at_ms)

    async def end_turn(self, text: str, end_ms: int) -> None:
        """Send the transcript, as the script says."""
        self.utterances += 1
        do = self._script.rules.take("transcript", text)
        facts = {"session": self.line["seq"], "text": text, "end_ms": end_ms}
        line = self._ledger.write("transcript", **facts, outcome="hung" if do.hang else "waiting")
        if do.hang:
            return
        if do.delay_ms:
            task = asyncio.create_task(self._finish_late(line, do))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        else:
            await self._finish(line, do)

    async def _finish_late(self, line: Line, do: ListenDo) -> None:
        await asyncio.sleep(do.delay_ms / 1000)
        try:
            await self._finish(line, do)
        except CLIENT_GONE:
            line["outcome"] = "client_gone"

    async def _finish(self, line: Line, do: ListenDo) -> None:
        for _ in range(2 if do.duplicate else 1):
            await self.finished(line["text"])
        line["outcome"], line["sent_at"] = "completed", time.time()

    async def send(self, **event: Any) -> None:
        if not self._is_mute:
            await self._socket.send_str(orjson.dumps(event).decode())

    async def close(self, code: int, reason: str = "") -> None:
        await self._socket.close(code=code, message=reason.encode())

    def note(self, event: Any) -> None:
        """Keep a message that is no audio in the ledger."""
        self.line["asked"].append(event)


class Listener:
    """The route of one protocol. `refuse` makes the service's refusal of a status; `problem` checks the request."""

    def __init__(
        self,
        kind: type[Listening],
        script: ListenScript,
        ledger: Ledger,
        *,
        refuse: Callable[[int, int | None], web.Response],
        problem: Callable[[web.Request], int | None],
    ) -> None:
        self._kind = kind
        self._script = script
        self._ledger = ledger
        self._refuse = refuse
        self._problem = problem
        self._numbers = itertools.count(1)
        self.open: set[Listening] = set()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        facts = {**facts_of(request), "asked": [], "pieces": 0, "largest": 0, "audio_ms": 0}
        facts["query_all"] = [[key, value] for key, value in request.query.items()]
        line = self._ledger.write("listen", **facts, outcome="refused")
        status = self._problem(request)
        if status is not None:
            return self._refuse(status, None)
        do = self._script.rules.take("listen", request.query_string)
        instead = await in_place_of_answer(request, line, do, self._refuse)
        if instead is not None:
            return instead
        listening = self._kind(request, self._script, self._ledger, line, do)
        self.open.add(listening)
        try:
            return await listening.serve()
        finally:
            self.open.discard(listening)

    async def hang_up(self) -> None:
        """The process stops."""
        for listening in tuple(self.open):
            await listening.close(WSCloseCode.GOING_AWAY)

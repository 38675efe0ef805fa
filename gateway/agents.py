"""Agent hosts: programs on our sockets that find the words for calls, and the turns they have in hand.

Used by the socket and the app. Gives each turn to the least busy host that fits, passes its words to the worker that
asked, and takes the turn back when the caller interrupts, time is over or the worker is gone. A host may speak only of
turns it was given (docs/agent-hosts.md). Knows neither calls nor Redis.
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from gateway.host_frames import Began, Delta, Done, Failed, Register, Said, host_event
from voicecall import metrics
from voicecall.bus.agents.server import AgentServer, Claimed
from voicecall.bus.agents.wire import Kind, Offer
from voicecall.errors import BusError, InvalidRequest

__all__ = ["Host", "Hosts"]

_IN_HAND: Final = 64  # turns of one host at a time
_LONGEST_REPLY: Final = 32_768  # characters
_LOOK_S: Final = 1.0
_SEND_S: Final = 2.0  # a host that does not read for so long is not there
_MARGIN_S: Final = 1.0  # the worker ends its turns itself; this is for one that cannot

_log = logging.getLogger(__name__)

Send = Callable[[bytes], Awaitable[None]]


class Host:
    """One registered socket. `send` raises ConnectionError when it is closed; `drop` closes it without a word."""

    def __init__(self, asked: Register, send: Send, drop: Callable[[], None]) -> None:
        self.id = secrets.token_hex(8)
        self.name = asked.name
        self.agents = frozenset(asked.agents)
        self.turns: dict[str, _Turn] = {}
        self.over: deque[str] = deque(maxlen=256)  # of these a late word is no misdeed
        self.is_there = True
        self._send = send
        self._drop = drop

    def fits(self, offer: Offer) -> bool:
        knows = offer.agent is None or not self.agents or offer.agent in self.agents
        return self.is_there and knows and len(self.turns) < _IN_HAND and self.id not in offer.avoid

    async def tell(self, event: str, payload: dict[str, Any]) -> bool:
        """False when the host is not there to hear it.

        One that does not read is shown the door: having nothing in hand it would be given every turn, and what it is
        sent would pile up here.
        """
        if not self.is_there:
            return False
        try:
            async with asyncio.timeout(_SEND_S):
                await self._send(host_event(event, payload))
        except TimeoutError:
            _log.warning("agent host does not read", extra={"host": self.id, "host_name": self.name})
            self._drop()
            self.is_there = False
        except ConnectionError:
            self.is_there = False
        return self.is_there


class _Turn:
    def __init__(self, offer: Offer, host: Host) -> None:
        self.offer = offer
        self.host = host
        self.ends_at = time.monotonic() + offer.timeout_ms / 1000 + _MARGIN_S
        self.claimed: Claimed | None = None
        self.begun = False
        self.characters = 0
        self.saying = asyncio.Lock()


class Hosts:
    """`desk` is made with this one's `offered` and `cancelled`; `run()` must be running."""

    def __init__(self) -> None:
        self.server: AgentServer
        self._hosts: dict[str, Host] = {}
        self._turns: dict[str, _Turn] = {}
        self._errands: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Listen and look after the turns until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.server.run())
            group.create_task(self._look())

    # --- hosts

    def welcome(self, asked: Register, send: Send, drop: Callable[[], None]) -> Host:
        host = Host(asked, send, drop)
        self._hosts[host.id] = host
        metrics.AGENT_HOSTS.set(len(self._hosts))
        _log.info("agent host connected", extra={"host": host.id, "host_name": host.name})
        return host

    async def farewell(self, host: Host) -> None:
        """Its socket is closed: whoever waits for its words is told."""
        host.is_there = False
        self._hosts.pop(host.id, None)
        metrics.AGENT_HOSTS.set(len(self._hosts))
        _log.info("agent host left", extra={"host": host.id, "host_name": host.name, "turns": len(host.turns)})
        for turn in list(host.turns.values()):
            self._end(turn, "gone")
            await self._say(turn, "gone")

    async def take(self, host: Host, said: Said) -> None:
        """What a host says of a turn. Raises InvalidRequest when the turn is not its own."""
        turn = host.turns.get(said.request_id)
        if turn is None:
            if said.request_id in host.over:
                return  # it crossed our cancellation
            raise InvalidRequest("requestId: no turn of this host has this id")
        if not turn.begun:
            turn.begun = True
            await self._say(turn, "began")
        match said:
            case Began():
                pass
            case Delta(text=text):
                await self._words(turn, text)
            case Done(text=text):
                if text and not turn.characters:
                    await self._words(turn, text)
                await self._finish(turn, "done")
            case Failed(code=code):
                await self._finish(turn, "failed", code=code)

    async def _words(self, turn: _Turn, text: str) -> None:
        turn.characters += len(text)
        if turn.characters > _LONGEST_REPLY:
            await self._finish(turn, "failed", code="TOO_LONG")
            await turn.host.tell("agent.cancel", {"requestId": turn.offer.request, "reason": "too-long"})
        elif text and not await self._say(turn, "words", text):
            await self._take_back(turn, "nobody-listens")

    async def _finish(self, turn: _Turn, kind: Kind, code: str = "") -> None:
        if turn.offer.request in self._turns:
            self._end(turn, kind)
            await self._say(turn, kind, code=code)

    # --- turns

    def offered(self, offer: Offer) -> None:
        """A worker looks for a host. Heard by every gateway, and repeated until one of them has claimed it."""
        fitting = [host for host in self._hosts.values() if host.fits(offer)]
        if offer.request in self._turns or not fitting or self._is_stale(offer):
            return
        turn = _Turn(offer, min(fitting, key=lambda host: len(host.turns)))
        self._turns[offer.request] = turn.host.turns[offer.request] = turn
        self._run(self._give(turn))

    def _is_stale(self, offer: Offer) -> bool:
        """A worker that slept may still ask for a call that was taken over: its ask must not end the new owner's."""
        return any(t.offer.call == offer.call and t.offer.epoch > offer.epoch for t in self._turns.values())

    def cancelled(self, request: str) -> None:
        turn = self._turns.get(request)
        if turn is not None:
            self._run(self._take_back(turn, "cancelled"))

    async def _give(self, turn: _Turn) -> None:
        try:
            claimed = await self.server.claim(turn.offer, turn.host.id)
        except BusError as error:
            _log.warning("a turn was not claimed", extra={"call_id": turn.offer.call, "error": str(error)})
            claimed = None
        if claimed is None:
            self._end(turn, "elsewhere")
            return
        turn.claimed = claimed
        if turn.offer.request not in self._turns:
            # The host left while we claimed the turn. Nobody else can claim it now: so whoever asks must ask anew.
            await self._say(turn, "taken")
            await self._say(turn, "gone")
            return
        # A call asks one thing at a time: what it asked before, perhaps from a worker that is no more, is void.
        for older in [t for t in self._turns.values() if t.offer.call == turn.offer.call and t is not turn]:
            self._run(self._take_back(older, "superseded"))
        if not await self._say(turn, "taken"):
            self._end(turn, "nobody-listens")
        elif not await turn.host.tell("agent.request", turn.offer.body):
            self._end(turn, "gone")
            await self._say(turn, "gone")

    async def _take_back(self, turn: _Turn, reason: str) -> None:
        """The host's words are no longer wanted."""
        if turn.offer.request in self._turns:
            self._end(turn, reason)
            if turn.claimed is not None:
                await turn.host.tell("agent.cancel", {"requestId": turn.offer.request, "reason": reason})

    def _end(self, turn: _Turn, result: str) -> None:
        if self._turns.pop(turn.offer.request, None) is not None:
            metrics.AGENT_TURNS.labels(result).inc()
        turn.host.turns.pop(turn.offer.request, None)
        turn.host.over.append(turn.offer.request)

    async def _say(self, turn: _Turn, kind: Kind, text: str = "", *, code: str = "") -> bool:
        """Tell the worker; False when it is gone, or cannot be reached: then what follows would make no sense."""
        if turn.claimed is None:
            return False
        try:
            # One after the other: news that overtook each other would be taken for lost.
            async with turn.saying:
                return await self.server.tell(turn.claimed, kind, text, code=code)
        except BusError as error:
            _log.warning("news of a turn was lost", extra={"call_id": turn.offer.call, "error": str(error)})
            return False

    async def _look(self) -> None:
        """Take back what nobody waits for any more: its time is over, or the worker that asked is gone."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for turn in list(self._turns.values()):
                if time.monotonic() > turn.ends_at:
                    self._run(self._take_back(turn, "timeout"))
                elif turn.claimed is not None and not await self.server.asker_lives(turn.claimed):
                    self._run(self._take_back(turn, "nobody-listens"))

    def _run(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

"""Agent hosts: programs on the gateway's sockets that answer callers, and the turns assigned to them.

Used by `sockets` and `app`. Assigns each offered turn to the matching host with the fewest turns, forwards its deltas
to the worker that asked, and cancels the turn when the caller interrupts, its time is over or the worker is gone. A
host may send events only for turns it was assigned (docs/agent-hosts.md). Knows neither calls nor Redis.
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from gateway.host_frames import HostEvent, TurnBegan, TurnDelta, TurnDone, TurnFailed, TurnTool, host_event
from voicecall import metrics
from voicecall.api.params import RegisterParams
from voicecall.bus.agents.server import AgentServer, ClaimedTurn
from voicecall.bus.agents.wire import TurnOffer, UpdateKind
from voicecall.errors import BusError, InvalidRequest

__all__ = ["Host", "Hosts"]

_MAX_TURNS: Final = 64  # of one host at a time
_LONGEST_REPLY: Final = 32_768  # characters
_MAX_TOOL_EVENTS: Final = 64  # of one turn; later ones are not forwarded
_EXPIRE_EVERY_S: Final = 1.0
_SEND_S: Final = 2.0  # a host that reads nothing for this long is disconnected
_MARGIN_S: Final = 1.0  # the worker ends its turns itself; this covers one that cannot

_log = logging.getLogger(__name__)

Send = Callable[[bytes], Awaitable[None]]


class Host:
    """One registered socket. `send` raises ConnectionError when the socket is closed; `drop` closes it at once."""

    def __init__(self, params: RegisterParams, send: Send, drop: Callable[[], None]) -> None:
        self.id = secrets.token_hex(8)
        self.name = params.name
        self.agents = frozenset(params.agents)
        self.turns: dict[str, _Turn] = {}
        self.ended: deque[str] = deque(maxlen=256)  # a late event of these turns is no error
        self.is_connected = True
        self._send = send
        self._drop = drop

    def accepts(self, offer: TurnOffer) -> bool:
        serves = offer.agent is None or not self.agents or offer.agent in self.agents
        return self.is_connected and serves and len(self.turns) < _MAX_TURNS and self.id not in offer.avoid

    async def send(self, event: str, payload: dict[str, Any]) -> bool:
        """False when the host is disconnected.

        A host that does not read is dropped: with no turn in progress it would be assigned every new one, and its
        frames would accumulate in memory.
        """
        if not self.is_connected:
            return False
        try:
            async with asyncio.timeout(_SEND_S):
                await self._send(host_event(event, payload))
        except TimeoutError:
            _log.warning("agent host does not read", extra={"host": self.id, "host_name": self.name})
            self._drop()
            self.is_connected = False
        except ConnectionError:
            self.is_connected = False
        return self.is_connected


class _Turn:
    def __init__(self, offer: TurnOffer, host: Host) -> None:
        self.offer = offer
        self.host = host
        self.ends_at = time.monotonic() + offer.timeout_ms / 1000 + _MARGIN_S
        self.claimed: ClaimedTurn | None = None
        self.has_begun = False
        self.was_silent = False  # no worker subscribed when it was last checked: it may be subscribing anew
        self.characters = 0
        self.tool_events = 0
        self.reporting = asyncio.Lock()


class Hosts:
    """`server` is built with this object's `offered` and `cancelled`; `run()` must be running."""

    def __init__(self) -> None:
        self.server: AgentServer
        self._hosts: dict[str, Host] = {}
        self._turns: dict[str, _Turn] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Receive offers and expire turns until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.server.run())
            group.create_task(self._expire())

    # --- hosts

    def register(self, params: RegisterParams, send: Send, drop: Callable[[], None]) -> Host:
        host = Host(params, send, drop)
        self._hosts[host.id] = host
        metrics.AGENT_HOSTS.set(len(self._hosts))
        _log.info("agent host connected", extra={"host": host.id, "host_name": host.name})
        return host

    async def unregister(self, host: Host) -> None:
        """The host's socket is closed: end its turns and report that to their workers."""
        host.is_connected = False
        self._hosts.pop(host.id, None)
        metrics.AGENT_HOSTS.set(len(self._hosts))
        _log.info("agent host left", extra={"host": host.id, "host_name": host.name, "turns": len(host.turns)})
        for turn in list(host.turns.values()):
            self._end(turn, "gone")
            await self._report(turn, "gone")

    async def receive(self, host: Host, event: HostEvent) -> None:
        """Process an event of a host. Raises InvalidRequest when the turn is not assigned to it."""
        turn = host.turns.get(event.request_id)
        if turn is None:
            if event.request_id in host.ended:
                return  # sent before our cancellation arrived
            raise InvalidRequest("requestId: no turn of this host has this id")
        if not turn.has_begun:
            turn.has_begun = True
            await self._report(turn, "began")
        match event:
            case TurnBegan():
                pass
            case TurnDelta(text=text):
                await self._forward(turn, text)
            case TurnTool(name=name, state=state):
                await self._report_tool(turn, name, "tool" if state == "started" else "tool-over")
            case TurnDone(text=text):
                if text and not turn.characters:
                    await self._forward(turn, text)
                await self._finish(turn, "done")
            case TurnFailed(code=code):
                await self._finish(turn, "failed", code=code)

    async def _forward(self, turn: _Turn, text: str) -> None:
        turn.characters += len(text)
        if turn.characters > _LONGEST_REPLY:
            await self._finish(turn, "failed", code="TOO_LONG")
            await turn.host.send("agent.cancel", {"requestId": turn.offer.request, "reason": "too-long"})
        elif text and not await self._report(turn, "words", text):
            await self._cancel(turn, "nobody-listens")

    async def _report_tool(self, turn: _Turn, name: str, kind: UpdateKind) -> None:
        """For the latency record: no more than a turn has in earnest, and no worker of an earlier build."""
        turn.tool_events += 1
        if turn.offer.takes_tools and turn.tool_events <= _MAX_TOOL_EVENTS:
            await self._report(turn, kind, code=name)

    async def _finish(self, turn: _Turn, kind: UpdateKind, code: str = "") -> None:
        if turn.offer.request in self._turns:
            self._end(turn, kind)
            await self._report(turn, kind, code=code)

    # --- turns

    def offered(self, offer: TurnOffer) -> None:
        """A worker offers a turn. Every gateway receives the offer, repeatedly, until one of them has claimed it."""
        accepting = [host for host in self._hosts.values() if host.accepts(offer)]
        if offer.request in self._turns or not accepting or self._is_stale(offer):
            return
        turn = _Turn(offer, min(accepting, key=lambda host: len(host.turns)))
        self._turns[offer.request] = turn.host.turns[offer.request] = turn
        self._start(self._assign(turn))

    def _is_stale(self, offer: TurnOffer) -> bool:
        """Whether the call has a turn of a newer epoch: a fenced worker's offer must not end the new owner's turn."""
        return any(t.offer.call == offer.call and t.offer.epoch > offer.epoch for t in self._turns.values())

    def cancelled(self, request: str) -> None:
        turn = self._turns.get(request)
        if turn is not None:
            self._start(self._cancel(turn, "cancelled"))

    async def _assign(self, turn: _Turn) -> None:
        try:
            claimed = await self.server.claim(turn.offer, turn.host.id)
        except BusError as error:
            _log.warning("turn claim failed", extra={"call_id": turn.offer.call, "error": str(error)})
            claimed = None
        if claimed is None:
            self._end(turn, "elsewhere")
            return
        turn.claimed = claimed
        if turn.offer.request not in self._turns:
            # The host left during the claim. The claim stands, so the worker must make a new offer.
            await self._report(turn, "taken")
            await self._report(turn, "gone")
            return
        # A call has one turn at a time: an older one, perhaps of a dead worker, is void.
        for older in [t for t in self._turns.values() if t.offer.call == turn.offer.call and t is not turn]:
            self._start(self._cancel(older, "superseded"))
        if not await self._report(turn, "taken"):
            self._end(turn, "nobody-listens")
        elif not await turn.host.send("agent.request", turn.offer.body):
            self._end(turn, "gone")
            await self._report(turn, "gone")

    async def _cancel(self, turn: _Turn, reason: str) -> None:
        if turn.offer.request in self._turns:
            self._end(turn, reason)
            if turn.claimed is not None:
                await turn.host.send("agent.cancel", {"requestId": turn.offer.request, "reason": reason})

    def _end(self, turn: _Turn, result: str) -> None:
        if self._turns.pop(turn.offer.request, None) is not None:
            metrics.AGENT_TURNS.labels(result).inc()
        turn.host.turns.pop(turn.offer.request, None)
        turn.host.ended.append(turn.offer.request)

    async def _report(self, turn: _Turn, kind: UpdateKind, text: str = "", *, code: str = "") -> bool:
        """Send a message to the worker; False when it is gone or unreachable: later messages would be out of order."""
        if turn.claimed is None:
            return False
        try:
            # One at a time: messages are numbered, and a reordered one counts as lost.
            async with turn.reporting:
                return await self.server.send(turn.claimed, kind, text, code=code)
        except BusError as error:
            _log.warning("turn message lost", extra={"call_id": turn.offer.call, "error": str(error)})
            return False

    async def _expire(self) -> None:
        """Cancel turns whose time is over or whose worker is gone."""
        while True:
            await asyncio.sleep(_EXPIRE_EVERY_S)
            for turn in list(self._turns.values()):
                if time.monotonic() > turn.ends_at:
                    self._start(self._cancel(turn, "timeout"))
                elif turn.claimed is not None:
                    is_silent = not await self.server.asker_is_alive(turn.claimed)
                    if is_silent and turn.was_silent:
                        self._start(self._cancel(turn, "nobody-listens"))
                    turn.was_silent = is_silent

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

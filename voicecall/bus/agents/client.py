"""The worker's side of agent hosts: offers a turn to the gateways and receives the reply of the host that took it.

Pub/sub may lose messages: an offer is repeated until a gateway claims it, updates are numbered so that a lost one is
noticed, and a gateway whose channel has no subscriber counts as gone. Fills the port `AgentHosts`. Does not know the
protocol between a gateway and its hosts.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus.agents import wire
from voicecall.bus.agents.wire import TurnOffer, TurnUpdate
from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.subscription import Subscription
from voicecall.call.state import Party
from voicecall.errors import BusError, FailureKind, ServiceError
from voicecall.ports import AgentConnected, ToolEnded, ToolStarted, TurnNotStarted, TurnRequest

__all__ = ["RedisAgentHosts"]

_SERVICE: Final = "agent-host"
_OFFER_AGAIN_S: Final = 0.25
_PROGRESS: Final = frozenset({"words", "tool", "tool-over"})
_SILENT_LOOKS: Final = 2  # of a gateway whose channel has no subscriber: it is gone
_INBOX: Final = 4096  # updates of one turn that wait to be read
_SPEAKER_NAMES: Final = {Party.BOT: "agent", Party.USER: "caller"}

_log = logging.getLogger(__name__)


class RedisAgentHosts:
    """`run()` must be running.

    `offer_s`: how long a turn is offered before it fails for want of a host. `begin_s`: how long a host that took the
    turn has to begin. `look_s`: how often a gateway that sends nothing is checked for a subscriber.
    """

    def __init__(self, redis: Redis, *, offer_s: float = 2.0, begin_s: float = 8.0, look_s: float = 1.0) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._offer_s = offer_s
        self._begin_s = begin_s
        self._look_s = look_s
        self._id = secrets.token_hex(8)
        self._turns: dict[str, _OpenTurn] = {}
        self._updates = Subscription(redis, self._keys.agents_asker(self._id), on_message=self._on_message)

    async def run(self) -> None:
        """Receive updates until cancelled; survives restarts of Redis."""
        await self._updates.run()

    async def ask(self, ask: TurnRequest) -> AsyncGenerator[str]:
        """As the port says."""
        request = secrets.token_hex(16)
        turn = self._turns[request] = _OpenTurn(time.monotonic() + ask.timeout_s)
        try:
            await self._find_host(_offer(request, self._id, ask), turn)
            ask.on_step(AgentConnected())
            await self._begin(turn, self._begin_s if ask.begin_s is None else min(self._begin_s, ask.begin_s))
            while (update := await self._next(turn)).kind in _PROGRESS:
                if update.kind != "words":
                    ask.on_step((ToolStarted if update.kind == "tool" else ToolEnded)(update.code))
                    continue
                turn.has_text = True
                yield update.text
            turn.is_over = True
            if update.kind != "done":
                raise turn.failed(_failure_of(update))
        finally:
            del self._turns[request]
            if not turn.is_over:
                await self._cancel(request, turn.gateway)

    async def _find_host(self, offer: TurnOffer, turn: "_OpenTurn") -> None:
        """Publish the offer until a gateway claims it. Raises ServiceError after `offer_s`."""
        data = offer.pack()
        try:
            async with asyncio.timeout(self._offer_s):
                await self._updates.ready()
                while not await self._offer_once(data, turn):
                    _log.debug("turn offered again", extra={"call_id": offer.call})
        except TimeoutError:
            target = f"for agent {offer.agent!r} " if offer.agent else ""
            reason = f"no agent host {target}took the turn within {self._offer_s:g} s; is one connected to the gateway?"
            raise ServiceError(_SERVICE, reason, kind=FailureKind.UNREACHABLE) from None

    async def _offer_once(self, data: bytes, turn: "_OpenTurn") -> bool:
        """True when a gateway claimed the turn."""
        try:
            with reaching_redis():
                await self._redis.publish(self._keys.agents_ask, data)
        except BusError as error:
            _log.warning("turn offer not published", extra={"error": str(error)})
        update = await turn.within(_OFFER_AGAIN_S)
        if update is None:
            return False
        turn.host, turn.gateway = update.host, update.gateway
        return True

    async def _begin(self, turn: "_OpenTurn", begin_s: float) -> None:
        try:
            async with asyncio.timeout(begin_s):
                update = await self._next(turn)
        except TimeoutError:
            raise TurnNotStarted(turn.host, f"the host did not begin within {begin_s:g} s") from None
        if update.kind != "began":
            turn.is_over = True
            raise TurnNotStarted(turn.host, _failure_of(update))
        turn.has_begun = True

    async def _next(self, turn: "_OpenTurn") -> TurnUpdate:
        """The next update. While none comes, checks that the turn has time left and that its gateway is alive.

        A gateway that is silent once may be subscribing anew: Redis was restarted, or a replica promoted.
        """
        silent = 0
        while (update := await turn.within(self._look_s)) is None:
            if turn.left_s <= 0:
                raise turn.failed("no answer in time")
            silent = 0 if await self._is_alive(turn.gateway) else silent + 1
            if silent == _SILENT_LOOKS:
                turn.is_over = True
                raise turn.failed("the gateway of the host is gone")
        return update

    async def _is_alive(self, gateway: str) -> bool:
        try:
            with reaching_redis():
                counts: Any = await self._redis.pubsub_numsub(self._keys.agents_gateway(gateway))
        except BusError:
            return True  # not known; the turn's own timeout ends it
        return any(listeners > 0 for _, listeners in counts)

    async def _cancel(self, request: str, gateway: str) -> None:
        """Cancel at the gateway that has the turn; before a claim is known, at all: one may just have made it."""
        channel = self._keys.agents_gateway(gateway) if gateway else self._keys.agents_ask
        try:
            with reaching_redis():
                await self._redis.publish(channel, wire.cancel_bytes(request))
        except BusError as error:
            _log.warning("turn not cancelled at its host", extra={"error": str(error)})

    def _on_message(self, data: bytes) -> None:
        update = wire.read_update(data)
        turn = self._turns.get(update.request) if update is not None else None
        if update is not None and turn is not None:
            turn.put(update)


class _OpenTurn:
    """One turn under way: its updates in order, and how far it has come."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self.host = self.gateway = ""
        self.has_begun = self.has_text = self.is_over = False
        self._inbox: asyncio.Queue[TurnUpdate] = asyncio.Queue(_INBOX)
        self._expected = 0
        self._has_overflowed = False

    @property
    def left_s(self) -> float:
        return self._deadline - time.monotonic()

    def put(self, update: TurnUpdate) -> None:
        try:
            self._inbox.put_nowait(update)
        except asyncio.QueueFull:
            self._has_overflowed = True

    async def within(self, seconds: float) -> TurnUpdate | None:
        """The next update, or None when none came in time. Raises ServiceError when one was lost."""
        try:
            async with asyncio.timeout(min(seconds, max(0.0, self.left_s))):
                update = await self._inbox.get()
        except TimeoutError:
            return None
        if self._has_overflowed or update.number != self._expected:
            raise self.failed("part of the reply was lost")
        self._expected += 1
        return update

    def failed(self, reason: str) -> ServiceError:
        if self.host and not self.has_begun:
            return TurnNotStarted(self.host, reason)
        return ServiceError(_SERVICE, reason, retryable=not self.has_text)


def _offer(request: str, asker: str, ask: TurnRequest) -> TurnOffer:
    timeout_ms = round(ask.timeout_s * 1000)
    body: dict[str, Any] = {
        "requestId": request,
        "callId": ask.call,
        "turn": ask.turn,
        "sessionKey": ask.session_key,
        "agentId": ask.agent,
        "text": ask.text,
        "transcript": [{"speaker": _SPEAKER_NAMES[line.speaker], "text": line.text} for line in ask.transcript],
        "direction": ask.direction.value,
        "numberVerified": ask.number_verified,
        "systemPrompt": ask.system_prompt,
        "timeoutMs": timeout_ms,
    }
    return TurnOffer(
        request=request,
        asker=asker,
        call=ask.call,
        epoch=ask.epoch,
        agent=ask.agent,
        timeout_ms=timeout_ms,
        avoid=ask.avoid,
        body=body,
        takes_tools=True,
    )


def _failure_of(update: TurnUpdate) -> str:
    """For the log: what failed, with the host's code. Never the host's message, which may quote the conversation."""
    if update.kind == "gone":
        return "the host is gone"
    return f"the host failed: {update.code}" if update.kind == "failed" else f"unexpected update: {update.kind}"

"""The worker's side of agent hosts: offers a turn to whoever listens at the gateways, and hears the words come back.

Pub/sub may lose anything, so nothing depends on it: an offer is repeated until it is claimed, news is numbered, and a
gateway whose channel has no listener is gone. Knows no host and no protocol of theirs. Fills `AgentHosts`.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus.agents import wire
from voicecall.bus.agents.wire import Offer, Reply
from voicecall.bus.connection import reaching_redis
from voicecall.bus.subscription import Subscription
from voicecall.call.state import Speaker
from voicecall.errors import BusError, ServiceError
from voicecall.ports import Ask, NotBegun

__all__ = ["RedisAgentHosts"]

_SERVICE: Final = "agent-host"
_OFFER_AGAIN_S: Final = 0.25
_INBOX: Final = 4096  # messages of one reply that nobody took yet
_NAME: Final = {Speaker.BOT: "agent", Speaker.USER: "caller"}

_log = logging.getLogger(__name__)


class RedisAgentHosts:
    """`run()` must be running. `nobody_s`: how long an offer stands before nobody is said to be there; `begin_s`: how
    long a host that took it has to begin; `look_s`: how often a gateway that says nothing is looked at.
    """

    def __init__(self, redis: Redis, *, offer_s: float = 2.0, begin_s: float = 8.0, look_s: float = 1.0) -> None:
        self._redis = redis
        self._offer_s = offer_s
        self._begin_s = begin_s
        self._look_s = look_s
        self._id = secrets.token_hex(8)
        self._open: dict[str, _Reply] = {}
        self._line = Subscription(redis, wire.asker_channel(self._id), on_message=self._heard)

    async def run(self) -> None:
        """Listen until cancelled; outlives any restart of Redis."""
        await self._line.run()

    async def ask(self, ask: Ask) -> AsyncGenerator[str]:
        """As the port says."""
        request = secrets.token_hex(16)
        reply = self._open[request] = _Reply(time.monotonic() + ask.timeout_s)
        try:
            await self._find_host(_offer(request, self._id, ask), reply)
            await self._begin(reply)
            while (news := await self._next(reply)).kind == "words":
                reply.said = True
                yield news.text
            reply.over = True
            if news.kind != "done":
                raise reply.failed(_why(news))
        finally:
            del self._open[request]
            if not reply.over:
                await self._cancel(request, reply.gateway)

    async def _find_host(self, offer: Offer, reply: "_Reply") -> None:
        """Offer it until a gateway says that a host has it."""
        data = offer.pack()
        try:
            async with asyncio.timeout(self._offer_s):
                await self._line.ready()
                while not await self._taken(data, reply):
                    _log.debug("offering again", extra={"call_id": offer.call})
        except TimeoutError:
            whom = f"for agent {offer.agent!r} " if offer.agent else ""
            reason = f"no agent host {whom}took the turn within {self._offer_s:g} s; is one connected to the gateway?"
            raise ServiceError(_SERVICE, reason) from None

    async def _taken(self, data: bytes, reply: "_Reply") -> bool:
        try:
            with reaching_redis():
                await self._redis.publish(wire.ASK, data)
        except BusError as error:
            _log.warning("an offer was not published", extra={"error": str(error)})
        news = await reply.within(_OFFER_AGAIN_S)
        if news is None:
            return False
        reply.host, reply.gateway = news.host, news.gateway
        return True

    async def _begin(self, reply: "_Reply") -> None:
        try:
            async with asyncio.timeout(self._begin_s):
                news = await self._next(reply)
        except TimeoutError:
            raise NotBegun(reply.host, f"the host did not begin within {self._begin_s:g} s") from None
        if news.kind != "began":
            reply.over = True
            raise NotBegun(reply.host, _why(news))
        reply.begun = True

    async def _next(self, reply: "_Reply") -> Reply:
        """The next message; while there is none, see that somebody is left to send one."""
        while (news := await reply.within(self._look_s)) is None:
            if reply.left_s <= 0:
                raise reply.failed("no answer in time")
            if not await self._lives(reply.gateway):
                reply.over = True
                raise reply.failed("the gateway of the host is gone")
        return news

    async def _lives(self, gateway: str) -> bool:
        try:
            with reaching_redis():
                counts: Any = await self._redis.pubsub_numsub(wire.gateway_channel(gateway))
        except BusError:
            return True  # we cannot tell; the turn has its own end
        return any(listeners > 0 for _, listeners in counts)

    async def _cancel(self, request: str, gateway: str) -> None:
        """Told to the gateway that has it; while nobody said so, to all: one may just have taken it."""
        channel = wire.gateway_channel(gateway) if gateway else wire.ASK
        try:
            with reaching_redis():
                await self._redis.publish(channel, wire.cancel_bytes(request))
        except BusError as error:
            _log.warning("a turn was not cancelled at its host", extra={"error": str(error)})

    def _heard(self, data: bytes) -> None:
        news = wire.read_news(data)
        reply = self._open.get(news.request) if news is not None else None
        if news is not None and reply is not None:
            reply.put(news)


class _Reply:
    """One reply under way: its messages in order, and what became of it so far."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self.host = self.gateway = ""
        self.begun = self.said = self.over = False
        self._inbox: asyncio.Queue[Reply] = asyncio.Queue(_INBOX)
        self._expected = 0
        self._lost = False

    @property
    def left_s(self) -> float:
        return self._deadline - time.monotonic()

    def put(self, news: Reply) -> None:
        try:
            self._inbox.put_nowait(news)
        except asyncio.QueueFull:
            self._lost = True

    async def within(self, seconds: float) -> Reply | None:
        """The next message, or None when none came in time. Raises when one was lost on the way."""
        try:
            async with asyncio.timeout(min(seconds, max(0.0, self.left_s))):
                news = await self._inbox.get()
        except TimeoutError:
            return None
        if self._lost or news.number != self._expected:
            raise self.failed("words were lost on the way")
        self._expected += 1
        return news

    def failed(self, why: str) -> ServiceError:
        if self.host and not self.begun:
            return NotBegun(self.host, why)
        return ServiceError(_SERVICE, why, retryable=not self.said)


def _offer(request: str, asker: str, ask: Ask) -> Offer:
    timeout_ms = round(ask.timeout_s * 1000)
    body: dict[str, Any] = {
        "requestId": request,
        "callId": ask.call,
        "turn": ask.turn,
        "sessionKey": ask.session_key,
        "agentId": ask.agent,
        "text": ask.text,
        "transcript": [{"speaker": _NAME[line.speaker], "text": line.text} for line in ask.transcript],
        "systemPrompt": ask.system_prompt,
        "timeoutMs": timeout_ms,
    }
    return Offer(
        request=request,
        asker=asker,
        call=ask.call,
        epoch=ask.epoch,
        agent=ask.agent,
        timeout_ms=timeout_ms,
        avoid=ask.avoid,
        body=body,
    )


def _why(news: Reply) -> str:
    """For the log: who failed and with what code. Never the host's own sentence, which may quote the conversation."""
    if news.kind == "gone":
        return "the host is gone"
    return f"the host failed: {news.code}" if news.kind == "failed" else f"the host broke the order: {news.kind}"

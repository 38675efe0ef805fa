"""The composition root of a worker: gives adapters their roles, starts everything in order, stops it in reverse.

One node is one process with one event loop, one id and one channel. `lifecycle` starts and stops it; `jobs` and the
sweepers have it activate calls. Knows the bus by name, and carriers, speech and agents only as roles (`adapters`).
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from dramatiq import Broker, Message
from redis.asyncio import Redis

from actors.context import ActorContext
from actors.lease_guard import LeaseGuard
from voicecall import health, wire
from voicecall.aio import Background, backoff, stop_process
from voicecall.bus.clock import RedisClock
from voicecall.bus.connection import connect, keys_of, reaching_redis, require_accepted
from voicecall.bus.dead import DeadLetters
from voicecall.bus.doorbell import DramatiqDoorbell
from voicecall.bus.ended import EndedCalls
from voicecall.bus.ingresses import Ingresses
from voicecall.bus.lease import RedisLeases
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.bus.media.bus import RedisMediaBus
from voicecall.bus.membership import Membership
from voicecall.bus.nodes import NodeChannel
from voicecall.bus.scripts import Scripts
from voicecall.bus.watch import watch_redis
from voicecall.call.decide import decide
from voicecall.call.ids import CallId, NodeId
from voicecall.errors import BusError, BusRefused, BusUnavailable, ConfigError
from voicecall.metrics import CALLS_UNARCHIVED, DEAD_LETTERS, measure_capacity
from voicecall.ports import Lease, Ports
from voicecall.settings import ListenAddress
from workers.archive_sweeper import AFTER_CALL, AFTER_QUEUE, ArchiveSweeper
from workers.health import HEARTBEAT_MS
from workers.ingress_watch import IngressWatch
from workers.lease_renewer import LeaseRenewer, RenewedLeases
from workers.supervisor import ActivationResult, Supervisor
from workers.sweeper import Sweeper

__all__ = ["Node", "Parts"]

_log = logging.getLogger(__name__)

_REFRESH_S: Final = 30.0
_HEARTBEAT_S: Final = 1.0
_STALE_S: Final = 5.0
_HAND_OVER_S: Final = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a running node consists of. Belongs to the node's event loop."""

    redis: Redis
    clock: RedisClock
    log: RedisCallLog
    media: RedisMediaBus
    ended: EndedCalls
    dead_letters: DeadLetters
    membership: Membership
    channel: NodeChannel
    lease_guard: LeaseGuard
    lease_renewer: LeaseRenewer
    supervisor: Supervisor
    sweeper: Sweeper
    archive_sweeper: ArchiveSweeper


class Node:
    """`start` once on the loop, `stop` once. `ports` opens the carriers, speech and agents; `apology` gives
    mu-law 8 kHz by language.

    `namespace`: as for `connect`. `slots`: calls active here at most. `health`: the address at which to answer probes;
    `metrics_tokens`: the bearer tokens that may read `/metrics` there, when it is not on loopback.
    `hand_over_timeout_s`: how long a call may wait for a turn boundary when this node stops. `beside`: runs as long as
    the node, with its parts.
    """

    def __init__(
        self,
        name: NodeId,
        redis_url: str,
        broker: Broker,
        ports: Callable[[], AbstractAsyncContextManager[Ports]],
        *,
        namespace: str | None = None,
        apology: Callable[[str], bytes],
        slots: int,
        health: ListenAddress | None = None,
        metrics_tokens: tuple[str, ...] = (),
        hand_over_timeout_s: float = 5.0,
        beside: Callable[["Parts"], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self.id = name
        self._redis_url = redis_url
        self._namespace = namespace
        self._broker = broker
        self._open_ports = ports
        self._apology = apology
        self._slots = slots
        self._health = health
        self._metrics_tokens = metrics_tokens
        self._hand_over_timeout_s = hand_over_timeout_s
        self._beside = beside
        self._background = Background(stop_process)
        self._parts: Parts | None = None
        self._opened = AsyncExitStack()
        self._beat_at = float("-inf")

    @property
    def parts(self) -> Parts:
        """Raises BusUnavailable before `start` has returned."""
        if self._parts is None:
            raise BusUnavailable("the node is not started")
        return self._parts

    async def start(self, *, redis_timeout_s: float = 10.0) -> None:
        """Open everything and start its tasks. Raises ConfigError; BusUnavailable when Redis is not up in time."""
        wire.prepare()
        async with AsyncExitStack() as opening:
            redis = connect(self._redis_url, namespace=self._namespace)
            opening.push_async_callback(redis.aclose)
            clock = RedisClock(redis)
            await _wait_for_redis(clock, redis_timeout_s)
            await require_accepted(redis)
            ports = await opening.enter_async_context(self._open_ports())
            parts = self._compose(redis, clock, ports)
            await self._run(parts, opening)
            self._parts, self._opened = parts, opening.pop_all()
        _log.info("node started", extra={"node": self.id, "slots": self._slots})

    @property
    def has_failed(self) -> bool:
        """Whether a background task of the node has failed, so that the process is stopping."""
        return self._background.has_failed

    async def stop(self) -> None:
        """Take no new calls, hand every call over, then close everything in reverse."""
        await self._leave(self.parts)
        left = await self.parts.supervisor.hand_over(within_s=_HAND_OVER_S)
        await self.parts.media.flush()
        await self._opened.aclose()
        _log.info("node stopped", extra={"node": self.id, "calls_left": left})

    async def activate(self, call: CallId) -> ActivationResult:
        """Make sure that the call has an owner. Raises BusUnavailable."""
        return await self.parts.supervisor.activate(call)

    def _compose(self, redis: Redis, clock: RedisClock, ports: Ports) -> Parts:
        """Build all parts; nothing runs yet."""
        live, membership, ended = LiveCalls(redis), Membership(redis), EndedCalls(redis)
        watch = IngressWatch(Ingresses(redis).is_silent, lambda ingress: supervisor.on_ingress_died(ingress))  # noqa: PLW0108  `supervisor` is bound below
        log, media, dead_letters = (
            RedisCallLog(redis),
            RedisMediaBus(redis, self.id, on_unheard=watch.on_unheard),
            DeadLetters(redis, Scripts(redis)),
        )
        doorbell, lease_guard = DramatiqDoorbell(self._broker), LeaseGuard()

        def on_renewed(sent_at: float, lost: tuple[Lease, ...]) -> None:
            supervisor.on_renewed(sent_at, lost)

        lease_renewer = LeaseRenewer(self._redis_url, asyncio.get_running_loop(), on_renewed, namespace=self._namespace)
        context = ActorContext(
            node=self.id,
            decide=decide,
            ports=ports,
            log=log,
            leases=RenewedLeases(RedisLeases(redis), lease_renewer),
            clock=clock,
            media=media,
            doorbell=doorbell,
            dead_letters=dead_letters,
            lease_guard=lease_guard,
            apology=self._apology,
        )
        supervisor = Supervisor(
            context,
            slots=self._slots,
            channel_is_up=lambda: channel.is_up,
            after_call=lambda call: self._send(AFTER_CALL, call),
            forget=live.forget,
            on_released=lease_renewer.drop,
            hand_over_timeout_s=self._hand_over_timeout_s,
        )
        channel = NodeChannel(redis, self.id, on_records=supervisor.on_nudge, on_gap=supervisor.on_gap)
        return Parts(
            redis=redis,
            clock=clock,
            log=log,
            media=media,
            ended=ended,
            dead_letters=dead_letters,
            membership=membership,
            channel=channel,
            lease_guard=lease_guard,
            lease_renewer=lease_renewer,
            supervisor=supervisor,
            sweeper=Sweeper(self.id, live=live, membership=membership, ring=doorbell.ring),
            archive_sweeper=ArchiveSweeper(ended, self._send),
        )

    async def _run(self, parts: Parts, opening: AsyncExitStack) -> None:
        """Start what runs as long as the node, in order; `opening` stops it in reverse."""
        running = self._background.running
        await opening.enter_async_context(running("media", parts.media.run(parts.supervisor.on_media)))
        await opening.enter_async_context(running("channel", parts.channel.run()))
        await asyncio.gather(parts.media.ready(), parts.channel.ready())
        parts.lease_renewer.start()
        opening.push_async_callback(asyncio.to_thread, parts.lease_renewer.stop)
        opening.push_async_callback(self._leave, parts)  # for a start that fails later
        await opening.enter_async_context(running("sweeper", parts.sweeper.run()))
        await opening.enter_async_context(running("archive sweeper", parts.archive_sweeper.run()))
        await opening.enter_async_context(running("heartbeat", self._write_heartbeat(parts)))
        await opening.enter_async_context(running("refresh", _refresh(parts)))
        if self._beside is not None:
            await opening.enter_async_context(running("reports", self._beside(parts)))
        await opening.enter_async_context(running("redis watch", watch_redis(parts.redis)))
        measure_capacity("calls", lambda: parts.supervisor.calls, self._slots)
        if self._health is not None:
            probes = health.serving(
                self._health, lambda: self._unready(parts), role="worker", tokens=self._metrics_tokens
            )
            await opening.enter_async_context(probes)

    async def _send(self, job: str, *args: str) -> None:
        message: Message[None] = Message(queue_name=AFTER_QUEUE, actor_name=job, args=args, kwargs={}, options={})
        try:
            await asyncio.to_thread(self._broker.enqueue, message)
        except Exception as error:
            raise BusUnavailable("the job queue does not answer") from error

    def _unready(self, parts: Parts) -> str:
        stale = asyncio.get_running_loop().time() - self._beat_at > _STALE_S
        return parts.supervisor.unready or ("redis" if stale else "")

    async def _write_heartbeat(self, parts: Parts) -> None:
        """Once a second, for `workers.health`: the loop runs, Redis takes a write, channel and leases are in order."""
        while True:
            if parts.lease_guard.holds and parts.channel.is_up:
                try:
                    with reaching_redis():
                        await parts.redis.set(
                            keys_of(parts.redis).heartbeat(socket.gethostname()), self.id, px=HEARTBEAT_MS
                        )
                    self._beat_at = asyncio.get_running_loop().time()
                except BusError as error:
                    _log.warning("heartbeat not written", extra={"error": str(error)})
            await asyncio.sleep(_HEARTBEAT_S)

    async def _leave(self, parts: Parts) -> None:
        try:
            await parts.membership.leave(self.id)
        except BusError as error:
            _log.warning("membership not ended", extra={"error": str(error)})


async def _refresh(parts: Parts) -> None:
    """Every 30 s: calibrate the clock, and count the dead letters and the calls to archive for the metrics."""
    while True:
        await asyncio.sleep(_REFRESH_S)
        try:
            await parts.clock.calibrate()
            DEAD_LETTERS.set(await parts.dead_letters.count())
            CALLS_UNARCHIVED.set(await parts.ended.waiting())
        except BusError as error:
            _log.warning("clock not calibrated", extra={"error": str(error)})


async def _wait_for_redis(clock: RedisClock, timeout_s: float) -> None:
    """Calibrate the clock, as soon as Redis answers: processes may start in any order.

    Raises BusUnavailable, or ConfigError when Redis refuses this client.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s
    for delay_s in backoff():
        try:
            await clock.calibrate()
        except BusUnavailable as error:
            if isinstance(error, BusRefused):
                raise ConfigError([f"{error}; {error.remedy}"]) from error
            if asyncio.get_running_loop().time() + delay_s > deadline:
                raise
            await asyncio.sleep(delay_s)
        else:
            return

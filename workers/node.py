"""The composition root of a worker: puts adapters into roles, starts in order, stops in exact reverse.

One node is one process with one event loop, one id and one channel. `lifecycle` starts and stops it; `jobs` and the
sweeper ask it to take calls. Knows the bus by name, and carriers, speech and agent only as roles (`adapters`).
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Final

from dramatiq import Broker, Message

from actors.context import ActorContext
from actors.lease_guard import LeaseGuard
from voicecall import health
from voicecall.aio import Background, backoff, stop_process
from voicecall.bus.clock import RedisClock
from voicecall.bus.connection import connect, reaching_redis
from voicecall.bus.doorbell import DramatiqDoorbell
from voicecall.bus.ended import EndedCalls
from voicecall.bus.lease import RedisLeases
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.bus.media.bus import RedisMediaBus
from voicecall.bus.membership import Membership
from voicecall.bus.nodes import NodeChannel
from voicecall.call.decide import decide
from voicecall.call.ids import CallId, NodeId
from voicecall.errors import BusError, BusUnavailable
from voicecall.ports import Lease, Ports
from voicecall.settings import Listener
from workers.dead_letters import ActorDeadLetters
from workers.ends import AFTER_CALL, AFTER_QUEUE, ArchiveSweeper
from workers.health import HEARTBEAT_MS, heartbeat_key
from workers.lease_renewer import LeaseRenewer, RenewedLeases
from workers.supervisor import Supervisor, Taken
from workers.sweeper import Sweeper

__all__ = ["Node"]

_log = logging.getLogger(__name__)

_RECALIBRATE_S: Final = 30.0
_BEAT_S: Final = 1.0
_HAND_OVER_S: Final = 12.0


class Node:
    """`start` once on the loop, `stop` once. `ports` opens what calls need of the world; `apology` is mu-law 8 kHz.

    `health`: where to answer probes. `patience_s`: how long a call may wait for a turn boundary when this node leaves.
    """

    def __init__(
        self,
        name: NodeId,
        redis_url: str,
        broker: Broker,
        ports: Callable[[], AbstractAsyncContextManager[Ports]],
        *,
        apology: bytes,
        slots: int,
        health: Listener | None = None,
        patience_s: float = 5.0,
    ) -> None:
        self.id = name
        self._redis_url = redis_url
        self._broker = broker
        self._open_ports = ports
        self._apology = apology
        self._slots = slots
        self._health = health
        self._patience_s = patience_s
        self._opened = AsyncExitStack()

    async def start(self, *, patience_s: float = 10.0) -> None:
        """Open everything, in order. Raises BusUnavailable when Redis does not answer for `patience_s`, ConfigError."""
        self._background = background = Background(stop_process)
        async with AsyncExitStack() as opening:
            self._redis = connect(self._redis_url)
            opening.push_async_callback(self._redis.aclose)
            await self._open_bus(patience_s)
            ports = await opening.enter_async_context(self._open_ports())
            self._lease_renewer = LeaseRenewer(self._redis_url, asyncio.get_running_loop(), self._renewed)
            self._supervisor = self._open_host(ports)
            self._channel = NodeChannel(
                self._redis, self.id, on_mail=self._supervisor.mail, on_gap=self._supervisor.read_everything
            )
            await opening.enter_async_context(background.running("media", self._media.run(self._supervisor.hear)))
            await opening.enter_async_context(background.running("channel", self._channel.run()))
            await asyncio.gather(self._media.ready(), self._channel.ready())
            self._lease_renewer.start()
            opening.push_async_callback(asyncio.to_thread, self._lease_renewer.stop)
            opening.push_async_callback(self._say_goodbye)
            await opening.enter_async_context(background.running("sweeper", self._sweeper.run()))
            await opening.enter_async_context(background.running("ends", self._ends.run()))
            await opening.enter_async_context(background.running("heartbeat", self._heartbeat()))
            await opening.enter_async_context(background.running("clock", self._recalibrate()))
            if self._health is not None:
                await opening.enter_async_context(health.serving(self._health, self._unready))
            self._opened = opening.pop_all()
        _log.info("node started", extra={"node": self.id, "slots": self._slots})

    async def _open_bus(self, patience_s: float) -> None:
        redis = self._redis
        self._clock = RedisClock(redis)
        await _insist(self._clock, patience_s)
        self._log = RedisCallLog(redis)
        self._live = LiveCalls(redis)
        self._media = RedisMediaBus(redis, self.id)
        self._doorbell = DramatiqDoorbell(self._broker)
        self._membership = Membership(redis)
        self._sweeper = Sweeper(self.id, live=self._live, membership=self._membership, ring=self._doorbell.ring)
        self._ended = EndedCalls(redis)
        self._ends = ArchiveSweeper(self._ended, self._send)
        self._dead_letters = ActorDeadLetters(redis)
        self._lease_guard = LeaseGuard()

    def _open_host(self, ports: Ports) -> Supervisor:
        context = ActorContext(
            node=self.id,
            decide=decide,
            ports=ports,
            log=self._log,
            leases=RenewedLeases(RedisLeases(self._redis), self._lease_renewer),
            clock=self._clock,
            media=self._media,
            doorbell=self._doorbell,
            dead_letters=self._dead_letters,
            lease_guard=self._lease_guard,
            apology=self._apology,
        )
        return Supervisor(
            context,
            slots=self._slots,
            heard=lambda: self._channel.is_up,
            ended=self._after_call,
            unknown=self._live.forget,
            released=self._lease_renewer.drop,
            patience_s=self._patience_s,
        )

    async def stop(self) -> None:
        """Hand every call over, then close everything in reverse."""
        left = await self._supervisor.hand_over(within_s=_HAND_OVER_S)
        await self._media.flush()
        await self._opened.aclose()
        _log.info("node stopped", extra={"node": self.id, "calls_left": left})

    async def take(self, call: CallId) -> Taken:
        """Make sure that the call has an owner. Raises BusUnavailable."""
        return await self._supervisor.take(call)

    async def sweep(self) -> int:
        """Ring for orphans, now; how many. Raises BusUnavailable."""
        return await self._sweeper.sweep()

    @property
    def log(self) -> RedisCallLog:
        return self._log

    @property
    def ended(self) -> EndedCalls:
        return self._ended

    @property
    def dead_letters(self) -> ActorDeadLetters:
        return self._dead_letters

    @property
    def clock(self) -> RedisClock:
        return self._clock

    def _unready(self) -> str:
        return "" if self._supervisor.ready else "not ready"

    def _renewed(self, sent: float, lost: tuple[Lease, ...]) -> None:
        self._supervisor.renewed(sent, lost)

    async def _after_call(self, call: CallId) -> None:
        await self._send(AFTER_CALL, call)

    async def _send(self, job: str, *args: str) -> None:
        message: Message[None] = Message(queue_name=AFTER_QUEUE, actor_name=job, args=args, kwargs={}, options={})
        try:
            await asyncio.to_thread(self._broker.enqueue, message)
        except Exception as error:
            raise BusUnavailable("the job queue does not answer") from error

    async def _heartbeat(self) -> None:
        """Tell the health check of this host that loop, Redis, channel and leases are well."""
        while True:
            if self._lease_guard.alive and self._channel.is_up:
                try:
                    with reaching_redis():
                        await self._redis.set(heartbeat_key(socket.gethostname()), self.id, px=HEARTBEAT_MS)
                except BusError as error:
                    _log.warning("heartbeat failed", extra={"error": str(error)})
            await asyncio.sleep(_BEAT_S)

    async def _recalibrate(self) -> None:
        while True:
            await asyncio.sleep(_RECALIBRATE_S)
            try:
                await self._clock.calibrate()
            except BusError as error:
                _log.warning("clock not calibrated", extra={"error": str(error)})

    async def _say_goodbye(self) -> None:
        try:
            await self._membership.leave(self.id)
        except BusError as error:
            _log.warning("could not leave the roster", extra={"error": str(error)})


async def _insist(clock: RedisClock, patience_s: float) -> None:
    """Wait for Redis: processes may start in any order (reliability 5.5)."""
    deadline = asyncio.get_running_loop().time() + patience_s
    for delay_s in backoff():
        try:
            await clock.calibrate()
        except BusUnavailable:
            if asyncio.get_running_loop().time() + delay_s > deadline:
                raise
            await asyncio.sleep(delay_s)
        else:
            return

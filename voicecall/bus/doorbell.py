"""Rings for a call: one small dramatiq message that makes a worker see to it that the call has an owner.

The only place where messages enter dramatiq's queue; the job itself is `ring` in `workers/jobs.py`. The ingress rings
through `RateLimitedDoorbell`, after it has answered the carrier, when the post found no owner or one that no longer
listens. A lost ring does no harm: the sweeper rings again.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from dramatiq import Broker, Message
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerConnectionError
from redis.exceptions import RedisError

from voicecall import metrics
from voicecall.bus.acceptance import QUEUE_COMMANDS, try_commands
from voicecall.bus.connection import as_bus_error, connect, connect_blocking, starting
from voicecall.bus.keys import Keys
from voicecall.call.ids import CallId
from voicecall.errors import BusError, BusUnavailable
from voicecall.ports import Doorbell, Posted
from voicecall.settings import Deployment

__all__ = ["JOB", "QUEUE", "DramatiqDoorbell", "RateLimitedDoorbell", "require_queue", "sending_broker"]

QUEUE: Final = "calls"
JOB: Final = "ring"

_MAX_AGE_MS: Final = 10_000  # the sweeper has rung again by then

_CONCURRENT: Final = 8
_MAX_WAITING: Final = 10_000
_APART_S: Final = 1.0

_log = logging.getLogger(__name__)


class _SendingBroker(RedisBroker):
    """dramatiq's own `close` leaves the connections open."""

    def close(self) -> None:
        self.client.close()


def sending_broker(queue_url: str, names: Keys | None = None) -> Broker:
    """A broker for a process that only enqueues: without middleware, and with timeouts that notice a dead Redis.

    `names`: the deployment's, on which sender and worker must agree; None: the default of this address. Close it.
    """
    broker: Broker = _SendingBroker(  # type: ignore[no-untyped-call]  # dramatiq leaves it untyped
        client=connect_blocking(queue_url),
        namespace=(names or Keys.at(queue_url)).jobs,
        middleware=[],
        maintenance_chance=0,  # the workers' task
    )
    return broker


async def require_queue(deployment: Deployment, *, must_answer: bool = False) -> None:
    """Raise ConfigError when the server of the queues refuses this client.

    Raises BusUnavailable when it `must_answer` and does not.
    """
    jobs = Keys.at(deployment.redis_url, deployment.namespace).jobs
    variable = "REDIS_URL" if deployment.jobs_redis_url is None else "VOICECALL_JOBS_REDIS_URL"
    redis = connect(deployment.queue_url, timeout_s=2.0)
    try:
        with starting(variable, must_answer=must_answer):
            await redis.exists(f"{jobs}:{QUEUE}", f"{jobs}:{QUEUE}.msgs")
            await try_commands(redis, f"{jobs}:", QUEUE_COMMANDS)
    finally:
        await redis.aclose()


class DramatiqDoorbell(Doorbell):
    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def ring(self, call: CallId) -> None:
        """Enqueue the message. Raises BusUnavailable; the sweeper will ring then."""
        message: Message[None] = Message(
            queue_name=QUEUE,
            actor_name=JOB,
            args=(call,),
            kwargs={},
            options={"max_age": _MAX_AGE_MS, "max_retries": 0},
        )
        try:
            # The broker's client blocks.
            await asyncio.to_thread(self._broker.enqueue, message)
        except (BrokerConnectionError, RedisError, OSError) as error:
            metrics.DOORBELL.labels(result="failed").inc()
            if isinstance(error, BrokerConnectionError):
                raise BusUnavailable("the job queue does not answer") from error
            raise as_bus_error(error) from error
        metrics.DOORBELL.labels(result="rung").inc()


class RateLimitedDoorbell:
    """Rings in the background, at most once per `apart_s` for each call; the last ring of a burst is never dropped."""

    def __init__(self, doorbell: Doorbell, *, apart_s: float = _APART_S) -> None:
        self._doorbell = doorbell
        self._apart_s = apart_s
        self._tasks: dict[CallId, asyncio.Task[None]] = {}
        self._again: set[CallId] = set()
        self._slots = asyncio.Semaphore(_CONCURRENT)
        self._draining = asyncio.Event()

    def ring_if_unowned(self, call: CallId, posted: Posted, *, has_events: bool = True) -> None:
        """Ring unless this post reached an owner or the call is over. `has_events`: the post nudges an owner."""
        is_unheard = posted.owner is None or (not posted.nudged and (has_events or posted.replay))
        if is_unheard and not posted.over:
            self.ring(call)

    def ring(self, call: CallId) -> None:
        """Never blocks, never raises."""
        if call in self._tasks:
            self._again.add(call)
        elif len(self._tasks) >= _MAX_WAITING:
            metrics.DOORBELL.labels(result="dropped").inc()
        else:
            self._tasks[call] = asyncio.create_task(self._ring(call))

    async def drain(self, timeout_s: float) -> None:
        """Wait for the rings under way; those not done within `timeout_s` are left to the sweeper."""
        self._draining.set()
        tasks = set(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _ring(self, call: CallId) -> None:
        try:
            while True:
                self._again.discard(call)
                async with self._slots:
                    await self._ring_once(call)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._apart_s):
                        await self._draining.wait()
                if call not in self._again:
                    return
        finally:
            del self._tasks[call]
            self._again.discard(call)

    async def _ring_once(self, call: CallId) -> None:
        try:
            await self._doorbell.ring(call)
        except BusError as error:
            _log.warning("ring failed", extra={"call_id": call, "error": str(error)})

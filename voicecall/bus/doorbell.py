"""Rings for a call: one tiny dramatiq message, "somebody make sure that this call has an owner".

The one place where the house meets dramatiq's queue. The job itself is `ring` in `workers/`.
"""

import asyncio
from typing import Final

from dramatiq import Broker, Message
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerConnectionError
from redis import Redis as BlockingRedis
from redis.exceptions import RedisError

from voicecall.bus.connection import as_bus_error
from voicecall.call.ids import CallId
from voicecall.errors import BusUnavailable
from voicecall.ports import Doorbell

__all__ = ["JOB", "NAMESPACE", "QUEUE", "DramatiqDoorbell", "sending_broker"]

NAMESPACE: Final = "jobs"
"""Prefix of dramatiq's own keys: who sends and who works must agree on it."""

QUEUE: Final = "calls"
JOB: Final = "ring"

# A ring that nobody took for so long is worth nothing: the sweeper has rung again meanwhile.
_MAX_AGE_MS: Final = 10_000


def sending_broker(redis_url: str) -> Broker:
    """A broker for a process that only puts messages in: no middleware, and a dead Redis is noticed."""
    client = BlockingRedis.from_url(redis_url, socket_timeout=5.0, socket_connect_timeout=2.0)
    broker: Broker = RedisBroker(client=client, namespace=NAMESPACE, middleware=[])  # type: ignore[no-untyped-call]  # dramatiq leaves it untyped
    return broker


class DramatiqDoorbell(Doorbell):
    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def ring(self, call: CallId) -> None:
        """Put the message in the queue. Raises BusUnavailable; then the sweeper will ring."""
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
        except BrokerConnectionError as error:
            raise BusUnavailable("the job queue does not answer") from error
        except (RedisError, OSError) as error:
            raise as_bus_error(error) from error

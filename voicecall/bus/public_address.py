"""The public address of a system behind a tunnel: published by the ingress with the tunnel, read by those who dial.

There is one address for the whole system, so that every process gives carriers the same. Of several ingresses with
tunnels of their own the first is the holder; the next takes over when it withdraws or has not announced for `TTL_S`.
Knows no tunnel.
"""

from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import NodeId
from voicecall.errors import BusError, NotExposed
from voicecall.ports import Address, PublicAddressResolver

__all__ = ["EVERY_S", "TTL_S", "PublicAddressPublisher", "RedisPublicAddress"]

TTL_S: Final = 6.0
EVERY_S: Final = 2.0
"""How often the holder announces."""


class PublicAddressPublisher:
    """Publishes the address of one ingress. Both methods raise BusUnavailable."""

    def __init__(self, redis: Redis, me: NodeId, *, ttl_s: float = TTL_S) -> None:
        self._keys = keys_of(redis)
        self._scripts = Scripts(redis)
        self._me = me
        self._ttl_ms = round(ttl_s * 1000)

    async def announce(self, address: Address) -> bool:
        """Publish the address; True when it is the system's, False while another ingress is the holder."""
        values = (self._me, address.webhook_url, address.stream_url, self._ttl_ms)
        return bool(await self._scripts.run("announce", (self._keys.exposure,), *values))

    async def withdraw(self) -> None:
        """Remove the address if this ingress is the holder."""
        await self._scripts.run("withdraw", (self._keys.exposure,), self._me)


class RedisPublicAddress(PublicAddressResolver):
    """Reads the address each time: one round trip, small beside the carrier's hundred milliseconds."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)

    async def now(self) -> Address:
        try:
            with reaching_redis():
                found: list[Any] = await self._redis.hmget(self._keys.exposure, ["webhook", "stream"])
        except BusError as error:
            raise NotExposed(f"the public address is not known ({error.public}); check REDIS_URL") from error
        webhook, stream = found
        if webhook is None or stream is None:
            raise NotExposed(
                "no tunnel is up, so the carrier could not call back; start the ingress and read its log,"
                " or set publicUrl"
            )
        return Address(webhook_url=webhook.decode(), stream_url=stream.decode())

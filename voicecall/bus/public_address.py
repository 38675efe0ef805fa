"""Where carriers reach a house behind a tunnel: the ingress that holds it says so, whoever dials reads it.

One address for the whole house, so that every process tells a carrier the same. With several doors, each with a tunnel
of its own, the first one speaks; the next takes over when it withdraws or has been silent for `TTL_S`. Knows no tunnel.
"""

from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus import keys
from voicecall.bus.connection import reaching_redis
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import NodeId
from voicecall.errors import BusError, NotExposed
from voicecall.ports import Address, PublicAddressResolver

__all__ = ["EVERY_S", "TTL_S", "PublicAddressPublisher", "RedisPublicAddress"]

TTL_S: Final = 6.0
EVERY_S: Final = 2.0
"""How often the holder has to say it again."""


class PublicAddressPublisher:
    """Speaks for one door. Both methods raise BusUnavailable."""

    def __init__(self, redis: Redis, me: NodeId, *, ttl_s: float = TTL_S) -> None:
        self._scripts = Scripts(redis)
        self._me = me
        self._ttl_ms = round(ttl_s * 1000)

    async def announce(self, address: Address) -> bool:
        """Say where we are; True when the house goes by it, False while another door's word counts."""
        said = (self._me, address.webhook_url, address.stream_url, self._ttl_ms)
        return bool(await self._scripts.run("announce", (keys.EXPOSURE,), *said))

    async def withdraw(self) -> None:
        """Take it back; another door's word is left alone."""
        await self._scripts.run("withdraw", (keys.EXPOSURE,), self._me)


class RedisPublicAddress(PublicAddressResolver):
    """Asked anew each time: one round trip beside the carrier's hundred milliseconds."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def now(self) -> Address:
        try:
            with reaching_redis():
                said: list[Any] = await self._redis.hmget(keys.EXPOSURE, ["webhook", "stream"])
        except BusError as error:
            raise NotExposed(f"where carriers reach us is not known ({error}); check REDIS_URL") from error
        webhook, stream = said
        if webhook is None or stream is None:
            raise NotExposed(
                "no tunnel is up, so the carrier could not call back; start the ingress and read its log,"
                " or set publicUrl"
            )
        return Address(webhook_url=webhook.decode(), stream_url=stream.decode())

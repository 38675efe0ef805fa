"""One address for the whole house: the first door's, until it leaves or falls silent."""

import asyncio

import pytest
from redis.asyncio import Redis

from voicecall.bus.connection import connect
from voicecall.bus.public_address import PublicAddressPublisher, RedisPublicAddress
from voicecall.call.ids import NodeId
from voicecall.errors import CarrierUnreachable, NotExposed
from voicecall.ports import Address

A = Address(webhook_url="https://a.example/voice/webhook", stream_url="wss://a.example/voice/stream")
B = Address(webhook_url="https://b.example/voice/webhook", stream_url="wss://b.example/voice/stream")


def ingress(redis: Redis, name: str, ttl_s: float = 60.0) -> PublicAddressPublisher:
    return PublicAddressPublisher(redis, NodeId(name), ttl_s=ttl_s)


async def test_the_first_door_speaks_and_a_newcomer_changes_nothing(redis: Redis) -> None:
    """A carrier that was told one address must not find the house gone from it because a process was added."""
    first, second, stack = ingress(redis, "a"), ingress(redis, "b"), RedisPublicAddress(redis)
    assert await first.announce(A)
    assert not await second.announce(B)
    await second.withdraw()
    assert await stack.now() == A


async def test_the_next_door_takes_over_from_one_that_leaves(redis: Redis) -> None:
    first, second, stack = ingress(redis, "a"), ingress(redis, "b"), RedisPublicAddress(redis)
    await first.announce(A)
    await first.withdraw()
    with pytest.raises(NotExposed, match="set publicUrl"):
        await stack.now()
    assert await second.announce(B)
    assert not await first.announce(A)
    assert await stack.now() == B


async def test_a_door_that_falls_silent_is_forgotten(redis: Redis) -> None:
    """It was killed, perhaps: nobody shall be called by an address that leads nowhere."""
    first, second, stack = ingress(redis, "a", ttl_s=0.02), ingress(redis, "b"), RedisPublicAddress(redis)
    await first.announce(A)
    while not await second.announce(B):  # noqa: ASYNC110 - Redis alone knows when it forgets
        await asyncio.sleep(0.005)
    assert await stack.now() == B


async def test_the_same_door_may_move(redis: Redis) -> None:
    """A tunnel that comes back may have another name."""
    first, stack = ingress(redis, "a"), RedisPublicAddress(redis)
    await first.announce(A)
    assert await first.announce(B)
    assert await stack.now() == B


async def test_without_redis_nothing_is_sent_to_a_carrier() -> None:
    """For whoever dials this is a carrier that was never reached: safe to repeat."""
    nowhere = connect("redis://127.0.0.1:1/0", timeout_s=1.0)
    with pytest.raises(NotExposed, match="REDIS_URL") as caught:
        await RedisPublicAddress(nowhere).now()
    assert isinstance(caught.value, CarrierUnreachable)
    assert caught.value.code == "not-exposed"
    await nowhere.aclose()

"""One address for the whole system: the first ingress's, until it withdraws or stops announcing."""

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


async def test_the_first_ingress_is_the_holder_and_another_changes_nothing(redis: Redis) -> None:
    """The address that carriers have must stay valid when a process is added."""
    first, second, resolver = ingress(redis, "a"), ingress(redis, "b"), RedisPublicAddress(redis)
    assert await first.announce(A)
    assert not await second.announce(B)
    await second.withdraw()
    assert await resolver.now() == A


async def test_the_next_ingress_takes_over_from_one_that_withdraws(redis: Redis) -> None:
    first, second, resolver = ingress(redis, "a"), ingress(redis, "b"), RedisPublicAddress(redis)
    await first.announce(A)
    await first.withdraw()
    with pytest.raises(NotExposed, match="set publicUrl"):
        await resolver.now()
    assert await second.announce(B)
    assert not await first.announce(A)
    assert await resolver.now() == B


async def test_a_holder_that_stops_announcing_expires(redis: Redis) -> None:
    """It may have been killed; calls must not use an address that leads nowhere."""
    first, second, resolver = ingress(redis, "a", ttl_s=0.02), ingress(redis, "b"), RedisPublicAddress(redis)
    await first.announce(A)
    while not await second.announce(B):  # noqa: ASYNC110 - only Redis knows when the key expires
        await asyncio.sleep(0.005)
    assert await resolver.now() == B


async def test_the_holder_may_change_its_address(redis: Redis) -> None:
    """A tunnel that comes back may have another name."""
    first, resolver = ingress(redis, "a"), RedisPublicAddress(redis)
    await first.announce(A)
    assert await first.announce(B)
    assert await resolver.now() == B


async def test_without_redis_nothing_is_sent_to_a_carrier() -> None:
    """For a dial this is a carrier that was not reached: safe to repeat."""
    nowhere = connect("redis://127.0.0.1:1/0", timeout_s=1.0)
    with pytest.raises(NotExposed, match="REDIS_URL") as caught:
        await RedisPublicAddress(nowhere).now()
    assert isinstance(caught.value, CarrierUnreachable)
    assert caught.value.code == "not-exposed"
    await nowhere.aclose()

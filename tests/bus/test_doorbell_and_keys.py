"""The small parts: clock, idempotency keys, doorbell, connection."""

import asyncio

import pytest
from dramatiq.brokers.stub import StubBroker
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from tests.bus.calls import new_call, ringing
from tests.fakes.keys import keys
from tests.fakes.redis_server import RedisServer
from voicecall.bus.clock import RedisClock
from voicecall.bus.connection import connect, reaching_redis
from voicecall.bus.doorbell import JOB, QUEUE, DramatiqDoorbell, sending_broker
from voicecall.bus.idempotency import Idempotency
from voicecall.bus.log import RedisCallLog
from voicecall.call.ids import LegId
from voicecall.errors import BusUnavailable, Conflict


async def test_the_clock_has_the_servers_time(redis: Redis) -> None:
    """Within the round trip, whatever this machine's wall clock says."""
    clock = RedisClock(redis)
    off_by = await clock.calibrate()
    before = clock.now()
    seconds, micros = await redis.time()
    assert before - off_by - 0.001 <= seconds + micros / 1e6 <= clock.now() + off_by + 0.001


async def test_the_clock_never_goes_back(redis: Redis) -> None:
    """Also when the server's clock was set back, or a later calibration is less exact."""
    clock = RedisClock(redis)
    await clock.calibrate()
    clock._ahead = (clock._ahead or 0.0) + 3600
    latest = clock.now()
    await clock.calibrate()
    assert clock.now() >= latest


async def test_an_uncalibrated_clock_has_no_time(redis: Redis) -> None:
    """It raises instead of returning a wrong time."""
    with pytest.raises(RuntimeError):
        RedisClock(redis).now()


async def test_an_idempotency_key_stands_for_the_first_call(connect_again) -> None:
    """Five clients repeat one request at once; it makes one call."""
    stores = [Idempotency(connect_again()) for _ in range(5)]
    calls = await asyncio.gather(*(store.remember("key", "body", new_call()) for store in stores))
    assert len(set(calls)) == 1


async def test_an_idempotency_key_with_another_request_is_a_conflict(redis: Redis) -> None:
    """The error names the call that has the key."""
    store, call = Idempotency(redis), new_call()
    assert await store.remember("key", "body", call) == call
    with pytest.raises(Conflict) as refused:
        await store.remember("key", "another body", new_call())
    assert refused.value.call_id == call
    assert await store.remember("another key", "another body", new_call()) != call


async def test_an_idempotency_key_expires(redis: Redis) -> None:
    """After its ttl; and it is stored as a digest, for the client chooses its content."""
    await Idempotency(redis).remember("pii-key", "body", new_call(), ttl_s=60)
    assert 0 < await redis.pttl(keys.idem("pii-key")) <= 60_000
    assert "pii" not in keys.idem("pii-key")


async def test_the_doorbell_puts_one_small_message_in_the_queue() -> None:
    """With the arguments that the worker's job expects: the call id only."""
    broker, call = StubBroker(middleware=[]), new_call()
    broker.declare_queue(QUEUE)
    await DramatiqDoorbell(broker).ring(call)
    message = next(iter(broker.consume(QUEUE, timeout=1_000)))
    assert (message.actor_name, message.args, message.kwargs) == (JOB, (call,), {})
    assert (message.options["max_retries"], message.options["max_age"]) == (0, 10_000)


async def test_the_doorbell_rings_through_redis(lasting: RedisServer) -> None:
    """And raises when it cannot."""
    broker, call = sending_broker(lasting.url), new_call()
    broker.declare_queue(QUEUE)
    await DramatiqDoorbell(broker).ring(call)
    consumer = broker.consume(QUEUE, timeout=1_000)
    message = next(consumer)
    assert message is not None
    assert message.args == (call,)
    consumer.ack(message)
    lasting.kill()
    with pytest.raises(BusUnavailable):
        await DramatiqDoorbell(broker).ring(call)
    broker.client.close()


async def test_an_unreachable_server_is_unavailable_to_all() -> None:
    """One error for every temporary failure, so that ingress and gateway can answer 503."""
    client = connect("redis://127.0.0.1:1/0")
    for attempt in (
        RedisCallLog(client).post(new_call(), ()),
        RedisCallLog(client).read(new_call()),
        RedisClock(client).calibrate(),
        Idempotency(client).remember("key", "body", new_call()),
    ):
        with pytest.raises(BusUnavailable):
            await attempt
    await client.aclose()


async def test_a_full_server_is_unavailable_and_takes_nothing(real: Redis) -> None:
    """With `noeviction` a full server refuses writes: all of a script, or none."""
    log, call = RedisCallLog(real), new_call()
    await log.post(call, (ringing(),))
    await real.config_set("maxmemory", "1")
    try:
        with pytest.raises(BusUnavailable):
            await log.post(call, (ringing(),), request_key="k")
        with pytest.raises(BusUnavailable), reaching_redis():
            await real.set(keys.leg("mock", LegId("CA1")), call)
    finally:
        await real.config_set("maxmemory", "0")
    assert not (await log.post(call, (ringing(),), request_key="k")).replay
    assert len(await log.history(call)) == 2


async def test_a_demoted_server_is_unavailable(real: Redis) -> None:
    """After a failover the old address may answer as a replica."""
    log = RedisCallLog(real)
    await real.replicaof("127.0.0.1", "1")
    try:
        with pytest.raises(BusUnavailable):
            await log.post(new_call(), (ringing(),))
    finally:
        await real.replicaof("NO", "ONE")


async def test_a_bug_is_not_called_an_outage(redis: Redis) -> None:
    """A wrong type is permanent."""
    await redis.set("word", "x")
    with pytest.raises(ResponseError), reaching_redis():
        await redis.lpush("word", "y")

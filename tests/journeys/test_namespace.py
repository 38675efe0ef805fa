"""A whole system in a namespace of its own, and a second one beside it on the same Redis server."""

import pytest
from redis.asyncio import Redis

from simulators.stack import Plan, Stack
from tests.journeys.stage import GREETING, Stage, texts

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_c1_a_system_writes_and_subscribes_only_in_its_namespace() -> None:
    """Every process is given it, dramatiq's queues and the heartbeats included."""
    async with Stack(Plan(workers=1, environment={"VOICECALL_NAMESPACE": "blue"})) as stack:
        stage = Stage(stack)
        await stage.model(weather="It is raining.")
        to = await stage.person(
            {"wait_heard": GREETING}, {"say": "how is the weather"}, {"wait_heard": "raining"}, {"hangup": True}
        )
        call = await stage.dial(to)
        await stage.record(call, lambda seen: bool(seen.get("answeredAt")))
        assert (await stack.owner_of(call)).startswith("worker-")
        async with Redis.from_url(f"redis://127.0.0.1:{stack.redis_port}/0", decode_responses=True) as redis:
            channels = set(await redis.pubsub_channels())
            record = await stage.over(call)
            keys = {key async for key in redis.scan_iter()}
        assert texts(await stage.leg(record)) == [GREETING, "It is raining."]
    assert {name for name in keys | channels if not name.startswith("blue:")} == set()
    assert {"blue:feed", "blue:agents:ask"} <= channels

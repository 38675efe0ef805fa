"""The whole system as the Redis user of docs/operations.md: calls both ways, keys, a takeover, the archive."""

import asyncio

import pytest
from redis.asyncio import Redis

from simulators.stack import Plan, Stack
from tests.fakes.redis_user import documented_user
from tests.journeys.stage import GREETING, Stage, texts

pytestmark = pytest.mark.timeout(120)


async def test_c12_the_documented_user_may_do_all_that_calls_need() -> None:
    """Redis itself says what it refused: nothing but the client's greeting, which is optional."""
    plan = Plan(workers=1, acl=documented_user() + "\n", redis_user="voicecall:PASSWORD")
    async with Stack(plan) as stack:
        stage = Stage(stack)
        await stage.model(weather="It is sunny.")
        script = ({"wait_heard": GREETING}, {"say": "the weather please"}, {"wait_heard": "sunny"}, {"hangup": True})
        call = await stage.dial(await stage.person(*script))
        assert texts(await stage.leg(await stage.over(call)))[-1] == "It is sunny."
        sid = await stage.ring_us({"wait_ms": 1_000}, {"press": "7"}, {"wait_ms": 500}, {"hangup": True})
        await stage.leg(sid)
        # Killed, not stopped: the next one takes over what it finds.
        await stack.processes["worker-0"].kill()
        await stack.start_worker(1)
        async with asyncio.timeout(30):
            while not await _archived(stack, call):  # noqa: ASYNC110  another process archives it
                await asyncio.sleep(0.2)
        async with Redis(port=stack.redis_port, decode_responses=True) as admin:
            refused = [entry["object"] for entry in await admin.acl_log()]
    assert set(refused) <= {"client|setinfo", "client"}


async def _archived(stack: Stack, call: str) -> bool:
    async with Redis(port=stack.redis_port) as admin:
        return await admin.zscore("vc0:calls:kept", call) is not None

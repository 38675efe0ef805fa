"""Redis is killed under live conversations (guarantees P2, P8)."""

import asyncio

import pytest

from simulators.stack import Plan, Stack
from tests.chaos.callers import CONFIG, Callers, Hits
from tests.journeys.stage import Stage

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


async def test_no_call_is_lost_when_redis_is_killed_and_comes_back() -> None:
    """Kill -9, gone for 0.2, 1 and 5 s, back from its append-only file: callers notice no more than a pause."""
    hits = Hits("Redis kill -9 and restart from its append-only file")
    async with Stack(Plan(workers=2, config=CONFIG, aof=True)) as stack:
        stage = Stage(stack)
        crowd = Callers(stage, 8, turns=10)
        await crowd.start()
        for gone_s in (0.2, 1.0, 5.0):
            await asyncio.sleep(1.5)
            for call in crowd.calls:
                hits.add(f"  calls that were {(await stage.record(call))['state']}")
            await stack.processes["redis"].kill()
            await asyncio.sleep(gone_s)
            await stack.start_redis()
            hits.add("restarts")
        await asyncio.sleep(2.0)
        await crowd.finish(hits)
        await crowd.dialled_once()
    hits.show()

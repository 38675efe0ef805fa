"""Redis and the public ingresses are killed under live conversations (guarantees P2, P7, P8)."""

import asyncio
import itertools
import time
from typing import Any

import pytest

from simulators.stack import Plan, Stack
from tests.chaos.callers import CONFIG, Callers, Hits
from tests.journeys.stage import GREETING, Stage, texts

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

BROKEN = 31921  # the carrier's word for a socket that ended without a close


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


async def test_no_call_is_lost_when_one_of_two_ingresses_is_killed() -> None:
    """Kill -9 of an ingress with live sockets, four times: the carrier reconnects to the other ingress."""
    hits = Hits("ingress kill -9, two of them")
    async with Stack(Plan(workers=2, ingresses=2, config=CONFIG)) as stack:
        stage = Stage(stack)
        crowd = Callers(stage, 10, turns=12)
        await crowd.start()
        for number in range(4):
            await asyncio.sleep(2.0 + 0.3 * number)
            ingress = number % 2
            await stack.processes[f"ingress-{ingress}"].kill()
            await asyncio.sleep(1.0)
            await stack.start_ingress(ingress)
            hits.add("kills")
        legs = await crowd.finish(hits)
        await crowd.dialled_once()
        streams = [stream for leg in legs for stream in leg["streams"]]
        hits.add("sockets broken", sum(stream["error"] == BROKEN for stream in streams))
        # At most four may be pending per address: the others reconnect by their <Redirect>.
        hits.add("sockets sent round again", sum(not _carried(stream) for stream in streams))
        hits.spread("silence from break to the next socket", _silences(legs))
    hits.show()
    assert hits.rows["sockets broken"] >= 10


async def test_a_single_ingress_that_is_killed_costs_its_calls_and_nothing_else() -> None:
    """The carrier gets no answer and ends the calls. Every end is recorded, and the next call is accepted."""
    hits = Hits("ingress kill -9, the only one")
    async with Stack(Plan(workers=2, config=CONFIG)) as stack:
        stage = Stage(stack)
        crowd = Callers(stage, 6, turns=4)
        await crowd.start()
        await stack.processes["ingress-0"].kill()
        killed_at = time.time()
        await asyncio.sleep(1.0)
        await stack.start_ingress(0)
        records = await asyncio.gather(*(stage.over(call, within_s=60) for call in crowd.calls))
        hits.add("calls the carrier gave up", len(records))
        hits.spread("kill to our knowing", [record["endedAt"] / 1000 - killed_at for record in records])
        await crowd.dialled_once()
        to = await stage.person({"wait_heard": GREETING}, {"hangup": True})
        after = await stage.over(await stage.dial(to))
        assert texts(await stage.leg(after)) == [GREETING]
        assert (await stack.gateway.rpc("voicecall.status"))["calls"] == []
    hits.show()


def _carried(stream: Any) -> bool:
    """Whether this socket was accepted: a refused one is closed before it received anything."""
    return bool(stream["received"]) or stream["sent_frames"] > 25


def _silences(legs: list[Any]) -> list[float]:
    """Seconds between the end of a socket and the start of the next that carried the call."""
    found = []
    for leg in legs:
        carried = [stream for stream in leg["streams"] if stream["opened_at"] and _carried(stream)]
        found += [later["opened_at"] - earlier["closed_at"] for earlier, later in itertools.pairwise(carried)]
    return found

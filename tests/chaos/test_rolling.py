"""Ingresses are restarted one after the other, as a deployment does, under live conversations (guarantee P14)."""

import asyncio
import itertools
import time
from typing import Any

import pytest

from simulators.stack import Plan, Stack
from tests.chaos.callers import CONFIG, Callers, Hits
from tests.journeys.stage import Stage

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


async def test_c3_a_rolling_restart_of_two_ingresses_drops_no_call() -> None:
    """Each call moves to the other ingress at the end of a turn, by one new socket for each restart."""
    hits = Hits("rolling restart of two ingresses by SIGTERM")
    async with Stack(Plan(workers=2, ingresses=2, config=CONFIG)) as stack:
        crowd = Callers(Stage(stack), 6, turns=8)
        await crowd.start()
        for number in range(2):
            await asyncio.sleep(1.5)
            await _restart(stack, number, hits)
        legs = await crowd.finish(hits)
        await crowd.dialled_once()
        _measure(legs, hits)
    hits.show()
    assert hits.rows["most sockets of a call"] <= 2 + 2  # the first, one for each restart, and one that was refused
    assert hits.rows["longest silence"] < 1.0


async def test_c3_a_restart_of_the_only_ingress_drops_no_call() -> None:
    """The carriers wait for it: no call ends, and no caller waits much longer than the new process takes to start."""
    hits = Hits("restart of the only ingress by SIGTERM")
    async with Stack(Plan(workers=2, config=CONFIG)) as stack:
        crowd = Callers(Stage(stack), 5, turns=8)
        await crowd.start()
        for _ in range(2):
            await asyncio.sleep(1.5)
            await _restart(stack, 0, hits)
        legs = await crowd.finish(hits)
        await crowd.dialled_once()
        _measure(legs, hits)
    hits.show()
    assert hits.rows["longest silence"] <= hits.rows["longest start"] + 2.0


async def _restart(stack: Stack, number: int, hits: Hits) -> None:
    began = time.monotonic()
    assert await stack.processes[f"ingress-{number}"].stop() == 0
    ended = time.monotonic()
    await stack.start_ingress(number)
    started_s = time.monotonic() - ended
    hits.add("restarts")
    hits.rows[f"restart {hits.rows['restarts']}"] = f"{ended - began:.1f} s to exit, {started_s:.1f} s to start"
    hits.rows["longest start"] = max(hits.rows.get("longest start", 0.0), started_s)


def _measure(legs: list[Any], hits: Hits) -> None:
    """How long no socket carried a call, and how many sockets it had."""
    silences = []
    for leg in legs:
        carried = [stream for stream in leg["streams"] if stream["opened_at"] and stream["received"]]
        silences += [later["opened_at"] - earlier["closed_at"] for earlier, later in itertools.pairwise(carried)]
    hits.rows["most sockets of a call"] = max(len(leg["streams"]) for leg in legs)
    hits.rows["longest silence"] = round(max(silences), 2)
    hits.spread("silence from one socket to the next", silences)

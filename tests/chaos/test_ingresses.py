"""Public ingresses are killed under live calls: the carriers connect again by themselves (guarantee P7)."""

import asyncio
import time
from typing import Any

import pytest

from simulators.stack import Plan, Stack
from tests.chaos.callers import CONFIG, Hits
from tests.chaos.steady import CARRIERS, SteadyCallers, socket_ends

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

CALLS = 20
GONE_S = (1.0, 3.0)  # how long the only ingress is away, at least


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_c3_no_call_is_lost_when_one_of_two_ingresses_is_killed(carrier: str) -> None:
    """Kill -9 of each ingress in turn, with its live sockets: the calls go on by the other one."""
    hits = Hits(f"ingress kill -9, two of them, {carrier}")
    async with Stack(Plan(carrier=carrier, workers=2, ingresses=2, config=CONFIG)) as stack:
        callers = SteadyCallers(stack, CALLS)
        await callers.start()
        for number in range(2):
            await asyncio.sleep(2.0 + 0.3 * number)
            await stack.processes[f"ingress-{number}"].kill()
            hits.add("kills")
            await asyncio.sleep(3.0)
            await stack.start_ingress(number)
        verdict = await callers.finish()
    verdict.show(hits)
    hits.show()
    assert not verdict.lost
    assert len(verdict.gaps) >= CALLS
    assert max(verdict.gaps) <= 2.0


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_c3_no_call_is_lost_when_the_only_ingress_is_killed(carrier: str) -> None:
    """Kill -9, and a new process a moment later: every call is back within two seconds of its return."""
    hits = Hits(f"ingress kill -9, the only one, {carrier}")
    away: list[tuple[float, float]] = []  # killed, listening again; epoch seconds
    async with Stack(Plan(carrier=carrier, workers=2, config=CONFIG)) as stack:
        callers = SteadyCallers(stack, CALLS)
        await callers.start()
        for gone_s in GONE_S:
            await asyncio.sleep(2.0)
            await stack.processes["ingress-0"].kill()
            killed_at = time.time()
            await asyncio.sleep(gone_s)
            await stack.start_ingress(0)
            away.append((killed_at, time.time()))
            hits.rows[f"away, {gone_s} s and the start"] = f"{away[-1][1] - killed_at:.1f} s"
            await asyncio.sleep(4.0)
        verdict = await callers.finish()
    verdict.show(hits)
    returns = [later - back for leg in verdict.legs for back, later in _returns(leg, away)]
    hits.spread("from its return to a call's next socket", returns)
    hits.show()
    assert not verdict.lost
    assert len(returns) == CALLS * len(GONE_S)
    assert max(returns) <= 2.0


def _returns(leg: Any, away: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """For each time that the ingress was away: when it was back, and when the call's next socket was."""
    found = []
    for killed_at, back_at in away:
        opened = [opened_at for closed_at, opened_at in socket_ends(leg) if abs(closed_at - killed_at) < 1.0]
        found += [(back_at, opened_at) for opened_at in opened]
    return found

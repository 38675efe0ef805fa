"""Every process is restarted one after the other, as a deployment does, under live calls (guarantee P14)."""

import asyncio

import pytest

from simulators.stack import Plan, Stack
from tests.chaos.callers import CONFIG, Hits
from tests.chaos.steady import CARRIERS, SteadyCallers

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

CALLS = 20
MANY = 100
PAUSE_MS = 8_000  # of a hundred callers, who would else need more processors than a machine for tests has
EVERY_PROCESS = ("ingress-0", "ingress-1", "worker-0", "worker-1", "gateway")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_c3_a_rolling_restart_of_every_process_is_silent(carrier: str) -> None:
    """Two ingresses, two workers and the gateway, one after the other, under 20 conversations."""
    hits = Hits(f"rolling restart, two ingresses, {carrier}")
    async with Stack(Plan(carrier=carrier, workers=2, ingresses=2, config=CONFIG)) as stack:
        callers = SteadyCallers(stack, CALLS)
        await callers.start()
        for name in EVERY_PROCESS:
            await _restart(stack, name, hits)
        verdict = await callers.finish()
    verdict.show(hits)
    hits.show()
    assert not verdict.lost
    assert not verdict.apologies
    assert (verdict.torn, verdict.repeated, verdict.unanswered) == ([], [], [])
    assert verdict.longest_silence <= 2.0
    assert max(verdict.gaps) < 1.0
    assert hits.rows["most sockets of a call"] <= 2 + 2  # the first, one for each restart, and one that was refused
    assert verdict.most_webhooks <= 2


@pytest.mark.timeout(600)
async def test_a_rolling_update_under_a_hundred_calls_is_silent() -> None:
    """The same with 100 conversations: what an operator's upgrade does. None is lost, none hears an apology."""
    hits = Hits(f"rolling update under {MANY} calls")
    unlimited = {"VOICECALL_GATEWAY_RATE": "0"}  # the test itself asks for each call's state
    async with Stack(Plan(carrier="mock", workers=2, ingresses=2, config=CONFIG, environment=unlimited)) as stack:
        callers = SteadyCallers(stack, MANY, pause_ms=PAUSE_MS)
        await callers.start()
        await asyncio.sleep(10)
        live = len((await stack.gateway.rpc("voicecall.status"))["calls"])
        assert live == MANY, f"nothing was restarted yet and {MANY - live} calls are over: this machine is too slow"
        for name in EVERY_PROCESS:
            await _restart(stack, name, hits)
        verdict = await callers.finish()
    verdict.show(hits)
    hits.show()
    assert not verdict.lost
    assert not verdict.apologies
    assert verdict.unanswered == []
    assert verdict.longest_silence <= 2.0


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_c3_a_rolling_restart_with_one_ingress_is_a_pause(carrier: str) -> None:
    """The carriers wait for the only ingress: no call ends, and no caller waits longer than two seconds."""
    hits = Hits(f"rolling restart, one ingress, {carrier}")
    async with Stack(Plan(carrier=carrier, workers=2, config=CONFIG)) as stack:
        callers = SteadyCallers(stack, CALLS)
        await callers.start()
        for name in ("ingress-0", "worker-0", "worker-1", "gateway"):
            await _restart(stack, name, hits)
        verdict = await callers.finish()
    verdict.show(hits)
    hits.show()
    assert not verdict.lost
    assert not verdict.apologies
    assert max(verdict.gaps) <= 2.0
    assert verdict.most_webhooks <= 1


async def _restart(stack: Stack, name: str, hits: Hits) -> None:
    to_exit, to_start = await stack.restart(name)
    hits.rows[f"restart of {name}"] = f"{to_exit:.1f} s to exit, {to_start:.1f} s to start"

"""The primary is killed, stopped or left alone under live conversations; a replica is promoted (guarantee P9)."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from simulators.stack import Plan, Stack
from simulators.stack.redis import SERVICE
from tests.bus.calls import keyed, new_call
from tests.chaos.callers import CONFIG, Hits, logged, wait_until
from tests.chaos.steady import SteadyCallers, Verdict
from voicecall.aio import end
from voicecall.bus.connection import connect
from voicecall.bus.log import RedisCallLog
from voicecall.errors import BusError

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

CALLS = 50
FEWER = 20
SAFE = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "2")
"""A primary that is cut off from its replicas refuses writes, so that none of them is lost. It needs two replicas: the
promoted one must have another."""


async def test_a_killed_primary_costs_no_call_and_moves_none() -> None:
    """Kill -9: every call stays with its owner, and callers hear a pause."""
    hits = Hits(f"kill -9 of the primary, {CALLS} calls, two workers")
    async with Stack(_plan()) as stack:
        verdict = await _survive(stack, hits, stack.processes["redis"].kill, CALLS)
    _report(verdict, hits)
    assert hits.rows["takeovers"] == 0
    assert hits.rows["nodes taken for dead"] == 0
    assert hits.rows["acknowledged facts lost"] == 0


async def test_a_stopped_primary_costs_no_call_and_moves_none() -> None:
    """SIGSTOP, and SIGCONT when its replica has long been promoted: its sockets stay open, and it comes back."""
    hits = Hits(f"SIGSTOP of the primary, {FEWER} calls, two workers, two replicas, {' '.join(SAFE)}")
    async with Stack(_plan(SAFE, replicas=2)) as stack:
        primary = stack.processes["redis"]

        async def stop() -> None:
            primary.signal(signal.SIGSTOP)
            asyncio.get_running_loop().call_later(12.0, primary.signal, signal.SIGCONT)

        verdict = await _survive(stack, hits, stop, FEWER)
    _report(verdict, hits)
    assert hits.rows["nodes taken for dead"] == 0
    assert hits.rows["acknowledged facts lost"] == 0


@pytest.mark.parametrize("options", [(), SAFE], ids=["no-min-replicas", "min-replicas"])
async def test_a_replica_that_is_cut_off_costs_no_call(options: tuple[str, ...]) -> None:
    """SIGSTOP of the only replica for 6 s. A primary that must have one refuses writes from two seconds on."""
    hits = Hits(f"the only replica stopped for 6 s, {FEWER} calls, {' '.join(options) or 'no options'}")
    async with Stack(_plan(options)) as stack:
        await _sentinels_ready(stack)
        callers = SteadyCallers(stack, FEWER)
        await callers.start()
        await asyncio.sleep(3.0)
        stack.processes["redis-1"].signal(signal.SIGSTOP)
        await asyncio.sleep(6.0)
        stack.processes["redis-1"].signal(signal.SIGCONT)
        await asyncio.sleep(4.0)
        verdict = await callers.finish()
        hits.rows["takeovers"] = sum(record["metadata"]["reactivations"] for record in verdict.records)
    _report(verdict, hits)
    assert hits.rows["takeovers"] == 0


def _plan(redis_options: tuple[str, ...] = (), *, replicas: int = 1) -> Plan:
    return Plan(
        carrier="mock",
        workers=2,
        ingresses=2,
        config=CONFIG,
        aof=True,
        replicas=replicas,
        redis_options=redis_options,
        environment={"VOICECALL_GATEWAY_RATE": "0"},  # the test asks for the state of many calls at once
    )


async def _survive(stack: Stack, hits: Hits, strike: Callable[[], Awaitable[None]], size: int) -> Verdict:
    """Let the callers talk, strike the primary, and judge what the calls went through."""
    await _sentinels_ready(stack)
    callers = SteadyCallers(stack, size)
    await callers.start()
    witness = Witness(stack)
    writing = asyncio.create_task(witness.write())
    await asyncio.sleep(5.0)
    struck_at = time.monotonic()
    await strike()
    await wait_until(lambda: _is_promoted(stack), within_s=60, what="the replica is promoted")
    hits.rows["until the replica is the primary"] = f"{time.monotonic() - struck_at:.1f} s"
    await asyncio.sleep(10.0)
    await end(writing)
    verdict = await callers.finish()
    hits.rows["longest time without a write"] = f"{witness.longest_gap:.1f} s"
    hits.rows["acknowledged facts"] = len(witness.acknowledged)
    hits.rows["acknowledged facts lost"] = await witness.lost()
    hits.rows["takeovers"] = sum(record["metadata"]["reactivations"] for record in verdict.records)
    hits.rows["nodes taken for dead"] = logged(stack, '"node is dead"')
    return verdict


def _report(verdict: Verdict, hits: Hits) -> None:
    verdict.show(hits)
    hits.show()
    assert not verdict.lost


class Witness:
    """Posts facts to a call of its own, a hundred a second, and remembers which were acknowledged.

    In a namespace of its own: the workers have nothing to do with it.
    """

    def __init__(self, stack: Stack) -> None:
        self._url = stack.redis_url
        self._call = new_call()
        self.acknowledged: list[str] = []
        self.longest_gap = 0.0

    async def write(self) -> None:
        """Until cancelled."""
        last = time.monotonic()
        async with connect(self._url, namespace="witness", timeout_s=1.0) as client:
            log, number = RedisCallLog(client), 0
            while True:
                number += 1
                try:
                    await log.post(self._call, (keyed(str(number)),))
                except BusError:
                    await asyncio.sleep(0.02)
                    continue
                self.acknowledged.append(str(number))
                now = time.monotonic()
                self.longest_gap, last = max(self.longest_gap, now - last), now
                await asyncio.sleep(0.01)

    async def lost(self) -> int:
        async with connect(self._url, namespace="witness") as client:
            kept: list[Any] = [record.event for record in await RedisCallLog(client).history(self._call)]
        return len(set(self.acknowledged) - {event.digits for event in kept})


async def _sentinels_ready(stack: Stack) -> None:
    for port in stack.sentinel_ports:
        await wait_until(lambda port=port: _knows_all(stack, port), within_s=30, what="the Sentinels know each other")


async def _knows_all(stack: Stack, port: int) -> bool:
    said = await _ask(port, "MASTER")
    return (int(said["num-slaves"]), int(said["num-other-sentinels"])) == (len(stack.replica_ports), 2)


async def _is_promoted(stack: Stack) -> bool:
    """All Sentinels name the same replica; from then on the test reads there, too."""
    named = {int((await _ask(port, "MASTER"))["port"]) for port in stack.sentinel_ports}
    if len(named) > 1 or not named <= set(stack.replica_ports):
        return False
    (stack.redis_port,) = named
    return True


async def _ask(port: int, about: str) -> Any:
    async with Redis(port=port, decode_responses=True, protocol=3) as sentinel:
        return await sentinel.execute_command("SENTINEL", about, SERVICE)

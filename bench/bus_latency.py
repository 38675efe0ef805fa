"""The latency of a post and of a commit.

    python -m bench.bus_latency --calls 100 --events 20000

One process, one real Redis with `appendfsync everysec`, and a subscriber to the owner's channel, so that each post also
nudges. First one operation after the other, then `--calls` at a time; times are measured at the client.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import uvloop

from tests.bus.calls import ALICE, a_call, keyed, new_call, ringing, step, taken
from tests.fakes.redis_server import start_redis
from voicecall.bus.connection import connect
from voicecall.bus.lease import RedisLeases
from voicecall.bus.log import RedisCallLog
from voicecall.bus.nodes import NodeChannel
from voicecall.call.ids import CallId, Seq
from voicecall.call.state import Party, TranscriptEntry
from voicecall.ports import Lease

TRANSCRIPT = tuple(TranscriptEntry(at=float(n), speaker=Party.USER, text="some twenty words " * 5) for n in range(20))


def report(what: str, times: list[float], took_s: float) -> None:
    times.sort()
    p50, p99 = times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3
    print(f"{what:42} p50 {p50:6.2f} ms  p99 {p99:6.2f} ms  {len(times) / took_s:7.0f}/s")


async def measure(what: str, workers: int, events: int, once: Callable[[int, int], Awaitable[object]]) -> None:
    times: list[float] = []

    async def work(worker: int) -> None:
        for n in range(events // workers):
            started = time.perf_counter()
            await once(worker, n)
            times.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(work(worker) for worker in range(workers)))
    report(what, times, time.perf_counter() - started)


async def bench(url: str, calls: int, events: int) -> None:
    redis = connect(url)
    log, leases = RedisCallLog(redis), RedisLeases(redis, ttl_s=3600)
    channel = NodeChannel(redis, ALICE, on_records=lambda _call, _records: None, on_gap=lambda: None)
    listening = asyncio.create_task(channel.run())
    await channel.ready()
    held: list[Lease] = []
    for _ in range(calls):
        call: CallId = new_call()
        await log.post(call, (ringing(),))
        held.append(taken(await leases.acquire(call, ALICE)).lease)
    applied = [1] * calls

    unique = count()

    async def post(worker: int, _: int) -> None:
        await log.post(held[worker].call, (keyed("1"),), request_key=f"{next(unique)}", answer=b"<Response/>" * 20)
        applied[worker] += 1

    async def commit(worker: int, _: int) -> None:
        one = step(held[worker], applied[worker], keyed("2"))
        one = replace(one, call=replace(a_call(held[worker].call), transcript=TRANSCRIPT), applied=Seq(applied[worker]))
        applied[worker] = (await log.commit(one)).applied

    for name, once in (("post", post), ("commit (snapshot 3 KB)", commit)):
        await measure(f"{name}, one after the other", 1, min(events, 5_000), once)
        await measure(f"{name}, {calls} at a time", calls, events, once)
    await measure(f"renew of {calls} leases", 1, 500, lambda _worker, _n: leases.renew(tuple(held)))
    listening.cancel()
    await redis.aclose()


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--calls", type=int, default=100)
    words.add_argument("--events", type=int, default=20_000)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        server = start_redis(Path(directory), aof=True, fsync="everysec")
        try:
            uvloop.run(bench(server.url, asked.calls, asked.events))
        finally:
            server.stop()


if __name__ == "__main__":
    main()

"""The memory of an idle call: resident memory of worker and ingress without calls, with five hundred, and after them.

Each call has its media stream, its activation and its recognition session, was greeted, and is silent. A few calls
come and go first, so that what is loaded with the first call does not count.
"""

import asyncio
from typing import Any

from redis.asyncio import Redis

from bench.cpu import role_of, rss_bytes
from bench.crowd import OPEN_POLICY
from bench.figures import Bar, Result
from bench.progress import Progress
from bench.quiet import quiet_calls
from simulators.stack import Plan, Stack

__all__ = ["run"]

_CALLS = 500
_WARM = 20
_SETTLE_S = 3.0
_LIMIT_KIB = 256


async def run(progress: Progress, argument: str) -> Result:
    """`argument`: the number of calls; 500 by default."""
    count = int(argument or _CALLS)
    result = Result(bench="memory")
    async with Stack(Plan(workers=1, config=OPEN_POLICY, aof=True)) as stack:
        async with quiet_calls(stack, 1, _WARM):
            await _until_live(stack, _WARM)
        await _until_live(stack, 0)
        before = await _memory(stack)
        progress(f"without calls: {_formatted(before)}")
        during, after = await _with_calls(progress, stack, 1_000_000, count)
        again, at_last = await _with_calls(progress, stack, 2_000_000, count)
    for role in ("worker", "ingress", "gateway", "redis"):
        bars = (Bar(of="mean", limit=_LIMIT_KIB),) if role in ("worker", "ingress") else ()
        result.add(f"RSS per idle call, {role}", "KiB", [(during[role] - before[role]) / count / 1024], *bars)
    for role in ("worker", "ingress"):
        # What remains after the first crowd is mostly the allocator's; growth with the second would be a leak.
        result.add(
            f"RSS added by a second {count}, per call, {role}", "KiB", [(at_last[role] - after[role]) / count / 1024]
        )
    sizes = {"before": before, "during": during, "after": after, "again": again, "at last": at_last}
    result.facts |= {"calls": count, "bytes": sizes}
    return result


async def _with_calls(
    progress: Progress, stack: Stack, first: int, count: int
) -> tuple[dict[str, int], dict[str, int]]:
    """Memory while `count` calls are up, and after their end."""
    async with quiet_calls(stack, first, count):
        await _until_live(stack, count)
        await asyncio.sleep(_SETTLE_S)
        sessions = (await stack.openai.get("/_sim/health"))["sockets"]
        if sessions != count:
            raise RuntimeError(f"{sessions} recognition sessions are open for {count} calls")
        during = await _memory(stack)
        progress(f"{count} calls: {_formatted(during)}")
    await _until_live(stack, 0)
    await asyncio.sleep(_SETTLE_S)
    after = await _memory(stack)
    progress(f"after them: {_formatted(after)}")
    return during, after


async def _memory(stack: Stack) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, process in stack.processes.items():
        found[role_of(name)] = found.get(role_of(name), 0) + rss_bytes(process)
    return found


async def _until_live(stack: Stack, count: int) -> None:
    """Return when exactly `count` calls are owned and streaming, as the lease keys and the ingress report."""
    deadline = asyncio.get_running_loop().time() + 60
    async with Redis.from_url(f"redis://127.0.0.1:{stack.redis_port}/0") as redis:
        while True:
            leases: list[Any] = [key async for key in redis.scan_iter(stack.key("call:*:lease"), count=1000)]
            if len(leases) == count:
                return
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"{len(leases)} calls are owned, not {count}")
            await asyncio.sleep(0.2)


def _formatted(memory: dict[str, int]) -> str:
    return ", ".join(f"{role} {size / 2**20:.1f} MiB" for role, size in memory.items())

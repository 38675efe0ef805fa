"""What a call costs as processes are added, and what one Redis bears: 1 to 4 workers, 1 and 2 ingresses.

By CPU accounting, which other programs on the machine disturb little: CPU seconds of each role, over a window of 20 s,
first without calls and then with. What a process uses without calls is reported by itself, so that CPU per call is what
a further call costs. Redis is read at 200 and 400 calls; how many a core of it bears is extrapolated from that, and
called so. Services and callers are those of the comparison kit (`bench/kit`), on the same cores.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.cpu import PRODUCT_ROLES, Cpu
from bench.figures import Bar, Result
from bench.kit.point import TOKEN, Point, services, system, under_load
from bench.progress import Progress

__all__ = ["run"]

_SIZES: Final = ((1, 1), (2, 1), (3, 1), (4, 1), (2, 2), (4, 2))
"""Workers and ingresses."""
_CALLS: Final = 100
_MANY: Final = (200, 400)
_IDLE_S: Final = 10.0
_CONSTANT: Final = 0.05
_REDIS_FULL: Final = 0.7
"""Of a core: beyond it every command waits noticeably for the one before it."""


async def run(progress: Progress, argument: str) -> Result:
    """`argument`: "" for all, or `2x1` for two workers and one ingress at 100 calls, or a number for Redis's calls."""
    result = Result(bench="scale")
    sizes, many = _chosen(argument)
    with tempfile.TemporaryDirectory(prefix="voicecall-scale-") as scratch:
        async with services(Path(scratch)) as url:
            costs = [await _measure(progress, result, url, _CALLS, *size) for size in sizes]
            if len(costs) > 1:
                spread = [cost / costs[0] for cost in costs]
                far = max(abs(ratio - 1) for ratio in spread)
                result.add("CPU per call, to that of one worker and one ingress", "", spread)
                result.add("the farthest of them from 1", "", [far], Bar(of="mean", limit=_CONSTANT))
            for calls in many:
                await _measure(progress, result, url, calls, 1, 1)
    return result


def _chosen(argument: str) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...]]:
    if not argument:
        return _SIZES, _MANY
    if argument.isdecimal():
        return (), (int(argument),)
    workers, _, ingresses = argument.partition("x")
    if not (workers.isdecimal() and ingresses.isdecimal()):
        raise ValueError(f"scale takes a size as 2x1 or a number of calls, not {argument}")
    return ((int(workers), int(ingresses)),), ()


async def _measure(progress: Progress, result: Result, url: str, calls: int, workers: int, ingresses: int) -> float:
    """Adds the figures; the CPU per call, in percent of a core, beyond what the processes use without calls."""
    async with contextlib.AsyncExitStack() as closing:
        stack = await closing.enter_async_context(system(url, workers=workers, ingresses=ingresses))
        await asyncio.sleep(2.0)
        async with Cpu(stack.processes) as idle:
            await asyncio.sleep(_IDLE_S)
        ports = ",".join(map(str, stack.ingress_ports))
        point = await under_load(stack.processes, calls, ports=ports, url=stack.webhook_url, token=TOKEN)
    label = f"{calls} calls, {workers} workers, {ingresses} ingresses"
    cost = _add(result, label, point, idle.shares())
    result.remarks.append(f"{label}: {point.missed} turns missed; {point.weather}")
    progress(f"{label}: {cost:.3f} % of a core per call")
    return cost


def _add(result: Result, label: str, point: Point, idle: Mapping[str, float]) -> float:
    beyond = {role: (point.shares.get(role, 0.0) - idle.get(role, 0.0)) * 100 / point.calls for role in PRODUCT_ROLES}
    cost = sum(beyond.values())
    result.add(f"{label}: CPU per call beyond idle", "% of a core", [cost])
    for role, share in beyond.items():
        result.add(f"{label}: of it {role}", "% of a core", [share])
        result.add(f"{label}: {role} without calls", "% of a core", [idle.get(role, 0.0) * 100])
    bears = (_REDIS_FULL - idle.get("redis", 0.0)) * 100 / beyond["redis"] if beyond["redis"] > 0 else float("nan")
    result.add(f"{label}: calls that {_REDIS_FULL:.0%} of a core bears in Redis, extrapolated", "", [bears])
    result.facts[label] = {"shares": dict(point.shares), "idle": dict(idle), "missed": point.missed}
    return cost

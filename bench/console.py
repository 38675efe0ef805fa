"""The console with many live calls: whether it drops frames, and whether its memory grows.

Chromium shows the live view of a staged gateway: each call changes twice a second, and ends and is replaced after a
while. Frames are compared with those of the same page while nothing happens, because the machine's own frames are
not even. Needs Chromium and Playwright (`tests/browser`).
"""

import asyncio
import itertools
import time
import uuid
from typing import Any

from aiohttp import web
from playwright.async_api import CDPSession, Page

from bench.figures import Result
from bench.progress import Progress
from gateway.web import assets
from simulators.staged_gateway import StagedGateway
from tests.browser.chromium import MISSING, chromium_path, launched

__all__ = ["run"]

_CALLS = 500
_EVERY_S = 0.5
_QUIET_S = 6.0
_BUSY_S = 15.0
_ITEMS_OF_A_DAY = 60_000  # pushed as fast as the page takes them, twice: growth shows in the second half
_LIFE = 24  # items of one call until it ends
_STATES = ("listening", "speaking")
_GAPS = """ms => new Promise(done => {
    const gaps = [], begun = performance.now();
    let last = begun;
    const step = now => {
        gaps.push(now - last);
        last = now;
        now - begun < ms ? requestAnimationFrame(step) : done(gaps);
    };
    requestAnimationFrame(step);
})"""


async def run(progress: Progress, argument: str) -> Result:
    """`argument`: the number of calls; 500 by default."""
    path = chromium_path()
    if path is None:
        raise RuntimeError(MISSING)
    count = int(argument or _CALLS)
    result = Result(bench="console")
    gateway = StagedGateway(page=_page, asset=_asset)
    crowd = _Crowd(gateway, count)
    async with gateway.running() as url, launched(path) as browser:
        page = await browser.new_page(viewport={"width": 1400, "height": 900})
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Performance.enable")
        await page.goto(url)
        await page.locator(".rows .row").nth(5).wait_for()
        quiet = await _frames(page, devtools, _QUIET_S)
        progress(f"nothing happens: {_words(quiet)}")
        pushing = asyncio.create_task(crowd.push_evenly())
        await asyncio.sleep(2.0)
        busy = await _frames(page, devtools, _BUSY_S)
        pushing.cancel()
        await asyncio.gather(pushing, return_exceptions=True)
        progress(f"{count} calls change every {_EVERY_S:g} s: {_words(busy)}")
        heaps = [await _heap(devtools)]
        for _ in range(2):
            await crowd.push_fast(_ITEMS_OF_A_DAY)
            await asyncio.sleep(1.0)
            heaps.append(await _heap(devtools))
            progress(f"heap {heaps[-1] / 1e6:.1f} MB, {await page.locator('.rows .row').count()} rows in the document")
    result.add("gap between frames, nothing happens", "ms", quiet["gaps"])
    result.add(f"gap between frames, {count} calls", "ms", busy["gaps"])
    result.add("main thread busy, nothing happens", "% of a core", [quiet["busy"]])
    result.add(f"main thread busy, {count} calls", "% of a core", [busy["busy"]])
    result.add(f"heap after {_ITEMS_OF_A_DAY} items", "MB", [heaps[1] / 1e6])
    result.add(f"heap after {2 * _ITEMS_OF_A_DAY} items", "MB", [heaps[2] / 1e6])
    result.facts |= {"calls": count, "items a second": crowd.rate}
    return result


class _Crowd:
    """Calls that change in turn; one that has lived long enough ends, and another takes its place."""

    def __init__(self, gateway: StagedGateway, count: int) -> None:
        self._gateway = gateway
        self._count = count
        self._items: dict[str, int] = {}
        self._step = itertools.count()
        self.rate = 0.0
        for place in range(count):
            self._begin(place)
        processes = [{"name": "worker-1", "kind": "worker", "alive": True, "seenAt": 0, "calls": list(gateway.calls)}]
        gateway.answers["voicecall.processes"] = {"processes": processes}

    def _begin(self, place: int) -> str:
        call = str(uuid.uuid4())
        self._items[call] = place % _LIFE
        self._gateway.calls[call] = {
            "callId": call,
            "provider": "mock",
            "direction": "inbound",
            "state": "listening",
            "agentId": "main",
            "from": f"+1555{place:07}",
            "to": "+15550100100",
            "startedAt": round(time.time() * 1000),
            "metadata": {"mode": "conversation", "turnCount": 1, "reactivations": 0},
        }
        return call

    async def push_evenly(self) -> None:
        """Every call changes once per period, spread over it; forever."""
        slices = 20
        begun, pushed = time.monotonic(), 0
        for turn in itertools.count():
            calls = list(self._items)
            for call in calls[turn % slices :: slices]:
                await self._push(call)
                pushed += 1
            elapsed = time.monotonic() - begun
            self.rate = pushed / max(elapsed, 0.001)
            await asyncio.sleep(max(0.0, (turn + 1) * _EVERY_S / slices - elapsed))

    async def push_fast(self, items: int) -> None:
        while items > 0:
            for call in list(self._items):
                await self._push(call)
                items -= 1
            await asyncio.sleep(0)

    async def _push(self, call: str) -> None:
        step, at = next(self._step), round(time.time() * 1000)
        self._items[call] += 1
        if self._items[call] >= _LIFE:
            self._gateway.calls.pop(call, None)
            del self._items[call]
            await self._gateway.push(call, "completed", {"seq": step, "type": "HungUp", "at": at})
            self._begin(0)
            return
        spans = {"agent_first_token": 300 + step % 400, "tts_first_audio": 150}
        event: dict[str, Any] = {"seq": step, "type": "PlaybackBegan", "at": at, "utterance": 1, "spans": spans}
        await self._gateway.push(call, _STATES[step % 2], event)


async def _frames(page: Page, devtools: CDPSession, for_s: float) -> dict[str, Any]:
    before = await _metrics(devtools)
    gaps = await page.evaluate(_GAPS, for_s * 1000)
    after = await _metrics(devtools)
    busy = 100 * (after["TaskDuration"] - before["TaskDuration"]) / (after["Timestamp"] - before["Timestamp"])
    return {"gaps": gaps, "busy": busy}


async def _metrics(devtools: CDPSession) -> dict[str, float]:
    found = (await devtools.send("Performance.getMetrics"))["metrics"]
    return {one["name"]: one["value"] for one in found}


async def _heap(devtools: CDPSession) -> float:
    await devtools.send("HeapProfiler.collectGarbage")
    return (await _metrics(devtools))["JSHeapUsedSize"]


def _words(frames: dict[str, Any]) -> str:
    gaps = sorted(frames["gaps"])
    late = sum(gap > 25 for gap in gaps)
    p99 = gaps[int(len(gaps) * 0.99) - 1]
    return f"{len(gaps)} frames, gap p99 {p99:.1f} ms, {late} over 25 ms, main thread {frames['busy']:.0f} % busy"


async def _page(request: web.Request) -> web.StreamResponse:
    return assets.page("console", request)


async def _asset(request: web.Request) -> web.StreamResponse:
    return assets.asset(request)

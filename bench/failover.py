"""Failover time: a worker is killed with -9 under live conversations; how long until the next one sends audio.

All conversations are owned by one worker; another is idle. In most rounds every caller has just spoken and the agent is
computing its reply when the worker is killed: the next audio can only come from the successor, which asks the agent
again and is answered at once. In every fifth round the worker is killed while it speaks: there the longest gap in the
audio is measured, because the ingress plays what it has buffered. Between rounds a fresh worker is started.
"""

import asyncio
import itertools
import math
import time
from bisect import bisect_right
from typing import Any

from bench.crowd import OPEN_POLICY, Caller, arrivals_of, arrive, reports_of
from bench.figures import Bar, Result
from bench.progress import Progress
from simulators.stack import Plan, Stack

__all__ = ["run"]

_KILLS = 20
_CALLS = 10
_THINKS_MS = 2500
_GIVE_UP_S = 10.0
_STORY = "The parcel was loaded this morning and the driver has nine stops before yours, so please expect it after four"


async def run(progress: Progress, argument: str) -> Result:
    """`argument`: the number of kills; 20 by default."""
    kills = int(argument or _KILLS)
    result = Result(bench="failover")
    async with Stack(Plan(workers=1, config=OPEN_POLICY, aof=True)) as stack:
        await stack.openai.post("/_sim/script", {"end_on_symbol": True})
        callers = await arrive(stack, _CALLS, lambda _: [], within_s=1.0)
        progress(f"{_CALLS} callers are on the line")
        await asyncio.sleep(1.5)  # until the greeting is over
        next_audio: list[float] = []
        holes: list[float] = []
        unanswered = 0
        for kill in range(1, kills + 1):
            await stack.start_worker(kill)
            if kill % 5:
                took = await _while_thinking(stack, callers, kill)
                next_audio += [each for each in took if not math.isnan(each)]
            else:
                took = await _while_speaking(stack, callers, kill)
                holes += [each for each in took if not math.isnan(each)]
            unanswered += sum(map(math.isnan, took))
            seen = [each for each in took if not math.isnan(each)]
            progress(
                f"kill {kill} of {kills}: {'next audio after' if kill % 5 else 'gap of'} "
                f"{min(seen, default=math.nan):.2f} to {max(seen, default=math.nan):.2f} s"
            )
            await asyncio.sleep(1.5)  # until the replies were heard
        ended = [report["status"] for report in await reports_of(stack, callers, heard=False)]
    lost = sum(status != "in-progress" for status in ended)
    result.add("kill -9 to next audio at the carrier", "s", next_audio, Bar(of="p95", limit=2))
    result.add("longest gap when killed while speaking", "s", holes)
    result.add("calls lost", "calls", [lost], Bar(of="max", limit=0))
    result.add("replies never heard", "calls", [unanswered], Bar(of="max", limit=0))
    result.facts |= {"kills": kills, "calls": _CALLS}
    return result


async def _while_thinking(stack: Stack, callers: list[Caller], kill: int) -> list[float]:
    """Seconds from the kill to the next audio, caller by caller; NaN: none came."""
    rule = {"match": f"round {kill} ", "delay_ms": _THINKS_MS, "times": len(callers)}
    await stack.openai.post("/_sim/script", {"chat": {"rules": [rule]}})
    await _all_say(stack, callers, f"round {kill} of caller")
    await _until_asked(stack, f"round {kill} ", len(callers))
    killed_at = await _kill_owner(stack, callers[0])
    await _until_all_heard(stack, callers, killed_at)
    return [_first_after(frames, killed_at) - killed_at for frames in await arrivals_of(stack, callers)]


async def _while_speaking(stack: Stack, callers: list[Caller], kill: int) -> list[float]:
    """Seconds of the longest gap in the audio of each caller around the kill; NaN: it never resumed."""
    await stack.openai.post("/_sim/script", {"chat": {"rules": [{"match": f"round {kill} ", "reply": _STORY}]}})
    started_at = time.time()
    await _all_say(stack, callers, f"round {kill} of caller")
    await _until_all_heard(stack, callers, started_at)
    await asyncio.sleep(1.0)
    killed_at = await _kill_owner(stack, callers[0])
    # The next worker speaks the reply from its beginning: wait for its length and the takeover.
    await asyncio.sleep(0.04 * len(_STORY) + 3.0)
    holes = []
    for frames in await arrivals_of(stack, callers):
        after = [at for at in frames if at > killed_at - 0.1]
        spoken_on = bool(after) and after[-1] > killed_at + 2.0
        holes.append(max(b - a for a, b in itertools.pairwise(after)) if spoken_on else math.nan)
    return holes


async def _all_say(stack: Stack, callers: list[Caller], words: str) -> None:
    for one in callers:
        say: list[dict[str, Any]] = [{"say": f"{words} {one.number}"}]
        await stack.twilio.post("/_sim/persona", {"call_sid": one.sid, "script": say})


async def _until_asked(stack: Stack, words: str, count: int) -> None:
    def all_asked(seen: Any) -> bool:
        return sum(words in str(line["body"]["messages"][-1]["content"]) for line in seen["lines"]) >= count

    await stack.openai.until("/_sim/ledger?kind=chat", all_asked, within_s=_GIVE_UP_S)


async def _kill_owner(stack: Stack, caller: Caller) -> float:
    worker = stack.worker_of(await stack.owner_of(caller.call))
    killed_at = time.time()
    await worker.kill()
    return killed_at


async def _until_all_heard(stack: Stack, callers: list[Caller], since: float) -> None:
    """Return when audio has reached every caller since then, or after a limit; those without are counted later."""
    give_up = time.time() + _GIVE_UP_S
    while time.time() < give_up:
        if all(frames and frames[-1] > since for frames in await arrivals_of(stack, callers)):
            return
        await asyncio.sleep(0.1)


def _first_after(frames: list[float], at: float) -> float:
    place = bisect_right(frames, at)
    return frames[place] if place < len(frames) else math.nan

"""How soon a caller who speaks stops the agent's audio: from the fact "speech started" to the carrier's `clear`.

A hundred callers of the simulator of Twilio each ask for a long reply and speak into it, several times. Measured at
both ends by the simulators' own ledgers: recognition has sent `speech_started`, and the carrier has received the
`clear` with which it drops what it has buffered. Between the two are the worker, Redis and the ingress.

The ingress sends no `clear` when the carrier has played all that it got: there is nothing to drop, and the agent is
silent. Such an interruption counts until the end of the last frame that came.
"""

import asyncio
import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

from bench.cpu import Cpu
from bench.crowd import OPEN_POLICY, STARVED_MS, Caller, arrivals_of, arrive, late_ms, reports_of
from bench.figures import Bar, Result, spread
from bench.progress import Progress
from simulators.stack import Plan, Stack
from voicecall.bus.connection import connect
from voicecall.bus.log import RedisCallLog
from voicecall.call.events import Event, SpeechStarted

__all__ = ["run"]

_CALLS = 100
_ROUNDS = 3
_ARRIVAL_S = 6.0
_ROUND_MS = 5000
_WITHIN_S = 2.0
_LIMIT_MS = 60
_FRAME_S = 0.02
_GAP_S = 0.1  # without a frame for so long, the carrier had nothing left to clear
_STORY = "Once upon a time there was a king who had a daughter with a golden ball and a very deep well in the garden."


async def run(progress: Progress, argument: str) -> Result:
    """`argument`: how many calls. Raises ValueError for another argument."""
    if argument and not (argument.isdecimal() and int(argument)):
        raise ValueError(f"interruption takes a number of calls, not {argument}")
    calls = int(argument or _CALLS)
    result = Result(bench="interruption")
    async with Stack(Plan(workers=1, config=OPEN_POLICY, aof=True)) as stack:
        rules = [
            {"match": "story", "reply": _STORY, "chunk_words": 1000},
            {"match": "wait", "reply": "Yes.", "chunk_words": 1000},
        ]
        await stack.openai.post("/_sim/script", {"chat": {"rules": rules}, "end_on_symbol": True})
        callers = await arrive(stack, calls, _script, within_s=_ARRIVAL_S * min(1.0, calls / 100))
        progress(f"{calls} callers are on the line")
        await late_ms(stack)
        async with Cpu(stack.processes) as cpu:
            await asyncio.sleep(3.0 + _ROUNDS * _ROUND_MS / 1000)
        late = await late_ms(stack)
        progress("reading the ledgers")
        found = await _interruptions(stack, callers)
    stopped = [one for one in found if one.silent < math.inf]
    missed = len(found) - len(stopped)
    label = f"twilio, {calls} calls: speech started to clear"
    result.add(label, "ms", [one.silent for one in stopped], Bar(of="p99", limit=_LIMIT_MS))
    first, second = spread(one.decided for one in stopped), spread(one.silent - one.decided for one in stopped)
    result.remarks.append(
        "p50 / p99 in ms, speech started → event of the call → clear: "
        f"{first.p50:.1f} / {first.p99:.1f}, {second.p50:.1f} / {second.p99:.1f}; "
        f"{sum(not one.by_clear for one in stopped)} had nothing to clear"
    )
    starved = f"; the carrier's own clock was {late:.0f} ms late: STARVED" if late > STARVED_MS else ""
    result.remarks.append(f"{calls} calls, each interrupts {_ROUNDS} times, one worker; {cpu.weather()}{starved}")
    if missed:
        result.remarks.append(
            f"{missed} interruptions did not stop the agent within {_WITHIN_S:g} s and are not counted"
        )
    result.facts = {"calls": calls, "missed": missed, "machine": cpu.machine, "cpu": cpu.shares(), "late_ms": late}
    return result


def _script(number: int) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [{"wait_ms": 2000}]
    for turn in range(_ROUNDS):
        # The text is unique to this turn, so that the ledgers of both simulators can be joined by it.
        steps += [
            {"say": f"story {number}-{turn}"},
            {"interrupt_after_chars": 20 + 10 * (number % 3), "say": f"wait {number}-{turn}"},
            {"wait_ms": 1500},
        ]
    return steps


@dataclass(frozen=True)
class _Interruption:
    """In ms: until the worker has decided on the fact, and until the agent is silent. `by_clear`: by a clear."""

    decided: float
    silent: float
    by_clear: bool


async def _interruptions(stack: Stack, callers: list[Caller]) -> list[_Interruption]:
    """Each interruption; `silent` is infinite when the agent went on."""
    sounds = await _sounds(stack)
    found = []
    redis = connect(f"redis://127.0.0.1:{stack.redis_port}/0")
    log = RedisCallLog(redis)
    reports, arrivals = await reports_of(stack, callers, heard=False), await arrivals_of(stack, callers)
    for caller, report, frames in zip(callers, reports, arrivals, strict=True):
        clears = sorted(clear["at"] for stream in report["streams"] for clear in stream["clears"])
        decided = [record.event.at for record in await log.history(caller.call) if _is_sound(record.event)]
        for words in report["said"]:
            began = sounds.get(words["text"]) if words["text"].startswith("wait") and words["complete"] else None
            if began is not None:
                found.append(_interruption(began, decided, clears, frames))
    await redis.aclose()
    return found


def _interruption(began: float, decided: list[float], clears: list[float], frames: list[float]) -> _Interruption:
    clear = _first_at(clears, began)
    place = bisect_left(frames, clear)
    last = frames[place - 1] if place else began
    by_clear = clear - last < _GAP_S
    silent_s = (clear if by_clear else max(began, last + _FRAME_S)) - began
    # The clocks of Redis and of the simulator are one here, but for the moment that reading them takes.
    decided_s = max(0.0, _first_at(decided, began - 0.05) - began)
    return _Interruption(decided_s * 1000, silent_s * 1000 if silent_s < _WITHIN_S else math.inf, by_clear)


def _is_sound(event: Event) -> bool:
    return isinstance(event, SpeechStarted)


async def _sounds(stack: Stack) -> dict[str, float]:
    """When recognition reported the beginning of each utterance, by its text."""
    lines = (await stack.openai.get("/_sim/ledger", kind="speech_started"))["lines"]
    began = {line["item_id"]: float(line["at"]) for line in lines}
    said = (await stack.openai.get("/_sim/ledger", kind="transcript"))["lines"]
    return {line["text"]: began[line["item_id"]] for line in said if line["item_id"] in began}


def _first_at(times: list[float], at: float) -> float:
    place = bisect_left(times, at)
    return times[place] if place < len(times) else math.inf

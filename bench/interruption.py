"""How soon a caller who speaks stops the agent's audio: from the fact "speech started" to the carrier's `clear`.

A hundred callers of the simulator of Twilio each ask for a long reply and speak into it, several times. Measured at
both ends by the simulators' own ledgers: recognition has sent `speech_started`, and the carrier has received the
`clear` with which it drops what it has buffered. Between the two are the worker, Redis and the ingress.
"""

import asyncio
import math
from bisect import bisect_left
from typing import Any

from bench.cpu import Cpu
from bench.crowd import OPEN_POLICY, STARVED_MS, Caller, arrive, late_ms, reports_of
from bench.figures import Bar, Result
from bench.progress import Progress
from simulators.stack import Plan, Stack

__all__ = ["run"]

_CALLS = 100
_ROUNDS = 3
_ARRIVAL_S = 6.0
_ROUND_MS = 5000
_WITHIN_S = 2.0
_LIMIT_MS = 60
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
        times, missed = await _times(stack, callers)
    label = f"twilio, {calls} calls: speech started to clear"
    result.add(label, "ms", times, Bar(of="p99", limit=_LIMIT_MS))
    starved = f"; the carrier's own clock was {late:.0f} ms late: STARVED" if late > STARVED_MS else ""
    result.remarks.append(f"{calls} calls, each interrupts {_ROUNDS} times, one worker; {cpu.weather()}{starved}")
    if missed:
        result.remarks.append(f"{missed} interruptions had no clear within {_WITHIN_S:g} s and are not counted")
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


async def _times(stack: Stack, callers: list[Caller]) -> tuple[list[float], int]:
    """From each interruption to its clear, in ms; and how many had none."""
    sounds = await _sounds(stack)
    times, missed = [], 0
    for report in await reports_of(stack, callers, heard=False):
        clears = sorted(clear["at"] for stream in report["streams"] for clear in stream["clears"])
        for words in report["said"]:
            began = sounds.get(words["text"]) if words["text"].startswith("wait") and words["complete"] else None
            if began is None:
                continue
            took_s = _first_at(clears, began) - began
            if took_s < _WITHIN_S:
                times.append(took_s * 1000)
            else:
                missed += 1
    return times, missed


async def _sounds(stack: Stack) -> dict[str, float]:
    """When recognition reported the beginning of each utterance, by its text."""
    lines = (await stack.openai.get("/_sim/ledger", kind="speech_started"))["lines"]
    began = {line["item_id"]: float(line["at"]) for line in lines}
    said = (await stack.openai.get("/_sim/ledger", kind="transcript"))["lines"]
    return {line["text"]: began[line["item_id"]] for line in said if line["item_id"] in began}


def _first_at(times: list[float], at: float) -> float:
    place = bisect_left(times, at)
    return times[place] if place < len(times) else math.inf

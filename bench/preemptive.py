"""Preemptive generation: the whole turn with and without it, with services that take as long as real ones.

Two stacks, one with `turns.preemptive` on and one with it off, converse in turns in one run. Deepgram's Flux finds a
likely end after 120 ms of silence and the end after 300 ms, and needs 120 ms to report either; the model thinks for
250 ms, the voice for 120 ms. In one turn of three the caller goes on after a pause of 220 ms, so that the first likely
end is wrong. Measured by the simulators' own ledgers, from the caller's last frame to the first frame of the reply at
the carrier; and each reply that was heard is compared with what it must be.
"""

import asyncio
import math
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from bench.crowd import OPEN_POLICY, STARVED_MS, arrivals_of, arrive, late_ms, reports_of
from bench.figures import Bar, Result, spread
from bench.progress import Progress
from simulators.stack import Plan, Stack

__all__ = ["run"]

_ROUNDS = 2
_CALLERS = 8
_TURNS = 6  # of each caller in a round; in every third one the caller goes on after a pause
_FINAL_MS, _TOKEN_MS, _AUDIO_MS = 120, 250, 120
_PAUSE_MS, _TURN_MS = 220, 2800
_SAVED_MS = 150.0
_KINDS = {"plain": "a turn in one piece", "pausing": "a turn with a pause"}


@dataclass
class _Found:
    """Of one stack: the wait of each turn in ms by its kind, turns that got no reply, and replies to something else."""

    waits: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    lost: int = 0
    stale: int = 0
    requests: int = 0
    discarded: int = 0


async def run(progress: Progress, argument: str) -> Result:
    """`argument`: the number of rounds. Raises ValueError for another argument."""
    if argument and not (argument.isdecimal() and int(argument)):
        raise ValueError(f"preemptive takes a number of rounds, not {argument}")
    rounds, result = int(argument or _ROUNDS), Result(bench="preemptive")
    found = {"off": _Found(), "on": _Found()}
    async with _stack("off") as off, _stack("on") as on:
        for each in range(rounds):
            for name, stack in (("off", off), ("on", on)):
                progress(f"round {each + 1} of {rounds}, preemptive {name}")
                late = await _converse(stack, found[name], each)
                if late > STARVED_MS:
                    where = f"round {each + 1}, {name}"
                    result.remarks.append(f"{where}: the carrier's own clock was {late:.0f} ms late: STARVED")
        for name, stack in (("off", off), ("on", on)):
            await _count_requests(stack, found[name])
    _report(result, found)
    return result


def _stack(preemptive: str) -> Stack:
    turns = {**OPEN_POLICY["turns"], "preemptive": preemptive}
    return Stack(Plan(workers=1, stt=("deepgram",), config={**OPEN_POLICY, "turns": turns}, aof=True))


async def _converse(stack: Stack, found: _Found, number: int) -> float:
    """One round of calls. Returns how late the carrier's clock was, in ms."""
    recognition = [{"where": where, "do": {"delay_ms": _FINAL_MS}} for where in ("transcript", "eager")]
    await stack.deepgram.post("/_sim/script", {"misbehave": recognition})
    # The reply in one chunk, and the default one: it repeats what was said, so that a stale one is known by its text.
    model = {"rules": [{"delay_ms": _TOKEN_MS, "chunk_words": 1000}]}
    voice = [{"where": "speech", "do": {"delay_ms": _AUDIO_MS}}]
    await stack.openai.post("/_sim/script", {"chat": model, "misbehave": voice})
    before = (await stack.carrier.get("/_sim/health"))["open_streams"]
    assert not before, "the calls of the round before are over"
    await late_ms(stack)
    callers = await arrive(stack, _CALLERS, lambda caller: _script(number, caller), within_s=_TURN_MS / 1000)
    await asyncio.sleep(2 + _TURNS * (_TURN_MS / 1000 + 1.5))
    await stack.carrier.until("/_sim/health", lambda seen: not seen["open_streams"], within_s=30)
    late = await late_ms(stack)
    reports, arrivals = await reports_of(stack, callers, heard=True), await arrivals_of(stack, callers)
    for report, frames in zip(reports, arrivals, strict=True):
        _read(found, report, frames)
    return late


def _script(round_: int, caller: int) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [{"wait_ms": 2000}]
    for turn in range(_TURNS):
        name = f"{round_}-{caller}-{turn}"
        if turn % 3 == 2:
            steps += [{"say": f"but {name}"}, {"wait_ms": _PAUSE_MS}, {"say": f"more {name}"}]
        else:
            steps += [{"say": f"say {name}"}]
        steps += [{"wait_ms": _TURN_MS}]
    return [*steps, {"hangup": True}]


def _read(found: _Found, report: dict[str, Any], frames: list[float]) -> None:
    said = [words for words in report["said"] if not words["text"].startswith("but")]
    wanted = []
    for words in said:
        kind, _, name = words["text"].partition(" ")
        first = _first_after(frames, words["end_at"])
        if not first - words["end_at"] < _TURN_MS / 1000:
            found.lost += 1
            continue
        found.waits["pausing" if kind == "more" else "plain"].append((first - words["end_at"]) * 1000)
        whole = words["text"] if kind == "say" else f"but {name} more {name}"
        wanted.append(f"You said: {whole}.")
    heard = [utterance["text"] for utterance in report["heard"]][1:]  # after the greeting
    found.stale += sum(text not in wanted for text in heard) + abs(len(heard) - len(wanted))


def _first_after(frames: list[float], at: float) -> float:
    place = bisect_right(frames, at)
    return frames[place] if place < len(frames) else math.nan


async def _count_requests(stack: Stack, found: _Found) -> None:
    lines = (await stack.openai.get("/_sim/ledger", kind="chat"))["lines"]
    found.requests = len(lines)
    found.discarded = sum(line["outcome"] == "client_gone" for line in lines)


def _report(result: Result, found: dict[str, _Found]) -> None:
    off, on = found["off"], found["on"]
    for kind, means in _KINDS.items():
        for name, each in found.items():
            result.add(f"{means}, preemptive {name}: from the last frame", "ms", each.waits[kind])
    for kind, means in _KINDS.items():
        saved = spread(off.waits[kind]).p50 - spread(on.waits[kind]).p50
        result.add(f"{means}: difference of the p50", "ms", [saved], Bar(of="p50", limit=_SAVED_MS, sense="at_least"))
    result.add("replies with a stale word", "replies", [on.stale + off.stale], Bar(of="max", limit=0))
    services_ms = 300 + _FINAL_MS + _TOKEN_MS + _AUDIO_MS
    result.remarks.append(
        f"the services' own delays without it: silence 300, final {_FINAL_MS}, first token {_TOKEN_MS}, first audio "
        f"{_AUDIO_MS}: {services_ms} ms; the likely end comes 180 ms before the end"
    )
    more = on.requests / off.requests - 1 if off.requests else math.nan
    result.remarks.append(
        f"requests to the model: {off.requests} without, {on.requests} with it ({more:+.0%}), of which {on.discarded} "
        f"were closed; turns without a reply in time: {off.lost} and {on.lost}"
    )
    result.facts |= {name: {**vars(each), "waits": dict(each.waits)} for name, each in found.items()}

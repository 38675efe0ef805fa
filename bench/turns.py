"""Turn latency without a slow agent or TTS: what the product, Redis and the network add to a conversation.

A hundred callers of the simulator of Twilio, and then twenty of each carrier's, converse with a simulator of OpenAI
that ends an utterance at its END tone, replies at once and speaks at once, with replies of 0.2, 1 and 5 s. Measured at
both ends by the simulators' own ledgers:

    from the STT's final    transcript `completed` sent by the simulator    ->  first frame of the reply at the carrier
    from the last frame     the caller's last 20 ms left the carrier        ->  the same

Both contain two HTTP requests to the simulator (chat and speech) and, the second one, its recognition: the remarks say
how much of the time the simulator took.
"""

import asyncio
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.cpu import Cpu
from bench.crowd import OPEN_POLICY, STARVED_MS, Caller, arrivals_of, arrive, late_ms, reports_of
from bench.figures import Bar, Result, spread
from bench.progress import Progress
from simulators.stack import Plan, Stack
from simulators.stack.carriers import CARRIERS

__all__ = ["run"]

_ARRIVAL_S = 6.0


@dataclass(frozen=True)
class _Kind:
    """One length of reply: the word that asks for it, the reply, and how long until the caller speaks again."""

    word: str
    reply: str
    pause_ms: int

    @property
    def seconds(self) -> float:
        return sum(40 + 40 * len(sentence) for sentence in self.reply.split("|")) / 1000


_KINDS = (
    _Kind("brief", "Yes.", 1800),
    _Kind("plain", "It is on its way today..", 2600),
    _Kind(
        "whole",
        "The first parcel left here on Monday now|The second one follows it on Tuesday too|"
        "And the third is waiting for your word.",
        6600,
    ),
)


@dataclass(frozen=True)
class _Crowd:
    """The callers: over which carrier, how many, and how often each of them asks for each kind of reply."""

    carrier: str
    calls: int
    rounds: int

    @property
    def label(self) -> str:
        return f"{self.carrier}, {self.calls} calls"


_CROWDS = (
    _Crowd("twilio", 100, 2),
    # Small crowds, to compare the carriers: a hundred calls each would take a minute more.
    _Crowd("twilio", 20, 1),
    _Crowd("telnyx", 20, 1),
    _Crowd("plivo", 20, 1),
)
_ASKED_ROUNDS = 2


async def run(progress: Progress, argument: str) -> Result:
    """`argument`: a carrier, how many calls, or both, as `plivo:50`. Raises ValueError for another argument."""
    result = Result(bench="turns")
    for crowd in _crowds(argument):
        async with Stack(Plan(carrier=crowd.carrier, workers=1, config=OPEN_POLICY, aof=True)) as stack:
            await _converse(progress, result, stack, crowd)
    return result


def _crowds(argument: str) -> Sequence[_Crowd]:
    if not argument:
        return _CROWDS
    words = argument.split(":")
    carriers = [word for word in words if word in CARRIERS] or ["twilio"]
    counts = [word for word in words if word not in CARRIERS]
    if len(counts) > 1 or not all(count.isdecimal() and int(count) for count in counts):
        raise ValueError(f"turns takes {', '.join(CARRIERS)} and a number of calls, not {argument}")
    if counts:
        return [_Crowd(carrier, int(counts[0]), _ASKED_ROUNDS) for carrier in carriers]
    return [crowd for crowd in _CROWDS if crowd.carrier in carriers]


async def _converse(progress: Progress, result: Result, stack: Stack, crowd: _Crowd) -> None:
    rules = [
        # The reply in one chunk: token by token would measure how fast the simulator can write.
        {"match": kind.word, "reply": kind.reply.replace("|", ". "), "chunk_words": 1000}
        for kind in _KINDS
    ]
    await stack.openai.post("/_sim/script", {"chat": {"rules": rules}, "end_on_symbol": True})
    arrival_s = _ARRIVAL_S * min(1.0, crowd.calls / 100)
    callers = await arrive(stack, crowd.calls, lambda number: _script(number, crowd.rounds), within_s=arrival_s)
    progress(f"{crowd.label} are on the line")
    length_s = 3.0 + crowd.rounds * sum(kind.pause_ms / 1000 + 0.5 for kind in _KINDS)
    await late_ms(stack)
    async with Cpu(stack.processes) as cpu:
        await asyncio.sleep(length_s)
    late = await late_ms(stack)
    progress(f"{crowd.label}: reading the ledgers")
    facts = await _add(result, stack, callers, crowd)
    starved = f"; the carrier's own clock was {late:.0f} ms late: STARVED" if late > STARVED_MS else ""
    asked = f"each asks {crowd.rounds} x {len(_KINDS)} times"
    result.remarks.append(f"{crowd.label}, {asked}, one worker; {cpu.weather()}{starved}")
    result.facts[crowd.label] = {**facts, "machine": cpu.machine, "cpu": cpu.shares(), "late_ms": late}


def _script(number: int, rounds: int) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [{"wait_ms": 2000}]
    # Each third of the callers begins with another kind, so that long replies are spread over the run.
    turns = number % len(_KINDS)
    kinds = _KINDS[turns:] + _KINDS[:turns]
    for turn in range(rounds):
        for kind in kinds:
            # The text is unique to this turn, so that the ledgers of both simulators can be joined by it.
            steps += [{"say": f"{kind.word} {number}-{turn}"}, {"wait_ms": kind.pause_ms}]
    return steps


async def _add(result: Result, stack: Stack, callers: list[Caller], crowd: _Crowd) -> dict[str, Any]:
    finals = {line["text"]: line for line in await _lines(stack, "transcript") if line["outcome"] == "completed"}
    asked = {_asked(line): line for line in await _lines(stack, "chat")}
    spoken = {line["body"]["input"]: line for line in await _lines(stack, "speech")}
    reports = await reports_of(stack, callers, heard=False)
    arrivals = await arrivals_of(stack, callers)
    said = {
        words["text"]: (words, frames)
        for report, frames in zip(reports, arrivals, strict=True)
        for words in report["said"]
        if words["complete"]
    }
    lost_turns = 0
    for kind in _KINDS:
        from_final, from_frame, lost = [], [], 0
        stages: dict[str, list[float]] = {"recognition": [], "asking": [], "answering": []}
        for text, (words, frames) in said.items():
            if not text.startswith(kind.word):
                continue
            final = finals.get(text)
            first = _first_after(frames, final["sent_at"]) if final is not None else math.nan
            # The caller speaks again after `pause_ms`: a later reply does not belong to this turn.
            if final is None or not first - final["sent_at"] < kind.pause_ms / 1000:
                lost += 1
                continue
            from_final.append((first - final["sent_at"]) * 1000)
            from_frame.append((first - words["end_at"]) * 1000)
            stages["recognition"].append((final["sent_at"] - words["end_at"]) * 1000)
            if text in asked:
                stages["asking"].append((asked[text]["at"] - final["sent_at"]) * 1000)
                stages["answering"].append((first - asked[text]["at"]) * 1000)
        label = f"{crowd.label}, reply of {kind.seconds:.1f} s"
        result.add(f"{label}: from the final", "ms", from_final, Bar(of="p50", limit=4), Bar(of="p99", limit=12))
        result.add(f"{label}: from the last frame", "ms", from_frame, Bar(of="p50", limit=8), Bar(of="p99", limit=20))
        text = ", ".join(f"{name} {spread(times).p50:.1f} / {spread(times).p99:.1f}" for name, times in stages.items())
        result.remarks.append(f"{label}: p50 / p99 in ms, last frame → final → chat asked → first audio: {text}")
        lost_turns += lost
        if lost:
            result.remarks.append(f"{label}: {lost} turns got no reply in time and are not counted")
    return {"calls": crowd.calls, "turns": len(said), "lost": lost_turns, "speech_requests": len(spoken)}


def _asked(line: dict[str, Any]) -> str:
    return next((str(m["content"]) for m in reversed(line["body"]["messages"]) if m["role"] == "user"), "")


async def _lines(stack: Stack, kind: str) -> list[dict[str, Any]]:
    answer = await stack.openai.get("/_sim/ledger", kind=kind)
    lines: list[dict[str, Any]] = answer["lines"]
    return lines


def _first_after(frames: list[float], at: float) -> float:
    place = bisect_right(frames, at)
    return frames[place] if place < len(frames) else math.nan

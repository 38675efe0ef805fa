"""Media streams with a turn each five seconds: CPU per call and process, lost frames, and the evenness of the pacing.

Callers of the simulator of Twilio speak tone code for about a second every five; the simulator of OpenAI transcribes,
replies at once and speaks about a second and a half. A frame lost inside a word loses a letter, so the transcripts are
compared. One ingress, one worker, one gateway, one Redis. On a small machine the simulators share the cores: the
product's CPU time is measured per process and stays valid, but gaps are valid only while the simulator was on time
itself.
"""

import asyncio
import itertools
import math
from typing import Any

from bench.cpu import PRODUCT_ROLES, Cpu
from bench.crowd import OPEN_POLICY, STARVED_MS, Caller, arrivals_of, arrive, late_ms, loss, reports_of
from bench.figures import Bar, Result
from bench.progress import Progress
from simulators.stack import Plan, Stack

__all__ = ["run"]

_CROWDS = (10, 100, 200)
_TURN_S = 5.0
_SETTLE_S = 4.0
_WATCH_S = 15.0
_GREETING_MS = 3000
"""Long enough for the greeting of the first call after a start: an interrupted one would count as loss."""
_PAUSE_S = 1.0
"""Frames further apart belong to two replies: one lasts a second and a half, and turns are five apart."""
_WORDS = "how much do you know about {:03d}"


async def run(progress: Progress, argument: str) -> Result:
    """`argument`: the number of calls; 10, 100 and 200 by default."""
    result = Result(bench="media")
    for count in [int(argument)] if argument else _CROWDS:
        async with Stack(Plan(workers=1, config=OPEN_POLICY, aof=True)) as stack:
            await _measure(progress, result, stack, count)
    return result


async def _measure(progress: Progress, result: Result, stack: Stack, count: int) -> None:
    turns = int((_TURN_S + _SETTLE_S + _WATCH_S) / _TURN_S) + 1

    def script(number: int) -> list[dict[str, Any]]:
        words = _WORDS.format(number)
        said_ms = 40 + 40 * len(words)
        turn: list[dict[str, Any]] = [{"say": words}, {"wait_ms": _TURN_S * 1000 - said_ms}]
        return [{"wait_ms": _GREETING_MS}, *turn * turns]

    callers = await arrive(stack, count, script, within_s=_TURN_S)
    progress(f"{count} callers are on the line")
    await asyncio.sleep(_SETTLE_S)
    late_before = await late_ms(stack)
    async with Cpu(stack.processes) as cpu:
        await asyncio.sleep(_WATCH_S)
    late = await late_ms(stack)
    await asyncio.sleep(_TURN_S + 3)  # until the last replies were heard
    progress(f"{count} callers: {sum(_of_product(cpu.shares()).values()) / count:.2%} of a core per call")
    _add_cpu(result, cpu, count)
    await _add_media(result, stack, callers)
    starved = late > STARVED_MS
    result.remarks.append(
        f"{count} calls: {cpu.weather()}; the carrier's own clock was at most "
        f"{late:.0f} ms late while measured{': STARVED, its gaps and losses are not valid' if starved else ''}"
    )
    result.facts[f"{count} calls"] = {
        "machine": cpu.machine,
        "late_ms": {"before": late_before, "measured": late},
        "starved": starved,
        "cpu": cpu.shares(),
    }


def _of_product(shares: dict[str, float]) -> dict[str, float]:
    return {role: share for role, share in shares.items() if role in PRODUCT_ROLES}


def _add_cpu(result: Result, cpu: Cpu, count: int) -> None:
    bars = (Bar(of="mean", limit=0.5),) if count == 100 else ()
    each = [sum(_of_product(window).values()) / count * 100 for window in cpu.samples]
    result.add(f"{count} calls: CPU per call, product and Redis", "% of a core", each, *bars)
    for role in PRODUCT_ROLES:
        shares = [window.get(role, 0.0) / count * 100 for window in cpu.samples]
        result.add(f"{count} calls: CPU per call, {role}", "% of a core", shares)


async def _add_media(result: Result, stack: Stack, callers: list[Caller]) -> None:
    count = len(callers)
    reports = await reports_of(stack, callers, heard=True)
    ledger = await stack.openai.get("/_sim/ledger", kind="realtime")
    speech = await stack.openai.get("/_sim/ledger", kind="speech")
    streams = [stream for report in reports for stream in report["streams"]]
    up = loss(sum(s["sent_frames"] for s in streams) * 20, sum(line["audio_ms"] for line in ledger["lines"]))
    # TTS makes 24 kHz of two bytes, the telephone has 8 kHz of one: 960 bytes become a frame.
    made = sum(math.ceil(line["sent"] / 960) for line in speech["lines"])
    down = loss(made, sum(stream["received"].get("media", 0) for stream in streams))
    gaps = [
        (after - before) * 1000
        for arrivals in await arrivals_of(stack, callers)
        for before, after in itertools.pairwise(arrivals)
        if after - before < _PAUSE_S
    ]
    bars = (Bar(of="p99", limit=25),) if count == 100 else ()
    result.add(f"{count} calls: gap between frames at the carrier", "ms", gaps, *bars)
    result.add(f"{count} calls: loss from the caller to the recogniser", "%", [up])
    result.add(f"{count} calls: loss from the voice to the caller", "%", [down])
    heard = [words for report in reports for words in report["heard"]]
    cut = sum(not words["complete"] for words in heard)
    result.remarks.append(
        f"{count} calls: {await _words_lost(stack, reports)}; {len(heard)} replies heard, {cut} not to the letter"
    )


async def _words_lost(stack: Stack, reports: list[dict[str, Any]]) -> str:
    """What was recognised, compared with what was said."""
    lines = (await stack.openai.get("/_sim/ledger", kind="transcript"))["lines"]
    understood = sorted(line["text"] for line in lines)
    said = sorted(words["text"] for report in reports for words in report["said"] if words["complete"])
    wrong = len(said) - sum(1 for text in said if _take(understood, text))
    return f"{len(said)} utterances said, {wrong} of them not understood to the letter"


def _take(words: list[str], text: str) -> bool:
    if text in words:
        words.remove(text)
        return True
    return False

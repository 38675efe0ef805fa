"""How exactly a model that speaks learns what its interrupted caller has heard: its truncation against the line.

Callers of the simulator of Twilio each ask for a long reply and speak into it, again and again. Measured at both ends
by the simulators' own ledgers: how much of the reply was heard on the line, by the tone code, and to how much the model
was asked to truncate it (`conversation.item.truncate`). A truncation that the service refuses is counted.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from bench.cpu import Cpu
from bench.crowd import OPEN_POLICY, STARVED_MS, Caller, arrive, late_ms, reports_of
from bench.figures import Bar, Result
from bench.progress import Progress
from simulators.stack import Plan, Stack

__all__ = ["run"]

_CALLS = 10
_ROUNDS = 20
_ROUND_S = 4.5
_FRAME_MS = 20
_STORY = "Once upon a time there was a king who had a daughter with a golden ball and a very deep well in the garden."


async def run(progress: Progress, argument: str) -> Result:
    """`argument`: how many calls, each of which interrupts twenty times. Raises ValueError for another argument."""
    if argument and not (argument.isdecimal() and int(argument)):
        raise ValueError(f"truncation takes a number of calls, not {argument}")
    calls = int(argument or _CALLS)
    result = Result(bench="truncation")
    async with Stack(Plan(workers=1, config={**OPEN_POLICY, "maxDurationSeconds": 600}, document=_realtime)) as stack:
        rules = [{"match": "story", "reply": _STORY}, {"match": "wait", "reply": "Yes."}]
        await stack.openai.post("/_sim/script", {"chat": {"rules": rules}})
        callers = await arrive(stack, calls, _script, within_s=3.0)
        progress(f"{calls} callers are on the line")
        await late_ms(stack)
        async with Cpu(stack.processes) as cpu:
            await asyncio.sleep(4.0 + _ROUNDS * _ROUND_S)
        late = await late_ms(stack)
        progress("reading the ledgers")
        pairs = [pair async for pair in _pairs(stack, callers)]
        truncated = (await stack.openai.get("/_sim/ledger", kind="truncate"))["lines"]
    refused = sum(line["outcome"] == "refused" for line in truncated)
    off = [abs(heard_ms - said_ms) for heard_ms, said_ms in pairs]
    result.add("truncated to what was heard, off by", "ms", off, Bar(of="p99", limit=_FRAME_MS))
    result.remarks.append(
        f"{len(pairs)} interrupted replies, {sum(ms <= _FRAME_MS for ms in off)} within a frame; {len(truncated)}"
        f" truncations, {refused} refused"
    )
    starved = f"; the carrier's own clock was {late:.0f} ms late: STARVED" if late > STARVED_MS else ""
    result.remarks.append(f"{calls} calls, one worker; {cpu.weather()}{starved}")
    result.facts = {"pairs": len(pairs), "refused": refused, "machine": cpu.machine, "cpu": cpu.shares()}
    return result


def _realtime(config: dict[str, Any], stack: Stack) -> dict[str, Any]:
    block = {"baseUrl": f"{stack.openai.url}/v1", "apiKey": "sk-demo", "silenceDurationMs": 300}
    return {**config, "realtime": {"enabled": True, "providers": {"openai": block}}}


def _script(number: int) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [{"wait_ms": 2000}]
    for turn in range(_ROUNDS):
        steps += [
            {"say": f"story {number}-{turn}"},
            {"interrupt_after_chars": 12 + 3 * turn, "say": f"wait please {number}-{turn}"},
            {"wait_heard": "Yes", "within_ms": 5000},
        ]
    return steps


async def _pairs(stack: Stack, callers: list[Caller]) -> AsyncIterator[tuple[float, float]]:
    """Of each reply that was cut: how much was heard of it, and to how much it was truncated, in ms."""
    replies = (await stack.openai.get("/_sim/ledger", kind="reply"))["lines"]
    lines = (await stack.openai.get("/_sim/ledger", kind="truncate"))["lines"]
    ends = {line["item"]: float(line["audio_end_ms"]) for line in lines}
    for number, report in enumerate(await reports_of(stack, callers, heard=True)):
        stories = [each for each in replies if each["said"].startswith(f"story {number}-")]
        cut = [each for each in stories if each.get("item") in ends]
        for heard, reply in zip(_heard(report), cut, strict=False):
            yield heard, ends[reply["item"]]


def _heard(report: Any) -> Iterator[float]:
    """How long each story was heard, in order."""
    for each in report["heard"]:
        if each["text"] and _STORY.startswith(each["text"].rstrip("\ufffd")) and each["text"] != _STORY:
            yield each["end_ms"] - each["start_ms"]

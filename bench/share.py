"""Whose time a turn is: with services as slow as real ones, how much of the caller's wait is ours.

Callers of the simulator of Twilio converse with a simulator of OpenAI that waits 120 ms before a final transcript, 250
ms before the first token and 120 ms before the first audio. The whole turn is from the last frame of the caller's
speech at the carrier to the first frame of the reply there; the services' own delays are what their ledgers say that
they took; what is left is ours: the carrier's socket, ingress, Redis, worker, and the way to the services.
"""

import asyncio
import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from bench.cpu import Cpu
from bench.crowd import OPEN_POLICY, STARVED_MS, Caller, arrivals_of, arrive, late_ms, reports_of
from bench.figures import Bar, Result
from bench.progress import Progress
from simulators.openai.delays import delays
from simulators.stack import Plan, Stack

__all__ = ["run"]

_CALLS = 20
_ROUNDS = 4
_ARRIVAL_S = 3.0
_PAUSE_MS = 2500
_FINAL_MS, _TOKEN_MS, _AUDIO_MS = 120, 250, 120
_LIMIT = 5.0


@dataclass(frozen=True)
class _Turn:
    """In ms. `final`, `token`, `audio`: what each service took of it."""

    whole: float
    final: float
    token: float
    audio: float

    @property
    def services(self) -> float:
        return self.final + self.token + self.audio

    @property
    def ours(self) -> float:
        return self.whole - self.services


async def run(progress: Progress, argument: str) -> Result:
    """`argument`: how many calls. Raises ValueError for another argument."""
    if argument and not (argument.isdecimal() and int(argument)):
        raise ValueError(f"share takes a number of calls, not {argument}")
    calls = int(argument or _CALLS)
    result = Result(bench="share")
    async with Stack(Plan(workers=1, config=OPEN_POLICY, aof=True)) as stack:
        await stack.openai.post("/_sim/script", _slow())
        callers = await arrive(stack, calls, _script, within_s=_ARRIVAL_S * max(1.0, calls / 50))
        progress(f"{calls} callers are on the line")
        await late_ms(stack)
        async with Cpu(stack.processes) as cpu:
            await asyncio.sleep(3.0 + _ROUNDS * (_PAUSE_MS / 1000 + 0.8))
        late = await late_ms(stack)
        progress("reading the ledgers")
        turns = await _turns(stack, callers)
    _add(result, f"twilio, {calls} calls", turns)
    starved = f"; the carrier's own clock was {late:.0f} ms late: STARVED" if late > STARVED_MS else ""
    result.remarks.append(f"{calls} calls, each asks {_ROUNDS} times, one worker; {cpu.weather()}{starved}")
    result.facts = {"calls": calls, "turns": len(turns), "machine": cpu.machine, "cpu": cpu.shares(), "late_ms": late}
    return result


def _slow() -> dict[str, Any]:
    return {
        # Without a reply of its own a rule repeats what was said: so each sentence that is spoken is unique as well.
        "chat": {"rules": [{"match": "parcel", "chunk_words": 1000, "delay_ms": _TOKEN_MS}]},
        "end_on_symbol": True,
        **delays(final_ms=_FINAL_MS, audio_ms=_AUDIO_MS),
    }


def _script(number: int) -> list[dict[str, Any]]:
    # The text is unique to this turn, so that the ledgers can be joined by it.
    turns = [[{"say": f"parcel {number}-{turn}"}, {"wait_ms": _PAUSE_MS}] for turn in range(_ROUNDS)]
    return [{"wait_ms": 2000}, *(step for turn in turns for step in turn)]


def _add(result: Result, label: str, turns: list[_Turn]) -> None:
    result.add(f"{label}: the whole turn", "ms", [turn.whole for turn in turns])
    result.add(f"{label}: the services' own delays", "ms", [turn.services for turn in turns])
    result.add(f"{label}: ours", "ms", [turn.ours for turn in turns])
    shares = [100 * turn.ours / turn.whole for turn in turns]
    result.add(f"{label}: our share", "%", shares, Bar(of="p50", limit=_LIMIT))
    parts = [(name, [getattr(turn, name) for turn in turns]) for name in ("final", "token", "audio")]
    means = ", ".join(f"{name} {sum(times) / max(1, len(times)):.1f}" for name, times in parts)
    result.remarks.append(f"{label}: the services took, in ms on average: {means}")


async def _turns(stack: Stack, callers: list[Caller]) -> list[_Turn]:
    finals = {line["text"]: line for line in await _lines(stack, "transcript") if line["outcome"] == "completed"}
    chats = {_asked(line): line for line in await _lines(stack, "chat") if "first_at" in line}
    voices = {line["body"]["input"]: line for line in await _lines(stack, "speech") if "first_at" in line}
    turns = []
    for report, frames in zip(
        await reports_of(stack, callers, heard=False), await arrivals_of(stack, callers), strict=True
    ):
        for words in report["said"]:
            final, chat = finals.get(words["text"]), chats.get(words["text"])
            voice = None if chat is None else voices.get(chat["reply"])
            if final is not None and chat is not None and voice is not None:
                turn = _turn(words, final, chat, voice, frames)
                turns += [] if turn is None else [turn]
    return turns


def _turn(
    words: dict[str, Any],
    final: dict[str, Any],
    chat: dict[str, Any],
    voice: dict[str, Any],
    frames: list[float],
) -> _Turn | None:
    """None when the reply did not come before the caller spoke again."""
    place = bisect_right(frames, final["sent_at"])
    whole = (frames[place] if place < len(frames) else math.inf) - words["end_at"]
    if not whole < _PAUSE_MS / 1000:
        return None
    return _Turn(
        whole=whole * 1000,
        final=(final["sent_at"] - final["at"]) * 1000,
        token=(chat["first_at"] - chat["at"]) * 1000,
        audio=(voice["first_at"] - voice["at"]) * 1000,
    )


def _asked(line: dict[str, Any]) -> str:
    return next((str(m["content"]) for m in reversed(line["body"]["messages"]) if m["role"] == "user"), "")


async def _lines(stack: Stack, kind: str) -> list[dict[str, Any]]:
    answer = await stack.openai.get("/_sim/ledger", kind=kind)
    lines: list[dict[str, Any]] = answer["lines"]
    return lines

"""Many people on the line at once: inbound callers of the carrier's box, each with a script, and what became of them.

Used by media, turns and failover. Callers arrive evenly over a while, because people do not call in step.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulators.stack import Stack
from voicecall.call.ids import CallId, LegId, inbound_call_id

__all__ = ["OPEN_POLICY", "STARVED_MS", "Caller", "arrivals_of", "arrive", "late_ms", "loss", "reports_of"]

Script = list[dict[str, Any]]

OPEN_POLICY: dict[str, Any] = {
    "inboundPolicy": "open",
    "allowFrom": [],
    "inboundGreeting": "Hello.",
    "maxConcurrentCalls": 1000,
    "maxDurationSeconds": 3600,
    "streaming": {"maxConnections": 1000, "maxPendingConnections": 500, "maxPendingConnectionsPerIp": 500},
}
"""Configuration under which a crowd gets in."""

STARVED_MS = 60.0
"""A carrier whose clock was later than this is no evidence of when things came."""

_ON_THEIR_WAY = 3


@dataclass(frozen=True)
class Caller:
    """One of the crowd: place in it, the carrier's id of the call, and ours."""

    number: int
    sid: str
    call: CallId


async def arrive(stack: Stack, count: int, script: Callable[[int], Script], *, within_s: float) -> list[Caller]:
    """Let `count` people call, evenly over `within_s` or slower; returns when every one has a media stream.

    At most four are on their way at a time: the door takes eight requests at once from one address, and this carrier
    has only one.
    """
    callers: list[Caller] = []
    clock = asyncio.get_running_loop().time
    started = clock()
    for number in range(count):
        await asyncio.sleep(max(0.0, started + within_s * number / count - clock()))
        await _streaming(stack, number - _ON_THEIR_WAY)
        asked = {"from": f"+1555{number:07d}", "to": "+15550001000", "persona": script(number)}
        answer = await stack.carrier.post("/_sim/inbound", asked)
        sid = str(answer["sid"])
        callers.append(Caller(number, sid, inbound_call_id(stack.plan.carrier, LegId(sid))))
    await _streaming(stack, count)
    return callers


async def _streaming(stack: Stack, count: int) -> None:
    await stack.carrier.until("/_sim/health", lambda seen: seen["open_streams"] >= count, within_s=30)


async def reports_of(stack: Stack, callers: list[Caller], *, heard: bool) -> list[dict[str, Any]]:
    """What the carrier knows of each, in the same order. `heard` decodes the audio, which costs the box CPU."""
    return [await stack.carrier.get(f"/_sim/calls/{one.sid}", heard="1" if heard else "0") for one in callers]


async def arrivals_of(stack: Stack, callers: list[Caller]) -> list[list[float]]:
    """For each, when every frame of ours came to the carrier: epoch seconds, ascending."""
    found = []
    for one in callers:
        streams = await stack.carrier.get(f"/_sim/calls/{one.sid}/arrivals")
        found.append(sorted(at for stream in streams.values() for at in stream))
    return found


async def late_ms(stack: Stack) -> float:
    """How late the carrier's own clock was at worst since the last time somebody asked."""
    health = await stack.carrier.get("/_sim/health", reset="1")
    return float(health["latest_tick_ms"])


def loss(sent: float, arrived: float) -> float:
    """What did not arrive, in percent of what was sent; never negative, for the end of a sentence is padded."""
    return max(0.0, 1 - arrived / sent) * 100 if sent else 0.0

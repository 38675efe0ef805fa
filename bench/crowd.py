"""Many simultaneous inbound callers of the carrier's simulator, each with a script, and the reports on their calls.

Used by media, turns and failover. Callers arrive evenly over a period, so that their frames are not in phase.
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
    "maxInboundCalls": 1000,
    "maxDurationSeconds": 3600,
    "turns": {"silenceTimeoutMs": 0},
    "streaming": {"maxConnections": 1000, "maxPendingConnections": 500, "maxPendingConnectionsPerIp": 500},
}
"""Configuration that accepts every caller, and leaves a silent one alone."""

STARVED_MS = 60.0
"""If the carrier's clock was later than this, its times of arrival are not valid."""

_ON_THEIR_WAY = 3


@dataclass(frozen=True)
class Caller:
    """One caller: number, the carrier's id of the call, and the system's."""

    number: int
    sid: str
    call: CallId


async def arrive(stack: Stack, count: int, script: Callable[[int], Script], *, within_s: float) -> list[Caller]:
    """Start `count` inbound calls, evenly over `within_s` or slower; returns when every one has a media stream.

    At most four are being set up at a time: the ingress accepts eight concurrent requests from one address, and this
    carrier has only one.
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
    """The carrier's report on each call, in the same order. `heard` decodes the audio, which costs CPU."""
    return [await stack.carrier.get(f"/_sim/calls/{one.sid}", heard="1" if heard else "0") for one in callers]


async def arrivals_of(stack: Stack, callers: list[Caller]) -> list[list[float]]:
    """For each call, when every frame of the system reached the carrier: epoch seconds, ascending."""
    found = []
    for one in callers:
        streams = await stack.carrier.get(f"/_sim/calls/{one.sid}/arrivals")
        found.append(sorted(at for stream in streams.values() for at in stream))
    return found


async def late_ms(stack: Stack) -> float:
    """The worst lateness of the carrier's clock since the last call of this function, in milliseconds."""
    health = await stack.carrier.get("/_sim/health", reset="1")
    return float(health["latest_tick_ms"])


def loss(sent: float, arrived: float) -> float:
    """The lost share of what was sent, in percent; never negative, because the end of a sentence is padded."""
    return max(0.0, 1 - arrived / sent) * 100 if sent else 0.0

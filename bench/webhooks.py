"""Signed status webhooks, each unique and in the log before its 2xx: how many a second one ingress process accepts.

The stack is a Redis with AOF everysec and one ingress. The webhooks are those of outbound calls, whose URLs carry the
call id; the calls exist and are owned by a node whose channel has a subscriber, because that is the usual case and the
more expensive one for the ingress: each post also publishes a nudge. No worker runs: it would use the same cores, and
the ingress is what is measured. Each carrier has a stack of its own, because an ingress serves one carrier.
"""

import asyncio
import contextlib
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from redis.asyncio import Redis

from bench.cpu import Cpu
from bench.figures import Bar, Result
from bench.progress import Progress
from bench.signed import SENDERS
from simulators.stack import Plan, Stack
from simulators.stack.clients import Simulator
from voicecall.bus.lease import RedisLeases
from voicecall.bus.log import RedisCallLog
from voicecall.call.events import CallPolicy, Mode, Placed
from voicecall.call.ids import E164, CallId, NodeId, RequestId

__all__ = ["run"]

_CONNECTIONS = {"twilio": (1, 8, 64), "telnyx": (8, 64), "plivo": (8, 64)}
_BARS = {"twilio": (3000, 2500), "telnyx": (2500,), "plivo": (2500,)}
"""The bars in webhooks a second: 2,500 for every carrier, and 3,000 for Twilio."""
_SECONDS = 5.0
_MOST = 7_000  # prepared requests per second of load
_CALLS = 100
_OWNER = NodeId("worker-bench")


class _TargetProcess(Stack):
    """A stack of Redis and one ingress only."""

    async def _start(self) -> None:
        await self.start_redis()
        self.openai = Simulator("http://127.0.0.1:9")
        self._write_config()
        await self.start_ingress()


async def run(progress: Progress, argument: str, *, seconds: float = _SECONDS) -> Result:
    """`argument`: carriers instead of all of them, and "orphans" for calls without an owner, as in `telnyx:orphans`.

    `seconds`: how long each load lasts. Raises ValueError for another argument.
    """
    words = argument.split(":") if argument else []
    unknown = set(words) - {"orphans", *SENDERS}
    if unknown:
        raise ValueError(f"webhooks takes {', '.join(SENDERS)} and orphans, not {', '.join(sorted(unknown))}")
    owned = "orphans" not in words
    result = Result(bench="webhooks")
    for carrier in [name for name in SENDERS if name in words] or SENDERS:
        plan = Plan(carrier=carrier, aof=True, config={carrier: SENDERS[carrier].config})
        async with (
            _TargetProcess(plan) as stack,
            Redis.from_url(f"redis://127.0.0.1:{stack.redis_port}/0") as redis,
            _owner(stack.redis_port),
        ):
            target = _Target(stack, redis, carrier, await _calls(redis, carrier, owned=owned))
            first = 0
            # Warm up: imports, script cache, connections.
            await _load(target, connections=8, seconds=min(1.0, seconds), first=10_000_000)
            for connections in _CONNECTIONS[carrier]:
                await _measure(progress, result, target, connections, first, seconds)
                first += int(seconds * _MOST)
    result.facts |= {"calls": _CALLS, "owned": owned, "aof": "everysec", "seconds": seconds}
    return result


@dataclass(frozen=True)
class _Target:
    """The target of the load: the stack, its carrier, and the calls (the system's id, the carrier's)."""

    stack: Stack
    redis: Redis
    carrier: str
    calls: list[tuple[str, str]]

    async def logged(self) -> int:
        """Entries in the logs of all calls."""
        pipeline = self.redis.pipeline(transaction=False)
        for call, _ in self.calls:
            pipeline.xlen(self.stack.key(f"call:{{{call}}}:log"))
        return sum(await pipeline.execute())


async def _measure(
    progress: Progress, result: Result, target: _Target, connections: int, first: int, seconds: float
) -> None:
    before = await target.logged()
    cpu = Cpu(target.stack.processes)
    got = await _load(target, connections=connections, seconds=seconds, first=first, cpu=cpu)
    accepted = got["statuses"].get("200", 0)
    logged = await target.logged() - before
    label = f"{target.carrier}, {connections} connection{'s' if connections > 1 else ''}"
    rate = accepted / got["seconds"]
    progress(f"{label}: {rate:,.0f} webhooks/s, {logged:,} in the log for {accepted:,} answers of 200")
    # With one connection the rate is that of the round trip, not the ingress's capacity.
    limits = _BARS[target.carrier] if connections > 1 else ()
    bars = [Bar(of="mean", limit=limit, sense="at_least") for limit in limits]
    result.add(f"{label}: webhooks/s, second by second", "1/s", _by_second(got["ends"], got["seconds"]), *bars)
    result.add(f"{label}: request to 2xx", "ms", (took * 1000 for took in got["times"]))
    each_us = {role: share * cpu.seconds / accepted * 1e6 for role, share in cpu.shares().items()} if accepted else {}
    result.add(f"{label}: CPU of ingress and Redis per webhook", "µs", [sum(each_us.values())] if each_us else [])
    if logged != accepted or set(got["statuses"]) != {"200"}:
        result.remarks.append(f"NOT DURABLE: {label}: answers {got['statuses']}, but {logged} entries in the log")
    shares = {**cpu.shares(), "load generator": got["cpu_s"] / got["seconds"]}
    busy = ", ".join(f"{role} {share:.0%}" for role, share in shares.items())
    result.remarks.append(f"{label}: of a core: {busy}; machine {sum(cpu.machine) / len(cpu.machine):.0%} busy")
    result.facts[label] = {"statuses": got["statuses"], "logged": logged, "rate": rate, "cpu": shares}
    if got["ran_out"]:
        result.remarks.append(f"{label}: all prepared requests were used up: the rate is a lower bound")


def _by_second(ends: list[float], seconds: float) -> list[float]:
    counts = [0.0] * int(seconds)
    for at in ends:
        if at < len(counts):
            counts[int(at)] += 1
    return counts


async def _load(
    target: _Target, *, connections: int, seconds: float, first: int, cpu: Cpu | None = None
) -> dict[str, Any]:
    """Run one job of the load generator; `cpu` samples meanwhile."""
    job = {
        "carrier": target.carrier,
        "port": target.stack.ingress_ports[0],
        "url": target.stack.webhook_url,
        "calls": target.calls,
        "connections": connections,
        "seconds": seconds,
        "first": first,
        "requests": int(seconds * _MOST),
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.webhook_load", stdin=pipe, stdout=pipe, limit=1 << 26
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(orjson.dumps(job) + b"\n")
        await process.stdout.readline()
        async with cpu or contextlib.nullcontext():
            process.stdin.write(b"go\n")
            said = await process.stdout.readline()
        await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if process.returncode:
        raise RuntimeError("the load generator failed; what it said stands above")
    answer: dict[str, Any] = orjson.loads(said)
    return answer


async def _calls(redis: Redis, carrier: str, *, owned: bool) -> list[tuple[str, str]]:
    """Outbound calls as `initiate` leaves them: the system's id and the carrier's."""
    log, leases = RedisCallLog(redis), RedisLeases(redis, ttl_s=3600)
    made: list[tuple[str, str]] = []
    for number in range(_CALLS):
        call = CallId(str(uuid.uuid4()))
        placed = Placed(
            carrier=carrier,
            from_=E164("+15550001000"),
            to=E164("+15550003000"),
            mode=Mode.CONVERSATION,
            message="",
            session_key="",
            request=RequestId(uuid.uuid4().hex),
            policy=CallPolicy(),
        )
        await log.post(call, (placed,))
        if owned and await leases.acquire(call, _OWNER) is None:
            raise RuntimeError("a fresh call had an owner")
        made.append((call, SENDERS[carrier].leg(number)))
    return made


@asynccontextmanager
async def _owner(port: int) -> AsyncIterator[None]:
    """A subscriber to the owner's channel that discards what it receives, as cheaply as Python can."""
    transport, _ = await asyncio.get_running_loop().create_connection(_NoListener, "127.0.0.1", port)
    try:
        yield
    finally:
        transport.close()


class _NoListener(asyncio.BufferedProtocol):
    def __init__(self) -> None:
        self._room = bytearray(1 << 18)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(f"SUBSCRIBE node:{_OWNER}\r\n".encode())

    def get_buffer(self, sizehint: int) -> bytearray:
        del sizehint
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """The buffer is overwritten by the next message."""

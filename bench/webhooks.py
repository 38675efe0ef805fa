"""Signed status webhooks, each unique and in the log before its 2xx: how many a second one ingress process takes.

The house is a Redis with AOF everysec and one ingress. The webhooks are those of outbound calls, whose URLs carry our
call id; the calls exist and are owned by a node whose channel somebody listens to, because that is the usual case and
the dearer one for the door: each post also publishes a nudge. Nobody works on the nudges: a worker would take its
share of the same cores, and what is measured here is the door. `:orphans` measures calls without an owner instead.
"""

import asyncio
import contextlib
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from redis.asyncio import Redis

from bench.account import account_of
from bench.cpu import Cpu
from bench.figures import Bar, Result
from bench.tell import Tell
from simulators.stack import House, Plan
from simulators.stack.desk import Box
from voicecall.bus.lease import RedisLeases
from voicecall.bus.log import RedisCallLog
from voicecall.call.events import Mode, Placed, Terms
from voicecall.call.ids import E164, CallId, NodeId, RequestId

__all__ = ["run"]

_CONNECTIONS = (1, 8, 64)
_SECONDS = 5.0
_MOST = 7_000  # requests a second that are prepared
_CALLS = 100
_OWNER = NodeId("worker-bench")
_ACCOUNT = {"accountSid": "AC" + "7" * 32, "authToken": "bench-auth-token"}


class _Doorstep(House):
    """Only Redis and one ingress."""

    async def _start(self) -> None:
        await self.start_redis()
        self.openai = Box("http://127.0.0.1:9")
        self._write_config()
        await self.start_ingress()


async def run(tell: Tell, argument: str, *, seconds: float = _SECONDS) -> Result:
    """`argument`: "orphans", or nothing. `seconds`: how long each load lasts."""
    result = Result(bench="webhooks")
    async with _Doorstep(Plan(aof=True, config={"twilio": _ACCOUNT})) as house:
        redis = Redis.from_url(f"redis://127.0.0.1:{house.redis_port}/0")
        async with redis, _owner(house.redis_port):
            calls = await _calls(redis, owned=argument != "orphans")
            first = 0
            # Warm up: imports, script cache, connections.
            await _load(house, calls, connections=8, seconds=min(1.0, seconds), first=10_000_000)
            for connections in _CONNECTIONS:
                await _measure(tell, result, house, redis, calls, connections, first, seconds)
                first += int(seconds * _MOST)
    result.facts |= {"calls": _CALLS, "owned": argument != "orphans", "aof": "everysec", "seconds": seconds}
    return result


async def _measure(
    tell: Tell,
    result: Result,
    house: House,
    redis: Redis,
    calls: list[tuple[str, str]],
    connections: int,
    first: int,
    seconds: float,
) -> None:
    before = await _logged(redis, calls)
    cpu = Cpu(house.processes)
    got = await _load(house, calls, connections=connections, seconds=seconds, first=first, cpu=cpu)
    accepted = got["statuses"].get("200", 0)
    logged = await _logged(redis, calls) - before
    label = f"{connections} connection{'s' if connections > 1 else ''}"
    rate = accepted / got["seconds"]
    tell(f"{label}: {rate:,.0f} webhooks/s, {logged:,} in the log for {accepted:,} answers of 200")
    # One connection is a round trip after the other: its rate says how long one takes, not what the door can bear.
    bars = (Bar(of="mean", limit=3000, sense="at_least"),) if connections > 1 else ()
    result.add(f"{label}: webhooks/s, second by second", "1/s", _by_second(got["ends"], got["seconds"]), *bars)
    result.add(f"{label}: request to 2xx", "ms", (took * 1000 for took in got["times"]))
    each_us = {role: share * cpu.seconds / accepted * 1e6 for role, share in cpu.shares().items()}
    result.add(f"{label}: CPU of ingress and Redis per webhook", "µs", [sum(each_us.values())])
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
    house: House,
    calls: list[tuple[str, str]],
    *,
    connections: int,
    seconds: float,
    first: int,
    cpu: Cpu | None = None,
) -> dict[str, Any]:
    """Have the load generator do one job; `cpu` watches while it does."""
    account = account_of(house)
    job = {
        "port": house.ingress_ports[0],
        "url": house.webhook_url,
        "account": account.sid,
        "token": account.token,
        "calls": calls,
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


async def _calls(redis: Redis, *, owned: bool) -> list[tuple[str, str]]:
    """Outbound calls as `initiate` leaves them: our id and the carrier's."""
    log, leases = RedisCallLog(redis), RedisLeases(redis, ttl_s=3600)
    made: list[tuple[str, str]] = []
    for number in range(_CALLS):
        call = CallId(str(uuid.uuid4()))
        placed = Placed(
            carrier="twilio",
            from_=E164("+15550001000"),
            to=E164("+15550003000"),
            mode=Mode.CONVERSATION,
            message="",
            session_key="",
            request=RequestId(uuid.uuid4().hex),
            terms=Terms(),
        )
        await log.post(call, (placed,))
        if owned and await leases.acquire(call, _OWNER) is None:
            raise RuntimeError("a fresh call had an owner")
        made.append((call, f"CA{number:032x}"))
    return made


async def _logged(redis: Redis, calls: list[tuple[str, str]]) -> int:
    pipeline = redis.pipeline(transaction=False)
    for call, _ in calls:
        pipeline.xlen(f"call:{{{call}}}:log")
    return sum(await pipeline.execute())


@asynccontextmanager
async def _owner(port: int) -> AsyncIterator[None]:
    """A listener on the owner's channel that throws away what it hears, as cheaply as Python can."""
    transport, _ = await asyncio.get_running_loop().create_connection(_Deaf, "127.0.0.1", port)
    try:
        yield
    finally:
        transport.close()


class _Deaf(asyncio.BufferedProtocol):
    def __init__(self) -> None:
        self._room = bytearray(1 << 18)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(f"SUBSCRIBE node:{_OWNER}\r\n".encode())

    def get_buffer(self, sizehint: int) -> bytearray:
        del sizehint
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """What was heard is overwritten by what comes next."""

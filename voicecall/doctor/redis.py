"""Checks Redis: version, persistence, eviction, memory, rights, clock, latency, and other deployments on the server.

It holds every durable fact of the calls, so it must write to disk and must not evict keys.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus.connection import keys_of, reaching_redis, require_accepted
from voicecall.bus.keys import Keys
from voicecall.doctor.finding import Finding, fail, ok, warn
from voicecall.errors import BusRefused, ConfigError

__all__ = ["Server", "foreign_namespaces", "judge", "judge_namespace", "judge_rights", "probe"]

_LEAST: Final = (6, 2)
_NOTICED_MS: Final = 5.0
_SLOW_MS: Final = 50.0
_SKEW_S: Final = 1.0
_LARGE_SKEW_S: Final = 60.0  # from here on the ingress reports that it is not ready
_TRIES: Final = 5
_FULL: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What Redis reports. `policy` None: not reported. `denied`: why it reports nothing of itself, in its words.

    `offset_s`: how far its clock is ahead of this machine's. `memory`: used, of what it may use; None: no limit.
    `write_error`: it cannot write its append-only file. `info`: all that it reports.
    """

    denied: str = ""
    version: str
    aof: bool
    policy: str | None
    offset_s: float
    trip_ms: float
    memory: float | None = None
    write_error: bool = False
    info: Mapping[str, Any] = field(default_factory=dict)


async def probe(redis: Redis) -> Server:
    """Query it. Raises BusUnavailable."""
    trips: list[tuple[float, float]] = []
    with reaching_redis():
        info, denied = await _info(redis)
        for _ in range(_TRIES):
            before, began = time.time(), time.perf_counter()
            seconds, micros = await redis.time()
            trip_s = time.perf_counter() - began
            trips.append((trip_s, seconds + micros / 1e6 - (before + trip_s / 2)))
    trip_s, offset_s = min(trips)  # the clock is most exact in the quickest answer
    return Server(
        denied=denied,
        version=str(info.get("redis_version", "")),
        aof=info.get("aof_enabled") == 1,
        policy=info.get("maxmemory_policy"),
        offset_s=offset_s,
        trip_ms=trip_s * 1000,
        memory=info["used_memory"] / info["maxmemory"] if info.get("maxmemory") else None,
        write_error=info.get("aof_last_write_status", "ok") != "ok",
        info=info,
    )


async def judge_rights(redis: Redis) -> Finding:
    """Whether the server lets us do all that a process tries at its start. Raises BusUnavailable."""
    try:
        await require_accepted(redis)
    except ConfigError as error:
        seen, remedy = error.problems[0].split("; ", 1)
        return fail("redis.rights" if "permissions" in remedy else "redis.reach", seen, remedy)
    return ok("redis.rights", "all that calls need")


async def _info(redis: Redis) -> tuple[Mapping[str, Any], str]:
    """What INFO reports, and why it does not: a user may lack the permission, which calls do not need."""
    try:
        with reaching_redis():
            return await redis.info(), ""
    except BusRefused as error:
        return {}, str(error)


async def foreign_namespaces(redis: Redis) -> tuple[str, ...]:
    """The namespaces of other deployments that run on this server now, in any database. Raises BusUnavailable."""
    channels: set[Any] = set()
    with reaching_redis():
        for pattern in Keys.CHANNEL_PATTERNS:
            channels.update(await redis.pubsub_channels(pattern))
    found = {Keys.namespace_of(channel.decode("utf-8", "replace")) for channel in channels}
    return tuple(sorted(name for name in found if name is not None and name != keys_of(redis).namespace))


def judge_namespace(own: str, foreign: Sequence[str]) -> Iterator[Finding]:
    check = "redis.namespace"
    if not foreign:
        yield ok(check, f"{own or 'none'}; no other deployment on this server")
        return
    names = ", ".join(name or "one with no namespace" for name in foreign)
    yield warn(
        check,
        f"{own or 'none'}; other deployments use this server too: {names}",
        "set VOICECALL_NAMESPACE if one of these is meant; else they should not disturb each other",
    )


def judge(server: Server) -> Iterator[Finding]:
    if server.denied:
        yield warn("redis.info", server.denied, "allow INFO, so that version, persistence and eviction can be judged")
    else:
        yield from _judge_info(server)
    yield _clock(server.offset_s)
    seen = f"{server.trip_ms:.1f} ms a round trip"
    remedy = "run Redis nearer: every step of a call waits for it"
    if server.trip_ms < _NOTICED_MS:
        yield ok("redis.latency", seen)
    else:
        yield (fail if server.trip_ms > _SLOW_MS else warn)("redis.latency", seen, remedy)


def _judge_info(server: Server) -> Iterator[Finding]:
    numbers = tuple(int(part) for part in server.version.split(".")[:2] if part.isdigit())
    if numbers >= _LEAST:
        yield ok("redis.version", server.version)
    else:
        yield fail("redis.version", server.version or "unknown", "use Redis 6.2 or newer")
    if server.write_error:
        yield fail("redis.persistence", "its last write to disk failed", "read its log: the disk may be full")
    elif server.aof:
        yield ok("redis.persistence", "appendonly yes")
    else:
        yield warn("redis.persistence", "appendonly no", "start it with --appendonly yes: a restart loses live calls")
    if server.policy == "noeviction":
        yield ok("redis.eviction", "noeviction")
    else:
        seen = f"maxmemory-policy {server.policy or 'unknown'}"
        yield fail("redis.eviction", seen, "set maxmemory-policy noeviction: any other may evict live calls")
    if server.memory is not None and server.memory > _FULL:
        seen = f"{server.memory:.0%} of maxmemory is used"
        yield warn("redis.memory", seen, "raise maxmemory: a full Redis refuses calls and webhooks")
    elif server.memory is not None:
        yield ok("redis.memory", f"{server.memory:.0%} of maxmemory is used")


def _clock(offset_s: float) -> Finding:
    seen = f"{abs(offset_s):.2f} s {'ahead of' if offset_s >= 0 else 'behind'} ours"
    if abs(offset_s) < _SKEW_S:
        return ok("redis.clock", seen)
    remedy = "let NTP set the clocks of both machines"
    return (fail if abs(offset_s) >= _LARGE_SKEW_S else warn)("redis.clock", seen, remedy)

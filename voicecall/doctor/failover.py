"""Checks what a failover of Redis depends on: Sentinels, replicas, and whether the way to all of them is encrypted."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from voicecall.bus.sentinels import Observation, majority
from voicecall.doctor.finding import Finding, fail, ok, warn
from voicecall.errors import BusRefused, BusUnavailable
from voicecall.settings import RedisAddress

__all__ = ["judge_encryption", "judge_replicas", "judge_sentinels", "reach_remedy"]

_LAG_S: Final = 2
_OTHERS: Final = 2  # besides one Sentinel: three can lose one and still agree
_LINK_OPTIONS: Final = "min-replicas-to-write 1 and min-replicas-max-lag 2"


def judge_encryption(address: RedisAddress) -> Iterator[Finding]:
    """Nothing on this machine, where no other can listen in."""
    check = "redis.encryption"
    if address.is_encrypted:
        yield ok(check, "TLS")
    elif not address.is_local:
        yield warn(check, "words and the password cross the network in the clear", "write rediss:// in REDIS_URL")


def reach_remedy(address: RedisAddress, error: BusUnavailable) -> str:
    """What to do about a Redis that was not reached. A server and a client that disagree on TLS just hang up."""
    if isinstance(error, BusRefused):
        return error.remedy
    if address.is_encrypted:
        return f"{error.remedy}; if it runs: it may not speak TLS at this port, or want a certificate (ssl_certfile)"
    return f"{error.remedy}; if it runs: it may speak TLS only (rediss://)"


def judge_sentinels(address: RedisAddress, seen: Sequence[Observation]) -> Iterator[Finding]:
    """Nothing for an address without Sentinels."""
    check = "redis.sentinels"
    if not address.sentinels:
        return
    answers = [each for each in seen if each.place is not None]
    silent = [f"{each.sentinel[0]}:{each.sentinel[1]} ({each.error})" for each in seen if each.place is None]
    remedy = "start them, or correct the hosts in REDIS_URL"
    if len(answers) < majority(address):
        yield fail(check, f"{len(answers)} of {len(seen)} answer; not {', '.join(silent)}", remedy)
        return
    places = sorted({f"{host}:{port}" for each in answers if each.place for host, port in (each.place,)})
    if len(places) > 1:
        yield fail(check, f"they name different primaries: {', '.join(places)}", "read the Sentinels' logs")
        return
    if silent:
        yield warn(check, f"{len(answers)} of {len(seen)} answer; not {', '.join(silent)}", remedy)
        return
    yield from _judge_watch(check, answers, places[0])


def _judge_watch(check: str, answers: Sequence[Observation], place: str) -> Iterator[Finding]:
    others, flags = min(each.others for each in answers), ",".join(sorted({each.flags for each in answers}))
    if any("down" in each.flags for each in answers):
        yield fail(check, f"the primary {place} is down for them: {flags}", "start it, or read the Sentinels' logs")
    elif others < _OTHERS:
        seen = f"a Sentinel knows {others} other{'s' if others != 1 else ''}"
        yield warn(check, seen, "run three on three machines: fewer cannot agree when one is lost")
    elif any(each.quorum > _majority_of(each) for each in answers):
        yield warn(
            check, "the quorum is more than half of them", "set it to 2 of 3: else one that is lost stops failover"
        )
    else:
        yield ok(check, f"{len(answers)} agree on {place}")


def _majority_of(one: Observation) -> int:
    return (one.others + 1) // 2 + 1


def judge_replicas(address: RedisAddress, info: Mapping[str, Any]) -> Iterator[Finding]:
    """`info`: what the server reports of its replication. Nothing for a server alone without Sentinels."""
    check = "redis.replicas"
    if info.get("role") == "slave":
        yield fail(check, "this server is a replica", "name the primary in REDIS_URL, or the Sentinels")
        return
    replicas = [value for name, value in info.items() if name.startswith("slave") and isinstance(value, Mapping)]
    if not replicas:
        if address.sentinels:
            yield fail(check, "none is connected: nothing can be promoted", "start one with replicaof")
        return
    late = [each for each in replicas if each.get("state") != "online" or int(each.get("lag", 0)) > _LAG_S]
    names = ", ".join(f"{each.get('ip')}:{each.get('port')}" for each in late)
    if late:
        yield warn(
            check, f"behind or not synchronised: {names}", "read its log; what it lacks is lost when it is promoted"
        )
    elif address.sentinels and "min_slaves_good_slaves" not in info:
        seen = "a primary that is cut off takes writes, and they are lost"
        yield warn(check, seen, f"set {_LINK_OPTIONS} on every server")
    else:
        yield ok(check, f"{len(replicas)} connected, {max(int(each.get('lag', 0)) for each in replicas)} s behind")

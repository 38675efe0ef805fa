"""What the doctor says of Sentinels, replicas, encryption, memory and the disk of Redis."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.fakes.redis_server import start_redis
from voicecall.bus.connection import connect, require_accepted
from voicecall.bus.sentinels import Observation
from voicecall.doctor import Level, failover
from voicecall.doctor import redis as redis_
from voicecall.doctor.redis import Server
from voicecall.errors import BusUnavailable
from voicecall.settings import read_address

THREE = read_address("redis+sentinel://a,b,c/voicecall")
ALONE = read_address("redis://redis.example/0")


def said(sentinel: str, **changes: Any) -> Observation:
    seen = Observation(sentinel=(sentinel, 26379), place=("10.0.0.1", 6379), epoch=1, others=2, replicas=1, quorum=2)
    return replace(seen, flags="master", **{name: value for name, value in changes.items() if name != "flags"})


@pytest.mark.quick
@pytest.mark.parametrize(
    ("third", "level", "words"),
    [
        (said("c"), Level.OK, "3 agree on 10.0.0.1:6379"),
        (said("c", place=None, error=BusUnavailable("refused")), Level.WARN, "2 of 3 answer; not c:26379 (refused)"),
        (said("c", place=("10.0.0.2", 6379)), Level.FAIL, "they name different primaries"),
        (said("c", others=1), Level.WARN, "a Sentinel knows 1 other"),
        (said("c", quorum=3), Level.WARN, "the quorum is more than half of them"),
        (replace(said("c"), flags="master,o_down"), Level.FAIL, "the primary 10.0.0.1:6379 is down for them"),
    ],
)
def test_what_the_sentinels_say_is_judged(third: Observation, level: Level, words: str) -> None:
    (found,) = failover.judge_sentinels(THREE, [said("a"), said("b"), third])
    assert (found.level, found.seen[: len(words)]) == (level, words)
    assert list(failover.judge_sentinels(ALONE, [])) == []


@pytest.mark.quick
@pytest.mark.parametrize(
    ("info", "level"),
    [
        ({"slave0": {"ip": "10.0.0.2", "port": 6379, "state": "online", "lag": 0}}, Level.WARN),
        ({"slave0": {"state": "online", "lag": 1}, "min_slaves_good_slaves": 1}, Level.OK),
        ({"slave0": {"state": "online", "lag": 9}, "min_slaves_good_slaves": 0}, Level.WARN),
        ({"slave0": {"state": "wait_bgsave", "lag": 0}, "min_slaves_good_slaves": 0}, Level.WARN),
        ({}, Level.FAIL),
        ({"role": "slave"}, Level.FAIL),
    ],
)
def test_what_a_failover_would_lose_is_judged(info: dict[str, Any], level: Level) -> None:
    (found,) = failover.judge_replicas(THREE, {"role": "master", **info})
    assert found.level is level
    assert list(failover.judge_replicas(ALONE, {"role": "master"})) == []


@pytest.mark.quick
@pytest.mark.parametrize(
    ("url", "level"),
    [
        ("redis://127.0.0.1:6379/0", None),
        ("unix:///run/redis.sock", None),
        ("redis+sentinel://localhost,[::1]/s", None),
        ("redis://10.0.0.1/0", Level.WARN),
        ("redis+sentinel://localhost,10.0.0.1/s", Level.WARN),
        ("rediss://10.0.0.1/0", Level.OK),
    ],
)
def test_words_that_cross_a_network_in_the_clear_are_said(url: str, level: Level | None) -> None:
    found = list(failover.judge_encryption(read_address(url)))
    assert [finding.level for finding in found] == ([] if level is None else [level])


@pytest.mark.quick
def test_a_full_memory_and_a_full_disk_are_seen_before_calls_are_lost() -> None:
    server = Server(version="7.0.15", aof=True, policy="noeviction", offset_s=0.0, trip_ms=0.3)
    found = {each.check: each for each in redis_.judge(replace(server, memory=0.9, write_error=True))}
    assert (found["redis.memory"].level, found["redis.persistence"].level) == (Level.WARN, Level.FAIL)
    found = {each.check: each for each in redis_.judge(replace(server, memory=0.5))}
    assert (found["redis.memory"].level, found["redis.persistence"].level) == (Level.OK, Level.OK)


async def test_a_redis_that_may_evict_is_said_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No failed start: who runs it for us may not let us change that."""
    server = start_redis(tmp_path, options=("--maxmemory-policy", "volatile-lru"))
    caplog.set_level(logging.WARNING)
    async with connect(server.url) as client:
        await require_accepted(client)
        assert [record.message for record in caplog.records if "noeviction" in record.message]
        caplog.clear()
        async with Redis.from_url(server.url) as admin:
            await admin.config_set("maxmemory-policy", "noeviction")
        await require_accepted(client)
        assert not caplog.records
    server.stop()

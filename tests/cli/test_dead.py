"""`voicecall dead`: dead letters are listed, shown, retried and dropped, on a real Redis."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis
from typer.testing import CliRunner

from tests.bus.calls import ringing
from tests.cli.terminal import environment
from tests.fakes.keys import keys
from tests.fakes.redis_server import RedisServer, start_redis
from voicecall.bus.connection import connect
from voicecall.bus.dead import DeadLetters
from voicecall.bus.entries import UndecodableEntry
from voicecall.bus.log import RedisCallLog
from voicecall.bus.reports import Reports
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId, Seq
from voicecall.cli import app
from voicecall.wire import pack_event

CALL = CallId("11111111-1111-4111-8111-111111111111")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    started = start_redis(tmp_path_factory.mktemp("redis"))
    yield started
    started.stop()


def with_redis(server: RedisServer, work: Callable[[Redis], Awaitable[Any]]) -> Any:
    async def open_() -> Any:
        redis = connect(server.url)
        try:
            return await work(redis)
        finally:
            await redis.aclose()

    return asyncio.run(open_())


def set_aside(server: RedisServer, data: bytes) -> str:
    """A fresh Redis with one letter in it; the letter's id."""

    async def work(redis: Redis) -> str:
        await redis.flushall()
        dead = DeadLetters(redis, Scripts(redis))
        await dead.set_aside(CALL, (UndecodableEntry(Seq(7), data, "unknown name in the envelope"),))
        return (await dead.newest(1))[0].id

    return str(with_redis(server, work))


def run(server: RedisServer, *words: str) -> tuple[int, Any, str]:
    done = CliRunner().invoke(app, ["dead", *words], env=environment("http://127.0.0.1:1", REDIS_URL=server.url))
    return done.exit_code, json.loads(done.stdout) if done.stdout else None, done.stderr


def test_a_letter_is_listed_shown_and_dropped(server: RedisServer) -> None:
    letter = set_aside(server, b"\x00junk")
    status, printed, _ = run(server, "list")
    assert (status, [item["id"] for item in printed["letters"]]) == (0, [letter])
    assert {key: printed["letters"][0][key] for key in ("callId", "seq", "bytes")} == {
        "callId": CALL,
        "seq": 7,
        "bytes": 5,
    }
    status, printed, _ = run(server, "show", letter)
    assert (status, printed["readable"], printed["hex"]) == (0, False, b"\x00junk".hex())
    assert run(server, "drop", letter)[:2] == (0, {"success": True})
    assert run(server, "list")[1] == {"letters": []}


def test_a_letter_that_cannot_be_read_is_not_retried(server: RedisServer) -> None:
    """It stays in the list."""
    letter = set_aside(server, b"\x00junk")
    status, printed, why = run(server, "retry", letter)
    assert (status, printed) == (1, None)
    assert why.startswith("CONFLICT")
    assert len(run(server, "list")[1]["letters"]) == 1


def test_a_letter_of_an_unknown_call_is_not_retried(server: RedisServer) -> None:
    """An old letter of a call that Redis no longer has must not place a call."""
    letter = set_aside(server, pack_event(ringing()))
    status, _, why = run(server, "retry", letter)
    assert (status, "is unknown" in why) == (1, True)


def test_a_readable_letter_of_a_live_call_is_posted_again(server: RedisServer) -> None:
    letter = set_aside(server, pack_event(ringing()))
    with_redis(server, lambda redis: redis.hset(keys.state(CALL), "phase", "listening"))
    assert run(server, "retry", letter)[:2] == (0, {"success": True, "callId": CALL})
    records = with_redis(server, lambda redis: RedisCallLog(redis).history(CALL))
    assert [record.event.name for record in records] == ["Ringing"]
    assert run(server, "list")[1] == {"letters": []}


@pytest.mark.parametrize("letter", ["*", "1-1", "-", "+", "$", "1-1\n2-2", "9" * 400])
def test_an_unknown_or_hostile_letter_is_not_found(server: RedisServer, letter: str) -> None:
    for command in ("show", "retry", "drop"):
        status, printed, why = run(server, command, "--", letter)
        assert (status, printed) == (1, None)
        assert why.startswith("NOT_FOUND")


def test_a_report_that_was_given_up_is_delivered_again(server: RedisServer) -> None:
    """Also of a call that has ended, as every report's has; the letter goes when the report is due."""

    async def give_up(redis: Redis) -> None:
        await redis.flushall()
        reports = Reports(redis)
        await reports.put(CALL, {"reportId": "report_1", "at": 1}, "completed", 1.0)
        await reports.give_up(CALL, "the receiver answered 500")

    with_redis(server, give_up)
    [letter] = run(server, "list")[1]["letters"]
    assert letter["reason"] == "report: the receiver answered 500"
    assert run(server, "retry", letter["id"]) == (0, {"success": True, "callId": CALL}, "")
    assert run(server, "list")[1]["letters"] == []
    assert with_redis(server, lambda redis: Reports(redis).due(5, hold_s=60.0)) == (CALL,)

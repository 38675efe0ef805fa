"""Reports and call-backs through a real gateway: read, waited for, placed once, cancelled, put off."""

import asyncio
import time
from typing import Any

import pytest

from tests.archive.records import call_id
from tests.fakes.redis_server import RedisServer
from tests.gateway.conftest import System, stack
from voicecall.api.results import LiveUpdate
from voicecall.archive import CallArchive
from voicecall.bus.callbacks import CallbackBook
from voicecall.bus.reports import Reports
from voicecall.call.events import Placed
from voicecall.call.ids import CallId

UNKNOWN = "00000000-0000-4000-8000-000000000000"
SCHEMA = {"type": "object", "properties": {"table": {"type": "integer"}}}
REPORT: dict[str, Any] = {
    "reportId": "report_1",
    "at": 1,
    "direction": "outbound",
    "provider": "mock",
    "from": "+15550000000",
    "to": "+15550009999",
    "mode": "conversation",
    "agentId": "main",
    "reached": True,
    "reachedBy": "person",
    "result": "completed",
    "startedAt": 1,
    "turns": 1,
    "cost": {"parts": []},
}
CALLS_AT_ANY_HOUR = {"quietHours": {"start": "00:00", "end": "00:00"}}


async def test_a_report_is_waited_for_while_the_call_lasts(system: System) -> None:
    """The answer comes with the report, and at once when there is none in time."""
    call = CallId(await system.initiate())
    status, frame = await system.post("voicecall.report", {"callId": call, "waitMs": 100})
    assert (status, frame["payload"]) == (200, {"found": True, "ready": False})
    waiting = asyncio.create_task(system.post("voicecall.report", {"callId": call, "waitMs": 30_000}))
    await Reports(system.redis).put(call, {**REPORT, "callId": call}, "completed", 1.0)
    _, frame = await waiting
    assert frame["payload"] == {"found": True, "ready": True, "report": {**REPORT, "callId": call}}


async def test_an_unknown_call_is_not_waited_for(system: System) -> None:
    started = time.monotonic()
    _, frame = await system.post("voicecall.report", {"callId": UNKNOWN, "waitMs": 60_000})
    assert frame["payload"] == {"found": False, "ready": False}
    assert time.monotonic() - started < 30


async def test_a_report_that_redis_does_not_have_any_more_is_read_from_the_archive(
    redis_server: RedisServer, tmp_path: Any
) -> None:
    async with stack(redis_server.url, config={"store": str(tmp_path)}) as system:
        archive = CallArchive(f"sqlite:///{tmp_path / 'calls.db'}")
        archive.put_report(CallId(call_id(1)), {**REPORT, "callId": call_id(1)})
        archive.put_report(CallId(call_id(1)), {**REPORT, "callId": call_id(1), "at": 2})
        archive.close()
        _, frame = await system.post("voicecall.report", {"callId": call_id(1)})
        assert frame["payload"]["report"] == {**REPORT, "callId": call_id(1)}
        await system.post("voicecall.forget", {"callId": call_id(1)})
        _, frame = await system.post("voicecall.report", {"callId": call_id(1)})
        assert frame["payload"]["found"] is False


async def test_the_schema_of_a_report_is_kept_with_the_call_and_not_in_the_feed(system: System) -> None:
    call = CallId(await system.initiate(report={"schema": SCHEMA}))
    placed = [record.event for record in await system.worker.log.history(call) if isinstance(record.event, Placed)]
    assert placed[0].report_schema == '{"type":"object","properties":{"table":{"type":"integer"}}}'
    _, frame = await system.post("voicecall.events", {"callId": call})
    assert "table" not in str(frame)


@pytest.mark.parametrize(
    ("report", "says"),
    [
        ({"schema": {"type": "array"}}, "report.schema: describes no object"),
        ({"schema": {"properties": {"a": {"pattern": "x"}}}}, "report.schema: properties.a.pattern is not supported"),
        ({}, "report.schema"),
        ({"schema": {}, "url": "http://169.254.169.254/"}, "report.url"),
    ],
)
async def test_a_schema_that_cannot_be_used_is_refused_and_no_call_is_placed(
    system: System, report: Any, says: str
) -> None:
    """Nor can whoever places a call choose where its report goes."""
    status, frame = await system.post("voicecall.initiate", {"message": "Hello", "report": report})
    assert (status, frame["error"]["code"]) == (400, "INVALID_REQUEST")
    assert says in frame["error"]["message"]


async def callbacks(system: System) -> list[dict[str, Any]]:
    _, frame = await system.post("voicecall.callbacks")
    found: list[dict[str, Any]] = frame["payload"]["callbacks"]
    return found


async def state(system: System, wanted: str) -> dict[str, Any]:
    """The only call-back, as soon as it is in this state."""
    while True:
        [found] = await callbacks(system)
        if found["state"] == wanted:
            return found
        await asyncio.sleep(0.05)


async def add(system: System, **params: Any) -> tuple[int, dict[str, Any]]:
    return await system.post("voicecall.callback.add", {"to": "+15550001234", "message": "As promised.", **params})


async def test_a_call_back_is_placed_when_it_is_due_and_once(redis_server: RedisServer) -> None:
    """Two gateways, and a repetition of the request: one phone call, with its brief."""
    config = {"callbacks": CALLS_AT_ANY_HOUR}
    async with stack(redis_server.url, config=config) as system, stack(redis_server.url, config=config, keep=True):
        for _ in range(2):
            status, frame = await add(system, brief={"task": "Tell them the table is free."}, idempotencyKey="k")
            assert status == 200, frame
        placed = await state(system, "placed")
        assert placed["callbackId"] == frame["payload"]["callbackId"]
        _, found = await system.post("voicecall.status")
        assert [call["callId"] for call in found["payload"]["calls"]] == [placed["callId"]]
        call = await system.worker.log.read(CallId(placed["callId"]))
        assert call is not None
        assert call.brief is not None
        assert (call.to, call.brief.task) == ("+15550001234", "Tell them the table is free.")


async def test_a_call_back_that_waits_is_listed_and_cancelled(redis_server: RedisServer) -> None:
    async with stack(redis_server.url, config={"callbacks": CALLS_AT_ANY_HOUR}) as system:
        at = round(time.time() * 1000) + 3_600_000
        _, frame = await add(system, at=at)
        assert frame["payload"]["dueAt"] == at
        name = frame["payload"]["callbackId"]
        assert [(each["state"], each["reason"]) for each in await callbacks(system)] == [("waiting", "promised")]
        _, frame = await system.post("voicecall.callback.cancel", {"callbackId": name})
        assert frame["payload"] == {"cancelled": True}
        _, frame = await system.post("voicecall.callback.cancel", {"callbackId": name})
        assert frame["payload"] == {"cancelled": False}
        assert (await system.post("voicecall.callback.cancel", {"callbackId": "absent"}))[0] == 404
        status, frame = await add(system, at=round(time.time() * 1000) - 120_000)  # a slip must not dial at once
        assert (status, "at has passed" in frame["error"]["message"]) == (400, True)
        await system.post("voicecall.forget", {"number": "+15550001234"})
        assert await callbacks(system) == []


async def test_nobody_is_called_back_in_quiet_hours(redis_server: RedisServer) -> None:
    """It is due at their end, and stays there."""
    now = time.time()
    start, end = (time.strftime("%H:%M", time.gmtime(now + shift)) for shift in (-3_600, 7_200))
    night = {"quietHours": {"start": start, "end": end}, "timeZone": "UTC"}
    async with stack(redis_server.url, config={"callbacks": night}) as system:
        _, frame = await add(system)
        due = frame["payload"]["dueAt"] / 1000
        assert time.strftime("%H:%M", time.gmtime(due)) == end
        assert now < due <= now + 7_260
        await asyncio.sleep(1.5)
        assert [each["state"] for each in await callbacks(system)] == ["waiting"]


async def test_a_call_back_without_room_waits_and_is_given_up_when_its_window_is_over(
    redis_server: RedisServer,
) -> None:
    async with stack(redis_server.url, config={"callbacks": CALLS_AT_ANY_HOUR}, working=False) as system:
        await add(system)
        waiting: dict[str, Any] = {}
        while "detail" not in waiting:
            [waiting] = await callbacks(system)
            await asyncio.sleep(0.05)
        assert "no worker is running" in waiting["detail"]
        name = waiting["callbackId"]
        callback = await CallbackBook(system.redis).get(name)
        assert callback is not None
        # An hour later.
        kept = system.redis
        entry = (await kept.hget(f"vc0:callback:{name}", "entry")).replace(  # type: ignore[misc]
            str(callback.due_at).encode(), str(callback.due_at - 7200).encode()
        )
        await kept.hset(f"vc0:callback:{name}", "entry", entry)  # type: ignore[misc]
        await kept.zadd("vc0:callbacks:due", {name: 0})
        expired = await state(system, "expired")
        assert "callId" not in expired


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"to": "+1900"}, "to is not dialled"),
        ({"message": " "}, "message"),
        ({"at": 99_000_000_000_000}, "more than a month ahead"),
        ({"idempotencyKey": " "}, "idempotencyKey"),
    ],
)
async def test_a_call_back_that_could_not_be_placed_is_refused_at_once(
    system: System, params: dict[str, Any], says: str
) -> None:
    """As `initiate` would refuse it, and not hours later."""
    status, frame = await add(system, **params)
    assert (status, frame["error"]["code"]) == (400, "INVALID_REQUEST")
    assert says in frame["error"]["message"]


async def test_the_live_view_shows_what_is_said_now_and_then(redis_server: RedisServer) -> None:
    """One update of a call in five seconds, with what was said until then; the last one says that it is over."""
    async with stack(redis_server.url, config={"live": {"enabled": True}}) as system:
        call = CallId(await system.initiate(message="Good morning"))
        socket = await system.socket()
        assert (await socket.ask("voicecall.subscribe", {"view": "live"}))["ok"]
        while not socket.frames:
            await socket.take()
        await system.worker.hear(call, "Hello")
        await system.worker.hear(call, "Anybody there?")
        await system.post("voicecall.end", {"callId": call})
        while len(socket.frames) < 2:
            await socket.take()
        first, last = (frame["payload"] for frame in socket.frames)
        assert {frame["event"] for frame in socket.frames} == {"voicecall.live"}
        assert (first["callId"], first["lines"][0]["text"]) == (call, "Good morning")
        assert [line["text"] for line in last["lines"] if line["speaker"] == "user"] == ["Hello", "Anybody there?"]
        assert last["state"] == "hangup-bot"
        assert [LiveUpdate.model_validate(update).payload() for update in (first, last)] == [first, last]


async def test_the_live_view_is_off_until_it_is_configured(system: System) -> None:
    answer = await (await system.socket()).ask("voicecall.subscribe", {"view": "live"})
    assert answer["error"]["message"] == "view: live is off; set live.enabled to true"

"""Ended calls through the gateway: found in the archive, listed, measured, and deleted from every store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.archive.records import ANNA, call_id, record
from tests.fakes.keys import keys
from tests.fakes.redis_server import RedisServer
from tests.gateway.conftest import System, stack
from voicecall.archive import CallArchive, JsonLinesFile, ended_record
from voicecall.bus.ended import ArchiveResult, EndedCalls
from voicecall.call.ids import CallId
from voicecall.service import AnswerTimeouts

BERT = "+15550003000"


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[CallArchive]:
    archive = CallArchive(f"sqlite:///{tmp_path / 'calls.db'}")
    yield archive
    archive.close()


@pytest.fixture
async def system(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[System]:
    async with stack(redis_server.url, config={"store": str(tmp_path), "archive": {"jsonl": True}}) as system:
        yield system


async def over(system: System, to: str = BERT) -> CallId:
    call = CallId(await system.initiate(to=to))
    await system.post("voicecall.end", {"callId": call})
    return call


async def archived(system: System, archive: CallArchive, call: CallId, *, keep_s: float) -> None:
    """Archives a call, as the worker's job does."""
    ended = EndedCalls(system.redis)
    await ended.begin(call)
    state = await system.worker.log.read(call)
    assert state is not None
    archive.put(ended_record(state))
    assert await ended.done(call, await ended.length(call), keep_s=keep_s) is ArchiveResult.KEPT


async def test_a_call_that_redis_has_evicted_is_found_in_the_archive(system: System, archive: CallArchive) -> None:
    """The answer is the same as before, by the call's id and by the carrier's."""
    call = await over(system)
    before = (await system.post("voicecall.status", {"callId": call}))[1]["payload"]
    await archived(system, archive, call, keep_s=0.0)
    await EndedCalls(system.redis).evict(10)
    assert await system.worker.log.read(call) is None
    assert (await system.post("voicecall.status", {"callId": call}))[1]["payload"] == before
    sid = before["call"]["providerCallId"]
    assert (await system.post("voicecall.status", {"sid": sid}))[1]["payload"] == before


async def test_history_comes_in_pages_newest_first(system: System, archive: CallArchive) -> None:
    """Filtered, with or without transcripts."""
    for number in range(1, 5):
        archive.put(record(number, direction="inbound" if number == 2 else "outbound"))
    _, frame = await system.post("voicecall.history", {"limit": 3})
    page = frame["payload"]
    assert [call["callId"] for call in page["calls"]] == [call_id(number) for number in (4, 3, 2)]
    assert "transcript" not in page["calls"][0]
    assert page["calls"][0]["metadata"]["price"] == "0.00850"
    _, frame = await system.post("voicecall.history", {"limit": 3, "cursor": page["next"], "transcripts": True})
    assert frame["payload"] == {"calls": [record(1)]}
    began = record(2)["startedAt"]
    _, frame = await system.post(
        "voicecall.history", {"number": ANNA, "direction": "inbound", "since": began, "until": began + 1}
    )
    assert [call["callId"] for call in frame["payload"]["calls"]] == [call_id(2)]


async def test_latency_is_measured_over_the_newest_calls(system: System, archive: CallArchive) -> None:
    archive.put(record(1))
    _, frame = await system.post("voicecall.latency", {"last": 10})
    assert frame["payload"]["recordsScanned"] == 1
    assert frame["payload"]["turnLatency"]["p95Ms"] == 900


async def test_a_number_is_deleted_from_every_store(
    system: System, archive: CallArchive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """From the archive, the file, and Redis; a live call is marked. The log does not contain the number."""
    caplog.set_level("INFO")
    archive.put(record(1, to=BERT[1:]))
    archive.put(record(2))
    file = JsonLinesFile(tmp_path / "calls.jsonl")
    file.append(record(1, to=BERT[1:]))
    file.append(record(2))
    kept, due = await over(system), await over(system)
    await archived(system, archive, kept, keep_s=60.0)
    stays = await over(system, to=ANNA)
    living = CallId(await system.initiate(to=BERT))

    _, frame = await system.post("voicecall.forget", {"number": BERT})

    assert frame["payload"] == {"forgotten": 3, "atEnd": 1}
    assert [call["callId"] for call in archive.find().calls] == [call_id(2)]
    assert BERT[1:] not in file.path.read_text()
    for call in (kept, due):
        assert (await system.post("voicecall.status", {"callId": call}))[1]["payload"] == {"found": False}
    assert (await system.post("voicecall.status", {"callId": stays}))[1]["payload"]["found"]
    assert (await system.post("voicecall.status", {"callId": living}))[1]["payload"]["found"]
    await system.post("voicecall.end", {"callId": living})
    claim = await EndedCalls(system.redis).begin(living)
    assert claim is not None
    assert claim.forget
    assert "number forgotten" in caplog.text
    assert BERT not in caplog.text
    # The call has ended and was not archived, so it is deleted at once.
    for left in (1, 0):
        _, frame = await system.post("voicecall.forget", {"number": BERT})
        assert frame["payload"] == {"forgotten": left, "atEnd": 0}


async def test_one_call_is_deleted_by_its_id(system: System, archive: CallArchive) -> None:
    """An ended call at once; a request for an unknown one leaves no state."""
    call = await over(system)
    await archived(system, archive, call, keep_s=60.0)
    assert (await system.post("voicecall.forget", {"callId": call}))[1]["payload"] == {"forgotten": 1, "atEnd": 0}
    assert (await system.post("voicecall.status", {"callId": call}))[1]["payload"] == {"found": False}
    stranger = CallId("00000000-0000-4000-8000-000000000000")
    assert (await system.post("voicecall.forget", {"callId": stranger}))[1]["payload"] == {"forgotten": 0, "atEnd": 0}
    assert await system.redis.exists(keys.state(stranger), keys.log(stranger)) == 0


async def test_a_call_before_its_first_activation_is_marked_as_well(redis_server: RedisServer, tmp_path: Path) -> None:
    """It has a log and no snapshot; the number is in the log."""
    timeouts = AnswerTimeouts(place_s=0.05)
    config = {"store": str(tmp_path)}
    async with stack(redis_server.url, config=config, working=False, timeouts=timeouts) as system:
        await system.post("voicecall.initiate", {"message": "Hello", "to": BERT})
        _, frame = await system.post("voicecall.forget", {"number": BERT})
        assert frame["payload"] == {"forgotten": 0, "atEnd": 1}


async def test_an_unreachable_archive_is_unavailable_and_not_empty(redis_server: RedisServer, tmp_path: Path) -> None:
    """The answer is not "not found"; the archive's address is only in the log."""
    (tmp_path / "calls.db").write_bytes(b"this is no database" * 100)
    async with stack(redis_server.url, config={"store": str(tmp_path)}) as system:
        for method, params in (("status", {"callId": call_id(1)}), ("history", {}), ("forget", {"number": BERT})):
            status, frame = await system.post(f"voicecall.{method}", params)
            assert (status, frame["error"]["code"], frame["error"]["retryable"]) == (503, "UNAVAILABLE", True), method
            assert str(tmp_path) not in frame["error"]["message"]


async def test_without_an_archive_there_is_no_history(redis_server: RedisServer, tmp_path: Path) -> None:
    """Disabled: nothing is found or written, and calls in Redis are deleted all the same."""
    async with stack(redis_server.url, config={"store": str(tmp_path), "archive": {"enabled": False}}) as system:
        call = await over(system)
        assert (await system.post("voicecall.history"))[1]["payload"] == {"calls": []}
        assert (await system.post("voicecall.latency"))[1]["payload"]["recordsScanned"] == 0
        assert (await system.post("voicecall.forget", {"number": BERT}))[1]["payload"]["forgotten"] == 1
        assert (await system.post("voicecall.status", {"callId": call}))[1]["payload"] == {"found": False}
    assert not (tmp_path / "calls.db").exists()


async def test_an_undecodable_call_does_not_prevent_the_deletion_of_others(system: System) -> None:
    """Its snapshot is of another build; the numbers are in its log."""
    unreadable, other = await over(system), await over(system, to=ANNA)
    for call in (unreadable, other):
        await system.redis.hset(keys.state(call), "snapshot", b"another build's")
    status, frame = await system.post("voicecall.forget", {"number": BERT})
    assert (status, frame["payload"]) == (200, {"forgotten": 1, "atEnd": 0})
    assert await system.redis.exists(keys.log(unreadable)) == 0
    assert await system.redis.exists(keys.log(other)) == 1

"""Calls that are over, through the door: found in the archive, listed, measured, and forgotten everywhere."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.archive.records import ANNA, call_id, record
from tests.fakes.redis_server import RedisServer
from tests.gateway.conftest import House, stack
from voicecall.archive import Archive, JsonLinesFile, ended_record
from voicecall.bus import keys
from voicecall.bus.ended import ArchiveResult, EndedCalls
from voicecall.call.ids import CallId
from voicecall.service import Timeouts

BERT = "+15550003000"


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    archive = Archive(f"sqlite:///{tmp_path / 'calls.db'}")
    yield archive
    archive.close()


@pytest.fixture
async def home(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[House]:
    async with stack(redis_server.url, config={"store": str(tmp_path), "archive": {"jsonl": True}}) as home:
        yield home


async def over(home: House, to: str = BERT) -> CallId:
    call = CallId(await home.initiate(to=to))
    await home.post("voicecall.end", {"callId": call})
    return call


async def archived(home: House, archive: Archive, call: CallId, *, keep_s: float) -> None:
    """What a worker's job does."""
    ended = EndedCalls(home.redis)
    await ended.begin(call)
    state = await home.worker.log.read(call)
    assert state is not None
    archive.put(ended_record(state))
    assert await ended.done(call, await ended.length(call), keep_s=keep_s) is ArchiveResult.KEPT


async def test_a_call_that_redis_has_let_go_is_found_in_the_archive(home: House, archive: Archive) -> None:
    """The answer is the same as before, by our id and by the carrier's."""
    call = await over(home)
    before = (await home.post("voicecall.status", {"callId": call}))[1]["payload"]
    await archived(home, archive, call, keep_s=0.0)
    await EndedCalls(home.redis).evict(10)
    assert await home.worker.log.read(call) is None
    assert (await home.post("voicecall.status", {"callId": call}))[1]["payload"] == before
    sid = before["call"]["providerCallId"]
    assert (await home.post("voicecall.status", {"sid": sid}))[1]["payload"] == before


async def test_history_comes_in_pages_newest_first(home: House, archive: Archive) -> None:
    """Filtered, with or without what was said."""
    for number in range(1, 5):
        archive.put(record(number, direction="inbound" if number == 2 else "outbound"))
    _, frame = await home.post("voicecall.history", {"limit": 3})
    page = frame["payload"]
    assert [call["callId"] for call in page["calls"]] == [call_id(number) for number in (4, 3, 2)]
    assert "transcript" not in page["calls"][0]
    assert page["calls"][0]["metadata"]["price"] == "0.00850"
    _, frame = await home.post("voicecall.history", {"limit": 3, "cursor": page["next"], "transcripts": True})
    assert frame["payload"] == {"calls": [record(1)]}
    began = record(2)["startedAt"]
    _, frame = await home.post(
        "voicecall.history", {"number": ANNA, "direction": "inbound", "since": began, "until": began + 1}
    )
    assert [call["callId"] for call in frame["payload"]["calls"]] == [call_id(2)]


async def test_latency_is_measured_over_the_newest_calls(home: House, archive: Archive) -> None:
    archive.put(record(1))
    _, frame = await home.post("voicecall.latency", {"last": 10})
    assert frame["payload"]["recordsScanned"] == 1
    assert frame["payload"]["turnLatency"]["p95Ms"] == 900


async def test_a_number_is_forgotten_wherever_it_is(
    home: House, archive: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In the archive, in the file, in what Redis holds of ended calls; a live one is marked. The log names nobody."""
    caplog.set_level("INFO")
    archive.put(record(1, to=BERT[1:]))
    archive.put(record(2))
    file = JsonLinesFile(tmp_path / "calls.jsonl")
    file.append(record(1, to=BERT[1:]))
    file.append(record(2))
    kept, due = await over(home), await over(home)
    await archived(home, archive, kept, keep_s=60.0)
    stays = await over(home, to=ANNA)
    living = CallId(await home.initiate(to=BERT))

    _, frame = await home.post("voicecall.forget", {"number": BERT})

    assert frame["payload"] == {"forgotten": 3, "atEnd": 1}
    assert [call["callId"] for call in archive.find().calls] == [call_id(2)]
    assert BERT[1:] not in file.path.read_text()
    for call in (kept, due):
        assert (await home.post("voicecall.status", {"callId": call}))[1]["payload"] == {"found": False}
    assert (await home.post("voicecall.status", {"callId": stays}))[1]["payload"]["found"]
    assert (await home.post("voicecall.status", {"callId": living}))[1]["payload"]["found"]
    await home.post("voicecall.end", {"callId": living})
    begun = await EndedCalls(home.redis).begin(living)
    assert begun is not None
    assert begun.forget
    assert "number forgotten" in caplog.text
    assert BERT not in caplog.text
    # It is over now, and nobody was at its end: so it is forgotten at once.
    for left in (1, 0):
        _, frame = await home.post("voicecall.forget", {"number": BERT})
        assert frame["payload"] == {"forgotten": left, "atEnd": 0}


async def test_one_call_is_forgotten_by_its_id(home: House, archive: Archive) -> None:
    """Ended: at once. Unknown: nothing happens, and nothing is left behind by asking."""
    call = await over(home)
    await archived(home, archive, call, keep_s=60.0)
    assert (await home.post("voicecall.forget", {"callId": call}))[1]["payload"] == {"forgotten": 1, "atEnd": 0}
    assert (await home.post("voicecall.status", {"callId": call}))[1]["payload"] == {"found": False}
    stranger = CallId("00000000-0000-4000-8000-000000000000")
    assert (await home.post("voicecall.forget", {"callId": stranger}))[1]["payload"] == {"forgotten": 0, "atEnd": 0}
    assert await home.redis.exists(keys.state(stranger), keys.log(stranger)) == 0


async def test_a_call_that_nobody_has_taken_up_is_marked_as_well(redis_server: RedisServer, tmp_path: Path) -> None:
    """It has a log and no snapshot yet: its number stands there."""
    timeouts = Timeouts(place_s=0.05)
    config = {"store": str(tmp_path)}
    async with stack(redis_server.url, config=config, working=False, timeouts=timeouts) as home:
        await home.post("voicecall.initiate", {"message": "Hello", "to": BERT})
        _, frame = await home.post("voicecall.forget", {"number": BERT})
        assert frame["payload"] == {"forgotten": 0, "atEnd": 1}


async def test_an_archive_that_does_not_answer_is_said_and_not_guessed(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """To say "not found" would be a lie; the address stays in the log."""
    (tmp_path / "calls.db").write_bytes(b"this is no database" * 100)
    async with stack(redis_server.url, config={"store": str(tmp_path)}) as home:
        for method, params in (("status", {"callId": call_id(1)}), ("history", {}), ("forget", {"number": BERT})):
            status, frame = await home.post(f"voicecall.{method}", params)
            assert (status, frame["error"]["code"], frame["error"]["retryable"]) == (503, "UNAVAILABLE", True), method
            assert str(tmp_path) not in frame["error"]["message"]


async def test_without_an_archive_there_is_no_history(redis_server: RedisServer, tmp_path: Path) -> None:
    """Switched off: nothing is found, nothing is written, and what Redis holds is forgotten all the same."""
    async with stack(redis_server.url, config={"store": str(tmp_path), "archive": {"enabled": False}}) as home:
        call = await over(home)
        assert (await home.post("voicecall.history"))[1]["payload"] == {"calls": []}
        assert (await home.post("voicecall.latency"))[1]["payload"]["recordsScanned"] == 0
        assert (await home.post("voicecall.forget", {"number": BERT}))[1]["payload"]["forgotten"] == 1
        assert (await home.post("voicecall.status", {"callId": call}))[1]["payload"] == {"found": False}
    assert not (tmp_path / "calls.db").exists()


async def test_a_call_nobody_here_can_read_keeps_no_other_from_being_forgotten(home: House) -> None:
    """Its snapshot is of another build; its log says whose it is."""
    unreadable, other = await over(home), await over(home, to=ANNA)
    for call in (unreadable, other):
        await home.redis.hset(keys.state(call), "snapshot", b"another build's")
    status, frame = await home.post("voicecall.forget", {"number": BERT})
    assert (status, frame["payload"]) == (200, {"forgotten": 1, "atEnd": 0})
    assert await home.redis.exists(keys.log(unreadable)) == 0
    assert await home.redis.exists(keys.log(other)) == 1

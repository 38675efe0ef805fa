"""What an operator's page asks: the events of a call, the processes, the doctor, the dead letters."""

import asyncio
from pathlib import Path

import pytest

from tests.archive.records import call_id, record
from tests.fakes.redis_server import RedisServer
from tests.gateway.conftest import TOKEN, System, stack
from voicecall.api.results import CallRecord
from voicecall.archive import CallArchive
from voicecall.bus.dead import DeadLetters
from voicecall.bus.ingresses import Ingresses
from voicecall.bus.scripts import Scripts
from voicecall.call.ids import CallId, NodeId
from voicecall.call.state import Phase
from voicecall.client import AsyncVoicecall


async def test_the_events_of_a_call_come_page_by_page_without_internal_fields(system: System) -> None:
    """As in the feed: no request id, no stream, no policy; every seq once and in order."""
    call = CallId(await system.initiate())
    await system.worker.hear(call, "good morning")
    await system.post("voicecall.speak", {"callId": call, "message": "Hello again"})
    found: list[dict[str, object]] = []
    async with AsyncVoicecall(system.url, token=TOKEN) as client:
        after: int | None = 0
        while after is not None:
            page = await client.events(call, after=after, limit=3)
            assert page.found
            assert len(page.events) <= 3
            found += [event.model_dump() for event in page.events]
            after = page.next
    assert [event["seq"] for event in found] == list(range(1, len(found) + 1))
    assert {"Placed", "Answered", "Heard", "SpeakAsked"} <= {event["type"] for event in found}
    assert not {"request", "policy", "stream", "ingress", "turn_token"} & {key for event in found for key in event}


async def test_a_call_that_redis_does_not_hold_has_no_events(system: System) -> None:
    assert (await system.post("voicecall.events", {"callId": call_id(1)}))[1]["payload"] == {
        "found": False,
        "events": [],
    }


async def test_the_waits_of_a_live_call_come_with_its_first_page(system: System) -> None:
    """Those that its record would have if it were over; and not once more with the second page."""
    call = CallId(await system.initiate())
    for text in ("what time do you close", "and on Sundays"):
        await system.worker.hear(call, text)
    _, frame = await system.post("voicecall.events", {"callId": call, "limit": 1})
    assert "turnSpans" in frame["payload"]
    _, frame = await system.post("voicecall.events", {"callId": call, "after": 1})
    assert "turnSpans" not in frame["payload"]


async def test_processes_are_listed_with_the_calls_that_each_holds(system: System) -> None:
    """The worker holds the lease, the ingress the stream; one that was not heard of for a while is not alive."""
    call = await system.initiate()
    await Ingresses(system.redis).announce(NodeId("ingress-small"))
    await system.redis.zadd(Ingresses(system.redis)._key, {"ingress-gone": 1.0})
    async with AsyncVoicecall(system.url, token=TOKEN) as client:
        found = {one.name: one for one in (await client.processes()).processes}
    assert (found["worker-small"].kind, found["worker-small"].alive, found["worker-small"].calls) == (
        "worker",
        True,
        (call,),
    )
    assert (found["ingress-small"].kind, found["ingress-small"].alive, found["ingress-small"].calls) == (
        "ingress",
        True,
        (call,),
    )
    assert (found["ingress-gone"].alive, found["ingress-gone"].calls) == (False, ())


async def test_dead_letters_are_listed_without_their_bytes(system: System) -> None:
    """They may quote the conversation."""
    letters = DeadLetters(system.redis, Scripts(system.redis))
    for number in range(3):
        await letters.set_aside_bytes(CallId(call_id(number)), b"my secret is 1234", reason="of no event")
    _, frame = await system.post("voicecall.dead", {"last": 2})
    assert frame["payload"]["count"] == 3
    assert [letter["callId"] for letter in frame["payload"]["letters"]] == [call_id(2), call_id(1)]
    assert "secret" not in str(frame)


async def test_the_doctor_runs_once_for_all_who_ask(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its findings are those of the command; several askers share one run."""
    config = tmp_path / "voicecall.json"
    config.write_text('{"provider": "mock", "fromNumber": "+15550001000"}', encoding="utf-8")
    monkeypatch.setenv("VOICECALL_CONFIG", str(config))
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    async with stack(redis_server.url) as system, AsyncVoicecall(system.url, token=TOKEN) as client:
        first, second = await asyncio.gather(client.doctor(), client.doctor())
    assert first == second
    levels = {finding.check: finding.level for finding in first.findings}
    assert levels["configuration"] == "ok"
    assert levels["workers"] == "ok"
    assert not first.ok  # no ingress runs
    assert all(finding.remedy for finding in first.findings if finding.level == "fail")


async def test_a_status_without_transcripts_is_the_same_but_for_them(system: System) -> None:
    call = await system.initiate()
    await system.worker.reaches(CallId(call), Phase.LISTENING)
    _, full = await system.post("voicecall.status", {"callId": call})
    _, short = await system.post("voicecall.status", {"callId": call, "transcripts": False})
    assert full["payload"]["call"].pop("transcript")
    assert short["payload"] == full["payload"]
    _, every = await system.post("voicecall.status", {"transcripts": False})
    assert [CallRecord.model_validate(one).transcript for one in every["payload"]["calls"]] == [()]


async def test_history_is_filtered_by_how_calls_ended(redis_server: RedisServer, tmp_path: Path) -> None:
    archive = CallArchive(f"sqlite:///{tmp_path / 'calls.db'}")
    for number, reason in enumerate(("completed", "no-answer", "completed"), 1):
        archive.put(record(number, state=reason, endReason=reason))
    archive.close()
    async with (
        stack(redis_server.url, config={"store": str(tmp_path)}) as system,
        AsyncVoicecall(system.url, token=TOKEN) as client,
    ):
        for reason, expected in (("completed", [3, 1]), ("no-answer", [2]), ("busy", [])):
            page = await client.history(outcome=reason)
            assert [call.call_id for call in page.calls] == [call_id(number) for number in expected]
        status, frame = await system.post("voicecall.history", {"outcome": "gone"})
        assert (status, frame["error"]["code"]) == (400, "INVALID_REQUEST")

"""The methods on calls, through a real gateway and a real bus."""

import asyncio

import pytest

from tests.fakes.redis_server import RedisServer, start_redis
from tests.gateway.conftest import System, stack
from voicecall.call.ids import CallId
from voicecall.call.state import Phase
from voicecall.service import AnswerTimeouts

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_a_placed_call_is_dialled_answered_and_found(system: System) -> None:
    """From the request to the record."""
    call = await system.initiate(to="+15550001234", message="Good morning")
    await system.worker.reaches(CallId(call), Phase.LISTENING, Phase.ACTIVE)
    status, frame = await system.post("voicecall.status", {"callId": call})
    record = frame["payload"]["call"]
    assert (status, frame["payload"]["found"]) == (200, True)
    assert record["callId"] == call
    assert (record["provider"], record["direction"]) == ("mock", "outbound")
    assert (record["from"], record["to"]) == ("+15550000000", "+15550001234")
    assert [line["text"] for line in record["transcript"]] == ["Good morning"]
    assert record["transcript"][0]["speaker"] == "bot"
    assert record["startedAt"] <= record["answeredAt"] <= record["transcript"][0]["timestamp"]
    assert record["metadata"]["mode"] == "conversation"
    assert "endReason" not in record


async def test_without_a_number_the_configured_one_is_called(system: System) -> None:
    """`to` defaults to `toNumber`, `mode` to `outbound.defaultMode`."""
    _, frame = await system.post("voicecall.initiate", {"message": "Hello"})
    _, found = await system.post("voicecall.status", {"callId": frame["payload"]["callId"]})
    assert found["payload"]["call"]["to"] == "+15550009999"
    assert found["payload"]["call"]["metadata"]["mode"] == "notify"


async def test_continue_returns_what_the_caller_says_next(system: System) -> None:
    """The answer is the transcript of the remote party, not of the agent."""
    call = await system.initiate()
    asked = asyncio.create_task(system.post("voicecall.continue", {"callId": call, "message": "How are you?"}))
    await system.worker.asks(CallId(call))
    await system.worker.hear(CallId(call), "Fine, thank you")
    assert await asked == (
        200,
        {"type": "res", "id": "1", "ok": True, "payload": {"success": True, "transcript": "Fine, thank you"}},
    )


async def test_a_second_continue_is_refused_while_one_waits(system: System) -> None:
    """A call has at most one waiting `continue`."""
    call = await system.initiate()
    first = asyncio.create_task(system.post("voicecall.continue", {"callId": call, "message": "One?"}))
    await system.worker.asks(CallId(call))
    status, frame = await system.post("voicecall.continue", {"callId": call, "message": "Two?"})
    await system.worker.hear(CallId(call), "yes")
    assert (status, frame["error"]["code"]) == (409, "FAILED")
    assert frame["error"]["message"] == "Already waiting for transcript"
    assert (await first)[1]["payload"]["transcript"] == "yes"


async def test_speak_and_dtmf_and_end_succeed_on_a_live_call(system: System) -> None:
    """Each returns when it is done; ending twice succeeds twice."""
    call = await system.initiate()
    assert (await system.post("voicecall.speak", {"callId": call, "message": "One moment"}))[1]["payload"] == {
        "success": True,
    }
    assert (await system.post("voicecall.dtmf", {"callId": call, "digits": "12#"}))[0] == 200
    assert system.worker.digits == ["12#"]
    for _ in range(2):
        assert (await system.post("voicecall.end", {"callId": call}))[1]["payload"] == {"success": True}
    _, frame = await system.post("voicecall.status", {"callId": call})
    assert frame["payload"]["call"]["endReason"] == "hangup-bot"
    status, frame = await system.post("voicecall.speak", {"callId": call, "message": "Hello?"})
    assert (status, frame["error"]["message"], frame["error"]["callId"]) == (409, "Call has ended", call)


async def test_status_without_an_id_lists_live_calls(system: System) -> None:
    """Ended calls are not in it; the oldest comes first."""
    calls = [await system.initiate() for _ in range(3)]
    await system.post("voicecall.end", {"callId": calls[1]})
    _, frame = await system.post("voicecall.status")
    assert [call["callId"] for call in frame["payload"]["calls"]] == [calls[0], calls[2]]


async def test_a_call_is_found_by_the_carriers_id(system: System) -> None:
    """`sid` is the carrier's id of the leg."""
    call = await system.initiate()
    _, frame = await system.post("voicecall.status", {"callId": call})
    sid = frame["payload"]["call"]["providerCallId"]
    _, by_sid = await system.post("voicecall.status", {"sid": sid})
    assert by_sid["payload"]["call"]["callId"] == call
    assert (await system.post("voicecall.status", {"sid": "CAunknown"}))[1]["payload"] == {"found": False}


@pytest.mark.parametrize("method", ["speak", "continue", "end", "dtmf"])
async def test_an_unknown_call_is_not_found(system: System, method: str) -> None:
    """The request leaves no state: the next status does not find the call either."""
    extra = {"speak": {"message": "x"}, "continue": {"message": "x"}, "dtmf": {"digits": "1"}}.get(method, {})
    status, frame = await system.post(f"voicecall.{method}", {"callId": UNKNOWN, **extra})
    assert (status, frame["error"]["code"], frame["error"]["message"]) == (404, "NOT_FOUND", "Call not found")
    assert (await system.post("voicecall.status", {"callId": UNKNOWN}))[1]["payload"] == {"found": False}


async def test_a_carriers_refusal_is_reported_unchanged(system: System) -> None:
    """The client gets the reason; no call was placed."""
    system.worker.dial = "refuse"
    status, frame = await system.post("voicecall.initiate", {"message": "Hello", "to": "+15550001234"})
    assert (status, frame["error"]["code"]) == (409, "FAILED")
    assert "Invalid 'To' Phone Number" in frame["error"]["message"]
    assert frame["error"]["callId"]


async def test_the_limit_of_calls_is_kept_and_freed(redis_server: RedisServer) -> None:
    """The live calls of the whole system count; the end of one frees its slot (guarantee P15)."""
    async with stack(redis_server.url, config={"maxConcurrentCalls": 2}) as system:
        outcomes = await asyncio.gather(*(system.post("voicecall.initiate", {"message": "Hi"}) for _ in range(6)))
        placed = [frame["payload"]["callId"] for status, frame in outcomes if status == 200]
        refused = [(status, frame["error"]) for status, frame in outcomes if status != 200]
        assert len(placed) == len(system.worker.dialled) == 2
        assert {(status, e["code"], e["message"]) for status, e in refused} == {
            (429, "RESOURCE_EXHAUSTED", "Maximum concurrent calls (2) reached"),
        }
        assert all(error["retryable"] and error["retryAfterMs"] > 0 for _, error in refused)
        await system.post("voicecall.end", {"callId": placed[0]})
        await system.initiate()


async def test_parallel_repetitions_of_one_key_place_one_call(system: System) -> None:
    """Five requests at once and one later: one dial, one id (guarantee P3)."""
    params = {"message": "Hello", "to": "+15550001234", "idempotencyKey": "order-7"}
    outcomes = await asyncio.gather(*(system.post("voicecall.initiate", params) for _ in range(5)))
    outcomes.append(await system.post("voicecall.initiate", params))
    assert {status for status, _ in outcomes} == {200}
    assert len({frame["payload"]["callId"] for _, frame in outcomes}) == 1
    assert len(system.worker.dialled) == 1


async def test_a_key_with_another_body_is_a_conflict(system: System) -> None:
    """One key stands for one request; the refusal names its call."""
    call = await system.initiate(idempotencyKey="order-8")
    body = {"message": "Other words", "mode": "conversation", "idempotencyKey": "order-8"}
    status, frame = await system.post("voicecall.initiate", body)
    assert (status, frame["error"]["code"], frame["error"]["callId"]) == (409, "CONFLICT", call)
    assert len(system.worker.dialled) == 1


async def test_a_key_outlives_its_call_without_using_a_slot(system: System) -> None:
    """A repetition after the end returns the first outcome; it neither dials nor counts as live."""
    call = await system.initiate(idempotencyKey="order-9")
    await system.post("voicecall.end", {"callId": call})
    assert await system.initiate(idempotencyKey="order-9") == call
    assert (await system.post("voicecall.status"))[1]["payload"]["calls"] == []
    assert len(system.worker.dialled) == 1


async def test_a_call_that_no_worker_takes_has_an_unknown_outcome(redis_server: RedisServer) -> None:
    """The request ends at its timeout with the id of the call; nothing hangs (guarantee P19)."""
    async with stack(redis_server.url, timeouts=AnswerTimeouts(place_s=0.05), working=False, idle=True) as system:
        status, frame = await system.post("voicecall.initiate", {"message": "Hello"})
        assert (status, frame["error"]["code"], frame["error"]["retryable"]) == (504, "UNAVAILABLE", True)
        call = frame["error"]["callId"]
        assert system.doorbell.rung == [call]
        _, found = await system.post("voicecall.status", {"callId": call})
        assert found["payload"]["call"]["state"] == "initiated"


async def test_a_repetition_after_an_unknown_outcome_waits_for_the_same_call(redis_server: RedisServer) -> None:
    """The first request timed out, the worker starts late, the repetition gets the outcome."""
    async with stack(redis_server.url, timeouts=AnswerTimeouts(place_s=0.05), working=False, idle=True) as system:
        body = {"message": "Hello", "idempotencyKey": "late"}
        _, first = await system.post("voicecall.initiate", body)
        late = asyncio.create_task(system.worker.run())
        await system.worker.reaches(CallId(first["error"]["callId"]), Phase.LISTENING, Phase.ACTIVE, Phase.SPEAKING)
        status, second = await system.post("voicecall.initiate", body)
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
        assert (status, second["payload"]["callId"]) == (200, first["error"]["callId"])
        assert len(system.worker.dialled) == 1


async def test_an_unfinished_utterance_has_an_unknown_outcome(redis_server: RedisServer) -> None:
    """Speech that never ends does not block the request."""
    timeouts = AnswerTimeouts(speak_s=0.05, speak_per_character_s=0.0)
    async with stack(redis_server.url, timeouts=timeouts) as system:
        call = await system.initiate()
        system.worker.speech = "endless"
        status, frame = await system.post("voicecall.speak", {"callId": call, "message": "Once upon a time"})
        assert (status, frame["error"]["code"], frame["error"]["callId"]) == (504, "UNAVAILABLE", call)


async def test_a_caller_who_hangs_up_fails_the_wait_at_once(system: System) -> None:
    """A `continue` fails with the end of its call."""
    call = await system.initiate()
    asked = asyncio.create_task(system.post("voicecall.continue", {"callId": call, "message": "Still there?"}))
    await system.worker.asks(CallId(call))
    await system.worker.hang_up(CallId(call))
    status, frame = await asked
    assert (status, frame["error"]["message"]) == (409, "Call ended: hangup-user")


async def test_a_client_that_leaves_ends_its_wait_and_not_the_call(system: System) -> None:
    """The socket is closed; the call goes on."""
    call = await system.initiate()
    line = await system.socket()
    await line.send("1", "voicecall.continue", {"callId": call, "message": "Hello?"})
    await system.worker.asks(CallId(call))
    await line.ws.close()
    await system.worker.hear(CallId(call), "I am here")
    _, frame = await system.post("voicecall.status", {"callId": call})
    assert frame["payload"]["call"]["state"] not in {"completed", "hangup-bot", "error"}


async def test_a_dead_redis_is_unavailable_and_not_a_hang(tmp_path: object) -> None:
    """Every method is UNAVAILABLE; the process stays alive."""
    server = start_redis(str(tmp_path))
    try:
        async with stack(server.url) as system:
            call = await system.initiate()
            server.kill()
            for method, params in (
                ("initiate", {"message": "Hello"}),
                ("speak", {"callId": call, "message": "Hello"}),
                ("end", {"callId": call}),
                ("status", {"callId": call}),
                ("status", {}),
            ):
                status, frame = await system.post(f"voicecall.{method}", params)
                assert (status in {503, 504}, frame["error"]["code"]) == (True, "UNAVAILABLE"), method
            async with system.http.get(f"{system.url}/livez") as answer:
                assert answer.status == 200
    finally:
        server.kill()

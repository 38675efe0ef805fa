"""`continue.start` and `continue.result`: an operation is answered by any gateway and survives crashes."""

import asyncio
from typing import Any

import pytest

from tests.fakes.keys import keys
from tests.fakes.redis_server import RedisServer
from tests.gateway.conftest import System, stack
from voicecall.bus.operations import Operations
from voicecall.call.ids import CallId, RequestId

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def started(system: System, call: str) -> str:
    """Starts a `continue`; returns the id of the operation."""
    status, frame = await system.post("voicecall.continue.start", {"callId": call, "message": "How are you?"})
    assert status == 200, frame
    await system.worker.asks(CallId(call))
    return str(frame["payload"]["operationId"])


async def result(system: System, operation: str) -> dict[str, Any]:
    status, frame = await system.post("voicecall.continue.result", {"operationId": operation})
    assert status == 200, frame
    payload: dict[str, Any] = frame["payload"]
    return payload


async def finished(system: System, operation: str) -> dict[str, Any]:
    """Polls until the operation is over."""
    while (payload := await result(system, operation))["status"] == "pending":  # noqa: ASYNC110  # the commit of another task
        await asyncio.sleep(0.002)
    return payload


async def test_it_is_pending_until_the_caller_has_spoken(system: System) -> None:
    """Then it is completed, for every later query."""
    call = await system.initiate()
    _, frame = await system.post("voicecall.continue.start", {"callId": call, "message": "How are you?"})
    assert frame["payload"]["pollTimeoutMs"] == 220_000
    operation = frame["payload"]["operationId"]
    assert await result(system, operation) == {"status": "pending"}
    await system.worker.asks(CallId(call))
    await system.worker.hear(CallId(call), "Fine, thank you")
    completed = {"status": "completed", "result": {"success": True, "transcript": "Fine, thank you"}}
    assert [await finished(system, operation) for _ in range(2)] == [completed] * 2


async def test_an_operation_survives_its_gateway(redis_server: RedisServer) -> None:
    """The request is in the call's log and the id in Redis: another gateway answers."""
    async with stack(redis_server.url) as first, stack(redis_server.url, keep=True, working=False) as second:
        call = await first.initiate()
        operation = await started(first, call)
        assert await result(second, operation) == {"status": "pending"}
        await first.worker.hear(CallId(call), "Well")
        assert (await finished(second, operation))["result"]["transcript"] == "Well"


async def test_an_answer_is_found_after_the_snapshot_has_dropped_it(system: System) -> None:
    """A snapshot keeps the newest few answers; the log can be folded again."""
    call = await system.initiate()
    operation = await started(system, call)
    await system.worker.hear(CallId(call), "Well")
    for _ in range(20):
        assert (await system.post("voicecall.dtmf", {"callId": call, "digits": "1"}))[0] == 200
    state = await system.worker.log.read(CallId(call))
    assert state is not None
    assert not any(answer.text == "Well" for answer in state.results)
    assert (await result(system, operation))["result"]["transcript"] == "Well"
    await system.post("voicecall.end", {"callId": call})
    assert (await result(system, operation))["result"]["transcript"] == "Well"


async def test_a_call_that_ends_or_refuses_is_a_failure_with_its_reason(system: System) -> None:
    """`error` has the reason; a waiting `continue` refuses the next."""
    call = await system.initiate()
    waiting, refused = await started(system, call), await started(system, call)
    already = {"status": "failed", "error": "Already waiting for transcript", "code": "FAILED"}
    assert await finished(system, refused) == already
    await system.worker.hang_up(CallId(call))
    assert await finished(system, waiting) == {"status": "failed", "error": "Call ended: hangup-user", "code": "FAILED"}
    status, frame = await system.post("voicecall.continue.start", {"callId": call, "message": "Hello?"})
    assert (status, frame["error"]["message"]) == (409, "Call has ended")


async def test_without_an_answer_in_time_the_outcome_is_unknown(system: System) -> None:
    """After the timeout of the operation it is not pending any more (guarantee P19)."""
    call = await system.initiate()
    operation = await Operations(system.redis).remember(CallId(call), RequestId("unanswered"), 3599.0)
    payload = await result(system, operation)
    assert (payload["status"], payload["code"]) == ("failed", "UNAVAILABLE")
    assert payload["error"].startswith("outcome unknown: no answer within 220 s")


async def test_an_operation_is_known_by_its_id_alone_which_redis_does_not_hold(system: System) -> None:
    """Redis holds a hash of the id: reading Redis gives no usable id, and guessing finds nothing."""
    call = await system.initiate()
    operation = await started(system, call)
    assert not any(operation.encode() in key for key in await system.redis.keys("*"))
    assert await system.redis.pttl(keys.operation(operation)) > 3_600_000
    for stranger in ("x" * 43, operation[:-1] + ("A" if operation[-1] != "A" else "B")):
        status, frame = await system.post("voicecall.continue.result", {"operationId": stranger})
        assert (status, frame["error"]["code"]) == (404, "NOT_FOUND")
    assert (await system.post("voicecall.continue.start", {"callId": UNKNOWN, "message": "Hi"}))[0] == 404


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x93\x01\x02\x03", b"\x92\x01\x02"])
async def test_an_undecodable_operation_is_unavailable(system: System, junk: bytes) -> None:
    """Never an internal error."""
    await system.redis.set(keys.operation("y" * 43), junk)
    status, frame = await system.post("voicecall.continue.result", {"operationId": "y" * 43})
    assert (status, frame["error"]["code"]) == (503, "UNAVAILABLE")


async def test_c4_requests_to_a_ringing_call_wait_for_its_answer(system: System) -> None:
    """The wait is bounded: by the time that it may ring, and then as on an answered call."""
    system.worker.dial = "ring"
    call = CallId(await system.initiate())
    speaking = asyncio.create_task(system.post("voicecall.speak", {"callId": call, "message": "One moment"}))
    _, frame = await system.post("voicecall.continue.start", {"callId": call, "message": "How are you?"})
    assert frame["payload"]["pollTimeoutMs"] == 250_000
    operation = frame["payload"]["operationId"]
    assert await result(system, operation) == {"status": "pending"}
    await system.worker.answer(call)
    assert (await speaking)[0] == 200
    await system.worker.asks(call)
    await system.worker.hear(call, "Fine, thank you")
    assert (await finished(system, operation))["result"]["transcript"] == "Fine, thank you"

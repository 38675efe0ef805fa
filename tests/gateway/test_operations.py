"""A `continue` that nobody waits for: begun here, answered anywhere, lost nowhere."""

import asyncio
from typing import Any

import pytest

from tests.fakes.redis_server import RedisServer
from tests.gateway.conftest import House, stack
from voicecall.bus import keys
from voicecall.bus.operations import Operations
from voicecall.call.ids import CallId, RequestId

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def begun(home: House, call: str) -> str:
    """The id of a `continue` that waits for the caller."""
    status, frame = await home.post("voicecall.continue.start", {"callId": call, "message": "How are you?"})
    assert status == 200, frame
    await home.worker.asks(CallId(call))
    return str(frame["payload"]["operationId"])


async def result(home: House, operation: str) -> dict[str, Any]:
    status, frame = await home.post("voicecall.continue.result", {"operationId": operation})
    assert status == 200, frame
    payload: dict[str, Any] = frame["payload"]
    return payload


async def over(home: House, operation: str) -> dict[str, Any]:
    """Asked again and again, as hosts do."""
    while (payload := await result(home, operation))["status"] == "pending":  # noqa: ASYNC110  # the commit of another task
        await asyncio.sleep(0.002)
    return payload


async def test_it_is_pending_until_the_caller_has_spoken(home: House) -> None:
    """Then it is completed, however often it is asked for, with the documented answer (behaviour 10.2)."""
    call = await home.initiate()
    _, frame = await home.post("voicecall.continue.start", {"callId": call, "message": "How are you?"})
    assert frame["payload"]["pollTimeoutMs"] == 220_000
    operation = frame["payload"]["operationId"]
    assert await result(home, operation) == {"status": "pending"}
    await home.worker.asks(CallId(call))
    await home.worker.hear(CallId(call), "Fine, thank you")
    completed = {"status": "completed", "result": {"success": True, "transcript": "Fine, thank you"}}
    assert [await over(home, operation) for _ in range(2)] == [completed] * 2


async def test_a_killed_gateway_takes_nothing_with_it(redis_server: RedisServer) -> None:
    """What is begun is in the call's log and its id in Redis: another gateway tells how it ended."""
    async with stack(redis_server.url) as first, stack(redis_server.url, keep=True, working=False) as second:
        call = await first.initiate()
        operation = await begun(first, call)
        assert await result(second, operation) == {"status": "pending"}
        await first.worker.hear(CallId(call), "Well")
        assert (await over(second, operation))["result"]["transcript"] == "Well"


async def test_an_answer_is_found_long_after_the_snapshot_forgot_it(home: House) -> None:
    """A snapshot keeps the newest few answers; the log can be folded again."""
    call = await home.initiate()
    operation = await begun(home, call)
    await home.worker.hear(CallId(call), "Well")
    for _ in range(20):
        assert (await home.post("voicecall.dtmf", {"callId": call, "digits": "1"}))[0] == 200
    state = await home.worker.log.read(CallId(call))
    assert state is not None
    assert not any(answer.text == "Well" for answer in state.results)
    assert (await result(home, operation))["result"]["transcript"] == "Well"
    await home.post("voicecall.end", {"callId": call})
    assert (await result(home, operation))["result"]["transcript"] == "Well"


async def test_a_call_that_ends_or_refuses_is_a_failure_with_its_reason(home: House) -> None:
    """`error` is a sentence; one that waits already refuses the next."""
    call = await home.initiate()
    waiting, refused = await begun(home, call), await begun(home, call)
    already = {"status": "failed", "error": "Already waiting for transcript", "code": "FAILED"}
    assert await over(home, refused) == already
    await home.worker.hang_up(CallId(call))
    assert await over(home, waiting) == {"status": "failed", "error": "Call ended: hangup-user", "code": "FAILED"}
    status, frame = await home.post("voicecall.continue.start", {"callId": call, "message": "Hello?"})
    assert (status, frame["error"]["message"]) == (409, "Call has ended")


async def test_what_nobody_answers_in_time_is_unknown_and_not_pending_for_ever(home: House) -> None:
    """The id says how long is left; behind that the outcome is said to be unknown (reliability P19)."""
    call = await home.initiate()
    operation = await Operations(home.redis).remember(CallId(call), RequestId("nobody's"), 3599.0)
    payload = await result(home, operation)
    assert (payload["status"], payload["code"]) == ("failed", "UNAVAILABLE")
    assert payload["error"].startswith("outcome unknown: no answer within 220 s")


async def test_an_operation_is_known_by_its_id_alone_which_redis_does_not_hold(home: House) -> None:
    """Who can read Redis cannot ask for it, and who guesses finds nothing."""
    call = await home.initiate()
    operation = await begun(home, call)
    assert not any(operation.encode() in key for key in await home.redis.keys("*"))
    assert await home.redis.pttl(keys.operation(operation)) > 3_600_000
    for stranger in ("x" * 43, operation[:-1] + ("A" if operation[-1] != "A" else "B")):
        status, frame = await home.post("voicecall.continue.result", {"operationId": stranger})
        assert (status, frame["error"]["code"]) == (404, "NOT_FOUND")
    assert (await home.post("voicecall.continue.start", {"callId": UNKNOWN, "message": "Hi"}))[0] == 404


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x93\x01\x02\x03", b"\x92\x01\x02"])
async def test_junk_under_an_operation_is_no_fault_of_ours(home: House, junk: bytes) -> None:
    """Told as unavailable, never believed."""
    await home.redis.set(keys.operation("y" * 43), junk)
    status, frame = await home.post("voicecall.continue.result", {"operationId": "y" * 43})
    assert (status, frame["error"]["code"]) == (503, "UNAVAILABLE")

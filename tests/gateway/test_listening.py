"""The socket for listening in: who may, what is answered where there is nothing to hear, and how it ends."""

import asyncio
import json
import struct
import uuid
from typing import Any

import aiohttp
import pytest

from tests.fakes.redis_server import RedisServer
from tests.fakes.tapped import tapped_ingress
from tests.gateway.conftest import TOKEN, System, stack
from voicecall.call.ids import CallId
from voicecall.errors import ConfigError
from voicecall.settings import ListenScope, load_deployment

READER = "a-token-that-only-reads"


async def listen(system: System, call: str, token: str = TOKEN, **headers: str) -> aiohttp.ClientWebSocketResponse:
    ws = await system.http.ws_connect(f"{system.url}/listen", headers=headers)
    await ws.send_json(
        {"type": "req", "id": "1", "method": "connect", "params": {"auth": {"token": token}, "callId": call}}
    )
    return ws


async def refused(system: System, call: object, token: str = TOKEN) -> dict[str, Any]:
    """The error, after which the socket is closed."""
    ws = await listen(system, call, token)  # type: ignore[arg-type]  # bad input is the subject
    frame = await ws.receive_json()
    assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
    return dict(frame["error"])


async def sound(ws: aiohttp.ClientWebSocketResponse) -> tuple[int, bytes]:
    while (message := await ws.receive()).type is not aiohttp.WSMsgType.BINARY:
        assert message.type is aiohttp.WSMsgType.TEXT
    side, at_ms = struct.unpack_from(">Bd", message.data)
    assert at_ms > 1e12
    return side, message.data[9:]


async def test_both_sides_are_heard_and_the_log_says_who_listened(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Each sound has its side; when the client goes, nothing of the call is copied any more."""
    caplog.set_level("INFO")
    async with stack(redis_server.url) as system, tapped_ingress(system.redis) as ingress:
        call = await system.initiate()
        ingress.caller, ingress.agent = b"\x21" * 160, b"\x42" * 160
        ws = await listen(system, call)
        assert (await ws.receive_json())["payload"]["type"] == "hello-ok"
        heard = {0: b"", 1: b""}
        async with asyncio.timeout(20):
            while not all(len(audio) > 1600 for audio in heard.values()):
                side, mulaw = await sound(ws)
                heard[side] += mulaw
        assert set(heard[0]) == {0x21}
        assert set(heard[1]) == {0x42}
        await ws.close()
        async with asyncio.timeout(20):
            while ingress.is_tapped:  # noqa: ASYNC110  another task ends it
                await asyncio.sleep(0.05)
    began, ended = (record for record in caplog.records if record.message.startswith("listening in"))
    assert (began.__dict__["call_id"], began.__dict__["token"]) == (call, "operator")
    assert ended.__dict__["to"] > ended.__dict__["from"]


async def test_the_end_of_the_call_is_said_and_ends_it(redis_server: RedisServer) -> None:
    async with stack(redis_server.url) as system:
        call = await system.initiate()
        ws = await listen(system, call)
        await ws.receive_json()
        await system.worker.hang_up(CallId(call))
        states = [json.loads(message.data)["payload"] async for message in ws]
        assert states[-1] == {"state": "over", "reason": "Call has ended"}


async def test_a_call_in_native_mode_says_why_there_is_nothing_to_hear(redis_server: RedisServer) -> None:
    async with stack(redis_server.url, config={"streaming": {"enabled": False}}) as system:
        error = await refused(system, await system.initiate())
        assert error["code"] == "FAILED"
        assert error["message"].startswith("the carrier itself speaks and listens on this call (native mode or relay)")


async def test_what_is_no_live_call_is_refused_by_its_name(redis_server: RedisServer) -> None:
    async with stack(redis_server.url) as system:
        assert (await refused(system, str(uuid.uuid4())))["code"] == "NOT_FOUND"
        assert (await refused(system, "CA*"))["message"].startswith("callId: is not the id of a call")
        assert (await refused(system, None))["message"] == "callId: Input should be a valid string"
        call = await system.initiate()
        await system.worker.hang_up(CallId(call))
        await system.post("voicecall.end", {"callId": call})
        assert (await refused(system, call))["message"] == "Call has ended"


@pytest.mark.parametrize(
    ("setting", "token", "outcome"),
    [
        (ListenScope.WRITE, TOKEN, True),
        (ListenScope.WRITE, READER, False),
        (ListenScope.WRITE, "wrong", False),
        (ListenScope.READ, READER, True),
        (ListenScope.OFF, TOKEN, False),
    ],
)
async def test_who_may_listen_in_is_a_setting(
    redis_server: RedisServer, setting: ListenScope, token: str, outcome: bool
) -> None:
    """By default a token that only reads may not: it was given out when reading meant text."""
    async with stack(redis_server.url, gateway_read_token=READER, gateway_listen=setting) as system:
        call = await system.initiate()
        if outcome:
            ws = await listen(system, call, token)
            assert (await ws.receive_json())["ok"]
            await ws.close()
        else:
            assert (await refused(system, call, token))["code"] in {"FORBIDDEN", "UNAUTHORIZED"}
        for each in (TOKEN, READER):
            ws_ = await system.socket(each)
            features = (await ws_.ask("connect", {"auth": {"token": each}}))["payload"]["features"]
            may = setting is ListenScope.READ or (setting is ListenScope.WRITE and each == TOKEN)
            assert features["listen"] is may


async def test_a_foreign_page_and_what_is_no_socket_are_refused(redis_server: RedisServer) -> None:
    async with stack(redis_server.url) as system:
        async with system.http.get(f"{system.url}/listen") as answer:
            assert answer.status == 426
        async with system.http.get(f"{system.url}/listen", headers={"Origin": "https://evil.example"}) as answer:
            assert answer.status == 403


async def test_the_number_of_listeners_is_bounded(redis_server: RedisServer) -> None:
    async with stack(redis_server.url) as system:
        call = await system.initiate()
        open_ = [await listen(system, call) for _ in range(16)]
        for ws in open_:
            assert (await ws.receive_json())["ok"]
        assert (await refused(system, call))["code"] == "RESOURCE_EXHAUSTED"
        await open_[0].close()
        async with asyncio.timeout(20):
            while not (await (ws := await listen(system, call)).receive_json())["ok"]:  # noqa: ASYNC110  another task frees it
                await asyncio.sleep(0.05)
        await ws.close()


def test_the_setting_is_read_and_a_wrong_one_is_named() -> None:
    assert load_deployment({}).gateway_listen is ListenScope.WRITE
    assert load_deployment({"VOICECALL_GATEWAY_LISTEN": "Read"}).gateway_listen is ListenScope.READ
    with pytest.raises(ConfigError, match="VOICECALL_GATEWAY_LISTEN: 'all' is none of write, read, off"):
        load_deployment({"VOICECALL_GATEWAY_LISTEN": "all"})

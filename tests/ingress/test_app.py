"""The ingress as a process on a real Redis: it starts or says why not, outlives an outage, and stops in order."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.fakes.redis_server import RedisServer, start_redis
from tests.fakes.worker import idle_node
from tests.ingress.harness import ACCOUNT, LEG, PUBLIC, TOKEN, Phone, exchange, fields, inbound_id, request
from tests.ingress.test_inbound import token_of
from voicecall.bus.connection import connect
from voicecall.bus.log import RedisCallLog
from voicecall.call.events import Arrived, StreamClosed, StreamOpened

CONFIG: dict[str, Any] = {
    "provider": "twilio",
    "fromNumber": "+15550009999",
    "publicUrl": PUBLIC,
    "inboundPolicy": "open",
    "maxConcurrentCalls": 10,
    "twilio": {"accountSid": ACCOUNT, "authToken": TOKEN},
    "streaming": {"enabled": True, "openaiApiKey": "k"},
    "tts": {"openai": {"apiKey": "k"}},
    "responseApiKey": "k",
}


@pytest.fixture(autouse=True)
def nothing_blocks() -> None:
    """The ingress is another process here; in this one only the test blocks."""


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = start_redis(tmp_path / "redis", aof=True)
    yield server
    server.stop()


class Ingress:
    """`python -m ingress`, and its log."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.port = 0
        self.health = 0

    async def line(self, message: str) -> dict[str, Any]:
        """The next log line with this message."""
        assert self.process.stderr is not None
        while True:
            raw = await self.process.stderr.readline()
            assert raw, f"ended without logging {message!r}"
            line: dict[str, Any] = orjson.loads(raw)
            if line["msg"] == message:
                return line

    async def ask(self, path: str) -> tuple[int, bytes]:
        answer = await exchange(self.health, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return answer.status, answer.body


async def spawn(tmp_path: Path, redis_url: str, **changes: Any) -> Process:
    config = tmp_path / "config.json5"
    config.write_bytes(orjson.dumps({**CONFIG, **changes}))
    environ = {
        **os.environ,
        "VOICECALL_CONFIG": str(config),
        "REDIS_URL": redis_url,
        "VOICECALL_INGRESS_HEALTH": "127.0.0.1:0",
    }
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "ingress", env=environ, stderr=PIPE)


async def output_of(process: Process) -> bytes:
    """What a process that ends by itself has printed; one that does not is killed."""
    try:
        _, printed = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return printed


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running_ingress(tmp_path: Path, redis_url: str) -> AsyncIterator[Ingress]:
    ingress = Ingress(await spawn(tmp_path, redis_url, serve={"port": free_port()}))
    try:
        line = await ingress.line("ingress open")
        ingress.port, ingress.health = line["address"][1], line["health"][1]
        yield ingress
    finally:
        if ingress.process.returncode is None:
            ingress.process.kill()
        await ingress.process.communicate()


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:  # reset, when it closes in this moment
        return False
    writer.close()
    return True


@asynccontextmanager
async def present(redis_url: str) -> AsyncIterator[None]:
    """A worker is present."""
    redis = connect(redis_url)
    try:
        async with idle_node(redis):
            yield
    finally:
        await redis.aclose()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"skipSignatureVerification": True}, "skipSignatureVerification"),
        ({"serve": {"bind": "0.0.0.0", "port": 1}, "skipSignatureVerification": True}, "skipSignatureVerification"),
        ({"twilio": {"accountSid": ACCOUNT}}, "authToken"),
        ({"unheardOf": 1}, "unheardOf"),
    ],
)
async def test_a_start_that_cannot_succeed_says_why_and_fails(
    tmp_path: Path, changes: dict[str, Any], word: str
) -> None:
    """A line with the reason and exit status 78, not a process that looks alive (attacks 7 and 8)."""
    process = await spawn(tmp_path, "redis://127.0.0.1:1/0", **changes)
    printed = await output_of(process)
    assert process.returncode == 78
    assert word in printed.decode()
    assert "Traceback" not in printed.decode()


async def test_a_port_that_is_taken_is_a_failed_start(tmp_path: Path, redis_server: RedisServer) -> None:
    """Of two instances started by mistake, one serves and the other exits."""
    process = await spawn(tmp_path, redis_server.url, serve={"port": redis_server.port})
    printed = await output_of(process)
    assert process.returncode == 1
    assert b"cannot start" in printed


async def test_a_call_comes_in_through_the_real_log_and_leaves_with_sigterm(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    """Ready, then a call with its stream; on SIGTERM (twice) the socket is closed, its end recorded, exit 0."""
    async with present(redis_server.url), running_ingress(tmp_path, redis_server.url) as ingress:
        while (await ingress.ask("/readyz"))[0] != 200:  # noqa: ASYNC110  another process can only be polled
            await asyncio.sleep(0.02)
        assert await ingress.ask("/livez") == (200, b"ok")
        answer = await exchange(ingress.port, request(fields()))
        replay = await exchange(ingress.port, request(fields()))
        assert replay.body == answer.body
        async with Phone.dial(ingress.port) as phone:
            await phone.start(inbound_id(), token_of(answer.body))
            await ingress.line("media stream opened")
            assert b"voicecall_replay_detected_total 1.0" in (await ingress.ask("/metrics"))[1]
            ingress.process.send_signal(signal.SIGTERM)
            await ingress.line("ingress draining")
            ingress.process.send_signal(signal.SIGTERM)
            assert (await ingress.ask("/readyz"))[0] == 503
            assert b'reason="busy"' in (await exchange(ingress.port, request(fields(CallSid="CA" + "5" * 32)))).body
            assert await phone.closed() == 1001
        async with asyncio.timeout(10):
            assert await ingress.process.wait() == 0
    redis = connect(redis_server.url)
    history = await RedisCallLog(redis).history(inbound_id())
    await redis.aclose()
    assert [type(record.event) for record in history] == [Arrived, StreamOpened, StreamClosed]
    assert history[1].event.leg == LEG  # type: ignore[attr-defined]


async def test_c3_with_another_ingress_the_listener_closes_first(tmp_path: Path, redis_server: RedisServer) -> None:
    """While the socket of a call is still open here, its carrier's next request already reaches the other one."""
    (tmp_path / "other").mkdir()
    async with (
        present(redis_server.url),
        running_ingress(tmp_path / "other", redis_server.url),
        running_ingress(tmp_path, redis_server.url) as ingress,
    ):
        answer = await exchange(ingress.port, request(fields()))
        async with Phone.dial(ingress.port) as phone:
            await phone.start(inbound_id(), token_of(answer.body))
            await ingress.line("media stream opened")
            ingress.process.send_signal(signal.SIGTERM)
            assert (await ingress.line("ingress draining"))["alone"] is False
            while await listens(ingress.port):
                pass  # it closes within milliseconds, long before the socket
            assert not phone.ws.closed
            assert await phone.closed() == 1001
        async with asyncio.timeout(10):
            assert await ingress.process.wait() == 0


async def test_c3_two_ingresses_that_stop_together_do_not_rely_on_each_other(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    """A platform stops all processes at once: the last to notice is alone and has the calls wait."""
    (tmp_path / "other").mkdir()
    async with (
        running_ingress(tmp_path / "other", redis_server.url) as other,
        running_ingress(tmp_path, redis_server.url) as ingress,
    ):
        for each in (other, ingress):
            each.process.send_signal(signal.SIGTERM)
        alone = [(await each.line("ingress draining"))["alone"] for each in (other, ingress)]
        assert True in alone


async def test_an_outage_of_redis_is_503_and_unready_and_over_when_it_is_over(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    """The process goes on (guarantee P8): a restart would not help."""
    async with present(redis_server.url), running_ingress(tmp_path, redis_server.url) as ingress:
        assert (await exchange(ingress.port, request(fields()))).status == 200
        redis_server.kill()
        assert (await exchange(ingress.port, request(fields(CallStatus="completed")))).status == 503
        assert (await ingress.ask("/livez"))[0] == 200
        redis_server.restart()
        while (await exchange(ingress.port, request(fields(CallStatus="completed")))).status != 200:  # noqa: ASYNC110  another process
            await asyncio.sleep(0.05)

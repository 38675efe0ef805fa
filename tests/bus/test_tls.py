"""Redis by TLS: the certificate is verified, and each mistake of the set-up is said with its remedy."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.bus.calls import new_call, ringing
from tests.fakes.redis_server import RedisServer, start_redis
from tests.fakes.tls import Authority, relay
from voicecall.bus.connection import connect, connect_blocking, require_accepted
from voicecall.bus.log import RedisCallLog
from voicecall.errors import BusUnavailable, ConfigError
from voicecall.settings import load_deployment


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = start_redis(tmp_path_factory.mktemp("plain"))
    yield server
    server.stop()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_a_server_with_a_certificate_that_we_trust_is_used(server: RedisServer, authority: Authority) -> None:
    """By the bus and by the client of the job queues."""
    async with relay(server.port, authority.issue("redis")) as port:
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority.file}"
        assert load_deployment({"REDIS_URL": url}).redis_url == url
        async with connect(url) as client:
            await require_accepted(client)
            call = new_call()
            await RedisCallLog(client).post(call, (ringing(),))
            assert len(await RedisCallLog(client).history(call)) == 1
        jobs = connect_blocking(url)
        assert await asyncio.to_thread(jobs.ping)
        await asyncio.to_thread(jobs.close)


async def test_a_server_that_wants_our_certificate_gets_it(server: RedisServer, authority: Authority) -> None:
    """One that misses it closes the socket: from an outage we cannot tell."""
    ours = authority.issue("voicecall")
    async with relay(server.port, authority.issue("redis"), clients=authority.file) as port:
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority.file}"
        async with connect(url) as client:
            with pytest.raises(BusUnavailable):
                await RedisCallLog(client).read(new_call())
        async with connect(f"{url}&ssl_certfile={ours.certificate}&ssl_keyfile={ours.key}") as client:
            await require_accepted(client)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("unknown authority", "CERTIFICATE_VERIFY_FAILED.*; name its authority and its host"),
        ("other host", "CERTIFICATE_VERIFY_FAILED.*; name its authority and its host"),
        ("no TLS at this port", "; it does not speak TLS at this port"),
        ("no certificate in the file", "; correct the files of certificates that REDIS_URL names"),
    ],
)
async def test_a_mistake_of_the_set_up_is_a_failed_start_with_its_remedy(
    server: RedisServer, authority: Authority, tmp_path: Path, mistake: str, words: str
) -> None:
    """And no outage that heals by itself: the process would wait for ever."""
    trusted = authority.file
    if mistake == "unknown authority":
        trusted = Authority(tmp_path, "other").file
    elif mistake == "no certificate in the file":
        trusted = tmp_path / "empty.pem"
        trusted.write_text("nothing\n")
    address = "127.0.0.2" if mistake == "other host" else "127.0.0.1"
    async with relay(server.port, authority.issue("redis", address=address)) as port, talkative() as plain:
        used = plain if mistake == "no TLS at this port" else port
        async with connect(f"rediss://127.0.0.1:{used}/0?ssl_ca_certs={trusted}") as client:
            with pytest.raises(ConfigError, match=words):
                await require_accepted(client)


@asynccontextmanager
async def talkative() -> AsyncIterator[int]:
    """A server without TLS that answers whatever it gets. Redis waits for the end of the line, and says nothing."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"-ERR what?\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_who_needs_it_can_leave_the_host_unchecked(server: RedisServer, authority: Authority) -> None:
    """Sentinels name addresses, and a certificate may have names only."""
    async with relay(server.port, authority.issue("redis", address="127.0.0.2")) as port:
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority.file}&ssl_check_hostname=false"
        async with connect(url) as client:
            await require_accepted(client)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("rediss://h?ssl_ca_certs=/nowhere/ca.pem", "ssl_ca_certs names '/nowhere/ca.pem', which cannot be read"),
        ("rediss+sentinel://h/s?ssl_keyfile=/nowhere/key", "ssl_keyfile names '/nowhere/key', which cannot be read"),
        ("redis://h?ssl_cert_reqs=none", "has ssl_cert_reqs, which needs TLS; write rediss://"),
    ],
)
def test_a_file_that_is_not_there_is_said_before_anything_connects(url: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_deployment({"REDIS_URL": url})
    assert caught.value.problems[0].startswith(f"REDIS_URL: {problem}")

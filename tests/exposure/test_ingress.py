"""The ingress with a tunnel: open before it is ready, closed when it stops, and unready while it is down."""

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
import pytest

from ingress import app
from simulators.fake_binaries import FakeBinaries
from simulators.tailscale.__main__ import routes
from tests.exposure.conftest import TOKEN as NGROK_TOKEN
from tests.fakes.redis_server import RedisServer, start_redis
from tests.fakes.worker import idle_node
from tests.ingress.harness import ACCOUNT, TOKEN, fields, sign
from voicecall.bus.connection import connect
from voicecall.bus.public_address import RedisPublicAddress
from voicecall.errors import ConfigError, NotExposed
from voicecall.ports import Address
from voicecall.settings import Deployment, Settings, load_deployment, parse_settings

HOOK, STREAM = "/voice/webhook", "/voice/stream"
NGROK = {"provider": "ngrok", "ngrokAuthToken": NGROK_TOKEN}
PUBLIC = "https://a1b2.ngrok-free.app"
TAILNET = "https://phone.tail1234.ts.net"
CONFIG: dict[str, Any] = {
    "provider": "twilio",
    "fromNumber": "+15550009999",
    "inboundPolicy": "open",
    "maxConcurrentCalls": 10,
    "twilio": {"accountSid": ACCOUNT, "authToken": TOKEN},
    "streaming": {"enabled": True, "openaiApiKey": "k"},
    "tts": {"openai": {"apiKey": "k"}},
    "responseApiKey": "k",
}
LOCAL_CARRIER = {"TWILIO_API_BASE_URL": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    started = start_redis(tmp_path_factory.mktemp("redis"))
    yield started
    started.stop()


@pytest.fixture
async def server(started: RedisServer) -> RedisServer:
    """Empty."""
    redis = connect(started.url)
    await redis.flushall()
    await redis.aclose()
    return started


class OpenIngress:
    """An ingress in this process, with the public address that other processes read."""

    def __init__(self, ingress: app.Ingress, public_address: RedisPublicAddress) -> None:
        self.running = ingress
        self.port = ingress.address[1]
        self.public_address = public_address

    async def webhook(self, url: str, port: int, **headers: str) -> tuple[int, bytes]:
        """A webhook that was signed for `url`, sent to a port of this machine."""
        form = fields(CallSid=f"CA{uuid.uuid4().hex}")
        signed = {
            "X-Twilio-Signature": sign(TOKEN, url, list(form.items())),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"http://127.0.0.1:{port}{HOOK}", data=urlencode(form), headers={**signed, **headers}) as answer,
        ):
            return answer.status, await answer.read()

    @property
    def unready(self) -> str:
        return self.running.readiness.ready()


def configured(server: RedisServer, more: dict[str, str], **changes: Any) -> tuple[Settings, Deployment]:
    environ = {"REDIS_URL": server.url, "VOICECALL_INGRESS_HEALTH": "127.0.0.1:0", **more}
    return parse_settings(orjson.dumps({**CONFIG, **changes}).decode(), environ), load_deployment(environ)


@asynccontextmanager
async def running_ingress(
    server: RedisServer, environ: dict[str, str], more: dict[str, str] | None = None, **changes: Any
) -> AsyncIterator[OpenIngress]:
    settings, deployment = configured(server, more or {}, **{"serve": {"port": free_port()}, **changes})
    redis = connect(server.url)
    try:
        async with idle_node(redis), app.running_ingress(settings, deployment, environ) as ingress:
            await ingress.readiness.probed()
            yield OpenIngress(ingress, RedisPublicAddress(redis))
            await ingress.drain()
    finally:
        await redis.aclose()


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = 15.0) -> None:
    async with asyncio.timeout(within_s):
        while not await holds():  # noqa: ASYNC110  another process can only be polled
            await asyncio.sleep(0.02)


async def test_ngrok_is_open_before_the_ingress_is_ready_and_closed_when_it_stops(
    server: RedisServer, binaries: FakeBinaries, environ: dict[str, str]
) -> None:
    """Both addresses are published, and withdrawn at the end."""
    async with running_ingress(server, environ, tunnel=NGROK) as ingress:
        assert ingress.unready == ""
        assert await ingress.public_address.now() == Address(
            webhook_url=PUBLIC + HOOK, stream_url="wss://a1b2.ngrok-free.app" + STREAM
        )
        assert binaries.lines("ngrok", "agent")[0]["upstream"] == str(ingress.port)
        listens = binaries.lines("ngrok", "open")[0]["listens"]
        status, answer = await ingress.webhook(PUBLIC + HOOK, listens)
        assert status == 200
        assert b"wss://a1b2.ngrok-free.app/voice/stream" in answer
        assert f"{PUBLIC}{HOOK}?callId=".encode() in answer
        assert b"127.0.0.1" not in answer
        public_address = ingress.public_address
        await ingress.running.drain()
        with pytest.raises(NotExposed, match="no tunnel is up"):
            await public_address.now()
    assert len(binaries.lines("ngrok", "closed")) == 1
    assert [argv[0] for argv in binaries.runs("ngrok")] == ["http"]


@pytest.mark.parametrize("bypass", [False, True])
async def test_through_ngrok_no_signature_of_another_url_is_accepted(
    server: RedisServer, binaries: FakeBinaries, environ: dict[str, str], *, bypass: bool
) -> None:
    """`allowNgrokFreeTierLoopbackBypass` adds a URL that may be signed; a signature is always required."""
    tunnel = {**NGROK, "allowNgrokFreeTierLoopbackBypass": bypass}
    async with running_ingress(server, environ, tunnel=tunnel) as ingress:
        listens = binaries.lines("ngrok", "open")[0]["listens"]
        for port in (listens, ingress.port):
            assert (await ingress.webhook("https://evil.example" + HOOK, port))[0] == 401
            assert (await ingress.webhook("", port, **{"X-Twilio-Signature": "AAAA"}))[0] == 401
        other = {"X-Forwarded-Host": "c3d4.ngrok-free.app", "X-Forwarded-Proto": "https"}
        status, _ = await ingress.webhook("https://c3d4.ngrok-free.app" + HOOK, ingress.port, **other)
        assert status == (200 if bypass else 401)
        assert (await ingress.webhook(PUBLIC + HOOK, listens))[0] == 200


async def test_a_tunnel_that_ends_is_reopened_and_no_address_is_published_meanwhile(
    server: RedisServer, binaries: FakeBinaries, environ: dict[str, str]
) -> None:
    """The new one may have another name, which is then published, verified and used in answers."""
    async with running_ingress(server, environ, tunnel=NGROK) as ingress:
        binaries.behave("ngrok", token=NGROK_TOKEN, url="https://c3d4.ngrok-free.app")
        os.kill(binaries.lines("ngrok")[0]["pid"], signal.SIGKILL)

        async def down() -> bool:
            return ingress.unready == "exposure"

        async def moved() -> bool:
            try:
                return (await ingress.public_address.now()).webhook_url == "https://c3d4.ngrok-free.app" + HOOK
            except NotExposed:
                return False

        await until(down)
        with pytest.raises(NotExposed):
            await ingress.public_address.now()
        await until(moved)
        assert ingress.unready == ""
        assert (await ingress.webhook("https://c3d4.ngrok-free.app" + HOOK, ingress.port))[0] == 200
        assert (await ingress.webhook(PUBLIC + HOOK, ingress.port))[0] == 401


@pytest.mark.parametrize(
    ("changes", "public", "mode"),
    [
        ({"tunnel": {"provider": "tailscale-funnel"}}, HOOK, "funnel"),
        ({"tunnel": {"provider": "tailscale-serve"}}, HOOK, "serve"),
        ({"tailscale": {"mode": "funnel", "path": "/hook", "port": 8443}}, "/hook", "funnel"),
        ({"tunnel": {"provider": "tailscale-serve"}, "tailscale": {"mode": "funnel", "path": "/hook"}}, HOOK, "serve"),
    ],
)
async def test_tailscale_routes_webhooks_and_media_sockets_until_the_ingress_stops(
    server: RedisServer,
    binaries: FakeBinaries,
    environ: dict[str, str],
    changes: dict[str, Any],
    public: str,
    mode: str,
) -> None:
    """`tunnel` comes before the legacy block, whose public path may differ from `serve.path`."""
    https = changes.get("tailscale", {}).get("port", 443)
    async with running_ingress(server, environ, **changes) as ingress:
        local = f"http://127.0.0.1:{ingress.port}"
        assert routes(binaries) == {
            f"{https} {public}": f"{mode} {local}{HOOK}",
            f"{https} {STREAM}": f"{mode} {local}{STREAM}",
        }
        origin = TAILNET if https == 443 else f"{TAILNET}:{https}"
        assert await ingress.public_address.now() == Address(
            webhook_url=origin + public, stream_url=origin.replace("https", "wss") + STREAM
        )
    assert routes(binaries) == {}


async def test_a_partly_opened_tunnel_is_closed(
    server: RedisServer, binaries: FakeBinaries, environ: dict[str, str]
) -> None:
    binaries.behave("tailscale", refuses=STREAM)
    with pytest.raises(ConfigError, match="already serving TCP"):
        async with running_ingress(server, environ, tunnel={"provider": "tailscale-funnel"}):
            pass
    assert routes(binaries) == {}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"tunnel": {**NGROK, "ngrokAuthToken": "wrong"}}, "tunnel.ngrokAuthToken"),
        ({"tunnel": {"provider": "tailscale-funnel"}, "serve": {"bind": "127.0.0.2", "port": 1}}, "serve.bind"),
        ({"publicUrl": "https://192.168.1.5/voice/webhook"}, "is private"),
        ({"publicUrl": "http://localhost/voice/webhook"}, "is loopback"),
    ],
)
async def test_an_ingress_that_no_carrier_could_reach_does_not_start(
    server: RedisServer, environ: dict[str, str], changes: dict[str, Any], word: str
) -> None:
    changes = {**changes, **({"serve": {**changes["serve"], "port": free_port()}} if "serve" in changes else {})}
    with pytest.raises(ConfigError, match=word) as caught:
        async with running_ingress(server, environ, **changes):
            pass
    assert NGROK_TOKEN not in str(caught.value)


async def test_a_local_carrier_uses_the_own_address_when_the_tunnel_fails(
    server: RedisServer, environ: dict[str, str], tmp_path: Path
) -> None:
    """The failure is logged, and the ingress's own address is published."""
    nothing = {**environ, "PATH": str(tmp_path)}
    async with running_ingress(server, nothing, LOCAL_CARRIER, tunnel=NGROK) as ingress:
        own = f"http://127.0.0.1:{ingress.port}{HOOK}"
        assert ingress.unready == ""
        assert (await ingress.public_address.now()).webhook_url == own
        assert (await ingress.webhook(own, ingress.port))[0] == 200


async def test_the_mock_carrier_without_a_secret_is_never_put_on_the_internet(
    server: RedisServer, binaries: FakeBinaries, environ: dict[str, str]
) -> None:
    with pytest.raises(ConfigError, match="MOCK_SECRET"):
        async with running_ingress(server, environ, provider="mock", tunnel=NGROK):
            pass
    assert binaries.runs("ngrok") == []


async def test_a_signal_does_not_wait_for_a_tunnel_that_is_opening(
    server: RedisServer, binaries: FakeBinaries, environ: dict[str, str]
) -> None:
    """A tunnel may take half a minute to open; a supervisor would kill the process before, and leave the agent."""
    binaries.behave("ngrok", token=NGROK_TOKEN, slow_s=60)
    config = binaries.directory / "config.json5"
    config.write_bytes(orjson.dumps({**CONFIG, "tunnel": NGROK, "serve": {"port": free_port()}}))
    more = {"VOICECALL_CONFIG": str(config), "REDIS_URL": server.url, "VOICECALL_INGRESS_HEALTH": "127.0.0.1:0"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "ingress", env={**environ, **more})

    async def opening() -> bool:
        return bool(binaries.lines("ngrok", "agent"))

    try:
        await until(opening)
        process.terminate()
        async with asyncio.timeout(15):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    with pytest.raises(ProcessLookupError):
        os.kill(binaries.lines("ngrok")[0]["pid"], 0)

"""The test phone at the gateway: its files, who may use its line, and what the line says when it cannot be used."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

import aiohttp
import pytest

from gateway.authenticator import Authenticator
from tests.fakes.redis_server import RedisServer
from tests.gateway.conftest import TOKEN, System, stack
from voicecall.phone.app import Options, running_exchange
from voicecall.settings import Deployment, Settings

_SECRET = "a-secret-of-the-exchange"
_READER = "a-token-that-only-reads"
_DEVICE = "1" * 32


@asynccontextmanager
async def with_exchange(redis_server: RedisServer, **deployed: Any) -> AsyncIterator[System]:
    """A gateway before a running exchange."""
    options = Options(host="127.0.0.1", port=0, number="+15550004321", upstream="", grace_s=5.0)
    secrets = {"carrier_secrets": {"mock": _SECRET}}
    settings = Settings.model_validate({"provider": "mock"})
    async with running_exchange(options, settings, Deployment(**secrets), {}) as exchange:
        known = {"phone_url": exchange.url, "gateway_read_token": _READER, **secrets, **deployed}
        async with stack(redis_server.url, working=False, **known) as system:
            yield system


@pytest.fixture
async def gateway(redis_server: RedisServer) -> AsyncIterator[System]:
    async with with_exchange(redis_server) as system:
        yield system


async def _line(system: System, token: str = TOKEN, *, device: str = _DEVICE, **headers: str) -> list[dict[str, Any]]:
    """The first frames of a line, until it says why it is refused, or welcomes."""
    frames: list[dict[str, Any]] = []
    async with system.http.ws_connect(f"{system.url}/phone/line", headers=headers) as ws:
        params = {"auth": {"token": token}, "device": device, "held": []}
        await ws.send_json({"type": "req", "id": "line", "method": "connect", "params": params})
        async for message in ws:
            frames.append(json.loads(message.data))
            if frames[-1].get("event") == "welcome":
                break
    return frames


def _refusal(frames: list[dict[str, Any]]) -> tuple[str, str]:
    (frame,) = frames
    assert frame["ok"] is False
    return frame["error"]["code"], frame["error"]["message"]


async def test_the_page_runs_nothing_but_its_own_files(gateway: System) -> None:
    """No inline script or style, no other origin, and the microphone for this page alone."""
    async with gateway.http.get(f"{gateway.url}/phone") as answer:
        page, headers = await answer.text(), answer.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert not {"unsafe-inline", "unsafe-eval", "data:", "https:"} & set(policy.replace(";", " ").split())
    assert headers["Permissions-Policy"] == "microphone=(self), camera=()"
    assert (headers["X-Frame-Options"], headers["X-Content-Type-Options"]) == ("DENY", "nosniff")
    assert "<style" not in page
    assert " style=" not in page
    assert page.count("<script") == page.count('<script type="module" src=')


async def test_every_file_that_the_page_needs_is_served(gateway: System) -> None:
    async with gateway.http.get(f"{gateway.url}/phone") as answer:
        found = re.search(r"/assets/[0-9a-f]+", await answer.text())
    assert found is not None
    for folder in ("phone", "common"):
        for file in (resources.files("gateway") / "web" / folder).iterdir():
            if not file.name.endswith(".html"):
                async with gateway.http.get(f"{gateway.url}{found[0]}/{folder}/{file.name}") as answer:
                    assert (answer.status, await answer.read()) == (200, file.read_bytes())


def test_no_script_makes_markup_of_text() -> None:
    """Whatever a caller says is inserted as text (attack 80)."""
    for folder in ("phone", "common"):
        for file in (resources.files("gateway") / "web" / folder).iterdir():
            text = file.read_text(encoding="utf-8")
            for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "srcdoc"):
                assert way not in text, (file.name, way)


async def test_a_tab_is_welcomed_by_the_exchange(gateway: System) -> None:
    hello, welcome = await _line(gateway)
    assert hello["ok"] is True
    assert (welcome["number"], welcome["call"]) == ("+15550004321", None)
    assert welcome["kills"] == []


@pytest.mark.parametrize(
    ("token", "code"), [("", "UNAUTHORIZED"), ("wrong-token-of-16", "UNAUTHORIZED"), (_READER, "FORBIDDEN")]
)
async def test_the_line_needs_a_token_that_may_act(gateway: System, token: str, code: str) -> None:
    """A test phone calls the agent and reads what is said."""
    assert _refusal(await _line(gateway, token))[0] == code


async def test_foreign_pages_are_refused(gateway: System) -> None:
    foreign = {"Origin": "https://elsewhere.example"}
    for path in ("/phone", "/phone/line"):
        async with gateway.http.get(f"{gateway.url}{path}", headers=foreign) as answer:
            assert answer.status == 403
    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        await _line(gateway, **foreign)


async def test_off_loopback_the_line_needs_tls(redis_server: RedisServer) -> None:
    """A browser names the scheme of its page in `Origin`, and no page can change it."""
    async with with_exchange(redis_server, gateway_bind="0.0.0.0") as system:
        host = system.url.removeprefix("http://")
        code, message = _refusal(await _line(system, Origin=f"http://{host}"))
        assert (code, "https://" in message) == ("FORBIDDEN", True)
        assert _refusal(await _line(system))[0] == "FORBIDDEN"
        assert (await _line(system, Origin=f"https://{host}"))[-1]["event"] == "welcome"


async def test_without_an_exchange_the_page_says_how_to_get_one(redis_server: RedisServer) -> None:
    """On loopback; elsewhere there is no such page."""
    async with stack(redis_server.url, working=False) as system:
        code, message = _refusal(await _line(system))
        assert (code, "voicecall dev" in message) == ("UNAVAILABLE", True)
    async with (
        stack(redis_server.url, working=False, gateway_bind="0.0.0.0") as system,
        system.http.get(f"{system.url}/phone") as answer,
    ):
        assert answer.status == 404


async def test_an_exchange_that_is_gone_or_has_another_secret(redis_server: RedisServer) -> None:
    """Both are said in a sentence, and the page may try again."""
    async with stack(redis_server.url, working=False, phone_url="http://127.0.0.1:9") as system:
        assert _refusal(await _line(system)) == ("UNAVAILABLE", "the exchange of test phones does not answer")
    async with with_exchange(redis_server, carrier_secrets={"mock": "another"}) as system:
        assert "same secret" in _refusal(await _line(system))[1]


async def test_a_line_that_is_no_socket_or_sends_no_token_first(gateway: System) -> None:
    async with gateway.http.get(f"{gateway.url}/phone/line") as answer:
        assert answer.status == 426
    async with gateway.http.ws_connect(f"{gateway.url}/phone/line") as ws:
        await ws.send_str('{"event":"call"}')
        frame = json.loads((await ws.receive()).data)
        assert frame["ok"] is False


def test_a_carrier_without_a_secret_of_its_own_has_no_phones() -> None:
    """The settings of another carrier lead to no secret, so its gateway opens no line."""
    assert Deployment(phone_url="http://127.0.0.1:3337").secret(Settings(provider="twilio").capabilities) is None
    assert Authenticator(Deployment()).is_loopback

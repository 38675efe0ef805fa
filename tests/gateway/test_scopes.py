"""Scopes, rates and limits of tokens, and the subscriptions of a socket."""

import asyncio
from dataclasses import replace

import pytest

from gateway.authenticator import Authenticator
from gateway.rate_limiter import RateLimiter
from tests.fakes.redis_server import RedisServer
from tests.gateway.conftest import TOKEN, System, stack
from tests.gateway.test_bad_input import GOOD
from voicecall.api.methods import METHODS
from voicecall.api.scopes import Scope
from voicecall.errors import ConfigError, Exhausted
from voicecall.settings import Deployment, load_deployment

READER = "a-token-that-only-reads"


async def test_a_read_token_queries_and_does_not_act(redis_server: RedisServer) -> None:
    """Every method that acts is FORBIDDEN and names its scope; over HTTP and over the socket."""
    async with stack(redis_server.url, gateway_read_token=READER) as system:
        call = await system.initiate()
        line = await system.socket(READER)
        for method in METHODS:
            params = {
                **GOOD.get(method.name, {}),
                **({"callId": call} if "callId" in GOOD.get(method.name, {}) else {}),
            }
            status, frame = await system.post(method.name, params, token=READER)
            over_socket = await line.ask(method.name, params)
            if method.scope is Scope.READ:
                assert status != 403, method.name
                assert over_socket["ok"] == frame["ok"]
                continue
            for refused in (frame, over_socket):
                assert refused["error"]["code"] == "FORBIDDEN"
                assert "operator.write" in refused["error"]["message"]
            assert status == 403
        assert (await line.ask("voicecall.subscribe", {"last": 5}))["ok"]
        assert len(system.worker.dialled) == 1
        assert system.worker.digits == []


async def test_the_answer_to_connect_has_the_scopes(redis_server: RedisServer) -> None:
    """A client knows them without being refused."""
    async with stack(redis_server.url, gateway_read_token=READER) as system:
        for token, scopes in ((READER, ["operator.read"]), (TOKEN, ["operator.read", "operator.write"])):
            line = await system.socket(None)
            hello = await line.ask("connect", {"auth": {"token": token}})
            assert hello["payload"]["features"]["scopes"] == scopes


def test_read_and_full_tokens_differ_and_can_be_rotated() -> None:
    """A read token alone, or equal to the full one, is a configuration error."""
    deployment = replace(Deployment(), gateway_token="w", gateway_read_token="r", gateway_old_read_token="r-old")
    authenticator = Authenticator(deployment)
    names = [
        principal.name if (principal := authenticator.authenticate(token, "127.0.0.1")) else None
        for token in ("w", "r", "r-old", "x", "")
    ]
    assert names == ["operator", "reader", "reader", None, None]
    with pytest.raises(ConfigError, match="without VOICECALL_GATEWAY_TOKEN"):
        Authenticator(replace(Deployment(), gateway_read_token="r"))
    with pytest.raises(ConfigError, match="is the same as"):
        Authenticator(replace(deployment, gateway_read_token="w"))


def test_the_rate_limiter_allows_a_burst_and_then_a_rate() -> None:
    """A refused request is not counted and gets the time to wait."""
    now = [0.0]
    rates = RateLimiter(10, 100, clock=lambda: now[0])
    for _ in range(100):
        rates.take("one")
    with pytest.raises(Exhausted) as refused:
        rates.take("one")
    assert refused.value.retry_after_ms == 100
    rates.take("other")
    now[0] = 0.1
    rates.take("one")
    with pytest.raises(Exhausted):
        rates.take("one")
    now[0] = 1000.0
    for _ in range(100):
        rates.take("one")
    unlimited = RateLimiter(0, 1, clock=lambda: now[0])
    for _ in range(1000):
        unlimited.take("one")


async def test_a_request_over_the_rate_gets_the_time_to_wait(redis_server: RedisServer) -> None:
    """429 with Retry-After, and retryAfterMs in the answer; other tokens are not affected."""
    async with stack(redis_server.url, gateway_read_token=READER, gateway_rate=1, gateway_burst=2) as system:
        for _ in range(2):
            assert (await system.post("voicecall.status"))[0] == 200
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        async with system.http.post(
            f"{system.url}/rpc", data=b'{"method":"voicecall.status"}', headers=headers
        ) as answer:
            frame = await answer.json()
            assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        assert frame["error"]["code"] == "RESOURCE_EXHAUSTED"
        assert 0 < frame["error"]["retryAfterMs"] <= 1000
        assert (await system.post("voicecall.status", token=READER))[0] == 200


async def test_a_hundred_calls_at_once_are_within_the_default_rate(redis_server: RedisServer) -> None:
    """The defaults bound a client in a loop."""
    async with stack(redis_server.url, config={"maxConcurrentCalls": 200}) as system:
        answers = await asyncio.gather(*(system.post("voicecall.initiate", {"message": "Hi"}) for _ in range(100)))
        assert [status for status, _ in answers] == [200] * 100


async def test_the_size_of_a_request_is_configured(redis_server: RedisServer) -> None:
    """For HTTP and for sockets."""
    async with stack(redis_server.url, gateway_max_bytes=16_384) as system:
        body = b'{"method":"voicecall.status","params":{"sid":"' + b"x" * 20_000 + b'"}}'
        assert (await system.post_raw(body))[0] == 413
        line = await system.socket()
        await line.ws.send_str(body.decode())
        await line.ws.receive()
        assert line.ws.close_code == 1009


def test_limits_of_the_environment_are_numbers() -> None:
    """The message names the wrong variable."""
    good = load_deployment({"VOICECALL_GATEWAY_RATE": "0", "VOICECALL_GATEWAY_BURST": "7"})
    assert (good.gateway_rate, good.gateway_burst, good.gateway_max_bytes) == (0, 7, 65_536)
    for name, value in (("RATE", "-1"), ("BURST", "0"), ("MAX_BYTES", "10"), ("RATE", "fast")):
        with pytest.raises(ConfigError, match=f"VOICECALL_GATEWAY_{name}: '{value}' is not a number from"):
            load_deployment({f"VOICECALL_GATEWAY_{name}": value})


async def test_several_subscriptions_share_a_socket(system: System) -> None:
    """Each item names its subscription; after one has ended no item of it follows."""
    first, second = await system.initiate(), await system.initiate()
    line = await system.socket()
    for name, call in (("a", first), ("b", second)):
        answer = await line.ask("voicecall.subscribe", {"subscription": name, "callId": call, "last": 1000})
        assert answer["payload"] == {"subscribed": True, "subscription": name}
    ended = await line.ask("voicecall.unsubscribe", {"subscription": "a"})
    assert ended["payload"] == {"unsubscribed": True, "subscription": "a"}
    assert (await line.ask("voicecall.unsubscribe", {"subscription": "a"}))["payload"]["unsubscribed"] is False
    line.frames.clear()
    await system.post("voicecall.end", {"callId": first})
    await system.post("voicecall.end", {"callId": second})
    while not line.frames or line.frames[-1]["payload"]["state"] != "hangup-bot":
        await line.take()
    assert {(frame["subscription"], frame["payload"]["callId"]) for frame in line.frames} == {("b", second)}


async def test_a_socket_has_sixteen_subscriptions(system: System) -> None:
    """One more is refused; the others go on, and a subscription of a known name is replaced."""
    line = await system.socket()
    for number in range(16):
        assert (await line.ask("voicecall.subscribe", {"subscription": str(number)}))["ok"]
    refused = await line.ask("voicecall.subscribe", {"subscription": "more"})
    assert refused["error"]["code"] == "RESOURCE_EXHAUSTED"
    assert (await line.ask("voicecall.subscribe", {"subscription": "3"}))["ok"]
    assert (await line.ask("voicecall.unsubscribe", {"subscription": "5"}))["payload"]["unsubscribed"]
    assert (await line.ask("voicecall.subscribe", {"subscription": "more"}))["ok"]

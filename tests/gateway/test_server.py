"""Authentication, sockets, the feed, and the process."""

import asyncio
import json
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from gateway.app import running_gateway
from gateway.authenticator import Authenticator
from tests.fakes.redis_server import RedisServer
from tests.fakes.worker import idle_node
from tests.gateway.conftest import CONFIG, TOKEN, SocketClient, System, stack
from voicecall.bus.connection import connect
from voicecall.call.ids import CallId
from voicecall.call.state import Phase
from voicecall.errors import ConfigError
from voicecall.service import AnswerTimeouts
from voicecall.settings import Deployment, Settings


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper()])
async def test_requests_without_a_valid_token_are_refused(system: System, token: str | None) -> None:
    """Denied by default, before the body is read (attack 76)."""
    status, frame = await system.post("voicecall.initiate", {"message": "Hi"}, token=token)
    assert (status, frame["error"]["code"]) == (401, "UNAUTHORIZED")
    assert system.worker.dialled == []


@pytest.mark.parametrize("path", ["/rpc/", "//rpc", "/rpc//?x=1"])
async def test_a19_the_path_of_rpc_may_have_a_slash_too_many(system: System, path: str) -> None:
    """As a base URL with one makes it. The same answer, and the same need of a token."""
    body = {"method": "voicecall.status"}
    url = URL(system.url + path, encoded=True)
    for headers, status in (({"Authorization": f"Bearer {TOKEN}"}, 200), ({}, 401)):
        async with system.http.post(url, json=body, headers=headers, allow_redirects=False) as answer:
            assert answer.status == status


async def test_a19_probes_and_documents_may_have_a_slash_too_many(system: System) -> None:
    for path in ("/livez/", "//livez", "/openapi.json/", "/asyncapi.json/"):
        async with system.http.get(URL(system.url + path, encoded=True), allow_redirects=False) as answer:
            assert answer.status == 200, path
    for path in ("/livezx", "/x/livez", "/rpc.json"):
        async with system.http.get(URL(system.url + path, encoded=True), allow_redirects=False) as answer:
            assert answer.status == 404, path


async def test_other_authorization_schemes_are_refused(system: System) -> None:
    """The token counts only as a bearer token."""
    for header in (TOKEN, f"Basic {TOKEN}", f"Bearer{TOKEN}", f"Token {TOKEN}"):
        status, _ = await system.post_raw(b"{}", token=None, Authorization=header)
        assert status == 401, header


async def test_both_tokens_are_valid_during_a_rotation() -> None:
    """The old token is refused after it is removed (attack 92)."""
    deployment = replace(Deployment(), gateway_token="new", gateway_old_token="old")
    before = Authenticator(deployment)
    known = [before.authenticate(token, "127.0.0.1") is not None for token in ("new", "old", "other", "")]
    assert known == [True, True, False, False]
    after = Authenticator(replace(deployment, gateway_old_token=None))
    assert [after.authenticate(token, "127.0.0.1") is not None for token in ("new", "old")] == [True, False]


def test_a_reachable_gateway_without_a_token_does_not_start() -> None:
    """The error names the variable and the remedy."""
    for bind in ("0.0.0.0", "::", "10.0.0.5", "gateway.example"):
        with pytest.raises(ConfigError, match="VOICECALL_GATEWAY_TOKEN is required"):
            Authenticator(replace(Deployment(), gateway_bind=bind))
    for bind in ("127.0.0.1", "::1", "localhost"):
        assert Authenticator(replace(Deployment(), gateway_bind=bind)).is_open


@pytest.mark.parametrize(
    ("variable", "field"),
    [
        ("VOICECALL_GATEWAY_TOKEN", "gateway_token"),
        ("VOICECALL_GATEWAY_TOKEN_OLD", "gateway_old_token"),
        ("VOICECALL_GATEWAY_READ_TOKEN", "gateway_read_token"),
        ("VOICECALL_GATEWAY_READ_TOKEN_OLD", "gateway_old_read_token"),
    ],
)
def test_b11_a_reachable_gateway_with_a_short_token_does_not_start(variable: str, field: str) -> None:
    """The error names variable, problem and remedy, and not the token; on loopback the token is accepted."""
    deployment = replace(Deployment(), gateway_token=TOKEN, gateway_bind="0.0.0.0")
    with pytest.raises(ConfigError) as refused:
        Authenticator(replace(deployment, **{field: "fifteen-letters"}))
    (problem,) = refused.value.problems
    assert problem.startswith(f"{variable} is shorter than 16 characters")
    assert "openssl rand -hex 16" in problem
    assert "fifteen" not in problem
    Authenticator(replace(deployment, **{field: "sixteen-letters-"}))
    Authenticator(replace(deployment, gateway_bind="127.0.0.1", **{field: "x"}))


async def test_b11_a_sender_of_wrong_tokens_gets_429_and_the_time_to_wait(system: System) -> None:
    """Over HTTP, in the handshake and in the first frame, with one count; the holder of the token is served."""
    for number in range(10):
        assert (await system.post("voicecall.status", token=f"guess-{number}"))[0] == 401
    body, headers = {"method": "voicecall.status"}, {"Authorization": "Bearer another"}
    async with system.http.post(f"{system.url}/rpc", json=body, headers=headers) as answer:
        frame = await answer.json()
        assert (answer.status, answer.headers["Retry-After"]) == (429, "5")
    assert frame["error"]["code"] == "RESOURCE_EXHAUSTED"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await system.socket(token="another")
    assert (refused.value.status, (refused.value.headers or {})["Retry-After"]) == (429, "5")
    stranger = await system.socket(token=None)
    first = await stranger.ask("connect", {"auth": {"token": "another"}})
    assert first["error"]["code"] == "RESOURCE_EXHAUSTED"
    assert 0 < first["error"]["retryAfterMs"] <= 5000
    await stranger.ws.receive()
    assert stranger.ws.close_code == aiohttp.WSCloseCode.TRY_AGAIN_LATER
    assert (await system.post("voicecall.status", token=None))[0] == 401
    assert (await system.post("voicecall.status"))[0] == 200
    known = await system.socket(token=None)
    assert (await known.ask("connect", {"auth": {"token": TOKEN}}))["ok"]
    for line in (stranger, known):
        await line.ws.close()


async def test_b11_metrics_of_the_gateway_are_not_for_pages_and_rebound_names(system: System) -> None:
    """On loopback every local process may read them; under another name, who has a token."""
    reading = {"Authorization": f"Bearer {TOKEN}"}
    for headers, status in (
        ({}, 200),
        ({"Host": "localhost:3335", "Sec-Fetch-Site": "none"}, 200),
        ({"Host": "rebound.evil.example:3335"}, 403),
        ({"Host": "voice.example.com", **reading}, 200),
        ({"Origin": "https://evil.example", **reading}, 403),
        ({"Sec-Fetch-Site": "cross-site", **reading}, 403),
    ):
        async with system.http.get(f"{system.url}/metrics", headers=headers) as answer:
            assert (answer.status, "voicecall_rpc" in await answer.text()) == (status, status == 200), headers


async def test_b11_metrics_of_a_reachable_gateway_need_a_token_that_reads(redis_server: RedisServer) -> None:
    """The probes do not."""
    reader = "a-token-that-only-reads"
    async with stack(redis_server.url, gateway_bind="0.0.0.0", gateway_read_token=reader) as system:
        for token, status in ((None, 401), ("wrong", 401), (reader, 200), (TOKEN, 200)):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with system.http.get(f"{system.url}/metrics", headers=headers) as answer:
                assert (answer.status, "voicecall_rpc" in await answer.text()) == (status, status == 200), token
        for probe in ("livez", "readyz"):
            async with system.http.get(f"{system.url}/{probe}") as answer:
                assert answer.status in {200, 503}


async def test_a_foreign_page_is_refused_even_with_the_token(system: System) -> None:
    """A browser sends the page's origin: cross-site posts and sockets get 403 (attack 80)."""
    body = b'{"method":"voicecall.status"}'
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        status, frame = await system.post_raw(body, Origin=origin)
        assert (status, frame["error"]["code"]) == (403, "FORBIDDEN")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await system.socket(Origin=origin)
        assert refusal.value.status == 403
    assert (await system.post_raw(body, Origin=system.url))[0] == 200


async def test_a_form_is_not_accepted_as_json(system: System) -> None:
    """A page may send text/plain and forms without a CORS preflight; they are not read."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        status, frame = await system.post_raw(b'{"method":"voicecall.status"}', **{"Content-Type": kind})
        assert (status, frame["error"]["message"]) == (400, "content-type: must be application/json")


async def test_a_gateway_without_tokens_answers_only_under_loopback_names(redis_server: RedisServer) -> None:
    """It refuses a page whose name was rebound to the loopback address."""
    async with stack(redis_server.url, token=None) as system:
        assert (await system.post("voicecall.status", token=None))[0] == 200
        status, _ = await system.post_raw(b'{"method":"voicecall.status"}', token=None, Host="evil.example:3335")
        assert status == 403


async def test_a_socket_must_connect_first(system: System) -> None:
    """The first frame has the token; without it the socket is closed with 1008."""
    line = await system.socket(token=None)
    hello = await line.ask("connect", {"auth": {"token": TOKEN}, "client": {"id": "host"}, "minProtocol": 1})
    assert hello["payload"]["type"] == "hello-ok"
    assert "voicecall.initiate" in hello["payload"]["features"]["methods"]
    assert (await line.ask("voicecall.status"))["payload"] == {"found": True, "calls": []}
    for method, params in (("voicecall.status", {}), ("connect", {"auth": {"token": "no"}}), ("connect", {"auth": 5})):
        stranger = await system.socket(token=None)
        refused = await stranger.ask(method, params)
        assert refused["error"]["code"] == "UNAUTHORIZED"
        assert (await stranger.ws.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
        assert stranger.ws.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_a_wrong_token_is_refused_before_the_upgrade(system: System) -> None:
    """The answer is 401, not 101."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await system.socket(token="wrong")
    assert refusal.value.status == 401


async def test_b2_of_too_many_sockets_without_a_token_the_longest_waiting_goes(system: System) -> None:
    """Not the newcomer. 64 of one sender may wait for their first frame; authenticated ones do not count."""
    crowd = [await system.socket(None) for _ in range(64)]
    await crowd[1].send("1", "connect", {"auth": {"token": TOKEN}})
    assert (await crowd[1].answer("1"))["ok"]
    known = await system.socket()
    newcomers = [await system.socket(None) for _ in range(2)]
    refused = await crowd[0].answer("")
    assert (refused["error"]["code"], refused["error"]["retryAfterMs"]) == ("UNAVAILABLE", 1000)
    await crowd[0].ws.receive()
    assert crowd[0].ws.close_code == aiohttp.WSCloseCode.TRY_AGAIN_LATER
    for line in (newcomers[0], newcomers[1], crowd[2], crowd[-1]):
        assert (await line.ask("connect", {"auth": {"token": TOKEN}}))["ok"]
    for line in (known, crowd[1]):
        assert (await line.ask("voicecall.status"))["ok"]
    for line in (known, *newcomers, *crowd):
        await line.ws.close()


async def test_b2_of_too_many_in_all_one_of_the_sender_with_the_most_goes(system: System) -> None:
    """A flood of one address does not cost another address its socket, however long that one has waited."""
    other = aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=("127.0.0.9", 0)))
    flood = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    async with other, flood, other.ws_connect(f"{system.url}/") as ws:
        await asyncio.gather(*(flood.ws_connect(f"{system.url}/") for _ in range(280)))
        newcomer = await flood.ws_connect(f"{system.url}/")
        for one in (ws, newcomer):
            assert (await SocketClient(one).ask("connect", {"auth": {"token": TOKEN}}))["ok"]


async def test_a_stopped_gateway_leaves_no_connection_to_redis(redis_server: RedisServer) -> None:
    """That of the job queue included, over which it rang for a call."""
    redis = connect(redis_server.url)
    await redis.flushall()
    deployment = replace(Deployment(), redis_url=redis_server.url, gateway_port=0)
    async with (
        idle_node(redis),
        running_gateway(Settings.model_validate(CONFIG), deployment, timeouts=AnswerTimeouts(place_s=0.2)) as gateway,
        aiohttp.ClientSession() as http,
    ):
        before = {client["id"] for client in await redis.client_list()}
        body = {"method": "voicecall.initiate", "params": {"message": "Hi"}}
        async with http.post(f"http://127.0.0.1:{gateway.port}/rpc", json=body) as answer:
            assert answer.status == 504
        rung = {client["id"] for client in await redis.client_list()} - before
        assert rung
    while {client["id"] for client in await redis.client_list()} & rung:  # noqa: ASYNC110  Redis notices a moment later
        await asyncio.sleep(0.01)
    await redis.aclose()


async def test_requests_of_one_socket_run_concurrently(system: System) -> None:
    """A waiting `continue` does not delay a `status`; each answer has the id of its request."""
    call = await system.initiate()
    line = await system.socket()
    await line.send("long", "voicecall.continue", {"callId": call, "message": "Well?"})
    assert (await line.ask("voicecall.status"))["ok"]
    await system.worker.asks(CallId(call))
    await system.worker.hear(CallId(call), "well")
    assert (await line.answer("long"))["payload"]["transcript"] == "well"


async def test_a_socket_has_thirty_two_requests_in_flight(system: System) -> None:
    """One more is refused with the time to wait; the others are not affected."""
    system.worker.dial = "silence"
    line = await system.socket()
    call = await _undialled_call(system)
    for number in range(33):
        await line.send(str(number), "voicecall.end", {"callId": call})
    refused = await line.answer("32")
    assert (refused["error"]["code"], refused["error"]["retryable"]) == ("RESOURCE_EXHAUSTED", True)
    await line.ws.close()


async def _undialled_call(system: System) -> str:
    """A call whose dial is never answered, so that ending it waits."""
    asking = asyncio.create_task(system.post("voicecall.initiate", {"message": "Hi"}))
    await system.doorbell.rang.wait()
    call = system.doorbell.rung[0]
    await system.worker.reaches(call, Phase.INITIATED)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    return call


async def test_an_invalid_frame_does_not_close_the_socket(system: System) -> None:
    """Each invalid frame gets a refusal."""
    line = await system.socket()
    await line.ws.send_str("{")
    assert (await line.answer(""))["error"]["code"] == "INVALID_REQUEST"
    assert (await line.ask("voicecall.subscribe", {"callId": "*"}))["error"]["message"].startswith("callId")
    assert (await line.ask("voicecall.status"))["ok"]


async def test_a_frame_over_the_limit_closes_the_socket(system: System) -> None:
    """With the close code 1009."""
    line = await system.socket()
    await line.ws.send_str(json.dumps({"method": "x", "params": {"x": "y" * 70_000}}))
    assert (await line.ws.receive()).type is aiohttp.WSMsgType.CLOSE
    assert line.ws.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_the_feed_has_past_and_live_items(system: System) -> None:
    """First the `last` newest items, then each commit, in the order of the log."""
    call = await system.initiate(message="Hello", to="+15550001234")
    await system.worker.reaches(CallId(call), Phase.LISTENING, Phase.ACTIVE)
    line = await system.socket()
    assert (await line.ask("voicecall.subscribe", {"last": 100, "callId": call}))["payload"] == {
        "subscribed": True,
        "subscription": "feed",
    }
    placed = await line.event("Placed")
    assert placed["callId"] == call
    assert placed["events"][0] | {"at": 0} == {
        "seq": 1,
        "at": 0,
        "type": "Placed",
        "carrier": "mock",
        "from": "+15550000000",
        "to": "+15550001234",
        "mode": "conversation",
        "message": "Hello",
        "sessionKey": "agent:main:voice:15550001234",
        "agentId": "main",
    }
    await line.event("PlaybackDone")
    await system.worker.hear(CallId(call), "Good evening")
    heard = await line.event("Heard")
    assert [event["text"] for event in heard["events"] if event["type"] == "Heard"] == ["Good evening"]
    after = await system.socket()
    await after.ask("voicecall.subscribe", {"since": placed["id"]})
    assert (await after.event("Answered"))["id"] > placed["id"]


async def test_a_subscription_to_one_call_has_its_items_only(system: System) -> None:
    """A new subscription replaces the older one."""
    first, second = await system.initiate(), await system.initiate()
    line = await system.socket()
    await line.ask("voicecall.subscribe", {"last": 1000, "callId": second})
    await system.post("voicecall.end", {"callId": first})
    await system.post("voicecall.end", {"callId": second})
    while not line.events or line.events[-1]["state"] != "hangup-bot":
        await line.take()
    assert {item["callId"] for item in line.events} == {second}


async def test_the_feed_leaves_out_internal_ids(system: System) -> None:
    """A request id is a turn token: with it a reader could answer for the caller."""
    call = await system.initiate()
    await system.post("voicecall.speak", {"callId": call, "message": "Hi"})
    await system.post("voicecall.end", {"callId": call})
    line = await system.socket()
    await line.ask("voicecall.subscribe", {"last": 1000})
    while not line.events or line.events[-1]["state"] != "hangup-bot":
        await line.take()
    sent = json.dumps(line.events)
    requests = [getattr(record.event, "request", None) for record in await system.worker.log.history(CallId(call))]
    assert len([request for request in requests if request]) == 3
    assert not any(request in sent for request in requests if request)
    assert '"request"' not in sent


async def test_errors_reveal_no_internals(system: System) -> None:
    """No stack trace and no version (attack 91)."""
    for method, path in (("GET", "/nowhere"), ("POST", "/"), ("PUT", "/rpc"), ("GET", "/rpc"), ("GET", "/../etc")):
        async with system.http.request(method, f"{system.url}{path}") as answer:
            assert answer.status in {404, 405}
            assert "Server" not in answer.headers
            assert len(await answer.read()) < 40


async def test_health_and_metrics_are_served(system: System) -> None:
    """Ready when a published probe has come back; requests are counted by method and result."""
    while True:
        async with system.http.get(f"{system.url}/readyz") as answer:
            if answer.status == 200:
                break
        await asyncio.sleep(0.01)
    await system.post("voicecall.dance")
    async with system.http.get(f"{system.url}/metrics") as answer:
        page = await answer.text()
    assert 'voicecall_rpc_requests_total{method="unknown",result="INVALID_REQUEST"}' in page
    assert "dance" not in page


async def test_the_process_starts_serves_and_exits_with_zero(redis_server: RedisServer, tmp_path: Path) -> None:
    """`python -m gateway` until SIGTERM; a second one on the same port does not start."""
    config = tmp_path / "voicecall.json5"
    config.write_text("{provider: 'mock'} // nothing else is needed", encoding="utf-8")
    async with connect(redis_server.url) as redis:
        await redis.flushall()
    env = {
        "VOICECALL_CONFIG": str(config),
        "REDIS_URL": redis_server.url,
        "VOICECALL_GATEWAY_PORT": "0",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    process = await _started(env)
    assert process.stderr is not None
    port = 0
    while not port:
        said = json.loads(await process.stderr.readline())
        port = said.get("port", 0)
    async with aiohttp.ClientSession() as http:
        body = {"type": "req", "id": "1", "method": "voicecall.status", "params": {}}
        async with http.post(f"http://127.0.0.1:{port}/rpc", json=body) as answer:
            assert (await answer.json())["payload"] == {"found": True, "calls": []}
    second = await _started({**env, "VOICECALL_GATEWAY_PORT": str(port)})
    assert await second.wait() == 1
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_a_bad_configuration_is_reported_and_the_process_exits(tmp_path: Path) -> None:
    """One line per problem, and exit status 78."""
    config = tmp_path / "voicecall.json5"
    config.write_text("{provider: 'twilio', colour: 'blue'}", encoding="utf-8")
    process = await _started({"VOICECALL_CONFIG": str(config), "PYTHONPATH": str(Path(__file__).parents[2])})
    _, err = await process.communicate()
    assert process.returncode == 78
    for problem in ("colour: there is no such key", "twilio.authToken is required"):
        assert f"\nvoicecall gateway cannot start: {problem}" in f"\n{err.decode()}"


async def _started(env: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", env=env, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )


@pytest.mark.parametrize(
    "junk", [b"POST /rpc HTTP/9.9\r\n", b"POST /rpc\x00 HTTP/1.1\r\n", b"BREW /rpc HTTP/1.1\r\nContent-Length: x\r\n"]
)
async def test_b7_malformed_http_is_one_quiet_400(
    system: System, junk: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The head, with the bearer token in it, was in the log at level ERROR."""
    answer = await raw(system, junk + f"Authorization: Bearer {TOKEN}\r\n\r\n".encode())
    assert b" 400 Bad Request\r\n" in answer
    assert answer.endswith(b"\r\n\r\nBad Request")
    assert not any(word in answer for word in (b"aiohttp", b"Python", b"rpc", TOKEN.encode()))
    assert not any(TOKEN in str(record.__dict__) for record in caplog.records)
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


async def test_b8_silent_connections_do_not_shut_the_gateway(system: System) -> None:
    """1,100 of them took every descriptor of a gateway that had 1,024."""
    silent = [await asyncio.open_connection("127.0.0.1", int(system.url.rpartition(":")[2])) for _ in range(600)]
    assert (await system.post("voicecall.status"))[0] == 200
    ended = await asyncio.gather(
        *(asyncio.wait_for(_closed(reader), 0.2) for reader, _ in silent), return_exceptions=True
    )
    assert 0 < sum(end is None for end in ended) < 600
    assert ended[0] is None
    for _, writer in silent:
        writer.close()


async def test_b8_a_large_head_is_refused(system: System) -> None:
    """32 KiB in all, as at the ingress."""
    head = b"POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\n" + (b"X-Filler: " + b"a" * 8_000 + b"\r\n") * 10
    assert (await raw(system, head)).startswith(b"HTTP/1.1 400 ")


async def raw(system: System, data: bytes) -> bytes:
    """All that the gateway sends to a connection with these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(system.url.rpartition(":")[2]))
    try:
        writer.write(data)
        return await reader.read()
    finally:
        writer.close()


async def _closed(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        await reader.read()

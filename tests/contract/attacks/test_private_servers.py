"""Attacks 76 and 105-109 on the servers beside the public one: gateway, health and MCP, as processes."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.contract.attacks.requests import form, twilio
from tests.contract.attacks.servers import MCP, READ_TOKEN, TOKEN, Server, launched, running
from tests.contract.attacks.target import Answer, Target, read_answer
from tests.contract.attacks.wire import connected, handshake

REACHABLE = "0.0.0.0"
GUESSES = 10


@pytest.fixture(scope="module")
def gateway(redis_url: str, place: Path) -> Iterator[Server]:
    """`voicecall gateway` with a token."""
    environ = {"REDIS_URL": f"{redis_url}/6", "VOICECALL_GATEWAY_TOKEN": TOKEN}
    with running("gateway", host="127.0.0.1", place=place, **environ) as servers:
        yield servers["gateway"]


@pytest.fixture(scope="module")
def reachable(redis_url: str, place: Path) -> Iterator[Mapping[str, Server]]:
    """Gateway, ingress, worker and MCP server, each on every address of this machine, with tokens."""
    environ = {
        "REDIS_URL": f"{redis_url}/8",
        "VOICECALL_GATEWAY_TOKEN": TOKEN,
        "VOICECALL_GATEWAY_READ_TOKEN": READ_TOKEN,
        "VOICECALL_MCP_TOKEN": TOKEN,
    }
    with running("gateway", "ingress", "worker", MCP, host=REACHABLE, place=place / "reachable", **environ) as servers:
        yield servers


def get(path: str, token: str = "", **headers: str) -> bytes:
    bearer = {"Authorization": f"Bearer {token}"} if token else {}
    lines = {"Host": "127.0.0.1", "Connection": "close", **bearer, **headers}
    head = f"GET {path} HTTP/1.1\r\n" + "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in lines.items())
    return head.encode() + b"\r\n"


def status(token: str = TOKEN, **headers: str) -> bytes:
    """A request to the gateway for the calls there are."""
    body = b'{"type":"req","id":"1","method":"voicecall.status","params":{}}'
    lines = {
        "Host": "127.0.0.1",
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "POST /rpc HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return head.encode() + b"\r\n" + body


@pytest.mark.parametrize("junk", [b"GET /s3cret\x00 HTTP/1.1\r\n", b"BREW /s3cret HTTP/1.1\r\n", b"GET / HTTP/9.9\r\n"])
def test_attack_105_b7_malformed_http_at_the_private_servers(
    gateway: Server, twilio_target: Target, junk: bytes
) -> None:
    """One constant 400; no server banner, and nothing of the request in the answer or in the log."""
    health = Server(twilio_target.health, gateway.log)
    for server in (gateway, health):
        answer = server.exchange(junk + b"Authorization: Bearer s3cret\r\n\r\n")
        assert (answer.status, answer.body, answer.headers["server"]) == (400, b"Bad Request", "voicecall")
    assert b"s3cret" not in gateway.log.read_bytes()
    assert b'"error"' not in gateway.log.read_bytes().lower()


def test_attack_106_b8_silent_connections_at_the_gateway(gateway: Server) -> None:
    """1,100 of them took all descriptors; the longest silent ones are closed for the new ones."""
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(gateway.port)) for _ in range(900)]
        assert gateway.exchange(status()).status == 200
        silent[0].settimeout(5)
        with suppress(ConnectionError):
            assert silent[0].recv(1) == b""


@pytest.mark.parametrize("headers", [{"Sec_Fetch_Site": "cross-site"}, {"Origin": "https://evil.example"}])
def test_attack_107_b9_a_web_page_at_the_gateway(gateway: Server, headers: dict[str, str]) -> None:
    assert gateway.exchange(status(**headers)).status == 403
    assert gateway.exchange(status()).status == 200


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Host": "rebound.evil.example:3334"}, True),
        ({"Host": "127.0.0.1:3334"}, False),
        ({"Host": "localhost"}, False),
        ({"Host": "ingress:3334"}, False),
    ],
)
def test_attack_107_b9_a_web_page_at_an_ingress_that_verifies_nothing(
    unsigned_target: Target, headers: dict[str, str], *, refused: bool
) -> None:
    """A form of any page, or a name rebound to this machine, acted as the carrier."""
    webhook = twilio(form(), headers={"Host": "127.0.0.1", **headers})
    if refused:
        assert unsigned_target.refuses(webhook, 403) == "web-page"
    else:
        assert unsigned_target.exchange(webhook).status == 415  # read, and not what the mock carrier sends


def test_attack_76_b2_silent_sockets_without_a_token_at_the_gateway(gateway: Server) -> None:
    """The 65th was refused with 503; now the one that has waited longest is closed with 1013, half a second later."""
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(gateway.port, "127.0.0.76")) for _ in range(66)]
        for line in silent:
            line.sendall(handshake("/"))
            assert read_answer(line).status == 101
        refused = b""
        with suppress(ConnectionError):
            while piece := silent[0].recv(1024):
                refused += piece
        assert b"too many sockets wait for their first frame" in refused
        assert b"\x03\xf5" in refused  # 1013
        connect = b'{"type":"req","id":"1","method":"connect","params":{"auth":{"token":"%s"}}}' % TOKEN.encode()
        silent[-1].sendall(b"\x81" + bytes((0x80 | len(connect),)) + bytes(4) + connect)
        assert b"hello-ok" in silent[-1].recv(4096)


def guess(server: str, token: str) -> bytes:
    """A request with this token, in the form that this server takes."""
    match server:
        case "gateway":
            return status(token)
        case "gateway-socket":
            return handshake("/", headers={"Authorization": f"Bearer {token}"})
        case "mcp":
            return get("/mcp", token)
        case _:
            return get("/metrics", token)


@pytest.mark.parametrize(
    ("server", "source", "served"),
    [
        ("gateway", "127.0.1.1", 200),
        ("gateway-socket", "127.0.1.2", 101),
        ("gateway-metrics", "127.0.1.3", 200),
        ("ingress", "127.0.1.4", 200),
        ("worker", "127.0.1.5", 200),
        ("mcp", "127.0.1.6", 406),  # this request has no `Accept`
    ],
)
def test_attack_108_b11_guessing_a_token(
    reachable: Mapping[str, Server], server: str, source: str, served: int
) -> None:
    """Ten guesses, then one every five seconds. The holder of the token is served, also at the stranger's address."""
    target = reachable[server.partition("-")[0]]

    def answer(token: str, sender: str = source) -> Answer:
        return target.exchange(guess(server, token), sender)

    assert [answer(f"guess-{number}").status for number in range(GUESSES)] == [401] * GUESSES
    refused = [answer(f"another-{number}") for number in range(20)]
    assert {one.status for one in refused} <= {429, 401}  # a slow machine may refill one
    assert [one.status for one in refused].count(429) >= 17
    waits = [int(one.headers["retry-after"]) for one in refused if one.status == 429]
    assert all(1 <= wait <= 5 for wait in waits)
    assert answer(TOKEN).status == served
    assert answer("another", "127.0.1.99").status == 401


@pytest.mark.parametrize(
    ("server", "variable"),
    [("gateway", "VOICECALL_GATEWAY_READ_TOKEN"), (MCP, "VOICECALL_MCP_TOKEN")],
)
def test_attack_108_b11_a_short_token_at_a_reachable_server(tmp_path: Path, server: str, variable: str) -> None:
    """It does not start, and says which variable and what to do; on loopback a short one serves."""
    environ = {"VOICECALL_GATEWAY_TOKEN": TOKEN, "REDIS_URL": "redis://127.0.0.1:1/0", variable: "s3cret"}
    process, started = launched(server, REACHABLE, tmp_path, **environ)
    try:
        assert process.wait(50) == 78
    finally:
        process.kill()
        process.wait()
    log = started.log.read_text()
    assert f"{variable} is shorter than 16 characters" in log
    assert "openssl rand -hex 16" in log
    assert "s3cret" not in log
    assert "Traceback" not in log


@pytest.mark.parametrize("server", ["gateway", "ingress", "worker"])
def test_attack_109_b11_metrics_of_a_reachable_server(reachable: Mapping[str, Server], server: str) -> None:
    """Volumes, failures and versions are for who may read; a load balancer's probes are open."""
    target, source = reachable[server], "127.0.2.1"
    assert target.exchange(get("/metrics"), source).status == 401
    assert target.exchange(get("/metrics", "wrong"), source).status == 401
    for token in (READ_TOKEN, TOKEN):
        answer = target.exchange(get("/metrics", token), source)
        assert (answer.status, b"# TYPE voicecall_" in answer.body) == (200, True)
    for probe in ("/livez", "/readyz"):
        assert target.exchange(get(probe, Host="any.example"), source).status in {200, 503}


def test_attack_109_b11_metrics_where_no_token_is_set(redis_url: str, tmp_path: Path) -> None:
    """Refused to all, with the variable to set."""
    with running("ingress", host=REACHABLE, place=tmp_path, REDIS_URL=f"{redis_url}/9") as servers:
        for token in ("", "guess"):
            answer = servers["ingress"].exchange(get("/metrics", token))
            assert (answer.status, b"set VOICECALL_GATEWAY_READ_TOKEN" in answer.body) == (403, True)


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"Host": "rebound.evil.example:3336"}, True),
        ({"Origin": "http://evil.example"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Host": "localhost:3336"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
    ],
)
def test_attack_107_b11_a_web_page_at_the_metrics(
    gateway: Server, twilio_target: Target, headers: dict[str, str], *, refused: bool
) -> None:
    for server in (gateway, Server(twilio_target.health, gateway.log)):
        answer = server.exchange(get("/metrics", **headers))
        assert (answer.status, b"voicecall_" in answer.body) == ((403, False) if refused else (200, True))

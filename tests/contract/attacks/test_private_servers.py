"""Attacks 105-107 on the servers beside the public one: health and gateway, as processes."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from tests.contract.attacks.requests import form, twilio
from tests.contract.attacks.target import Answer, Target, read_answer
from tests.contract.attacks.wire import connected

TOKEN = "a-long-random-token"


@dataclass(frozen=True)
class Server:
    """A server on this machine. `log`: where its process writes."""

    port: int
    log: Path

    def exchange(self, data: bytes) -> Answer:
        with connected(self.port) as line:
            line.sendall(data)
            return read_answer(line)


@pytest.fixture(scope="module")
def gateway(redis_url: str, place: Path) -> Iterator[Server]:
    """`python -m gateway` with a token."""
    config, log = place / "gateway.json", place / "gateway.log"
    config.write_bytes(orjson.dumps({"provider": "mock"}))
    environ = {
        **os.environ,
        "VOICECALL_CONFIG": str(config),
        "REDIS_URL": f"{redis_url}/6",
        "VOICECALL_GATEWAY_PORT": "0",
        "VOICECALL_GATEWAY_TOKEN": TOKEN,
    }
    with log.open("wb") as written:
        process = subprocess.Popen([sys.executable, "-m", "gateway"], env=environ, stderr=written)
    try:
        while not (found := re.search(rb'"port": ?(\d+)', log.read_bytes())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        yield Server(int(found[1]), log)
    finally:
        process.terminate()
        process.wait(10)


def status(**headers: str) -> bytes:
    """A request to the gateway for the calls there are."""
    body = b'{"type":"req","id":"1","method":"voicecall.status","params":{}}'
    lines = {
        "Host": "127.0.0.1",
        "Authorization": f"Bearer {TOKEN}",
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

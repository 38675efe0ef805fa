"""An ingress under attack: `python -m ingress` on a real Redis, sent raw bytes, checked by its state and metrics.

The attack tests use one per carrier. Knows HTTP bytes; `requests` knows what a carrier signs.
"""

import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import redis

from voicecall.bus.keys import Keys
from voicecall.call.ids import NodeId

__all__ = ["Answer", "Target", "free_port", "open_target", "read_answer", "start"]

CONSTANT = {
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Body Timeout",
    413: b"Payload Too Large",
    415: b"Unsupported Media Type",
}
_CALL_KEYS = re.compile(rb"vc[0-9]+:(call:|calls:|leg:|idem:|feed|dead)")
_REFUSALS = re.compile(
    r"voicecall_(webhook_rejected|media_rejected|connections_refused)_total\{reason=\"([^\"]+)\"\} (\S+)"
)
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Target:
    """One process. `node` is its name on the buses."""

    def __init__(self, redis_url: str, port: int, health: int, node: str) -> None:
        self.redis_url = redis_url
        self.port = port
        self.node = node
        self._health = health
        self._redis = redis.Redis.from_url(redis_url)

    @property
    def health(self) -> int:
        """The port of the health server."""
        return self._health

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE_S, source_address=(source, 0))

    def exchange(self, data: bytes, *, source: str = "127.0.0.1") -> Answer:
        """Send these bytes on a new connection; the first answer. It may come before all of them are read."""
        with self.connect(source) as line:
            with suppress(ConnectionError):
                line.sendall(data)
            return read_answer(line)

    def refuses(self, data: bytes, status: int, *, source: str = "127.0.0.1") -> str:
        """Assert a constant answer, one counted refusal and unchanged state; returns the metric's reason."""
        state, counted = self.state(), self.refusals()
        answer = self.exchange(data, source=source)
        assert (answer.status, answer.body) == (status, CONSTANT[status])
        assert answer.headers["server"] == "voicecall"
        assert self.state() == state
        (reason,) = (self.refusals() - counted).elements()
        return reason

    def state(self) -> dict[bytes, bytes | None]:
        """Every Redis key of calls, to the byte."""
        return {key: self._redis.dump(key) for key in self._redis.scan_iter() if _CALL_KEYS.match(key)}

    def kept_answers(self) -> list[bytes]:
        """Every answer that Redis keeps for a repeated webhook."""
        return [answer for key in self._redis.scan_iter("*:seen") for answer in self._redis.hvals(key)]

    def refusals(self) -> Counter[str]:
        """The number of refusals by reason."""
        counts: Counter[str] = Counter()
        for _, reason, count in _REFUSALS.findall(self.metrics()):
            counts[reason] += int(float(count))
        return counts

    def metric(self, line: str) -> float:
        """The value of one series, written as the exposition writes it; 0 when it has not been counted yet."""
        found = re.search(rf"^{re.escape(line)} (\S+)$", self.metrics(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def metrics(self) -> str:
        with socket.create_connection(("127.0.0.1", self._health), timeout=_PATIENCE_S) as line:
            line.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return read_answer(line).body.decode()

    def until(self, line: str, value: float) -> None:
        """Wait until a series has grown to `value`; a closed socket is counted a moment later."""
        deadline = time.monotonic() + _PATIENCE_S
        while self.metric(line) < value:
            assert time.monotonic() < deadline, f"{line} stays under {value}"


def read_answer(line: socket.socket) -> Answer:
    """One answer off the wire; a body that is announced and does not come is an error."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = line.recv(65_536)
        assert piece, f"closed after {data!r}"
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (header.partition(": ") for header in rest)}
    while len(body) < int(headers.get("content-length", "0")):
        piece = line.recv(65_536)
        assert piece, f"closed within {body!r}"
        body += piece
    return Answer(int(first.split()[1]), headers, body)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(config: Mapping[str, Any], redis_url: str, place: Path) -> subprocess.Popen[bytes]:
    """The process; it writes its log to `place`/log."""
    place.mkdir(parents=True, exist_ok=True)
    path = place / "config.json5"
    path.write_bytes(orjson.dumps(config))
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("TWILIO_", "TELNYX_", "PLIVO_"))},
        "VOICECALL_CONFIG": str(path),
        "REDIS_URL": redis_url,
        "VOICECALL_INGRESS_HEALTH": "127.0.0.1:0",
    }
    with (place / "log").open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", "ingress"], env=environ, stderr=log)


@contextmanager
def open_target(config: Mapping[str, Any], redis_url: str, place: Path) -> Iterator[Target]:
    """A running ingress; at its end, its log is checked: JSON lines only, no error among them."""
    process = start({**config, "serve": {"port": free_port()}}, redis_url, place)
    try:
        opened = _opened(process, place / "log")
        with _present_worker(redis_url):
            yield Target(redis_url, opened["address"][1], opened["health"][1], opened["node"])
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)
    lines = [orjson.loads(line) for line in (place / "log").read_bytes().splitlines()]
    assert [line for line in lines if line["level"] in ("error", "critical")] == []


@contextmanager
def _present_worker(redis_url: str) -> Iterator[None]:
    """A worker that is present and takes no call: without one, every caller is refused."""
    worker, keys = NodeId("worker-idle"), Keys.at(redis_url)
    with redis.Redis.from_url(redis_url) as client, client.pubsub() as listening:
        listening.subscribe(keys.node(worker))
        listening.get_message(timeout=_PATIENCE_S)
        client.zadd(keys.nodes, {worker: 1e15})  # registered for as long as the tests run
        yield


def _opened(process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        for line in log.read_bytes().splitlines():
            record: dict[str, Any] = orjson.loads(line)
            if record["msg"] == "ingress open":
                return record
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, "the ingress does not open"
        time.sleep(0.02)

"""A load generator: sends signed status webhooks as fast as they are answered.

A process of its own, started by `webhooks`. Requests are written and signed (`signed`) before the clock starts; then
each of `connections` keep-alive sockets has one request in flight at a time, over epoll and with minimal parsing of the
response, because every microsecond spent here is taken from the server under test.

Reads one line of JSON, the job, on stdin; prints "ready"; starts with the next line; writes one line of JSON, the
result.
"""

import select
import socket
import sys
import time
from typing import Any

import orjson

from bench.signed import SENDERS

__all__ = ["main"]

_PER_ADDRESS = 8
"""The ingress accepts eight concurrent requests from one sender, so every eight connections use another address."""


def main() -> None:
    job = orjson.loads(sys.stdin.buffer.readline())
    requests = _requests(job)
    sockets = [_connect(job["port"], number) for number in range(job["connections"])]
    _say(b"ready")
    sys.stdin.buffer.readline()
    _say(orjson.dumps(_drive(sockets, requests, job["seconds"])))


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def _requests(job: dict[str, Any]) -> list[bytes]:
    """Complete requests, each with another number, spread over the calls."""
    sender, calls = SENDERS[job["carrier"]], job["calls"]
    numbers = range(job["first"], job["first"] + job["requests"])
    return [sender.request(job["url"], number, *calls[number % len(calls)]) for number in numbers]


def _connect(port: int, number: int) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.bind((f"127.0.0.{1 + number // _PER_ADDRESS}", 0))
    connection.connect(("127.0.0.1", port))
    return connection


def _drive(sockets: list[socket.socket], requests: list[bytes], seconds: float) -> dict[str, Any]:
    """Send until the time is over or the requests are used up; then wait for the responses in flight."""
    poll = select.epoll()
    by_fd = {connection.fileno(): connection for connection in sockets}
    waiting = iter(requests)
    sent_at: dict[int, float] = {}
    times: list[float] = []
    ends: list[float] = []
    statuses: dict[str, int] = {}
    clock = time.perf_counter
    cpu_s = time.process_time()
    started = clock()
    end = started + seconds
    for fd, connection in by_fd.items():
        poll.register(fd, select.EPOLLIN)
        sent_at[fd] = clock()
        connection.sendall(next(waiting))
    while sent_at:
        for fd, _ in poll.poll():
            connection = by_fd[fd]
            answer = connection.recv(4096)
            if not _whole(answer):
                raise SystemExit(f"an incomplete response, or none: {answer[:200]!r}")
            now = clock()
            times.append(now - sent_at.pop(fd))
            ends.append(now - started)
            status = answer[9:12].decode()
            statuses[status] = statuses.get(status, 0) + 1
            following = next(waiting, None) if now < end else None
            if following is not None:
                sent_at[fd] = clock()
                connection.sendall(following)
    return {
        "seconds": ends[-1],
        "times": times,
        "ends": ends,
        "statuses": statuses,
        "cpu_s": time.process_time() - cpu_s,
        "ran_out": next(waiting, None) is None,
    }


def _whole(answer: bytes) -> bool:
    """Loopback delivers a response of 200 bytes in one piece; anything else ends the run."""
    head, blank, body = answer.partition(b"\r\n\r\n")
    at = head.find(b"Content-Length: ")
    return bool(blank) and at >= 0 and len(body) == int(head[at + 16 :].partition(b"\r\n")[0])


if __name__ == "__main__":
    main()

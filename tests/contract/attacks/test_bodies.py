"""Attacks 19-35: hostile bodies and hostile ways to send them. On Twilio's ingress where no other is named."""

import select
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.contract.attacks.requests import (
    form,
    http_request,
    plivo,
    plivo_form,
    telnyx,
    telnyx_event,
    twilio,
)
from tests.contract.attacks.target import Target, read_answer


def aged(seconds: int) -> str:
    return str(int(time.time()) - seconds)


@pytest.mark.parametrize("age", [-298, 0, 298])
def test_attack_19_a_telnyx_clock_within_five_minutes(telnyx_target: Target, age: int) -> None:
    """The exact bounds are tested in tests/carriers, with a fixed clock."""
    assert telnyx_target.exchange(telnyx(telnyx_event(), timestamp=aged(age))).status == 200


@pytest.mark.parametrize(
    "stamp",
    ["", "now", "-1", "1" + "0" * 20, "1e3", "\uff11\uff17", "\u0661", "0x5f", "1_000", "1.0", "+1", "1 1"],
)
def test_attack_19_telnyx_timestamps_that_are_no_seconds(telnyx_target: Target, stamp: str) -> None:
    """Only ASCII digits count as a time, whatever else could be read as one."""
    telnyx_target.refuses(telnyx(telnyx_event(), timestamp=stamp), 401)


@pytest.mark.parametrize("age", [-330, 301, 10**6])
def test_attack_19_stale_and_future_telnyx_timestamps(telnyx_target: Target, age: int) -> None:
    assert telnyx_target.refuses(telnyx(telnyx_event(), timestamp=aged(age)), 401) == "signature-stale"


def test_attack_19_no_telnyx_timestamp(telnyx_target: Target) -> None:
    letter_without = telnyx(telnyx_event(), headers={"Telnyx-Timestamp": None})
    assert telnyx_target.refuses(letter_without, 401) == "signature-missing"


@pytest.mark.parametrize("size", [64 * 1024 + 1, 2_000_000, 1_000_000_000])
def test_attack_26_a_declared_body_over_64_kib(twilio_target: Target, size: int) -> None:
    """Refused by its declared length."""
    big = twilio(form(), sent=b"", headers={"Content-Length": str(size)})
    assert twilio_target.refuses(big, 413) == "body-size"


def test_attack_26_chunks_for_ever(twilio_target: Target) -> None:
    """Reading stops at 64 KiB, and the connection of a sender that goes on is closed."""
    endless = twilio(form(), sent=b"", headers={"Content-Length": None, "Transfer-Encoding": "chunked"})
    chunk = b"4000\r\n" + b"a" * 0x4000 + b"\r\n"
    assert twilio_target.refuses(endless + chunk * 5, 413) == "body-size"
    with twilio_target.connect() as line:
        line.sendall(endless)
        with pytest.raises(ConnectionError):
            pour(line, chunk)


def pour(line: socket.socket, chunk: bytes) -> None:
    """Send until the connection is closed."""
    while True:
        line.sendall(chunk)


@contextmanager
def idle(target: Target, count: int, source: str) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(target.connect(source)) for _ in range(count)]


def test_attack_28_idle_connections_of_one_sender(twilio_target: Target) -> None:
    """Their number is bounded, and the carrier is served meanwhile."""
    refused = twilio_target.metric('voicecall_connections_refused_total{reason="sender"}')
    with idle(twilio_target, 1000, "127.0.0.3"):
        twilio_target.until('voicecall_connections_refused_total{reason="sender"}', refused + 1000 - 256)
        assert twilio_target.exchange(twilio(form())).status == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip", "zstd", "compress", "x"])
def test_attack_29_encoded_bodies(twilio_target: Target, encoding: str) -> None:
    """Nothing is ever inflated."""
    assert twilio_target.refuses(twilio(form(), headers={"Content-Encoding": encoding}), 415) == "content-type"


def test_attack_31_multipart(twilio_target: Target) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    flood = twilio((), sent=part * 1000, content_type="multipart/form-data; boundary=x")
    assert twilio_target.refuses(flood, 415) == "content-type"


@pytest.mark.parametrize(
    ("names", "status"),
    [([str(n) for n in range(10_000)], 400), (["a[b][c]"] * 201, 400), (["a" * 100_000], 413)],
    ids=["ten-thousand", "nested", "huge-name"],
)
def test_attack_32_forms_no_carrier_fills_in(twilio_target: Target, names: list[str], status: int) -> None:
    """Beyond 200 fields nothing is sorted or hashed."""
    twilio_target.refuses(twilio([], sent="&".join(names).encode()), status)


_DEEP = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
_MADE_TO_HURT = {
    "deep": _DEEP,
    "deep-lists": b"[" * 30_000 + b"]" * 30_000,
    "digits": b'{"data":{"payload":{"n":' + b"9" * 5_000 + b"}}}",
    "nan": b'{"data":{"n":NaN}}',
    "infinity": b'{"data":{"n":-Infinity}}',
    "1e400": b'{"data":{"n":1e400}}',
    "twice": b'{"data":{},"data":{}}',
    "surrogate": b'{"data":{"id":"\\ud800"}}',
    "not-utf8": b'{"data":{"id":"\xff"}}',
    "no-object": b'"data"',
    "cut": b'{"data":',
    "empty": b"",
}


@pytest.mark.parametrize("name", _MADE_TO_HURT)
def test_attack_34_json_made_to_hurt(telnyx_target: Target, name: str) -> None:
    """Signed, and refused all the same: 400, never a 500."""
    assert telnyx_target.refuses(telnyx(_MADE_TO_HURT[name]), 400) in ("json-malformed", "envelope")


def test_attack_34_a_very_deep_list_exceeds_the_body_limit(telnyx_target: Target) -> None:
    assert telnyx_target.refuses(telnyx(b"[" * 100_000), 413) == "body-size"


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/octet-stream",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset=utf-7",
        "application/x-www-form-urlencodedx",
        "",
    ],
)
def test_attack_35_valid_bytes_of_another_type(
    twilio_target: Target, telnyx_target: Target, plivo_target: Target, kind: str
) -> None:
    twilio_target.refuses(twilio(form(), content_type=kind), 415)
    plivo_target.refuses(plivo(plivo_form(), content_type=kind), 415)
    telnyx_target.refuses(telnyx(telnyx_event(), content_type=kind), 415)


def test_attack_74_one_sender_under_many_addresses(proxied_target: Target) -> None:
    """Behind a proxy each address is limited by itself; a mapped address is the same, and so is an IPv6 /64."""
    for addresses in (
        ["1.2.3.4", "::ffff:1.2.3.4", "::ffff:102:304"],
        [f"2001:db8::{n}" for n in range(1, 10)],
    ):
        with slow_bodies(proxied_target, [*(addresses * 9)[:8], "9.9.9.9"]) as lines:
            assert answered(lines, 1.0) == []
            with slow_bodies(proxied_target, addresses[:1]):
                (line,) = answered(lines, 2.0)
                assert read_answer(line).status == 408
                assert line is not lines[-1]


@contextmanager
def slow_bodies(target: Target, addresses: list[str]) -> Iterator[list[socket.socket]]:
    """All but the last byte of a request from each address, as the proxy forwards them."""
    with ExitStack() as stack:
        lines = [stack.enter_context(target.connect()) for _ in addresses]
        for line, address in zip(lines, addresses, strict=True):
            fields = form(CallSid=f"CA{uuid.uuid4().hex}")
            line.sendall(twilio(fields, headers={"X-Forwarded-For": address})[:-1])
        yield lines


def answered(lines: list[socket.socket], seconds: float) -> list[socket.socket]:
    """The connections on which an answer is there before the time is over."""
    return select.select(lines, [], [], seconds)[0]


def test_attack_102_b2_slow_bodies_do_not_keep_the_carrier_out(twilio_target: Target) -> None:
    """From the carrier's own address, as behind a proxy that is not listed: Twilio never repeats what got 429."""
    with slow_bodies(twilio_target, ["-"] * 40) as lines:
        for _ in range(10):
            assert twilio_target.exchange(twilio(form())).status == 200
        assert {read_answer(line).status for line in answered(lines, 2.0)} == {408}


def test_attack_102_b2_slow_bodies_of_a_sender_behind_the_listed_proxy(listed_target: Target) -> None:
    with slow_bodies(listed_target, ["203.0.113.9", *["203.0.113.1"] * 9]) as lines:
        (line,) = answered(lines, 2.0)
        assert line is not lines[0]


def test_attack_91_what_is_not_http_learns_nothing(twilio_target: Target) -> None:
    for junk in (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n"):
        assert twilio_target.refuses(junk, 400) == "not-http"
    assert twilio_target.refuses(http_request(b"", {}, target="/"), 404) == "path"

"""Attacks 19-35: what stands in a request, and how it is sent. Twilio's door where no other is named."""

import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.contract.attacks.door import Door, read_answer
from tests.contract.attacks.letters import (
    form,
    letter,
    plivo,
    plivo_form,
    telnyx,
    telnyx_event,
    twilio,
)


def aged(seconds: int) -> str:
    return str(int(time.time()) - seconds)


@pytest.mark.parametrize("age", [-298, 0, 298])
def test_attack_19_a_telnyx_clock_within_five_minutes(telnyx_door: Door, age: int) -> None:
    """To the second, with a clock held still: tests/carriers."""
    assert telnyx_door.knock(telnyx(telnyx_event(), timestamp=aged(age))).status == 200


@pytest.mark.parametrize(
    "stamp",
    ["", "now", "-1", "1" + "0" * 20, "1e3", "\uff11\uff17", "\u0661", "0x5f", "1_000", "1.0", "+1", "1 1"],
)
def test_attack_19_telnyx_timestamps_that_are_no_seconds(telnyx_door: Door, stamp: str) -> None:
    """Only ASCII digits count as a time, whatever else could be read as one."""
    telnyx_door.refuses(telnyx(telnyx_event(), timestamp=stamp), 401)


@pytest.mark.parametrize("age", [-330, 301, 10**6])
def test_attack_19_stale_and_future_telnyx_timestamps(telnyx_door: Door, age: int) -> None:
    assert telnyx_door.refuses(telnyx(telnyx_event(), timestamp=aged(age)), 401) == "signature-stale"


def test_attack_19_no_telnyx_timestamp(telnyx_door: Door) -> None:
    letter_without = telnyx(telnyx_event(), headers={"Telnyx-Timestamp": None})
    assert telnyx_door.refuses(letter_without, 401) == "signature-missing"


@pytest.mark.parametrize("size", [64 * 1024 + 1, 2_000_000, 1_000_000_000])
def test_attack_26_a_declared_body_over_64_kib(twilio_door: Door, size: int) -> None:
    """Refused by what it announces."""
    big = twilio(form(), sent=b"", headers={"Content-Length": str(size)})
    assert twilio_door.refuses(big, 413) == "body-size"


def test_attack_26_chunks_for_ever(twilio_door: Door) -> None:
    """Reading stops at 64 KiB, and the line is closed under whoever goes on."""
    endless = twilio(form(), sent=b"", headers={"Content-Length": None, "Transfer-Encoding": "chunked"})
    chunk = b"4000\r\n" + b"a" * 0x4000 + b"\r\n"
    assert twilio_door.refuses(endless + chunk * 5, 413) == "body-size"
    with twilio_door.connect() as line:
        line.sendall(endless)
        with pytest.raises(ConnectionError):
            pour(line, chunk)


def pour(line: socket.socket, chunk: bytes) -> None:
    """Until somebody stops us."""
    while True:
        line.sendall(chunk)


@contextmanager
def idle(door: Door, count: int, source: str) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(door.connect(source)) for _ in range(count)]


def test_attack_28_idle_connections_of_one_sender(twilio_door: Door) -> None:
    """They are bounded, and the carrier is served meanwhile."""
    refused = twilio_door.metric('voice_connections_refused_total{reason="sender"}')
    with idle(twilio_door, 1000, "127.0.0.3"):
        twilio_door.until('voice_connections_refused_total{reason="sender"}', refused + 1000 - 256)
        assert twilio_door.knock(twilio(form())).status == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip", "zstd", "compress", "x"])
def test_attack_29_encoded_bodies(twilio_door: Door, encoding: str) -> None:
    """Nothing is ever inflated."""
    assert twilio_door.refuses(twilio(form(), headers={"Content-Encoding": encoding}), 415) == "content-type"


def test_attack_31_multipart(twilio_door: Door) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    flood = twilio((), sent=part * 1000, content_type="multipart/form-data; boundary=x")
    assert twilio_door.refuses(flood, 415) == "content-type"


@pytest.mark.parametrize(
    ("names", "status"),
    [([str(n) for n in range(10_000)], 400), (["a[b][c]"] * 201, 400), (["a" * 100_000], 413)],
    ids=["ten-thousand", "nested", "huge-name"],
)
def test_attack_32_forms_no_carrier_fills_in(twilio_door: Door, names: list[str], status: int) -> None:
    """Over 200 fields nothing is sorted or hashed."""
    twilio_door.refuses(twilio([], sent="&".join(names).encode()), status)


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
def test_attack_34_json_made_to_hurt(telnyx_door: Door, name: str) -> None:
    """Signed, and still no word of it is believed: 400, never a 500."""
    assert telnyx_door.refuses(telnyx(_MADE_TO_HURT[name]), 400) in ("json-malformed", "envelope")


def test_attack_34_the_depth_of_the_list_does_not_fit_the_door(telnyx_door: Door) -> None:
    assert telnyx_door.refuses(telnyx(b"[" * 100_000), 413) == "body-size"


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
    twilio_door: Door, telnyx_door: Door, plivo_door: Door, kind: str
) -> None:
    twilio_door.refuses(twilio(form(), content_type=kind), 415)
    plivo_door.refuses(plivo(plivo_form(), content_type=kind), 415)
    telnyx_door.refuses(telnyx(telnyx_event(), content_type=kind), 415)


def test_attack_74_one_sender_under_many_addresses(proxied_door: Door) -> None:
    """Behind a proxy each address counts for itself: but a mapped one is the same, and so is a whole IPv6 /64."""
    for addresses in (
        ["1.2.3.4", "::ffff:1.2.3.4", "::ffff:102:304"],
        [f"2001:db8::{n}" for n in range(1, 9)],
    ):
        waiting = (addresses * 8)[:8]
        with ExitStack() as stack:
            lines = [stack.enter_context(proxied_door.connect()) for _ in waiting]
            for line, address in zip(lines, waiting, strict=True):
                line.sendall(half_sent(address))
            assert _ninth(proxied_door, addresses[0]) == 429
            assert proxied_door.knock(twilio(form(), headers={"X-Forwarded-For": "9.9.9.9"})).status == 200


def half_sent(address: str) -> bytes:
    """All but the last byte, with the carrier's proxy naming this sender."""
    return twilio(form(CallSid=f"CA{uuid.uuid4().hex}"), headers={"X-Forwarded-For": address})[:-1]


def _ninth(door: Door, address: str) -> int:
    """Once all eight are being read; until then a half-sent one is just one more of them."""
    while True:
        with door.connect() as line:
            line.settimeout(0.2)
            line.sendall(half_sent(address))
            try:
                return read_answer(line).status
            except TimeoutError:
                continue


def test_attack_91_what_is_not_http_learns_nothing(twilio_door: Door) -> None:
    for junk in (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n"):
        assert twilio_door.refuses(junk, 400) == "not-http"
    assert twilio_door.refuses(letter(b"", {}, target="/"), 404) == "path"

"""The HTTP pipeline over raw sockets: what is refused, in which order, and what the answers reveal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.fakes.ingress import InMemoryLog
from tests.ingress.harness import Harness, exchange, fields, inbound_id, read_answer, request, running_ingress
from voicecall.call.events import HungUp
from voicecall.call.ids import CallId, NodeId
from voicecall.call.state import Phase

BIG = "1" * 70_000
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.mark.parametrize(
    "target",
    [
        "/voice/webhook-evil",
        "/voice/Webhook",
        "//voice/webhook",
        "/voice/./webhook",
        "/voice/%77ebhook",
        "/voice/webhook;x=1",
        "/voice/webhook//",
        "http://calls.example/voice/webhook",
        "/voice/hold-music",
        "/",
    ],
)
async def test_only_the_canonical_route_exists(target: str) -> None:
    """Every other spelling is a 404, so nothing can be signed for one path and served by another (attack 13)."""
    async with running_ingress() as ingress:
        answer = await exchange(ingress.port, request(fields(), target=target))
        assert (answer.status, answer.body) == (404, b"Not Found")
        assert ingress.log.posts == 0


async def test_one_trailing_slash_is_the_same_route() -> None:
    async with running_ingress() as ingress:
        answer = await exchange(ingress.port, request(fields(), target="/voice/webhook/"))
        assert answer.status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "TRACE", "DELETE", "PROPFIND"])
async def test_only_post_is_answered(method: str) -> None:
    async with running_ingress() as ingress:
        reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
        writer.write(request(fields(), method=method))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 405 ")
        assert b"\r\nAllow: POST\r\n" in head
        writer.close()


async def test_an_unsigned_request_is_refused_before_its_body_is_read() -> None:
    """An unsigned request makes the ingress buffer nothing (GHSA-rm59-992w-x2mv)."""
    async with running_ingress() as ingress:
        head = request(fields(), signed=False, headers={"Content-Length": "60000"}, body=b"")
        answer = await exchange(ingress.port, head)
        assert (answer.status, answer.body) == (401, b"Unauthorized")


@pytest.mark.parametrize("signature", ["x", "A" * 7_000, "caf\udce9", "=" * 28])
async def test_a_malformed_signature_is_refused(signature: str) -> None:
    """Whatever its bytes: 401, never a 500 (attacks 2 and 5)."""
    async with running_ingress() as ingress:
        answer = await exchange(ingress.port, request(fields(), headers={"X-Twilio-Signature": signature}))
        assert (answer.status, answer.body) == (401, b"Unauthorized")


async def test_a_forged_body_is_refused() -> None:
    async with running_ingress() as ingress:
        data = request(fields()).replace(b"15550001234", b"15550001235")
        assert (await exchange(ingress.port, data)).status == 401
        assert ingress.log.posts == 0


async def test_host_and_forwarding_headers_change_nothing() -> None:
    """The signed URL comes from the configuration (CVE-2026-28465)."""
    forged = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "X-Original-URL": "/x",
        "Forwarded": "host=evil.example",
    }
    async with running_ingress() as ingress:
        answer = await exchange(ingress.port, request(fields(), headers=forged))
        assert answer.status == 200
        assert b"evil" not in answer.body


async def test_a_proxy_that_forwards_for_a_foreign_host_is_refused() -> None:
    security = {"allowedHosts": ["calls.example"], "trustedProxyIPs": ["127.0.0.1"]}
    async with running_ingress(webhookSecurity=security) as ingress:
        bad = await exchange(ingress.port, request(fields(), headers={"X-Forwarded-Host": "evil.example"}))
        good = await exchange(ingress.port, request(fields(), headers={"X-Forwarded-Host": "calls.example:443"}))
        assert (bad.status, good.status) == (401, 200)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "deflate, gzip"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded; charset=utf-16"},
    ],
)
async def test_encodings_no_carrier_uses_are_refused(headers: dict[str, str]) -> None:
    """Compressed and multipart bodies are refused unread (attacks 29, 31, 35)."""
    async with running_ingress() as ingress:
        assert (await exchange(ingress.port, request(fields(), headers=headers))).status == 415


async def test_a_declared_body_over_64_kib_is_refused_unread() -> None:
    async with running_ingress() as ingress:
        head = request(fields(), headers={"Content-Length": "1000000000"}, body=b"")
        answer = await exchange(ingress.port, head)
        assert (answer.status, answer.body) == (413, b"Payload Too Large")


async def test_a_chunked_body_without_end_is_cut_off_at_64_kib() -> None:
    async with running_ingress() as ingress:
        head = request(fields(), headers={"Content-Length": None, "Transfer-Encoding": "chunked"}, body=b"")
        chunk = b"4000\r\n" + b"a" * 0x4000 + b"\r\n"
        answer = await exchange(ingress.port, head + chunk * 5)
        assert answer.status == 413


async def test_a_body_that_does_not_arrive_is_a_timeout() -> None:
    async with running_ingress(server={"body_timeout_s": 0.05}) as ingress:
        answer = await exchange(ingress.port, request(fields(), headers={"Content-Length": "500"}))
        assert (answer.status, answer.body) == (408, b"Request Body Timeout")


async def test_a_body_in_single_bytes_is_read() -> None:
    async with running_ingress() as ingress:
        reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
        for byte in request(fields()):
            writer.write(bytes((byte,)))
            await writer.drain()
        assert (await read_answer(reader)).status == 200
        writer.close()


async def test_b2_the_slowest_body_of_a_sender_goes_and_not_the_newcomer() -> None:
    """Twilio never repeats a webhook that got 429: nine slow bodies of a stranger behind its proxy cost its calls."""
    async with running_ingress() as ingress, half_sent(ingress, 8) as waiting:
        assert (await exchange(ingress.port, request(status(20)))).status == 200
        newcomer = await asyncio.open_connection("127.0.0.1", ingress.port)
        newcomer[1].write(request(status(9))[:-1])
        assert (await read_answer(waiting[0][0])).status == 408
        newcomer[1].write(request(status(9))[-1:])
        assert (await read_answer(newcomer[0])).status == 200
        newcomer[1].close()
        for place, (reader, writer) in list(enumerate(waiting))[1:]:
            writer.write(request(status(place))[-1:])
            assert (await read_answer(reader)).status == 200


async def test_b2_slow_bodies_of_one_sender_do_not_end_those_of_another() -> None:
    async with running_ingress() as ingress, half_sent(ingress, 1, "127.0.0.2") as (patient,):
        async with half_sent(ingress, 9) as crowd:
            assert (await read_answer(crowd[0][0])).status == 408
        patient[1].write(request(status(0))[-1:])
        assert (await read_answer(patient[0])).status == 200


@asynccontextmanager
async def half_sent(ingress: Harness, count: int, source: str = "127.0.0.1") -> AsyncIterator[list[Connection]]:
    """Connections whose requests lack their last byte."""
    waiting: list[Connection] = []
    for place in range(count):
        waiting.append(await asyncio.open_connection("127.0.0.1", ingress.port, local_addr=(source, 0)))
        before = len(ingress.server.bodies)
        waiting[-1][1].write(request(status(place))[:-1])
        while len(ingress.server.bodies) == before:  # noqa: ASYNC110  no event reports that a body is read
            await asyncio.sleep(0)
    try:
        yield waiting
    finally:
        for _, writer in waiting:
            writer.close()


async def test_a_burst_of_the_carriers_own_requests_is_not_refused() -> None:
    """When an ingress dies, all its calls reach another at once, perhaps by one proxy; a 429 would end each."""
    log = InMemoryLog(owner=NodeId("worker-1"), hold=asyncio.Event())
    async with running_ingress(log=log) as ingress:
        burst = [asyncio.create_task(exchange(ingress.port, request(status(place)))) for place in range(40)]
        while log.holding < 40:  # noqa: ASYNC110  no event reports that a post waits
            await asyncio.sleep(0)
        assert log.hold is not None
        log.hold.set()
        assert {answer.status for answer in await asyncio.gather(*burst)} == {200}


def status(place: int) -> dict[str, str]:
    return fields(CallStatus="completed", SequenceNumber=str(place))


async def test_checks_come_in_the_order_of_the_pipeline() -> None:
    """A request with every fault is refused for the first; without that one, for the next."""
    async with running_ingress() as ingress:
        faults: dict[str, object] = {"method": "GET", "target": "/x", "signed": False}
        headers = {"Content-Encoding": "gzip", "Content-Length": "99999"}
        fixes = [("target", None, 404), ("method", "POST", 405), ("signed", True, 401)]
        for name, fixed, expected in fixes:
            answer = await exchange(ingress.port, request(fields(), headers=headers, body=b"", **faults))  # type: ignore[arg-type]
            assert answer.status == expected
            faults[name] = fixed
        assert (await exchange(ingress.port, request(fields(), headers=headers, body=b""))).status == 415
        headers.pop("Content-Encoding")
        assert (await exchange(ingress.port, request(fields(), headers=headers, body=b""))).status == 413


async def test_a_signed_body_that_makes_no_sense_is_a_400() -> None:
    async with running_ingress() as ingress:
        assert (await exchange(ingress.port, request(fields(CallSid="CA1")))).status == 400
        assert (await exchange(ingress.port, request({f"a{n}": "" for n in range(300)}))).status == 400


async def test_without_the_log_there_is_no_2xx() -> None:
    """The carrier repeats what got a 503; a 2xx would lose the event (guarantee P2)."""
    async with running_ingress() as ingress:
        ingress.log.down = True
        for form in (fields(), fields(CallStatus="completed")):
            answer = await ingress.webhook(form)
            assert answer.status == 503
            assert answer.headers["retry-after"] == "1"
        ingress.log.down = False
        assert (await ingress.webhook(fields(CallStatus="completed"))).status == 200


async def test_a_defect_is_a_constant_500() -> None:
    class Broken(InMemoryLog):
        async def phase(self, call: CallId) -> Phase | None:
            raise ZeroDivisionError(call)

    async with running_ingress(log=Broken()) as ingress:
        answer = await ingress.webhook(fields())
        assert (answer.status, answer.body) == (500, b"Internal Server Error")


@pytest.mark.parametrize(
    "junk",
    [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n"],
)
async def test_what_is_not_http_gets_a_constant_answer(junk: bytes) -> None:
    """No version, no echo, no stack (attack 91)."""
    async with running_ingress() as ingress:
        answer = await exchange(ingress.port, junk)
        assert (answer.status, answer.body) == (400, b"Bad Request")
        assert answer.headers["server"] == "voicecall"


async def test_a_half_sent_head_is_closed_after_its_deadline() -> None:
    """Aiohttp by itself would wait for ever for the rest (attacks 26 and 27)."""
    async with running_ingress(server={"first_head_s": 0.1}) as ingress:
        reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
        writer.write(b"POST /voice/webhook HTTP/1.1\r\nHost: a")
        assert await read_to_end(reader) == b""
        writer.close()
        assert ingress.server.limiter.open == 0


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_idle_connections_of_one_sender_are_bounded() -> None:
    """A sender at its limit is refused; others are served (attack 28)."""
    async with running_ingress() as ingress:
        idle = [await asyncio.open_connection("127.0.0.1", ingress.port) for _ in range(300)]
        ends = [asyncio.ensure_future(read_to_end(reader)) for reader, _ in idle]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        assert ingress.server.limiter.open <= 256
        answer = await exchange(ingress.port, request(fields()), source="127.0.0.2")
        assert answer.status == 200
        for _, writer in idle:
            writer.close()
        await asyncio.wait(ends)


async def test_at_the_limit_the_connection_that_was_silent_longest_is_closed() -> None:
    """Idle connections must not keep the carrier out."""
    async with running_ingress() as ingress:
        ingress.server.limiter._limit = 10
        idle = [await asyncio.open_connection("127.0.0.1", ingress.port) for _ in range(10)]
        assert (await exchange(ingress.port, request(fields()), source="127.0.0.2")).status == 200
        assert await read_to_end(idle[0][0]) == b""
        for _, writer in idle:
            writer.close()


async def test_a_status_is_one_post_and_an_empty_answer() -> None:
    async with running_ingress() as ingress:
        answer = await ingress.webhook(fields(CallStatus="completed"))
        assert answer.status == 200
        assert b"<Response" in answer.body
        assert ingress.log.posts == 1
        assert [type(event) for event in ingress.log.events[inbound_id()]] == [HungUp]


async def test_pipelined_requests_are_answered_in_order() -> None:
    """One connection may carry many."""
    async with running_ingress() as ingress:
        reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
        writer.write(b"".join(request(status(place)) for place in range(5)))
        assert [(await read_answer(reader)).status for _ in range(5)] == [200] * 5
        writer.close()
        assert ingress.log.posts == 5


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("X-Twilio-Signature", "A" * 27 + "="),
        ("x-twilio-signature", ""),
        ("Content-Type", "text/plain"),
        ("Content-Encoding", "gzip"),
        ("Host", "evil.example"),
    ],
)
@pytest.mark.parametrize("good_first", [False, True])
async def test_b14_a_repeated_security_header_is_a_400(name: str, first: str, *, good_first: bool) -> None:
    """The last one won: a proxy may have checked the first."""
    async with running_ingress() as ingress:
        data = request(fields(), headers={"Content-Encoding": "identity"})
        line, _, rest = data.partition(b"\r\n")
        head, _, body = rest.partition(b"\r\n\r\n")
        extra = f"{name}: {first}".encode()
        lines = (head, extra) if good_first else (extra, head)
        answer = await exchange(ingress.port, b"\r\n".join((line, *lines)) + b"\r\n\r\n" + body)
        assert (answer.status, answer.body) == (400, b"Bad Request")
        assert ingress.log.posts == 0


async def test_b14_headers_that_are_lists_may_be_repeated() -> None:
    """Each proxy on the way may add a line."""
    async with running_ingress() as ingress:
        line, _, rest = request(fields()).partition(b"\r\n")
        more = b"Via: 1.1 a\r\nVia: 1.1 b\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\n"
        assert (await exchange(ingress.port, line + b"\r\n" + more + rest)).status == 200


async def test_a12_the_last_of_several_forwarded_addresses_counts() -> None:
    async with running_ingress(webhookSecurity={"trustedProxyIPs": ["127.0.0.1"]}) as ingress:
        line, _, rest = request(fields())[:-1].partition(b"\r\n")
        more = b"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\n"
        _, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
        writer.write(line + b"\r\n" + more + rest)
        while not len(ingress.server.bodies):  # noqa: ASYNC110  no event reports that a body is read
            await asyncio.sleep(0)
        assert set(ingress.server.bodies._held) == {"5.6.7.8"}
        writer.close()


@pytest.mark.parametrize("size", [40_000, 120_000, 1_000_000])
@pytest.mark.parametrize("whole", [False, True])
async def test_b13_a_head_over_32_kib_is_refused(size: int, *, whole: bool) -> None:
    """In all, however many headers it is made of: heads were 2 MB a connection."""
    async with running_ingress() as ingress:
        filler = "".join(f"X-Filler-{n}: {'a' * 8_000}\r\n" for n in range(size // 8_000))
        line, _, rest = request(fields()).partition(b"\r\n")
        head = line + b"\r\n" + filler.encode() + (rest if whole else b"")
        answer = await exchange(ingress.port, head)
        assert (answer.status, answer.body) == (400, b"Bad Request")
        assert ingress.log.posts == 0


async def test_b13_the_next_head_on_a_connection_has_the_same_limit() -> None:
    async with running_ingress() as ingress:
        reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
        for place in range(8):
            padded = request(status(place), headers={"X-Filler": "a" * 8_000})
            writer.write(padded)
            assert (await read_answer(reader)).status == 200
        writer.write(b"POST /voice/webhook HTTP/1.1\r\n" + b"X-Filler: " + b"a" * 8_000 + b"\r\n")
        writer.write((b"X-More: " + b"a" * 8_000 + b"\r\n") * 5)
        assert (await read_answer(reader)).status == 400
        assert await read_to_end(reader) == b""
        writer.close()


async def test_b13_a_body_is_no_part_of_the_head() -> None:
    """64 KiB in one piece with its head, and eight heads of 8 kB in one piece."""
    async with running_ingress() as ingress:
        body = b"CallSid=" + b"a" * 60_000
        answer = await exchange(ingress.port, request(fields(), body=body))
        assert answer.status == 401
        reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
        writer.write(b"".join(request(status(place), headers={"X-Filler": "a" * 8_000}) for place in range(8)))
        assert [(await read_answer(reader)).status for _ in range(8)] == [200] * 8
        writer.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://127.0.0.1:8080"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Host": "rebound.evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "["}, 403),
        ({"Host": "127.0.0.1:3334"}, 200),
        ({"Host": "[::1]:3334"}, 200),
        ({"Host": "localhost"}, 200),
    ],
)
async def test_b9_without_verification_web_pages_are_refused(headers: dict[str, str], status: int) -> None:
    """A form of any page would be obeyed as the carrier's."""
    unsigned = {"publicUrl": "http://127.0.0.1:3334/voice/webhook", "skipSignatureVerification": True}
    async with running_ingress(**unsigned) as ingress:
        answer = await exchange(ingress.port, request(fields(), signed=False, headers=headers))
        assert answer.status == status
        assert bool(ingress.log.posts) == (status == 200)

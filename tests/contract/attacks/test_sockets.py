"""Attacks 61-74: the media socket, frame by frame, on Twilio's ingress."""

import asyncio
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from simulators.twilio.signature import sign
from tests.contract.attacks.requests import TOKEN, form, new_leg, twilio
from tests.contract.attacks.target import Target
from tests.contract.attacks.wire import FRAME, PING, RawSocket, handshake
from voicecall.bus.connection import connect
from voicecall.bus.log import RedisCallLog
from voicecall.call.events import Event, StreamClosed, StreamOpened
from voicecall.call.ids import CallId, LegId, StreamId, inbound_call_id

_POLICY = 1008
_WSS = "wss://calls.example/voice/stream"


@dataclass(frozen=True)
class Arrived:
    """An arrived call, with the token for one socket."""

    call: CallId
    leg: str
    token: str


def arrive(target: Target) -> Arrived:
    leg = new_leg()
    return Arrived(inbound_call_id("twilio", LegId(leg)), leg, token_in(target.exchange(twilio(form(leg))).body))


def token_in(document: bytes) -> str:
    found = re.search(rb'name="token" value="([^"]+)"', document)
    assert found
    return found[1].decode()


@contextmanager
def talking(target: Target) -> Iterator[tuple[Arrived, RawSocket]]:
    """A call with its socket open."""
    here = arrive(target)
    with RawSocket(target) as line:
        line.start(here.call, here.token, here.leg)
        assert line.is_open()
        yield here, line


def events_of(target: Target, call: CallId) -> list[Event]:
    async def read() -> list[Event]:
        redis: Redis = connect(target.redis_url)
        try:
            return [record.event for record in await RedisCallLog(redis).history(call)]
        finally:
            await redis.aclose()

    return asyncio.run(read())


def opened(target: Target, call: CallId) -> int:
    return sum(isinstance(event, StreamOpened) for event in events_of(target, call))


def rejected(reason: str) -> str:
    return f'voicecall_media_rejected_total{{reason="{reason}"}}'


def dropped(reason: str) -> str:
    return f'voicecall_media_dropped_total{{reason="{reason}"}}'


def counted(target: Target, series: str, count: int = 1) -> float:
    """The value of `series` after the attack, for `until`."""
    return target.metric(series) + count


def test_attack_61_a_wrong_signature_on_the_upgrade(twilio_target: Target) -> None:
    """Refused before the 101."""
    wrong = {"X-Twilio-Signature": sign("other", _WSS)}
    assert twilio_target.refuses(handshake(headers=wrong), 401) == "signature-mismatch"
    elsewhere = {"X-Twilio-Signature": sign(TOKEN, "wss://calls.example/voice/other")}
    assert twilio_target.refuses(handshake(headers=elsewhere), 401) == "signature-mismatch"


def test_attack_61_an_unsigned_upgrade_opens_nothing(twilio_target: Target) -> None:
    """Without a signature the token is the proof: no token, no stream."""
    here = arrive(twilio_target)
    state = twilio_target.state()
    with RawSocket(twilio_target) as line:
        line.start(here.call, "", here.leg)
        assert line.closed() == _POLICY
    assert twilio_target.state() == state


@pytest.mark.parametrize(
    ("attack", "status", "reason"),
    [
        (handshake("/voice/streams"), 404, "path"),
        (handshake("/voice//stream"), 404, "path"),
        (handshake("/voice/webhook"), 405, "method"),
        (handshake(method="POST"), 405, "method"),
    ],
    ids=["path", "slashes", "webhook", "post"],
)
def test_attack_62_wrong_path_and_method(twilio_target: Target, attack: bytes, status: int, reason: str) -> None:
    assert twilio_target.refuses(attack, status) == reason


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-WebSocket-Version": "7"}, 426),
        ({"Upgrade": "h2c"}, 426),
    ],
)
def test_attack_62_browsers_and_other_versions(twilio_target: Target, headers: dict[str, str], status: int) -> None:
    state = twilio_target.state()
    answer = twilio_target.exchange(handshake(headers=headers))
    assert (answer.status, answer.headers["server"]) == (status, "voicecall")
    assert twilio_target.state() == state


def test_attack_63_sockets_that_never_start(twilio_target: Target) -> None:
    """Four sockets of one sender may stay pending; of more, the longest silent one is closed with 1013."""
    with ExitStack() as stack:
        lines = [stack.enter_context(RawSocket(twilio_target)) for _ in range(5)]
        assert lines[0].closed() == 1013


def test_attack_64_media_before_start(twilio_target: Target) -> None:
    expected = counted(twilio_target, rejected("before-start"))
    state = twilio_target.state()
    with RawSocket(twilio_target) as line:
        line.speak(FRAME)
        assert line.closed() == _POLICY
    twilio_target.until(rejected("before-start"), expected)
    assert twilio_target.state() == state


def test_attack_64_start_twice(twilio_target: Target) -> None:
    expected = counted(twilio_target, rejected("second-start"))
    with talking(twilio_target) as (here, line):
        line.speak(FRAME)
        line.start(here.call, here.token, here.leg)
        assert line.closed() == _POLICY
    twilio_target.until(rejected("second-start"), expected)
    assert opened(twilio_target, here.call) == 1


def test_attack_64_media_after_stop(twilio_target: Target) -> None:
    """A socket is closed after its stop frame; what follows is not read."""
    with talking(twilio_target) as (here, line):
        line.send({"event": "stop", "stop": {"accountSid": "AC", "callSid": here.leg}})
        line.speak(*[FRAME] * 10)
        assert line.closed() in (1000, 1006)


@pytest.mark.parametrize("wrong", ["unknown", "no-id", "another's", "ended"])
def test_attack_65_a_start_with_a_call_that_is_not_its_own(twilio_target: Target, wrong: str) -> None:
    """A guessed call id opens nothing that costs money (CVE-2026-40116)."""
    here, other = arrive(twilio_target), arrive(twilio_target)
    names = {"unknown": "6f1c2f7e-3b7a-4c1e-9a55-0d9f3a1b2c3d", "no-id": "*", "another's": other.call}
    call = names.get(wrong, here.call)
    if wrong == "ended":
        with RawSocket(twilio_target) as first:
            first.start(call, here.token, here.leg)
            assert first.is_open()
        twilio_target.exchange(twilio(form(here.leg, CallStatus="completed")))
    before = opened(twilio_target, here.call), opened(twilio_target, other.call)
    expected = counted(twilio_target, rejected("token"))
    with RawSocket(twilio_target) as line:
        line.start(call, here.token, here.leg)
        assert line.closed() == _POLICY
    twilio_target.until(rejected("token"), expected)
    assert (opened(twilio_target, here.call), opened(twilio_target, other.call)) == before


def test_attack_67_a_second_socket_needs_a_token_of_its_own(twilio_target: Target) -> None:
    """A used token leaves the old socket alone; a new one replaces it, and the old one's end is not recorded."""
    with talking(twilio_target) as (here, old):
        with RawSocket(twilio_target, "MZ2") as thief:
            thief.start(here.call, here.token, here.leg)
            assert thief.closed() == _POLICY
        assert old.is_open()
        resumed = twilio_target.exchange(
            twilio(form(here.leg, CallStatus="in-progress"), query=f"callId={here.call}&n=1")
        )
        with RawSocket(twilio_target, "MZ3") as new:
            new.start(here.call, token_in(resumed.body), here.leg)
            assert new.is_open()
            old.closed()
            assert new.is_open()
            ends = [event.stream for event in events_of(twilio_target, here.call) if isinstance(event, StreamClosed)]
            assert StreamId("MZ3") not in ends
    assert opened(twilio_target, here.call) == 2


def test_attack_68_frames_of_another_stream(twilio_target: Target) -> None:
    """Dropped and counted; the third closes."""
    expected = counted(twilio_target, dropped("other-stream"), 3)
    with talking(twilio_target) as (_, line):
        line.stream = "MZ9"
        line.speak(FRAME, FRAME)
        assert line.is_open()
        line.speak(FRAME)
        assert line.closed() == _POLICY
    twilio_target.until(dropped("other-stream"), expected)


@pytest.mark.parametrize(
    "payload",
    ["", "!!!!", "f39/f", "f39/fw", "f39/\nf39/", "f39/ f39/", "f39_", "f39/=f39", FRAME * 1500],
    ids=["empty", "junk", "odd", "unpadded", "newline", "space", "url-safe", "inner-padding", "thirty-seconds"],
)
def test_attack_70_payloads_no_carrier_sends(twilio_target: Target, payload: str) -> None:
    """Base64 is read strictly, and a frame of thirty seconds is refused."""
    with talking(twilio_target) as (_, line):
        line.speak(*[payload] * 3)
        assert line.closed() in (_POLICY, 1009)


def test_attack_70_a_flood_of_one_byte_frames(twilio_target: Target) -> None:
    expected = counted(twilio_target, rejected("rate"))
    with talking(twilio_target) as (_, line):
        line.speak(*["fw=="] * 10_000)
        assert line.closed() in (_POLICY, 1006)
    twilio_target.until(rejected("rate"), expected)


@pytest.mark.parametrize("chunk", ["-1", "x", "1" + "0" * 30, "1.5", "\u0661", " 1", None, [1]])
def test_attack_71_numbers_that_are_none(twilio_target: Target, chunk: object) -> None:
    with talking(twilio_target) as (_, line):
        line.speak(*[FRAME] * 3, chunk=chunk)
        assert line.closed() == _POLICY


def test_attack_71_numbers_that_jump_and_go_back(twilio_target: Target) -> None:
    """Counted as late or lost; the socket stays open."""
    expected = counted(twilio_target, dropped("late"), 2)
    with talking(twilio_target) as (_, line):
        for chunk in ("5", "4", "5", "9"):
            line.speak(FRAME, chunk=chunk)
        assert line.is_open()
    twilio_target.until(dropped("late"), expected)


def slowest_webhook(target: Target, until: float) -> float:
    """Seconds of the slowest of the webhooks that are sent one after the other until then."""
    slowest, webhook = 0.0, twilio(form(CallStatus="completed"))
    while (began := time.monotonic()) < until:
        assert target.exchange(webhook, source="127.0.0.9").status == 200
        slowest = max(slowest, time.monotonic() - began)
    return slowest


@pytest.mark.parametrize("frame", [(b"", PING), (b"{}", 1), (b"", 0)], ids=["pings", "texts", "fragments"])
@pytest.mark.parametrize("started", [False, True], ids=["before", "after"])
def test_attack_101_b1_a_flood_of_tiny_frames(
    twilio_target: Target, frame: tuple[bytes, int], *, started: bool
) -> None:
    """With or without a token: the socket is closed, and webhooks are answered meanwhile."""

    def attack(until: float) -> None:
        while time.monotonic() < until:
            with again(twilio_target) if started else socketed(twilio_target) as line:
                line.flood(*frame, seconds=until - time.monotonic())

    with ThreadPoolExecutor() as threads:
        until = time.monotonic() + 2.0
        attacks = [threads.submit(attack, until) for _ in range(2)]
        assert slowest_webhook(twilio_target, until) < 1.0
        for each in attacks:
            each.result()


@contextmanager
def again(target: Target) -> Iterator[RawSocket]:
    """A started socket; its call ends with it."""
    with talking(target) as (here, line):
        yield line
    target.exchange(twilio(form(here.leg, CallStatus="completed")))


@contextmanager
def socketed(target: Target) -> Iterator[RawSocket]:
    """A socket without a start."""
    with RawSocket(target) as line:
        yield line


def test_attack_101_b1_more_than_four_frames_before_the_start(twilio_target: Target) -> None:
    with RawSocket(twilio_target) as line:
        line.send_frames(*[b""] * 5, opcode=PING)
        assert line.closed() == _POLICY
    here = arrive(twilio_target)
    with RawSocket(twilio_target) as line:
        line.send_frames(b"a", b"b", b"c", opcode=PING)
        line.start(here.call, here.token, here.leg)
        assert line.is_open()


@pytest.mark.parametrize("count", [12, 40, 100])
def test_attack_102_b2_silent_sockets_do_not_keep_a_call_out(twilio_target: Target, count: int) -> None:
    """From the carrier's own address, as behind a proxy that is not listed."""
    here = arrive(twilio_target)
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(RawSocket(twilio_target))
        line = stack.enter_context(RawSocket(twilio_target))
        line.start(here.call, here.token, here.leg)
        assert line.is_open()


def test_attack_102_a12_a_listed_proxy_is_enough_to_tell_senders_apart(listed_target: Target) -> None:
    """Seven senders with a silent socket each; no other switch is set."""
    with ExitStack() as stack:
        lines = [
            stack.enter_context(RawSocket(listed_target, headers={"X-Forwarded-For": f"203.0.113.{number}"}))
            for number in range(7)
        ]
        time.sleep(1.0)  # longer than a silent socket is left alone
        assert listed_target.metric('voicecall_media_sockets{state="pending"}') == len(lines)
        assert all(line.answer.status == 101 for line in lines)


def test_attack_103_b14_unmasked_frames(twilio_target: Target) -> None:
    """A client masks its frames; one that does not is no carrier, or a proxy's cache is being poisoned."""
    with RawSocket(twilio_target) as line:
        line.send_raw(b"\x81\x02{}")
        assert line.closed() == 1002
    with talking(twilio_target) as (_, line):
        line.send_raw(b"\x81\x02{}")
        assert line.closed() == 1002

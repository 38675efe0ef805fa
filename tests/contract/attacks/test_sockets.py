"""Attacks 61-74: the media socket, frame by frame, on Twilio's door."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from simulators.twilio.signature import sign
from tests.contract.attacks.door import Door
from tests.contract.attacks.letters import TOKEN, form, new_leg, twilio
from tests.contract.attacks.wire import FRAME, Line, handshake
from voicecall.bus.connection import connect
from voicecall.bus.log import RedisCallLog
from voicecall.call.events import Event, StreamClosed, StreamOpened
from voicecall.call.ids import CallId, LegId, StreamId, inbound_call_id

_POLICY = 1008
_WSS = "wss://calls.example/voice/stream"


@dataclass(frozen=True)
class Arrived:
    """A call that may open one socket."""

    call: CallId
    leg: str
    token: str


def arrive(door: Door) -> Arrived:
    leg = new_leg()
    return Arrived(inbound_call_id("twilio", LegId(leg)), leg, token_in(door.knock(twilio(form(leg))).body))


def token_in(document: bytes) -> str:
    found = re.search(rb'name="token" value="([^"]+)"', document)
    assert found
    return found[1].decode()


@contextmanager
def talking(door: Door) -> Iterator[tuple[Arrived, Line]]:
    """A call with its socket open."""
    here = arrive(door)
    with Line(door) as line:
        line.start(here.call, here.token, here.leg)
        assert line.is_open()
        yield here, line


def facts(door: Door, call: CallId) -> list[Event]:
    async def read() -> list[Event]:
        redis: Redis = connect(door.redis_url)
        try:
            return [record.event for record in await RedisCallLog(redis).history(call)]
        finally:
            await redis.aclose()

    return asyncio.run(read())


def opened(door: Door, call: CallId) -> int:
    return sum(isinstance(event, StreamOpened) for event in facts(door, call))


def rejected(reason: str) -> str:
    return f'voice_media_rejected_total{{reason="{reason}"}}'


def dropped(reason: str) -> str:
    return f'voice_media_dropped_total{{reason="{reason}"}}'


def counted(door: Door, series: str, count: int = 1) -> float:
    """What `series` will be after the attack: `until` waits for it."""
    return door.metric(series) + count


def test_attack_61_a_wrong_signature_on_the_upgrade(twilio_door: Door) -> None:
    """Refused before the 101."""
    wrong = {"X-Twilio-Signature": sign("other", _WSS)}
    assert twilio_door.refuses(handshake(headers=wrong), 401) == "signature-mismatch"
    elsewhere = {"X-Twilio-Signature": sign(TOKEN, "wss://calls.example/voice/other")}
    assert twilio_door.refuses(handshake(headers=elsewhere), 401) == "signature-mismatch"


def test_attack_61_an_unsigned_upgrade_opens_nothing(twilio_door: Door) -> None:
    """Without a signature the token is the proof: no token, no stream."""
    here = arrive(twilio_door)
    state = twilio_door.state()
    with Line(twilio_door) as line:
        line.start(here.call, "", here.leg)
        assert line.closed() == _POLICY
    assert twilio_door.state() == state


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
def test_attack_62_wrong_path_and_method(twilio_door: Door, attack: bytes, status: int, reason: str) -> None:
    assert twilio_door.refuses(attack, status) == reason


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-WebSocket-Version": "7"}, 426),
        ({"Upgrade": "h2c"}, 426),
    ],
)
def test_attack_62_browsers_and_other_versions(twilio_door: Door, headers: dict[str, str], status: int) -> None:
    state = twilio_door.state()
    answer = twilio_door.knock(handshake(headers=headers))
    assert (answer.status, answer.headers["server"]) == (status, "voicecall")
    assert twilio_door.state() == state


def test_attack_63_a_crowd_that_never_starts(twilio_door: Door) -> None:
    """Four sockets of a sender may wait for their start; the next ones are told to come later."""
    with ExitStack() as stack:
        lines = [stack.enter_context(Line(twilio_door)) for _ in range(5)]
        assert lines[-1].closed() == 1013


def test_attack_64_media_before_start(twilio_door: Door) -> None:
    expected = counted(twilio_door, rejected("before-start"))
    state = twilio_door.state()
    with Line(twilio_door) as line:
        line.speak(FRAME)
        assert line.closed() == _POLICY
    twilio_door.until(rejected("before-start"), expected)
    assert twilio_door.state() == state


def test_attack_64_start_twice(twilio_door: Door) -> None:
    expected = counted(twilio_door, rejected("second-start"))
    with talking(twilio_door) as (here, line):
        line.speak(FRAME)
        line.start(here.call, here.token, here.leg)
        assert line.closed() == _POLICY
    twilio_door.until(rejected("second-start"), expected)
    assert opened(twilio_door, here.call) == 1


def test_attack_64_media_after_stop(twilio_door: Door) -> None:
    """After its stop a socket is over; what follows is not read."""
    with talking(twilio_door) as (here, line):
        line.send({"event": "stop", "stop": {"accountSid": "AC", "callSid": here.leg}})
        line.speak(*[FRAME] * 10)
        assert line.closed() in (1000, 1006)


@pytest.mark.parametrize("wrong", ["unknown", "no-id", "another's", "ended"])
def test_attack_65_a_start_with_a_call_that_is_not_its_own(twilio_door: Door, wrong: str) -> None:
    """Nothing that costs money is opened by a guess (CVE-2026-40116)."""
    here, other = arrive(twilio_door), arrive(twilio_door)
    names = {"unknown": "6f1c2f7e-3b7a-4c1e-9a55-0d9f3a1b2c3d", "no-id": "*", "another's": other.call}
    call = names.get(wrong, here.call)
    if wrong == "ended":
        with Line(twilio_door) as first:
            first.start(call, here.token, here.leg)
            assert first.is_open()
        twilio_door.knock(twilio(form(here.leg, CallStatus="completed")))
    before = opened(twilio_door, here.call), opened(twilio_door, other.call)
    expected = counted(twilio_door, rejected("token"))
    with Line(twilio_door) as line:
        line.start(call, here.token, here.leg)
        assert line.closed() == _POLICY
    twilio_door.until(rejected("token"), expected)
    assert (opened(twilio_door, here.call), opened(twilio_door, other.call)) == before


def test_attack_67_a_second_socket_needs_a_token_of_its_own(twilio_door: Door) -> None:
    """A spent token leaves the old socket alone; a fresh one replaces it, and the old one's end is no news."""
    with talking(twilio_door) as (here, old):
        with Line(twilio_door, "MZ2") as thief:
            thief.start(here.call, here.token, here.leg)
            assert thief.closed() == _POLICY
        assert old.is_open()
        resumed = twilio_door.knock(twilio(form(here.leg, CallStatus="in-progress"), query=f"callId={here.call}&n=1"))
        with Line(twilio_door, "MZ3") as new:
            new.start(here.call, token_in(resumed.body), here.leg)
            assert new.is_open()
            old.closed()
            assert new.is_open()
            ends = [event.stream for event in facts(twilio_door, here.call) if isinstance(event, StreamClosed)]
            assert StreamId("MZ3") not in ends
    assert opened(twilio_door, here.call) == 2


def test_attack_68_frames_of_another_stream(twilio_door: Door) -> None:
    """Dropped and counted; the third closes."""
    expected = counted(twilio_door, dropped("other-stream"), 3)
    with talking(twilio_door) as (_, line):
        line.stream = "MZ9"
        line.speak(FRAME, FRAME)
        assert line.is_open()
        line.speak(FRAME)
        assert line.closed() == _POLICY
    twilio_door.until(dropped("other-stream"), expected)


@pytest.mark.parametrize(
    "payload",
    ["", "!!!!", "f39/f", "f39/fw", "f39/\nf39/", "f39/ f39/", "f39_", "f39/=f39", FRAME * 1500],
    ids=["empty", "junk", "odd", "unpadded", "newline", "space", "url-safe", "inner-padding", "thirty-seconds"],
)
def test_attack_70_payloads_no_carrier_sends(twilio_door: Door, payload: str) -> None:
    """Base64 is read strictly, and a frame of thirty seconds is none."""
    with talking(twilio_door) as (_, line):
        line.speak(*[payload] * 3)
        assert line.closed() in (_POLICY, 1009)


def test_attack_70_a_flood_of_one_byte_frames(twilio_door: Door) -> None:
    expected = counted(twilio_door, rejected("rate"))
    with talking(twilio_door) as (_, line):
        line.speak(*["fw=="] * 10_000)
        assert line.closed() in (_POLICY, 1006)
    twilio_door.until(rejected("rate"), expected)


@pytest.mark.parametrize("chunk", ["-1", "x", "1" + "0" * 30, "1.5", "\u0661", " 1", None, [1]])
def test_attack_71_numbers_that_are_none(twilio_door: Door, chunk: object) -> None:
    with talking(twilio_door) as (_, line):
        line.speak(*[FRAME] * 3, chunk=chunk)
        assert line.closed() == _POLICY


def test_attack_71_numbers_that_jump_and_go_back(twilio_door: Door) -> None:
    """Counted as late or lost; the socket lives."""
    expected = counted(twilio_door, dropped("late"), 2)
    with talking(twilio_door) as (_, line):
        for chunk in ("5", "4", "5", "9"):
            line.speak(FRAME, chunk=chunk)
        assert line.is_open()
    twilio_door.until(dropped("late"), expected)

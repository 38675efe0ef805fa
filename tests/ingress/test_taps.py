"""Listening in at the ingress: what a listener gets is what the caller said and what was played to them."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingress.played import PlayedFrames
from ingress.taps import Tap, Taps
from tests.ingress.test_playout import Playback, speech
from voicecall.bus.media.taps import AGENT, CALLER, Sound
from voicecall.call.ids import CallId
from voicecall.errors import BusUnavailable
from voicecall.ports import Listen

CALL = CallId("0d0e0f00-1111-4222-8333-444455556666")
FRAME = b"\x31" * 160

moves = st.one_of(
    st.tuples(st.just("play"), st.integers(20, 900)),
    st.tuples(st.just("wait"), st.integers(1, 700)),
    st.tuples(st.just("clear"), st.just(0)),
)


@given(st.lists(moves, max_size=12))
@settings(max_examples=60)
def test_what_is_noted_is_what_the_carrier_played(script: list[tuple[str, int]]) -> None:
    """To the byte, and when: what was cleared before it was played is not in it."""
    playback = Playback()
    playback.playout.played = PlayedFrames()
    for number, (move, ms) in enumerate(script, 1):
        if move == "play":
            playback.carry_out(playback.playout.play(number, speech(number, ms), playback.now))
            playback.carry_out(playback.playout.finish(number, playback.now))
        elif move == "clear":
            playback.carry_out(playback.playout.clear(playback.now))
        else:
            playback.wait(ms / 1000)
    playback.wait(12)
    noted = playback.playout.played.until(playback.now)
    carrier = [(begin, audio[: round((end - begin) * 8000)]) for begin, end, audio in playback.carrier.played]
    assert b"".join(audio for _, audio in noted) == b"".join(audio for _, audio in carrier)
    assert all(abs(ours - theirs) < 0.02 for (ours, _), (theirs, _) in zip(noted, carrier, strict=False))


def test_what_a_pause_takes_back_is_noted_once() -> None:
    """It is sent again after the pause, and heard then."""
    playback = Playback()
    playback.playout.played = PlayedFrames()
    audio = bytes(range(1, 101)) * 40
    playback.carry_out(playback.playout.play(1, audio, playback.now))
    playback.carry_out(playback.playout.finish(1, playback.now))
    playback.wait(0.21)
    playback.carry_out(playback.playout.pause(playback.now))
    before = b"".join(frame for _, frame in playback.playout.played.until(playback.now + 1))
    playback.wait(0.5)
    assert playback.playout.played.until(playback.now) == []
    playback.carry_out(playback.playout.resume(playback.now))
    playback.wait(2)
    assert before + b"".join(frame for _, frame in playback.playout.played.until(playback.now)) == audio


class Channel:
    """Takes what is published. `present`: the listeners whose channel has a subscriber."""

    def __init__(self, *present: str) -> None:
        self.present = set(present)
        self.sounds: list[Sound] = []
        self.to: set[str] = set()
        self.arrived = asyncio.Event()
        self.down = False

    async def publish(self, listeners: Sequence[str], sounds: Sequence[Sound]) -> list[str]:
        self.arrived.set()
        if self.down:
            raise BusUnavailable("Redis does not answer")
        self.to |= set(listeners)
        self.sounds += sounds
        return [listener for listener in listeners if listener not in self.present]

    def side(self, side: int) -> bytes:
        return b"".join(sound.mulaw for sound in self.sounds if sound.side == side)


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


async def test_both_sides_arrive_joined_and_in_their_places() -> None:
    """Frames that follow each other are one sound; a gap on the line stays a gap."""
    channel, clock = Channel("anna"), Clock()
    tap = Tap(CALL, channel.publish, clock)
    tap.renew("anna", 5.0)
    running = asyncio.create_task(tap.run())
    for number in range(1, 6):
        clock.now += 0.02
        tap.on_caller_audio(number, FRAME)
        tap.played.sent(bytes([number]) * 160, clock.now)
    clock.now += 0.4
    tap.on_caller_audio(25, FRAME)
    await channel.arrived.wait()
    running.cancel()
    assert channel.side(CALLER) == FRAME * 6
    assert channel.side(AGENT) == b"".join(bytes([number]) * 160 for number in range(1, 6))
    first, second = (sound.at_ms for sound in channel.sounds if sound.side == CALLER)
    assert round(second - first) == 480


@pytest.mark.parametrize("why", ["lease", "gone"])
async def test_a_listener_who_is_gone_costs_nothing_any_more(why: str) -> None:
    """By itself: when the request is not repeated, or when nobody reads its channel."""
    channel, clock = Channel("anna" if why == "lease" else "bert"), Clock()
    changes: asyncio.Queue[bool] = asyncio.Queue()
    taps = Taps(channel.publish, clock, lambda call: changes.put_nowait(taps.of(call) is not None))
    taps.renew(Listen(CALL, "anna", 4000))
    assert await changes.get() is True
    tap = taps.of(CALL)
    assert tap is not None
    tap.on_caller_audio(1, FRAME)
    if why == "lease":
        clock.now += 4.1
    async with asyncio.timeout(5):
        assert await changes.get() is False
    await taps.close()


async def test_without_redis_audio_is_lost_and_nothing_gathers() -> None:
    """The bound is a few seconds, whatever the call says; the tap goes on when Redis is back."""
    channel, clock = Channel("anna"), Clock()
    channel.down = True
    tap = Tap(CALL, channel.publish, clock)
    tap.renew("anna", 30.0)
    for number in range(1, 1001):
        tap.on_caller_audio(number, FRAME)
    running = asyncio.create_task(tap.run())
    await channel.arrived.wait()
    channel.down = False
    channel.arrived.clear()
    clock.now += 1.0
    tap.on_caller_audio(1001, FRAME)
    await channel.arrived.wait()
    running.cancel()
    assert channel.side(CALLER) == FRAME


async def test_one_call_has_a_bounded_number_of_listeners() -> None:
    """Whoever can publish on the bus cannot make the ingress send without end."""
    names = [f"listener-{number}" for number in range(20)]
    channel, clock = Channel(*names), Clock()
    tap = Tap(CALL, channel.publish, clock)
    for name in names:
        tap.renew(name, 600.0)
    running = asyncio.create_task(tap.run())
    tap.on_caller_audio(1, FRAME)
    await channel.arrived.wait()
    assert channel.to == set(names[:8])
    clock.now += 31
    async with asyncio.timeout(5):
        await running


async def test_another_stream_goes_on_in_the_same_tap() -> None:
    """What the old socket had not played is not heard; the numbers of the new one begin anew."""
    channel, clock = Channel("anna"), Clock()
    tap = Tap(CALL, channel.publish, clock)
    tap.renew("anna", 5.0)
    old = tap.played
    old.sent(b"\x01" * 160, clock.now - 0.02)
    old.sent(b"\x02" * 160, clock.now + 0.06)
    old.cut(clock.now)
    new = tap.begin()
    new.sent(b"\x03" * 160, clock.now + 0.02)
    clock.now += 0.02
    running = asyncio.create_task(tap.run())
    await channel.arrived.wait()
    running.cancel()
    assert channel.side(AGENT) == b"\x01" * 160 + b"\x03" * 160
    at = [sound.at_ms for sound in channel.sounds]
    assert all(earlier < later for earlier, later in pairwise(at))

"""What a simulated phone takes up beside the voice: noise and echo."""

import numpy as np
import pytest

from simulators.phone.line import SILENCE
from simulators.phone.persona import Echo, Hiss, read_persona
from simulators.phone.room import Room
from simulators.tones import decode_all, encode_mulaw, pcm16_from_mulaw

pytestmark = pytest.mark.quick


def frames(mulaw: bytes) -> list[bytes]:
    return [mulaw[at : at + 160].ljust(160, b"\xff") for at in range(0, len(mulaw), 160)]


def rms(mulaw: bytes) -> float:
    return float(np.sqrt(np.mean(np.frombuffer(pcm16_from_mulaw(mulaw), "<i2").astype(float) ** 2)))


def test_a_silent_room_changes_nothing() -> None:
    assert (Room().mix(None, SILENCE), Room().mix(b"\x10" * 160, None)) == (None, b"\x10" * 160)


def test_words_are_understood_through_a_hiss() -> None:
    """It is heard while the callee says nothing, too, and ends when it is told to."""
    room = Room()
    room.hiss(400)
    assert 150 < rms(room.mix(None, None) or b"") < 300
    said = b"".join(room.mix(frame, None) or b"" for frame in frames(encode_mulaw("how is the weather")))
    assert [each.text for each in decode_all(said)] == ["how is the weather"]
    room.hiss(0)
    assert room.mix(None, None) is None


def test_an_echo_is_the_beginning_of_each_thing_heard_later_and_weaker() -> None:
    room = Room()
    room.echo(after_ms=100, for_ms=200, gain=0.2)
    heard = frames(encode_mulaw("once upon a time"))
    for _ in range(2):
        back = [room.mix(None, frame) for frame in [*heard, *[SILENCE] * 40]]
        sounding = [number for number, frame in enumerate(back) if frame is not None]
        assert (sounding[0], len(sounding)) == (5, 10)
        assert rms(back[6] or b"") == pytest.approx(0.2 * rms(heard[1]), rel=0.1)


def test_a_persona_sets_them() -> None:
    assert read_persona([{"hiss": 300}, {"echo_ms": 120, "for_ms": 260, "gain": 0.5}]).steps == (
        Hiss(300),
        Echo(120, 260, 0.5),
    )

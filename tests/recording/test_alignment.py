"""Where audio belongs in time, and the file that is made of it."""

import tempfile
import wave

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recording.calls import CALL
from voicecall.audio import mulaw
from voicecall.recording.placement import HELD_BACK, CallerTimeline, snapped
from voicecall.recording.segments import (
    AGENT,
    CALLER,
    RATE,
    Piece,
    Segment,
    gaps,
    pack,
    segment_name,
    unpack,
    window_of,
)
from voicecall.recording.wav import HEADER_BYTES, assemble

BEGIN = 14_000_000_000_000
FRAME = 160


def frame(number: int) -> bytes:
    """No two neighbours are the same."""
    return bytes([0x30 + number % 50]) * FRAME


def placed(timeline: CallerTimeline, until: int) -> list[tuple[int, bytes]]:
    """Frame by frame."""
    return [
        (piece.at + at, piece.mulaw[at : at + FRAME])
        for piece in timeline.until(until)
        for at in range(0, len(piece.mulaw), FRAME)
    ]


@given(st.lists(st.integers(0, 1500), min_size=20, max_size=120), st.integers(1, 9))
@settings(max_examples=80)
def test_delays_of_the_network_move_nothing(delays: list[int], every: int) -> None:
    """Frames that arrive late, or in a burst after a stall, are where they were spoken, as long as one was in time."""
    timeline, found, arrived = CallerTimeline(), [], BEGIN
    for number, delay in enumerate(delays):
        spoken = BEGIN + number * FRAME
        arrived = max(arrived, spoken + FRAME + (delay if number else 0))
        timeline.add(number + 1, arrived, frame(number))
        if number % every == 0:
            found += placed(timeline, arrived - HELD_BACK)
    found += placed(timeline, arrived)
    assert [audio for _, audio in found] == [frame(number) for number in range(len(delays))]
    assert [at for at, _ in found] == [BEGIN + number * FRAME for number in range(len(delays))]


@given(st.sets(st.integers(1, 98), max_size=40))
@settings(max_examples=60)
def test_a_lost_frame_leaves_its_silence(lost: set[int]) -> None:
    timeline = CallerTimeline()
    kept = [number for number in range(100) if number not in lost]
    for number in kept:
        timeline.add(number + 1, BEGIN + (number + 1) * FRAME, frame(number))
    assert placed(timeline, BEGIN + RATE * 10) == [(BEGIN + number * FRAME, frame(number)) for number in kept]


@given(st.integers(RATE // 2, RATE * 30))
@settings(max_examples=60)
def test_a_carrier_that_sends_and_counts_nothing_leaves_a_gap_of_that_length(pause: int) -> None:
    """Its numbers go on as if no time had passed."""
    timeline, found = CallerTimeline(), []
    for number in range(200):
        arrived = BEGIN + (number + 1) * FRAME + (pause if number >= 100 else 0)
        timeline.add(number + 1, arrived, frame(number))
        found += placed(timeline, arrived - HELD_BACK)
    found += placed(timeline, BEGIN + RATE * 60)
    expected = [BEGIN + number * FRAME + (pause if number >= 100 else 0) for number in range(200)]
    assert [at for at, _ in found] == expected


def test_a_time_that_rounding_moved_follows_without_a_gap() -> None:
    assert [snapped(at, 800) for at in (800.6, 799.4, 802.0, 1600.2)] == [800, 800, 802, 1600]


def wav_of(segments: list[Segment], begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """The two channels."""
    with tempfile.TemporaryFile() as file:
        size = assemble(file, segments, begin, end)
        assert size == file.seek(0, 2) == HEADER_BYTES + 4 * (end - begin)
        file.seek(0)
        with wave.open(file, "rb") as read:
            assert (read.getnchannels(), read.getsampwidth(), read.getframerate()) == (2, 2, RATE)
            both = np.frombuffer(read.readframes(read.getnframes()), dtype="<i2")
    return both[0::2], both[1::2]


pieces = st.builds(
    Piece, st.sampled_from([CALLER, AGENT]), st.integers(-500, 3000), st.binary(min_size=1, max_size=700)
)


@given(st.lists(pieces, max_size=12), st.integers(0, 3000))
@settings(max_examples=120)
def test_the_file_has_every_sample_in_its_place_and_silence_elsewhere(laid: list[Piece], length: int) -> None:
    """As if the pieces were laid on a timeline one after the other; what is outside of the file is not in it."""
    expected = np.zeros((2, 5000), dtype="<i2")
    for piece in laid:
        at = piece.at + 1000
        expected[piece.side][at : at + len(piece.mulaw)] = np.frombuffer(mulaw.decode(piece.mulaw), dtype="<i2")
    moved = [Piece(piece.side, BEGIN + piece.at, piece.mulaw) for piece in laid]
    left, right = wav_of([Segment(BEGIN, BEGIN + length, (piece,)) for piece in moved], BEGIN, BEGIN + length)
    assert np.array_equal(left, expected[0][1000 : 1000 + length])
    assert np.array_equal(right, expected[1][1000 : 1000 + length])


@given(st.lists(pieces, max_size=5), st.binary(max_size=40), st.integers(0, 2000))
def test_a_segment_is_read_as_it_was_written_and_other_bytes_are_none(laid: list[Piece], junk: bytes, cut: int) -> None:
    """Torn ones too."""
    segment = Segment(BEGIN, BEGIN + 16_000, tuple(laid))
    data = pack(segment)
    assert unpack(data) == segment
    assert unpack(junk) is None
    assert cut >= len(data) or unpack(data[:cut]) is None
    assert window_of(segment_name(CALL, segment, "abc")) == (BEGIN, BEGIN + 16_000)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 60)), max_size=10))
def test_gaps_are_what_no_window_covers(windows: list[tuple[int, int]]) -> None:
    spans = [(first, first + length) for first, length in windows]
    covered = {at for first, last in spans for at in range(first, last)}
    found = gaps(spans, 20, 180)
    assert {at for first, last in found for at in range(first, last)} == set(range(20, 180)) - covered
    assert found == sorted(found)

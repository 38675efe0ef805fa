"""Silence is sent in batches of five, speech at once; nothing is lost or reordered."""

from hypothesis import given
from hypothesis import strategies as st

from ingress.uplink import BATCH, LINGER_FRAMES, RECENT_FRAMES, Run, SilenceBatcher, Uplink

QUIET = b"\xff" * 160
HISS = bytes((0x7E, 0xFA, 0xF0, 0x6C)) * 40
VOICE = b"\x20\xa0" * 80


def taken(silence: SilenceBatcher, frames: list[tuple[int, bytes]]) -> list[Run]:
    return [run for number, mulaw in frames for run in silence.take(number, mulaw)]


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([QUIET, HISS, VOICE, b"\xff" * 80])), max_size=400))
def test_every_frame_leaves_once_and_in_order(steps: list[tuple[int, bytes]]) -> None:
    """The runs, joined, are the frames that came in, each under its own number; at most four wait."""
    silence, number, frames = SilenceBatcher(), 0, []
    for step, mulaw in steps:
        number += step
        frames.append((number, mulaw))
    runs = taken(silence, frames)
    arrived: list[tuple[int, bytes]] = []
    remaining = iter(frames)
    for at, audio in runs:
        rest, place = audio, at
        while rest:
            expected_number, expected = next(remaining)
            assert (place, rest[: len(expected)]) == (expected_number, expected)
            arrived.append((place, expected))
            rest, place = rest[len(expected) :], place + 1
    assert len(frames) - len(arrived) < BATCH


def test_speech_leaves_at_once_with_the_silence_that_waited() -> None:
    """The first word is not delayed, and the silence before it keeps its place."""
    silence = SilenceBatcher()
    taken(silence, [(n, QUIET) for n in range(1, LINGER_FRAMES + 1)])
    assert silence.take(51, QUIET) == []
    assert silence.take(52, HISS) == []
    assert silence.take(53, VOICE) == [(51, QUIET + HISS + VOICE)]
    assert silence.take(54, VOICE) == [(54, VOICE)]


def test_the_silence_that_ends_an_utterance_is_not_held_back() -> None:
    """STT counts it: a second of silence is sent frame by frame, and only then in batches."""
    silence = SilenceBatcher()
    silence.take(1, VOICE)
    assert [len(silence.take(2 + n, QUIET)) for n in range(LINGER_FRAMES)] == [1] * LINGER_FRAMES
    more = taken(silence, [(52 + n, QUIET) for n in range(10)])
    assert more == [(52, QUIET * 5), (57, QUIET * 5)]


def test_a_lost_frame_ends_a_run() -> None:
    """A run has one number, that of its first frame, so it has no gap."""
    silence = SilenceBatcher()
    taken(silence, [(n, QUIET) for n in range(1, LINGER_FRAMES + 1)])
    assert silence.take(51, QUIET) == []
    assert silence.take(53, QUIET) == [(51, QUIET)]
    assert silence.take(54, VOICE) == [(53, QUIET + VOICE)]


def test_forgotten_silence_is_not_sent_to_the_next_worker() -> None:
    """After a change of worker, the new one starts with the next frame."""
    silence = SilenceBatcher()
    taken(silence, [(n, QUIET) for n in range(1, LINGER_FRAMES + 2)])
    silence.forget()
    assert silence.take(60, VOICE) == [(60, VOICE)]


def test_c3_what_was_sent_last_is_released_again_before_what_was_held() -> None:
    """To a worker that takes over, in one run when nothing is missing between."""
    uplink = Uplink()
    for number in range(1, RECENT_FRAMES + 11):
        uplink.sent(number, VOICE)
    uplink.recall()
    uplink.hold(RECENT_FRAMES + 11, QUIET)
    assert uplink.release() == [(11, VOICE * RECENT_FRAMES + QUIET)]
    uplink.recall()
    assert uplink.release() == []

"""Caller frames leave in order, whatever order they arrive in, and without delay when they arrive in order."""

from hypothesis import given
from hypothesis import strategies as st

from ingress.uplink import REORDERED_FRAMES, Uplink


def passed(uplink: Uplink, *chunks: int) -> list[list[int]]:
    """For each frame that arrives, the numbers of those that leave. A frame's audio is the carrier's number for it."""
    return [[number for number, _ in uplink.order(chunk, str(chunk).encode())] for chunk in chunks]


def test_frames_in_order_leave_at_once() -> None:
    """A carrier that keeps the order pays no delay."""
    assert passed(Uplink(), 1, 2, 3, 4) == [[1], [2], [3], [4]]


def test_frames_that_overtook_others_wait_for_them() -> None:
    """Telnyx does not promise the order, so the number decides."""
    uplink = Uplink()
    assert passed(uplink, 1, 3, 2, 5, 6, 4, 7) == [[1], [], [2, 3], [], [], [4, 5, 6], [7]]
    assert (uplink.late, uplink.lost) == (0, 0)


def test_a_frame_that_never_comes_is_waited_for_sixty_milliseconds_once() -> None:
    """Then it is lost, and the frames after it leave."""
    uplink = Uplink()
    assert passed(uplink, 1, 3, 4, 5, 6, 2) == [[1], [], [], [3, 4, 5], [6], []]
    assert (uplink.late, uplink.lost) == (1, 1)


def test_a_hole_too_wide_to_fill_is_not_waited_for() -> None:
    uplink = Uplink()
    assert passed(uplink, 1, 3, 9, 10) == [[1], [], [3, 9], [10]]
    assert uplink.lost == 6


def test_a_count_may_begin_anywhere() -> None:
    """Some carriers count the start message too: the first frame must not wait for a frame that does not exist."""
    uplink = Uplink()
    assert passed(uplink, 2, 3, 1) == [[2], [3], []]
    assert (uplink.late, uplink.lost) == (1, 0)


def test_a_repeated_frame_is_dropped() -> None:
    uplink = Uplink()
    assert passed(uplink, 1, 2, 2, 1, 4, 4, 3) == [[1], [2], [], [], [], [], [3, 4]]
    assert (uplink.late, uplink.lost) == (3, 0)


def test_frames_without_numbers_come_one_after_the_other() -> None:
    """A minimal Twilio-compatible server may send no numbers; every frame of it is used."""
    assert passed(Uplink(), 0, 0, 3, 0) == [[1], [2], [3], [4]]


def test_an_absurd_number_does_not_make_later_frames_late() -> None:
    """After 10^9 every real frame would be late, and after a new count from 1 as well (attack 71)."""
    uplink = Uplink()
    assert passed(uplink, 1, 10**9, 10**9 + 1, 4, 5) == [[1], [2], [3], [4], [5]]
    assert passed(uplink, *range(6, 4000), 1, 2)[-2:] == [[4000], [4001]]


@given(st.lists(st.integers(0, 2 * REORDERED_FRAMES), min_size=1, max_size=60))
def test_frames_leave_once_in_order_and_within_the_window(delays: list[int]) -> None:
    """No more than the window is held, no frame is invented, and each keeps its own audio."""
    arrivals = sorted(range(len(delays)), key=lambda place: (place + delays[place], place))
    uplink, numbers = Uplink(), []
    for count, place in enumerate(arrivals, start=1):
        ready = uplink.order(place + 1, str(place + 1).encode())
        assert all(audio == str(number).encode() for number, audio in ready)
        numbers += [number for number, _ in ready]
        assert 0 <= count - len(numbers) - uplink.late < REORDERED_FRAMES
    assert numbers == sorted(set(numbers))
    orderly = arrivals == sorted(arrivals)
    assert not orderly or numbers == [place + 1 for place in arrivals]

"""The caller's frames in their order, whatever order they come in; and what that costs when they come in it."""

from hypothesis import given
from hypothesis import strategies as st

from ingress.uplink import REORDERED_FRAMES, Uplink


def heard(uplink: Uplink, *chunks: int) -> list[list[int]]:
    """For each frame that comes, the numbers of those that go on. The audio of a frame is its carrier's number."""
    return [[number for number, _ in uplink.order(chunk, str(chunk).encode())] for chunk in chunks]


def test_frames_in_order_go_on_at_once() -> None:
    """Whoever needs no window pays for none."""
    assert heard(Uplink(), 1, 2, 3, 4) == [[1], [2], [3], [4]]


def test_frames_that_overtook_others_wait_for_them() -> None:
    """Telnyx: order is not promised, so a frame's number is its place."""
    uplink = Uplink()
    assert heard(uplink, 1, 3, 2, 5, 6, 4, 7) == [[1], [], [2, 3], [], [], [4, 5, 6], [7]]
    assert (uplink.late, uplink.lost) == (0, 0)


def test_a_frame_that_never_comes_is_waited_for_sixty_milliseconds_once() -> None:
    """Then it is lost, and what comes after it is not held up."""
    uplink = Uplink()
    assert heard(uplink, 1, 3, 4, 5, 6, 2) == [[1], [], [], [3, 4, 5], [6], []]
    assert (uplink.late, uplink.lost) == (1, 1)


def test_a_hole_too_wide_to_fill_is_not_waited_for() -> None:
    uplink = Uplink()
    assert heard(uplink, 1, 3, 9, 10) == [[1], [], [3, 9], [10]]
    assert uplink.lost == 6


def test_a_count_may_begin_anywhere() -> None:
    """Some count the start message too: the first frame is not made to wait for one that nobody sends."""
    uplink = Uplink()
    assert heard(uplink, 2, 3, 1) == [[2], [3], []]
    assert (uplink.late, uplink.lost) == (1, 0)


def test_a_frame_is_heard_once() -> None:
    uplink = Uplink()
    assert heard(uplink, 1, 2, 2, 1, 4, 4, 3) == [[1], [2], [], [], [], [], [3, 4]]
    assert (uplink.late, uplink.lost) == (3, 0)


def test_frames_without_numbers_come_one_after_the_other() -> None:
    """A bare Twilio of somebody else's counts nothing; every frame of it is heard."""
    assert heard(Uplink(), 0, 0, 3, 0) == [[1], [2], [3], [4]]


def test_a_number_out_of_this_world_does_not_deafen_us() -> None:
    """After 10^9 every true frame would be "late", and after a new count from 1 as well (attack 71)."""
    uplink = Uplink()
    assert heard(uplink, 1, 10**9, 10**9 + 1, 4, 5) == [[1], [2], [3], [4], [5]]
    assert heard(uplink, *range(6, 4000), 1, 2)[-2:] == [[4000], [4001]]


@given(st.lists(st.integers(0, 2 * REORDERED_FRAMES), min_size=1, max_size=60))
def test_whatever_comes_goes_on_once_in_order_and_soon(delays: list[int]) -> None:
    """No more than the window is ever held, nothing is invented, and each frame carries its own audio."""
    arrivals = sorted(range(len(delays)), key=lambda place: (place + delays[place], place))
    uplink, numbers = Uplink(), []
    for count, place in enumerate(arrivals, start=1):
        passed = uplink.order(place + 1, str(place + 1).encode())
        assert all(audio == str(number).encode() for number, audio in passed)
        numbers += [number for number, _ in passed]
        assert 0 <= count - len(numbers) - uplink.late < REORDERED_FRAMES
    assert numbers == sorted(set(numbers))
    orderly = arrivals == sorted(arrivals)
    assert not orderly or numbers == [place + 1 for place in arrivals]

"""Which WebSocket frames pass, in whatever pieces they arrive."""

from hypothesis import given
from hypothesis import strategies as st

from voicecall.websocket_frames import AT_ONCE, CONTROL_BURST, FRAGMENTS, FrameCheck

TEXT, CONTINUATION, PING = 1, 0, 9


class Recorder:
    """Takes what a WebSocket reader would read."""

    def __init__(self) -> None:
        self.data = b""

    def feed_eof(self) -> None:
        self.data += b"EOF"

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return data.startswith(b"\xff"), b""

    @property
    def refused(self) -> bool:
        return self.data.endswith(b"\xff\x80\0\0\0\0")


def frame(payload: bytes = b"", opcode: int = TEXT, *, masked: bool = True, last: bool = True) -> bytes:
    size, mask = len(payload), 0x80 if masked else 0
    first = opcode | (0x80 if last else 0)
    if size < 126:
        head = bytes((first, mask | size))
    elif size < 65_536:
        head = bytes((first, mask | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, mask | 127)) + size.to_bytes(8, "big")
    return head + (b"\x01\x02\x03\x04" if masked else b"") + payload


def check(clock: float = 0.0) -> tuple[FrameCheck, Recorder]:
    recorder = Recorder()
    return FrameCheck(recorder, lambda: clock), recorder


@given(
    st.lists(st.sampled_from([b"", b"x" * 5, b"x" * 125, b"x" * 126, b"x" * 300, b"x" * 70_000]), max_size=6),
    st.lists(st.integers(1, 400), max_size=12),
)
def test_b14_masked_frames_pass_in_any_pieces(payloads: list[bytes], cuts: list[int]) -> None:
    frames, recorder = check()
    sent = b"".join(map(frame, payloads))
    rest = sent
    for cut in cuts:
        frames.feed_data(rest[:cut])
        rest = rest[cut:]
    frames.feed_data(rest)
    assert recorder.data == sent


@given(st.integers(0, 6), st.sampled_from([b"", b"x" * 126, b"x" * 300]), st.booleans())
def test_b14_an_unmasked_frame_is_refused_wherever_it_is(before: int, payload: bytes, one_by_one: bool) -> None:
    """RFC 6455, 5.1: a server closes the connection on an unmasked frame."""
    frames, recorder = check()
    good = frame(b"y" * 200) * before
    sent = good + frame(payload, masked=False) + frame(b"after")
    ends = [frames.feed_data(bytes((byte,))) for byte in sent] if one_by_one else [frames.feed_data(sent)]
    assert recorder.data == good + b"\xff\x80\0\0\0\0"
    assert any(end for end, _ in ends)


def test_b14_nothing_passes_after_a_refusal() -> None:
    frames, recorder = check()
    frames.feed_data(frame(masked=False))
    assert frames.feed_data(frame(b"x" * 200)) == (True, b"")
    assert recorder.refused


def test_b1_pings_are_metered() -> None:
    """Three megabytes a second of empty pings are half a million frames: a webhook waited for seconds."""
    frames, recorder = check()
    for _ in range(CONTROL_BURST):
        frames.feed_data(frame(opcode=PING))
    assert not recorder.refused
    frames.feed_data(frame(opcode=PING))
    assert recorder.refused


def test_b1_a_ping_now_and_then_is_never_refused() -> None:
    now = [0.0]
    recorder = Recorder()
    frames = FrameCheck(recorder, lambda: now[0])
    for _ in range(5 * CONTROL_BURST):
        now[0] += 0.2
        frames.feed_data(frame(opcode=PING))
    assert not recorder.refused


def test_b1_a_read_full_of_tiny_frames_is_refused() -> None:
    frames, recorder = check()
    frames.feed_data(frame(b"{}") * (AT_ONCE + 1))
    assert recorder.refused


def test_b1_empty_fragments_are_counted() -> None:
    """They make no message, so no meter of messages sees them."""
    frames, recorder = check()
    frames.feed_data(frame(b"{", last=False))
    for _ in range(FRAGMENTS - 1):
        frames.feed_data(frame(opcode=CONTINUATION, last=False))
    frames.feed_data(frame(b"}", opcode=CONTINUATION))
    assert not recorder.refused
    frames.feed_data(frame(b"{", last=False))
    for _ in range(FRAGMENTS):
        frames.feed_data(frame(opcode=CONTINUATION, last=False))
    assert recorder.refused

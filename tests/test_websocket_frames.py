"""Which WebSocket frames pass, in whatever pieces they arrive."""

from typing import Any, Final

import pytest
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_websocket import WebSocketReader
from hypothesis import given
from hypothesis import strategies as st

from voicecall.websocket_frames import AT_ONCE, CONTROL_BURST, FRAGMENTS, FrameCheck

TEXT, CONTINUATION, PING = 1, 0, 9
LONG: Final = 126  # bytes of a text that may be offered


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


def said(payload: bytes, opcode: int = TEXT, *, last: bool = True) -> bytes:
    """A frame whose payload is masked, as `frame` says in its head."""
    return frame(bytes(byte ^ b"\1\2\3\4"[place % 4] for place, byte in enumerate(payload)), opcode, last=last)


class Task:
    """A receiver, and the task behind aiohttp's own reader, which comes to read only now and then."""

    def __init__(self) -> None:
        loop: Any = None  # nothing here waits
        self._queue = WebSocketDataQueue(BaseProtocol(loop), 1 << 20, loop=loop)
        self._reader = WebSocketReader(self._queue, 1 << 20, compress=False, decode_text=True)
        self.frames = FrameCheck(self._reader)
        self.frames.receiver = self.take
        self.heard: list[bytes] = []
        self.taken = 0
        self.left = 0  # texts that are left to the task though they are offered

    def take(self, payload: bytearray) -> bool:
        if payload.startswith(b"mark"):
            self.left += 1
            return False
        self.taken += 1
        self.heard.append(bytes(payload))
        return True

    def read(self) -> None:
        while self._queue._buffer:
            with pytest.raises(StopIteration) as read:
                self._queue.read().send(None)
            message = read.value.value
            self.frames.read += 1
            if message.type is WSMsgType.TEXT:
                self.heard.append(message.data.encode())


# What a carrier sends: audio, a mark, a short text, a ping, one message in two fragments.
_SENT = st.lists(st.sampled_from(["audio", "mark", "short", "ping", "pieces"]), max_size=30)


def sent_as(kinds: list[str]) -> tuple[bytes, list[bytes]]:
    """The bytes, and the texts that they say."""
    data, texts = b"", []
    for number, kind in enumerate(kinds):
        text = f"{kind} {number} ".encode().ljust(0 if kind == "short" else LONG, b".")
        if kind == "ping":
            data += frame(b"", PING)
            continue
        texts.append(text)
        if kind == "pieces":
            data += said(text[:50], last=False) + said(text[50:], CONTINUATION)
        else:
            data += said(text)
    return data, texts


@given(_SENT, st.lists(st.tuples(st.integers(1, 700), st.booleans()), max_size=40))
def test_no_text_overtakes_another(kinds: list[str], cuts: list[tuple[int, bool]]) -> None:
    """Texts are taken in the callback or read by the task, in any pieces, however late the task is: in their order."""
    task = Task()
    rest, texts = sent_as(kinds)
    for cut, reads in cuts:
        task.frames.feed_data(rest[:cut])
        rest = rest[cut:]
        if reads:
            task.read()
    task.frames.feed_data(rest)
    task.read()
    assert task.heard == texts


def test_a_whole_text_is_taken_unmasked_and_one_that_is_left_goes_to_the_task() -> None:
    task = Task()
    audio, mark = b"audio".ljust(LONG, b"."), b"mark".ljust(LONG, b".")
    task.frames.feed_data(said(audio) * 3)
    task.frames.feed_data(said(mark))
    task.frames.feed_data(said(audio))  # must wait for the mark
    assert (task.taken, task.left) == (3, 1)
    task.read()
    task.frames.feed_data(said(audio))
    assert task.taken == 4
    assert task.heard == [audio, audio, audio, mark, audio, audio]


def test_a_text_inside_a_fragmented_message_is_left_to_aiohttp() -> None:
    """RFC 6455, 5.4: fragments of one message are not interleaved with another; aiohttp closes the socket."""
    task = Task()
    task.frames.feed_data(said(b"{", last=False))
    task.frames.feed_data(said(b"audio".ljust(LONG, b".")))
    assert task.taken == 0

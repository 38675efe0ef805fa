"""Frames: equal, complete, in order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from voicecall.audio.framing import FRAME_BYTES, Framer


@settings(deadline=None)  # a property, not a time
@given(st.lists(st.binary(max_size=500)))
def test_frames_are_the_stream_cut_every_20_ms_and_padded_with_silence(chunks: list[bytes]) -> None:
    """Nothing is lost, repeated or moved, for any chunks; only the last frame is padded."""
    framer = Framer()
    frames = [frame for chunk in chunks for frame in framer.feed(chunk)] + framer.flush()
    stream = b"".join(chunks)
    assert all(len(frame) == FRAME_BYTES for frame in frames)
    assert b"".join(frames) == stream + b"\xff" * (-len(stream) % FRAME_BYTES)


def test_a_flushed_framer_is_as_new() -> None:
    """One framer serves a call's utterances one after the other."""
    framer = Framer()
    framer.feed(b"\x01")
    assert [frame[:2] for frame in framer.flush()] == [b"\x01\xff"]
    assert framer.flush() == []

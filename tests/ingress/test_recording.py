"""Recording at the ingress: segments of both sides, each in its place; and what happens while the store fails."""

import asyncio
from pathlib import Path

import pytest

from ingress.recording import StreamRecorder, StreamRecorders
from voicecall.call.ids import CallId, StreamId
from voicecall.errors import RecordingStoreUnavailable
from voicecall.recording.segments import AGENT, CALLER, RATE, Segment, end_mark, gaps, segment_folder, unpack, window_of
from voicecall.recording.store import DirectoryStore

CALL = CallId("0d0e0f00-1111-4222-8333-444455556666")
STREAM = StreamId("MZ1")
AHEAD_S = 1_700_000_000.0
FRAME = b"\x31" * 160


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def side(segments: list[Segment], which: int) -> list[tuple[int, int]]:
    """Where the audio of a side is, as spans in milliseconds from the beginning."""
    begin = segments[0].begin
    return [
        ((piece.at - begin) * 1000 // RATE, (piece.at + len(piece.mulaw) - begin) * 1000 // RATE)
        for segment in segments
        for piece in segment.pieces
        if piece.side == which
    ]


def joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if runs and runs[-1][1] == first:
            runs[-1] = runs[-1][0], last
        else:
            runs.append((first, last))
    return runs


def test_segments_follow_each_other_and_hold_both_sides_in_their_places() -> None:
    """The agent's buffer was cleared in the middle of a frame: to the sample."""
    clock, segments = Clock(), []
    recorder = StreamRecorder(CALL, STREAM, clock, AHEAD_S)
    for number in range(1, 501):
        clock.now = 100 + number * 0.02
        recorder.on_caller_audio(number, FRAME)
        if 100 < number <= 200:
            recorder.played.sent(FRAME, clock.now + 0.5)
        if number == 200:
            clock.now += 0.005
            recorder.played.cut(clock.now)
        if number % 25 == 0 and (segment := recorder.take()) is not None:
            segments.append(segment)
    last = recorder.take(last=True)
    assert last is not None
    segments.append(last)
    assert gaps([(each.begin, each.end) for each in segments], segments[0].begin, last.end) == []
    assert joined(side(segments, CALLER)) == [(0, 10_000)]
    assert joined(side(segments, AGENT)) == [(2500, 4005)]


async def recorded(recorders: StreamRecorders, clock: Clock, frames: int) -> None:
    recorder = recorders.begin(CALL, STREAM)
    for number in range(1, frames + 1):
        clock.now += 0.02
        recorder.on_caller_audio(number, FRAME)
    recorders.end(recorder)
    running = asyncio.create_task(recorders.run())
    await recorders.flush()
    running.cancel()


async def test_what_is_recorded_is_in_the_store_with_a_mark_at_its_end(tmp_path: Path) -> None:
    clock, store = Clock(), DirectoryStore(tmp_path)
    await recorded(StreamRecorders(store, lambda: AHEAD_S + clock(), clock), clock, 200)
    names = await asyncio.to_thread(store.names, segment_folder(CALL))
    assert end_mark(CALL, STREAM) in names
    (name,) = [each for each in names if window_of(each) is not None]
    data = await asyncio.to_thread(store.get, name)
    assert data is not None
    segment = unpack(data)
    assert segment is not None
    assert joined(side([segment], CALLER)) == [(0, 4000)]


async def test_a_store_that_comes_back_gets_what_waited(tmp_path: Path) -> None:
    """A file stands where the directory should be, for a second."""
    clock, store = Clock(), DirectoryStore(tmp_path / "kept")
    await asyncio.to_thread((tmp_path / "kept").write_text, "in the way")
    recorders = StreamRecorders(store, lambda: AHEAD_S + clock(), clock)
    asyncio.get_running_loop().call_later(0.5, (tmp_path / "kept").unlink)
    with pytest.raises(RecordingStoreUnavailable, match="see that the directory exists"):
        await asyncio.to_thread(store.put, "a", b"")
    await recorded(recorders, clock, 50)
    assert len(await asyncio.to_thread(store.names, segment_folder(CALL))) == 2

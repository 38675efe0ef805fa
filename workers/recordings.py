"""Joins the segments of an ended call into its recording, and deletes recordings.

Part of archiving: it may run again at any moment and on another worker, and the result is the same. It waits a moment
for the last segments, which the ingress writes after the end of a call. What no segment covers is silence of the same
length in the file, and is named in what this returns.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from voicecall.call.events import Event, StreamOpened
from voicecall.call.ids import CallId, NodeId
from voicecall.call.state import Call
from voicecall.errors import VoicecallError
from voicecall.metrics import RECORDINGS
from voicecall.recording import RecordingStore
from voicecall.recording.segments import (
    RATE,
    Segment,
    Window,
    end_mark,
    facts_name,
    folder,
    gaps,
    recording_name,
    segment_folder,
    unpack,
    window_of,
)
from voicecall.recording.wav import assemble

__all__ = ["Recordings", "SegmentsAwaited"]

_log = logging.getLogger(__name__)

_FLUSHED_S: Final = 8.0  # an ingress that stopped in order has written everything by then
_WAIT_S: Final = 75.0  # after the end of a call for its last segments, where no mark says that they have come
_SHORT: Final = RATE // 10  # a gap between two windows that is none: the streams follow each other
_BEGINNING: Final = RATE  # from the decision to record until the ingress has got it


class SegmentsAwaited(VoicecallError):
    """The last segments of the call may still come: try again in a moment."""

    retryable = True


class Recordings:
    """Every method blocks, and raises RecordingStoreUnavailable."""

    def __init__(self, store: RecordingStore) -> None:
        self._store = store

    def joined(
        self, call: Call, history: Sequence[Event], now: float, is_dead: Callable[[NodeId], bool]
    ) -> dict[str, Any]:
        """The facts of the recording, for the call's record; joins it when that was not done. Raises SegmentsAwaited.

        `now`: epoch seconds. `is_dead`: whether an ingress is gone, with what it had not written.
        """
        facts = self._store.get(facts_name(call.id))
        if facts is not None:
            self._store.delete(segment_folder(call.id))  # as far as the one that joined it did not come to that
            found: dict[str, Any] = orjson.loads(facts)
            return found
        names = self._store.names(segment_folder(call.id))
        if not call.recording.may_be_kept:
            return self._dropped(call, names)
        since_s = now - (call.ended_at or now)
        if since_s < _WAIT_S:
            unfinished = _unfinished(call, history, names)
            if any(since_s < _FLUSHED_S or not is_dead(ingress) for ingress in unfinished):
                raise SegmentsAwaited("the last segments of the recording may still come")
        return self._join(call, [name for name in names if window_of(name) is not None])

    def delete(self, call: CallId) -> int:
        """Delete everything of this call. Returns how many objects there were."""
        return self._store.delete(folder(call))

    def prune(self, before: float) -> int:
        """Delete what was written before that time. Returns of how many calls."""
        old = self._store.older(before)
        for name in old:
            self._store.delete(name)
        return len(old)

    def _dropped(self, call: Call, names: Sequence[str]) -> dict[str, Any]:
        """Without consent nothing is kept: an announcement that was not heard to its end is none."""
        if names:
            self._store.delete(folder(call.id))
            RECORDINGS.labels("dropped").inc()
            _log.info("recording without consent deleted", extra={"call_id": call.id})
        return {"state": "none"}

    def _join(self, call: Call, names: Sequence[str]) -> dict[str, Any]:
        windows = sorted(window for name in names if (window := window_of(name)) is not None)
        begin, end = _span(call, windows)
        missing = _missing(windows, begin, end)
        if not windows:
            return self._finished(call, {"state": "lost", "missing": _named(missing, begin)})
        with tempfile.TemporaryDirectory(prefix="voicecall-recording-") as directory:
            path = Path(directory) / "joined.wav"
            unreadable: list[Window] = []
            with path.open("w+b") as file:
                size = assemble(file, self._segments(names, unreadable), begin, end)
            self._store.put_file(recording_name(call.id), path)
        missing = sorted([*missing, *unreadable])
        return self._finished(
            call,
            {
                "state": "partial" if missing else "whole",
                "startedAt": round(begin * 1000 / RATE),
                "durationMs": round((end - begin) * 1000 / RATE),
                "bytes": size,
                "missing": _named(missing, begin),
            },
        )

    def _finished(self, call: Call, facts: dict[str, Any]) -> dict[str, Any]:
        """The facts last: where they are, the recording is."""
        self._store.put(facts_name(call.id), orjson.dumps(facts))
        self._store.delete(segment_folder(call.id))
        RECORDINGS.labels(facts["state"]).inc()
        missing_ms = sum(gap["toMs"] - gap["fromMs"] for gap in facts["missing"])
        level = logging.WARNING if facts["missing"] else logging.INFO
        extra = {"call_id": call.id, "state": facts["state"], "missing_ms": missing_ms}
        _log.log(level, "recording joined", extra=extra)
        return facts

    def _segments(self, names: Sequence[str], unreadable: list[Window]) -> Iterator[Segment]:
        for name in sorted(names, key=lambda name: (window_of(name) or (0, 0), name)):
            data = self._store.get(name)
            segment = None if data is None else unpack(data)
            window = window_of(name)
            if segment is not None:
                yield segment
            elif window is not None:
                _log.error("segment of a recording is unreadable", extra={"segment": name})
                unreadable.append(window)


def _unfinished(call: Call, history: Sequence[Event], names: Sequence[str]) -> set[NodeId]:
    """The ingresses that may still write: of their streams no mark says that everything is there."""
    opened = [event for event in history if isinstance(event, StreamOpened) and event.records]
    return {event.ingress for event in opened if end_mark(call.id, event.stream) not in names}


def _span(call: Call, windows: Sequence[Window]) -> Window:
    """From the first sample to the last: what was recorded, and what should have been."""
    since = round((call.recording.since or call.started_at) * RATE)
    ended = round((call.ended_at or call.started_at) * RATE)
    if not windows:
        return since, max(since, ended)
    first = windows[0][0]
    begin = first if first - since < _BEGINNING else since
    return begin, max(ended, *(last for _, last in windows))


def _missing(windows: Sequence[Window], begin: int, end: int) -> list[Window]:
    """What was not recorded; the moment between the last frame and the end of the call is no gap."""
    return [(a, b) for a, b in gaps(windows, begin, end) if b - a > (_BEGINNING if b == end else _SHORT)]


def _named(missing: Sequence[Window], begin: int) -> list[dict[str, int]]:
    """Milliseconds from the beginning of the recording."""
    return [{"fromMs": round((a - begin) * 1000 / RATE), "toMs": round((b - begin) * 1000 / RATE)} for a, b in missing]

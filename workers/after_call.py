"""What a worker does with a call that is over: summarise it, archive it or forget it; and remove old ones.

Runs on dramatiq's threads, a few at a time, so that a ring always finds one free; everything of Redis runs on the
node's loop. While the database is unreachable a call stays due, and complete in Redis.
"""

import logging
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

from voicecall.archive import CallArchive, JsonLinesFile, ended_record, replayed, turns_of
from voicecall.bus.ended import RETENTION_S, ArchiveClaim, ArchiveResult
from voicecall.bus.ingresses import Ingresses
from voicecall.bus.reports import Reports
from voicecall.call.events import Event
from voicecall.call.ids import CallId, NodeId
from voicecall.call.state import Call
from voicecall.errors import ArchiveUnavailable, RecordingStoreUnavailable, VoicecallError
from voicecall.metrics import ARCHIVE_PRUNED, ARCHIVED, CALL_SECONDS
from voicecall.recording import open_store
from voicecall.settings import Settings
from voicecall.tracing import Traces, call_spans
from voicecall.wire import Undecodable
from workers.node import Parts
from workers.recordings import Recordings, SegmentsAwaited

__all__ = ["AfterCall", "ArchiveBusy", "OnNode", "summary_of"]

_log = logging.getLogger(__name__)

_FAILED = ARCHIVED.labels("failed")

T = TypeVar("T")

_CONCURRENT: Final = 2
_KEEP_S: Final = 86_400.0  # an archived call stays readable in Redis for so long
_DAY_S: Final = 86_400.0
_LOG_EVERY_S: Final = 30.0
_NEWER_BUILD_S: Final = 86_400.0  # a build that can read a snapshot is deployed by then, or never
_EVICT_LIMIT: Final = 500


class OnNode(Protocol):
    """Runs a coroutine of the node on its loop, from another thread. Raises BusUnavailable."""

    def __call__(self, work: Callable[[Parts], Coroutine[Any, Any, T]], /) -> T: ...


class ArchiveBusy(VoicecallError):
    """As many threads as allowed are archiving: try again in a moment."""

    retryable = True


class AfterCall:
    """Raises ConfigError for an archive that cannot be used. `traces`: where the trace of each call goes."""

    def __init__(self, settings: Settings, on_node: OnNode, traces: Traces | None = None) -> None:
        kept = settings.archive
        self._settings = settings
        self._traces = traces
        self._archive = CallArchive(settings.archive_url) if kept.enabled else None
        self._jsonl = JsonLinesFile(settings.store_path / "calls.jsonl") if kept.enabled and kept.jsonl else None
        store = open_store(settings)
        self._recordings = None if store is None else Recordings(store)
        self._recordings_kept_s = settings.recordings_kept_days * _DAY_S
        self._retention_s = kept.retention_days * _DAY_S
        self._on_node = on_node
        self._free = threading.BoundedSemaphore(_CONCURRENT)
        self._logged_at = 0.0

    def close(self) -> None:
        if self._archive is not None:
            self._archive.close()

    def archive(self, call: CallId) -> None:
        """Archive the call if it is over and not archived. Raises ArchiveBusy, ArchiveUnavailable, BusUnavailable.

        Raises RecordingStoreUnavailable, and SegmentsAwaited, when the recording is not joined yet.
        """
        if not self._free.acquire(blocking=False):
            raise ArchiveBusy("other calls are being archived")
        try:
            claim = self._on_node(lambda node: node.ended.begin(call))
            if claim is None:
                _log.warning("no ended call to archive", extra={"call_id": call})
            elif claim.forget:
                self._forget(call)
            else:
                self._keep(call, claim)
        except (ArchiveUnavailable, RecordingStoreUnavailable) as error:
            _FAILED.inc()
            self._log_failure(call, error)
            raise
        finally:
            self._free.release()

    def tidy(self) -> None:
        """Remove what was kept long enough: archive, file, Redis, recordings.

        Raises ArchiveUnavailable, BusUnavailable, RecordingStoreUnavailable.
        """
        self._on_node(_evict)
        self._tidy_archive()
        self._prune_recordings()

    def _tidy_archive(self) -> None:
        if not self._retention_s:
            return
        self._on_node(lambda node: node.ended.trim_feed(self._retention_s))
        if self._archive is None:
            return
        before = self._on_node(_now) - self._retention_s
        pruned = self._archive.prune(before)
        ARCHIVE_PRUNED.inc(pruned)
        self._scrub(lambda record: record.get("endedAt", before * 1000) < before * 1000)
        _log.info("archive tidied", extra={"pruned": pruned, "retention_s": self._retention_s})

    def _keep(self, call: CallId, claim: ArchiveClaim) -> None:
        if self._settings.reports.enabled:
            # First: an archive that is down does not delay reports. The call stays due until all of this is done.
            self._on_node(lambda node: Reports(node.redis).schedule(call, self._settings.reports.settle_sec))
        events, history, state = self._on_node(lambda node: _read(node, call))
        if state is not None:
            if claim.first:
                CALL_SECONDS.observe(_seconds(state.started_at, state.ended_at) or 0.0)
                _log.info("call summary", extra=summary_of(state))
            self._trace(state, history)
            self._keep_whole(state, history)
        keep_s = RETENTION_S if self._archive is None else _KEEP_S
        if self._on_node(lambda node: node.ended.done(call, events, keep_s=keep_s)) is ArchiveResult.FORGOTTEN:
            self._forget(call)

    def _trace(self, call: Call, history: tuple[Event, ...]) -> None:
        """The trace of the call, made of its log: whole, however many workers had it, and exported once."""
        if self._traces is not None and self._on_node(lambda node: node.ended.trace_once(call.id)):
            model = self._settings.on_route(call.route).response_model
            self._traces.record(call.id, call_spans(call, turns_of(call, history)["turnSpans"], model=model))

    def _keep_whole(self, state: Call, history: tuple[Event, ...]) -> None:
        """Archive the call. While its recording cannot be joined, without: the call stays due, and it follows."""
        recording: dict[str, Any] | None = None
        failure: VoicecallError | None = None
        if self._recordings is not None and state.recording.consent is not None:
            try:
                recording = self._recordings.joined(state, history, self._on_node(_now), self._is_dead)
            except (SegmentsAwaited, RecordingStoreUnavailable) as error:
                recording, failure = {"state": "pending"}, error
        ARCHIVED.labels(self._put(state, history, recording)).inc()
        if failure is not None:
            raise failure

    def _is_dead(self, ingress: NodeId) -> bool:
        return self._on_node(lambda node: Ingresses(node.redis).is_silent(ingress))

    def _prune_recordings(self) -> None:
        """Raises RecordingStoreUnavailable."""
        if self._recordings is not None and self._recordings_kept_s:
            pruned = self._recordings.prune(time.time() - self._recordings_kept_s)
            if pruned:
                _log.info("recordings deleted", extra={"calls": pruned, "retention_s": self._recordings_kept_s})

    def _put(self, state: Call, history: tuple[Event, ...], recording: dict[str, Any] | None) -> str:
        if self._archive is None:
            return "disabled"
        record = ended_record(state, history)
        if recording is not None:
            record["metadata"]["recording"] = {**record["metadata"].get("recording", {}), **recording}
        return "kept" if self._archive.put(record, written=lambda: self._append(record)) else "same"

    def _forget(self, call: CallId) -> None:
        """Redis first: a worker that archives the call at this moment checks Redis when it is done."""
        self._on_node(lambda node: node.ended.forget(call))
        if self._archive is not None:
            self._archive.delete(call)
        if self._recordings is not None:
            self._recordings.delete(call)
        self._scrub(lambda record: record.get("callId") == call)
        ARCHIVED.labels("forgotten").inc()
        _log.info("call forgotten", extra={"call_id": call})

    def _append(self, record: dict[str, Any]) -> None:
        if self._jsonl is not None:
            try:
                self._jsonl.append(record)
            except OSError as error:
                raise _unwritable(self._jsonl, error) from None

    def _scrub(self, matches: Callable[[Any], bool]) -> None:
        if self._jsonl is not None:
            try:
                self._jsonl.remove(matches)
            except OSError as error:
                raise _unwritable(self._jsonl, error) from None

    def _log_failure(self, call: CallId, error: VoicecallError) -> None:
        """As an error at most every 30 s, as debug in between: during an outage every call fails for one reason."""
        now = time.monotonic()
        if not self._logged_at or now - self._logged_at >= _LOG_EVERY_S:
            self._logged_at = now
            _log.error("call not archived, will be retried", extra={"call_id": call, "error": str(error)})
        else:
            _log.debug("call not archived, will be retried", extra={"call_id": call})


def summary_of(call: Call) -> dict[str, object]:
    """The fields of the line that sums a call up. No transcript; the log masks the numbers."""
    return {
        "call_id": call.id,
        "carrier": call.carrier,
        "direction": call.direction.value,
        "mode": call.mode.value,
        "from": call.from_,
        "to": call.to,
        "outcome": call.phase.value,
        "detail": call.detail,
        "duration_s": _seconds(call.started_at, call.ended_at),
        "answered_after_s": _seconds(call.started_at, call.answered_at),
        "connected_s": _seconds(call.answered_at, call.ended_at),
        "turns": call.stats.completed_turns,
        "utterances": call.playback.made,
        "turn_latency_ms": call.stats.last_turn_latency_ms,
        "failovers": call.reactivations,
        "ignored": call.ignored,
    }


def _seconds(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(end - start, 3)


async def _read(node: Parts, call: CallId) -> tuple[int, tuple[Event, ...], Call | None]:
    """How long the log is, its events, and the final state.

    Raises Undecodable for a snapshot of another build: the call stays due, for a worker that can read it. When none
    did within a day, the snapshot is set aside and the state is folded from the log.
    """
    # The length first: `ended.done` compares it, so events that are appended from here on are not missed.
    events = await node.ended.length(call)
    try:
        state = await node.log.read(call)
    except Undecodable as error:
        unread = await node.ended.unreadable(call)
        if unread is not None and unread.since_s < _NEWER_BUILD_S:
            raise
        if unread is not None:
            _log.error("unreadable snapshot set aside", extra={"call_id": call, "error": str(error)})
            await node.dead_letters.set_aside_bytes(call, unread.snapshot, reason=f"snapshot: {error}")
        history = tuple(record.event for record in await node.log.history(call))
        return events, history, replayed(call, history)
    return events, tuple(record.event for record in await node.log.history(call)), state


async def _now(node: Parts) -> float:
    return node.clock.now()


async def _evict(node: Parts) -> int:
    count = 0
    while (evicted := await node.ended.evict(_EVICT_LIMIT)) > 0:
        count += evicted
    return count


def _unwritable(file: JsonLinesFile, error: OSError) -> ArchiveUnavailable:
    return ArchiveUnavailable(
        f"{file.path} cannot be written: {error.strerror}; see that its directory exists, has room and belongs to this"
        " user, or set archive.jsonl to false"
    )

"""What a worker does with a call that is over: sum it up, archive it, or forget it; and tidy up once an hour.

Runs in dramatiq's threads, a few at a time, so that rings always find one free; asks the node's loop for everything of
Redis. A database that is away costs a call nothing but time: it stays due, and whole in Redis.
"""

import logging
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

from voicecall.archive import Archive, JsonLinesFile, ended_record, replayed
from voicecall.bus.ended import RETENTION_S, ArchiveClaim, ArchiveResult
from voicecall.call.events import Event
from voicecall.call.ids import CallId
from voicecall.call.state import Call
from voicecall.errors import ArchiveUnavailable, VoicecallError
from voicecall.metrics import ARCHIVE_PRUNED, ARCHIVED
from voicecall.settings import Settings
from voicecall.wire import Undecodable
from workers.ends import AFTER_CALL, AFTER_QUEUE, TIDY
from workers.node import Node
from workers.summary import summarise

__all__ = ["AFTER_CALL", "AFTER_QUEUE", "TIDY", "AfterCall", "ArchiveBusy"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_SIDE_BY_SIDE: Final = 2
_KEEP_S: Final = 86_400.0  # an archived call stays readable in Redis for so long
_DAY_S: Final = 86_400.0
_COMPLAIN_EVERY_S: Final = 30.0
_NEWER_BUILD_S: Final = 86_400.0  # a build that can read a snapshot is rolled out by then, or never
_SHED_AT_ONCE: Final = 500


class OnNode(Protocol):
    """Runs a coroutine of the node on its loop, from another thread. Raises BusUnavailable."""

    def __call__(self, work: Callable[[Node], Coroutine[Any, Any, T]], /) -> T: ...


class ArchiveBusy(VoicecallError):
    """As many threads as may be are archiving already: come again in a moment."""

    retryable = True


class AfterCall:
    """Raises ConfigError for an archive that nobody can use."""

    def __init__(self, settings: Settings, on_node: OnNode) -> None:
        kept = settings.archive
        self._archive = Archive(settings.archive_url) if kept.enabled else None
        self._jsonl = JsonLinesFile(settings.store_path / "calls.jsonl") if kept.enabled and kept.jsonl else None
        self._retention_s = kept.retention_days * _DAY_S
        self._on_node = on_node
        self._room = threading.BoundedSemaphore(_SIDE_BY_SIDE)
        self._complained_at = 0.0

    def close(self) -> None:
        if self._archive is not None:
            self._archive.close()

    def after_call(self, call: CallId) -> None:
        """Archive the call, if it is over and nobody has. Raises Crowded, ArchiveUnavailable, BusUnavailable."""
        if not self._room.acquire(blocking=False):
            raise ArchiveBusy("others are being archived")
        try:
            self._after_call(call)
        except ArchiveUnavailable as error:
            ARCHIVED.labels("failed").inc()
            self._complain(call, error)
            raise
        finally:
            self._room.release()

    def tidy(self) -> None:
        """Remove what was kept long enough: archive, file, Redis. Raises ArchiveUnavailable, BusUnavailable."""
        self._on_node(_evict)
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

    def _after_call(self, call: CallId) -> None:
        begun = self._on_node(lambda node: node.ended.begin(call))
        if begun is None:
            _log.warning("nothing to archive", extra={"call_id": call})
        elif begun.forget:
            self._forget(call)
        else:
            self._keep(call, begun)

    def _keep(self, call: CallId, begun: ArchiveClaim) -> None:
        events, history, state = self._on_node(lambda node: _read(node, call))
        if state is not None:
            if begun.first:
                summarise(state)
            result = self._put(state, history)
            ARCHIVED.labels(result).inc()
        keep_s = RETENTION_S if self._archive is None else _KEEP_S
        if self._on_node(lambda node: node.ended.done(call, events, keep_s=keep_s)) is ArchiveResult.FORGOTTEN:
            self._forget(call)

    def _put(self, state: Call, history: tuple[Event, ...]) -> str:
        if self._archive is None:
            return "disabled"
        record = ended_record(state, history)
        return "kept" if self._archive.put(record, written=lambda: self._append(record)) else "same"

    def _forget(self, call: CallId) -> None:
        """Redis first: whoever archives it at this moment will look there when they are done."""
        self._on_node(lambda node: node.ended.forget(call))
        if self._archive is not None:
            self._archive.delete(call)
        self._scrub(lambda record: record.get("callId") == call)
        ARCHIVED.labels("forgotten").inc()
        _log.info("call forgotten", extra={"call_id": call})

    def _append(self, record: dict[str, Any]) -> None:
        if self._jsonl is not None:
            try:
                self._jsonl.append(record)
            except OSError as error:
                raise _unwritable(self._jsonl, error) from None

    def _scrub(self, gone: Callable[[Any], bool]) -> None:
        if self._jsonl is not None:
            try:
                self._jsonl.remove(gone)
            except OSError as error:
                raise _unwritable(self._jsonl, error) from None

    def _complain(self, call: CallId, error: ArchiveUnavailable) -> None:
        """In full now and then; in between one call after the other would say the same."""
        now = time.monotonic()
        if not self._complained_at or now - self._complained_at >= _COMPLAIN_EVERY_S:
            self._complained_at = now
            _log.error("call not archived, will be tried again", extra={"call_id": call, "error": str(error)})
        else:
            _log.debug("call not archived, will be tried again", extra={"call_id": call})


async def _read(node: Node, call: CallId) -> tuple[int, tuple[Event, ...], Call | None]:
    """How long the log is, the events, and the snapshot.

    Raises Undecodable for a snapshot of another build: the call stays due, for a worker that can read it. When none
    came for a day, the snapshot is set aside, and the call is what its log tells.
    """
    # The length first: what comes in after it will be seen as news.
    events = await node.ended.length(call)
    try:
        state = await node.log.read(call)
    except Undecodable as error:
        unread = await node.ended.unreadable(call)
        if unread is not None and unread.since_s < _NEWER_BUILD_S:
            raise
        if unread is not None:
            _log.error("a snapshot nobody could read is set aside", extra={"call_id": call, "error": str(error)})
            await node.dead_letters.keep(call, unread.snapshot, reason=f"snapshot: {error}")
        history = tuple(record.event for record in await node.log.history(call))
        return events, history, replayed(call, history)
    return events, tuple(record.event for record in await node.log.history(call)), state


async def _now(node: Node) -> float:
    return node.clock.now()


async def _evict(node: Node) -> int:
    count = 0
    while (some := await node.ended.evict(_SHED_AT_ONCE)) > 0:
        count += some
    return count


def _unwritable(file: JsonLinesFile, error: OSError) -> ArchiveUnavailable:
    return ArchiveUnavailable(
        f"{file.path} cannot be written: {error.strerror}; see that its directory exists, has room and belongs to this"
        " user, or set archive.jsonl to false"
    )

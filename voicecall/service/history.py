"""Ended calls: find, list and measure them, and delete them from every store.

Used by the gateway. An ended call is in Redis until it is archived and for a day after, and then in the archive. The
archive's methods block, so they run in a thread.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from redis.asyncio import Redis

from voicecall.archive import CallArchive, JsonLinesFile, Page, replayed
from voicecall.bus.callbacks import CallbackBook
from voicecall.bus.ended import EndedCalls, ForgetResult
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.call.ids import E164, CallId, LegId, is_call_id, is_number
from voicecall.errors import ArchiveUnavailable, BusError, InvalidRequest, RecordingStoreUnavailable, Unavailable
from voicecall.recording import RecordingStore, open_store
from voicecall.recording.segments import folder
from voicecall.settings import Settings
from voicecall.wire import Undecodable

__all__ = ["ForgetCounts", "History", "open_history"]

_log = logging.getLogger(__name__)

_EMPTY_PAGE: Final = Page(calls=())

Record = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ForgetCounts:
    """`now`: calls deleted. `at_end`: live calls that will be deleted when they end."""

    now: int
    at_end: int


class History:
    """Every method raises subclasses of Refusal only. `archive` None: it is disabled.

    `recordings`: None where no call is recorded.
    `own_numbers`: the configured numbers; `forget_number` refuses them, because every call has one.
    """

    def __init__(
        self,
        *,
        archive: CallArchive | None,
        jsonl: JsonLinesFile | None,
        log: RedisCallLog,
        live: LiveCalls,
        ended: EndedCalls,
        callbacks: CallbackBook,
        provider: str,
        own_numbers: frozenset[str],
        recordings: RecordingStore | None = None,
    ) -> None:
        self.archive = archive
        self._jsonl = jsonl
        self._call_log = log
        self._live = live
        self._ended = ended
        self._callbacks = callbacks
        self._provider = provider
        self._own_numbers = own_numbers
        self._recordings = recordings

    def close(self) -> None:
        if self.archive is not None:
            self.archive.close()

    async def status(self, name: str) -> Record | None:
        """The archived record of a call, by its id or the carrier's; None when there is none. Raises Unavailable."""
        record = await self._query(lambda archive: archive.get(CallId(name))) if is_call_id(name) else None
        # A UUID may also be the carrier's id of a leg, as at Plivo.
        return record or await self._query(lambda archive: archive.get_leg(self._provider, LegId(name)))

    async def find(self, **filters: Any) -> Page:
        """As `CallArchive.find`. Raises InvalidRequest for an invalid cursor, Unavailable."""
        return await self._query(lambda archive: archive.find(**filters)) or _EMPTY_PAGE

    async def latency(self, last: int) -> Record:
        """As `CallArchive.latency`. Raises Unavailable."""
        empty = {"recordsScanned": 0, "turnLatency": {"count": 0}, "listenWait": {"count": 0}}
        return await self._query(lambda archive: archive.latency(last)) or empty

    async def forget_call(self, call: CallId) -> ForgetCounts:
        """Delete this call from every store; a live call is deleted when it ends. Raises Unavailable."""
        known = await self._forget_in_redis({call})
        await self._delete_recordings({call})
        archived = await self._query(lambda archive: archive.delete(call))
        await self._scrub(lambda record: record.get("callId") == call)
        live = known[call] is ForgetResult.LIVE
        deleted = bool(archived) or known[call] is ForgetResult.GONE
        _log.info("call forgotten", extra={"call_id": call, "at_end": live})
        return ForgetCounts(now=int(deleted and not live), at_end=int(live))

    async def forget_number(self, number: E164) -> ForgetCounts:
        """Delete every call to or from this number. Raises InvalidRequest for a configured number, Unavailable."""
        if number in self._own_numbers:
            raise InvalidRequest(
                "number is a configured number: every call would be forgotten; give the remote party's"
            )
        try:
            await self._callbacks.forget(number)
        except BusError as error:
            raise _not_now(error) from error
        # Redis first: a worker that is archiving one of them checks Redis when it is done.
        known = await self._forget_in_redis(await self._calls_of(number))
        # Recordings before records: a request that is repeated after a failure finds the calls by their records.
        named = await self._query(lambda archive: archive.calls_of(number)) or ()
        await self._delete_recordings({*known, *named})
        archived = await self._query(lambda archive: archive.delete_number(number)) or ()
        await self._forget_in_redis(set(archived) - set(known))
        await self._scrub(lambda record: is_number(record.get("from"), number) or is_number(record.get("to"), number))
        deleted = {call for call, outcome in known.items() if outcome is ForgetResult.GONE} | set(archived)
        at_end = sum(outcome is ForgetResult.LIVE for outcome in known.values())
        _log.info("number forgotten", extra={"calls": len(deleted), "at_end": at_end})
        return ForgetCounts(now=len(deleted), at_end=at_end)

    async def _calls_of(self, number: E164) -> set[CallId]:
        """The calls of this number that Redis holds, live or ended."""
        try:
            found = {*await self._live.list(), *await self._ended.list()}
            return {call for call in found if await self._is_of(call, number)}
        except BusError as error:
            raise _not_now(error) from error

    async def _is_of(self, call: CallId, number: E164) -> bool:
        try:
            state = await self._call_log.read(call)
        except Undecodable as error:
            # A snapshot of another build must not prevent the deletion of the other calls.
            _log.warning("snapshot is undecodable, reading the log", extra={"call_id": call, "error": str(error)})
            state = None
        if state is None:
            # Not activated yet, or undecodable: the numbers are in the log.
            state = replayed(call, (record.event for record in await self._call_log.history(call)))
        if state is None:
            _log.info("numbers of a call are unknown", extra={"call_id": call})
        return state is not None and (is_number(state.from_, number) or is_number(state.to, number))

    async def _forget_in_redis(self, calls: set[CallId]) -> dict[CallId, ForgetResult]:
        try:
            return await self._ended.forget(*calls)
        except BusError as error:
            raise _not_now(error) from error

    async def _query(self, query: Callable[[CallArchive], T]) -> T | None:
        if self.archive is None:
            return None
        try:
            return await asyncio.to_thread(query, self.archive)
        except ArchiveUnavailable as error:
            _log.error("archive query failed", extra={"error": str(error)})
            raise Unavailable(
                "the archive does not answer; the gateway's log says why", retry_after_ms=5_000
            ) from error

    async def _delete_recordings(self, calls: set[CallId]) -> None:
        """Those of live calls too, as far as they are written; the rest goes when they end."""
        if self._recordings is None:
            return
        try:
            for call in calls:
                await asyncio.to_thread(self._recordings.delete, folder(call))
        except RecordingStoreUnavailable as error:
            _log.error("recordings not deleted", extra={"error": str(error)})
            raise Unavailable("the store of recordings does not answer; ask again", retry_after_ms=5_000) from error

    async def _scrub(self, matches: Callable[[Any], bool]) -> None:
        if self._jsonl is None:
            return
        try:
            await asyncio.to_thread(self._jsonl.remove, matches)
        except OSError as error:
            raise Unavailable(f"{self._jsonl.path} cannot be written ({error.strerror}); ask again") from error


def open_history(settings: Settings, redis: Redis) -> History:
    """Opens what the settings name. Raises ConfigError for an unusable archive."""
    archive = settings.archive
    own = {settings.from_number, *settings.numbers} - {None}
    return History(
        archive=CallArchive(settings.archive_url) if archive.enabled else None,
        jsonl=JsonLinesFile(settings.store_path / "calls.jsonl") if archive.enabled and archive.jsonl else None,
        log=RedisCallLog(redis),
        live=LiveCalls(redis),
        ended=EndedCalls(redis),
        callbacks=CallbackBook(redis),
        provider=settings.provider,
        own_numbers=frozenset(str(number) for number in own),
        recordings=open_store(settings),
    )


def _not_now(error: BusError) -> Unavailable:
    return Unavailable(f"{error.public}; perhaps not everything was forgotten: ask again", retry_after_ms=1_000)

"""Calls that are over, for whoever asks at a door: found, listed, measured; and forgotten everywhere at once.

Used by the gateway. The archive blocks, so it is asked in a thread. Knows both places where an ended call may be: the
archive for good, Redis until it is archived and for a day after.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from redis.asyncio import Redis

from voicecall.archive import Archive, JsonLinesFile, Page, replayed
from voicecall.bus.ended import EndedCalls, ForgetResult
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.call.ids import E164, CallId, LegId, is_call_id, is_number
from voicecall.errors import ArchiveUnavailable, BusError, InvalidRequest, Unavailable
from voicecall.settings import Settings
from voicecall.wire import Undecodable

__all__ = ["Forgetting", "History", "open_history"]

_log = logging.getLogger(__name__)

_NOTHING: Final = Page(calls=())

Record = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Forgetting:
    """How many calls are forgotten now, and how many live ones will be when they end."""

    now: int
    at_end: int


class History:
    """Every method raises Refusal's kinds and nothing else. `archive` None: it is switched off.

    `ours`: our own numbers, by which nobody is forgotten.
    """

    def __init__(
        self,
        *,
        archive: Archive | None,
        jsonl: JsonLinesFile | None,
        log: RedisCallLog,
        live: LiveCalls,
        ended: EndedCalls,
        provider: str,
        ours: frozenset[str],
    ) -> None:
        self._archive = archive
        self._jsonl = jsonl
        self._calls = log
        self._live = live
        self._ended = ended
        self._provider = provider
        self._ours = ours

    def close(self) -> None:
        if self._archive is not None:
            self._archive.close()

    async def status(self, name: str) -> Record | None:
        """The archived record of a call, by our id or the carrier's; None when there is none. Raises Unavailable."""
        record = await self._asked(lambda archive: archive.get(CallId(name))) if is_call_id(name) else None
        # A UUID may be the carrier's name for a leg as well: Plivo's are.
        return record or await self._asked(lambda archive: archive.get_leg(self._provider, LegId(name)))

    async def find(self, **filters: Any) -> Page:
        """As `Archive.find`. Raises InvalidRequest for a cursor that is none, Unavailable."""
        return await self._asked(lambda archive: archive.find(**filters)) or _NOTHING

    async def latency(self, last: int) -> Record:
        """As `Archive.latency`. Raises Unavailable."""
        nothing = {"recordsScanned": 0, "turnLatency": {"count": 0}, "listenWait": {"count": 0}}
        return await self._asked(lambda archive: archive.latency(last)) or nothing

    async def forget_call(self, call: CallId) -> Forgetting:
        """Keep nothing of this call; a live one goes on, and is forgotten when it ends. Raises Unavailable."""
        known = await self._forgotten_here({call})
        archived = await self._asked(lambda archive: archive.delete(call))
        await self._scrub(lambda record: record.get("callId") == call)
        live = known[call] is ForgetResult.LIVE
        gone = bool(archived) or known[call] is ForgetResult.GONE
        _log.info("call forgotten", extra={"call_id": call, "at_end": live})
        return Forgetting(now=int(gone and not live), at_end=int(live))

    async def forget_number(self, number: E164) -> Forgetting:
        """The same of every call to or from this number. Raises InvalidRequest for a number of ours, Unavailable."""
        if number in self._ours:
            raise InvalidRequest("number is our own: that would forget every call; name the other party's")
        # Redis first: whoever archives one of them at this moment will look there when they are done.
        known = await self._forgotten_here(await self._calls_of(number))
        archived = await self._asked(lambda archive: archive.delete_number(number)) or ()
        await self._forgotten_here(set(archived) - set(known))
        await self._scrub(lambda record: is_number(record.get("from"), number) or is_number(record.get("to"), number))
        gone = {call for call, outcome in known.items() if outcome is ForgetResult.GONE}
        at_end = sum(outcome is ForgetResult.LIVE for outcome in known.values())
        _log.info("number forgotten", extra={"calls": len(gone | set(archived)), "at_end": at_end})
        return Forgetting(now=len(gone | set(archived)), at_end=at_end)

    async def _calls_of(self, number: E164) -> set[CallId]:
        """What Redis still holds of this number, live or over."""
        try:
            found = {*await self._live.list(), *await self._ended.list()}
            return {call for call in found if await self._is_of(call, number)}
        except BusError as error:
            raise _not_now(error) from error

    async def _is_of(self, call: CallId, number: E164) -> bool:
        try:
            state = await self._calls.read(call)
        except Undecodable as error:
            # One call of another build must not keep all others from being forgotten.
            _log.warning("snapshot not read, its log is", extra={"call_id": call, "error": str(error)})
            state = None
        if state is None:
            # Nobody has taken it up yet, or nobody here can read it: its log says whose it is.
            state = replayed(call, (record.event for record in await self._calls.history(call)))
        if state is None:
            _log.info("a call of which nobody can tell whose it is", extra={"call_id": call})
        return state is not None and (is_number(state.from_, number) or is_number(state.to, number))

    async def _forgotten_here(self, calls: set[CallId]) -> dict[CallId, ForgetResult]:
        try:
            return await self._ended.forget(*calls)
        except BusError as error:
            raise _not_now(error) from error

    async def _asked(self, question: Callable[[Archive], T]) -> T | None:
        if self._archive is None:
            return None
        try:
            return await asyncio.to_thread(question, self._archive)
        except ArchiveUnavailable as error:
            _log.error("the archive was asked in vain", extra={"error": str(error)})
            raise Unavailable(
                "the archive does not answer; the gateway's log says why", retry_after_ms=5_000
            ) from error

    async def _scrub(self, gone: Callable[[Any], bool]) -> None:
        if self._jsonl is None:
            return
        try:
            await asyncio.to_thread(self._jsonl.remove, gone)
        except OSError as error:
            raise Unavailable(f"{self._jsonl.path} cannot be written ({error.strerror}); ask again") from error


def open_history(settings: Settings, redis: Redis) -> History:
    """As configured. Raises ConfigError for an archive that nobody can use."""
    kept = settings.archive
    own = {settings.from_number, *settings.numbers} - {None}
    return History(
        archive=Archive(settings.archive_url) if kept.enabled else None,
        jsonl=JsonLinesFile(settings.store_path / "calls.jsonl") if kept.enabled and kept.jsonl else None,
        log=RedisCallLog(redis),
        live=LiveCalls(redis),
        ended=EndedCalls(redis),
        provider=settings.provider,
        ours=frozenset(str(number) for number in own),
    )


def _not_now(error: BusError) -> Unavailable:
    return Unavailable(f"{error}; perhaps not everything was forgotten: ask again", retry_after_ms=1_000)

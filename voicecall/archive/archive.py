"""Stores, finds and deletes the records of ended calls.

Every method blocks: dramatiq's threads call it directly, event loops with `asyncio.to_thread`. Times in arguments are
epoch seconds of the Redis clock; records have the shape of `voicecall/record.py`. Does not know Redis.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Select, and_, delete, func, insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from voicecall.archive import rows
from voicecall.archive.database import Database
from voicecall.archive.latency import latency_summary
from voicecall.archive.tables import calls, lines, reports, turns
from voicecall.call.ids import E164, CallId, LegId, is_call_id, is_number
from voicecall.errors import InvalidRequest

__all__ = ["CallArchive", "Page"]

_CURSOR: Final = re.compile(r"([0-9]{1,15})-([0-9a-f-]{36})\Z")
_PAGE: Final = 200
_BATCH: Final = 500
_PARTIES: Final = (calls.c.from_number, calls.c.to_number)

JsonRecord = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some calls, newest first. `next` is the cursor of the next page; None when there are no more."""

    calls: tuple[JsonRecord, ...]
    next: str | None = None


class CallArchive:
    """Connects at the first use. Every method raises ArchiveUnavailable; the constructor raises ConfigError."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    @property
    def name(self) -> str:
        """The address, without its password."""
        return self._database.name

    def close(self) -> None:
        self._database.close()

    def put(self, record: Mapping[str, Any], *, written: Callable[[], None] | None = None) -> bool:
        """Store the record of an ended call, replacing an earlier one of the same call.

        True when that changed anything: an equal record, also from two workers at once, is written once. Only then
        `written` is called, just before the commit; when it raises, nothing is stored.
        """
        clean = rows.cleaned(record)
        row = rows.call_row(clean)
        row["digest"] = hashlib.sha256(json.dumps(clean, sort_keys=True).encode()).hexdigest()
        with self._database.transaction() as connection:
            if not self._upserted(connection, row):
                return False
            for table, fresh in ((lines, rows.line_rows(clean)), (turns, rows.turn_rows(clean))):
                connection.execute(delete(table).where(table.c.call_id == row["call_id"]))
                if fresh:
                    connection.execute(insert(table), fresh)
            if written is not None:
                written()
        return True

    def get(self, call: CallId) -> JsonRecord | None:
        """The whole record of a call; None when there is none."""
        return next(iter(self._found(select(calls).where(calls.c.call_id == call))), None)

    def get_leg(self, provider: str, leg: LegId) -> JsonRecord | None:
        """The newest call with this leg id of this carrier; None when there is none."""
        wanted = select(calls).where(calls.c.leg == leg, calls.c.provider == provider)
        return next(iter(self._found(_newest_first(wanted).limit(1))), None)

    def put_report(self, call: CallId, report: Mapping[str, Any]) -> None:
        """Store the report of a call; one that is stored already stays."""
        row = {"call_id": call, "at": report["at"], "body": json.dumps(rows.cleaned(report))}
        make = sqlite.insert if self._database.is_sqlite else postgresql.insert
        with self._database.transaction() as connection:
            connection.execute(make(reports).values(row).on_conflict_do_nothing(index_elements=[reports.c.call_id]))

    def get_report(self, call: CallId) -> JsonRecord | None:
        """The report of a call; None when there is none."""
        with self._reading() as connection:
            if connection is None:
                return None
            body = connection.execute(select(reports.c.body).where(reports.c.call_id == call)).scalar()
        return None if body is None else dict(json.loads(body))

    def find(
        self,
        *,
        number: str | None = None,
        since: float | None = None,
        until: float | None = None,
        direction: str | None = None,
        outcome: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        transcripts: bool = True,
    ) -> Page:
        """Calls that began in [`since`, `until`), to or from exactly this number. At most 200 per page.

        `outcome`: the reason of their end. Without `transcripts` the records have none. Raises InvalidRequest for a
        cursor that is not of an earlier page.
        """
        limit = max(1, min(limit, _PAGE))
        wanted = _newest_first(select(calls)).limit(limit + 1)
        for condition in _conditions(number, since, until, cursor, direction=direction, end_reason=outcome):
            wanted = wanted.where(condition)
        found = self._found(wanted, transcripts=transcripts)
        last = found[limit - 1] if len(found) > limit else None
        after = None if last is None else f"{last['startedAt']}-{last['callId']}"
        return Page(calls=tuple(found[:limit]), next=after)

    def each(self, *, since: float | None = None, portion: int = _PAGE) -> Iterator[JsonRecord]:
        """Every call that began at `since` or later, oldest first, read `portion` at a time."""
        at: tuple[int, str] | None = None
        while True:
            wanted = select(calls).order_by(calls.c.started_at, calls.c.call_id).limit(portion)
            if since is not None:
                wanted = wanted.where(calls.c.started_at >= _ms(since))
            if at is not None:
                later = and_(calls.c.started_at == at[0], calls.c.call_id > at[1])
                wanted = wanted.where(or_(calls.c.started_at > at[0], later))
            found = self._found(wanted)
            yield from found
            if len(found) < portion:
                return
            at = found[-1]["startedAt"], found[-1]["callId"]

    def delete(self, call: CallId) -> bool:
        """Delete the record of this call. True when there was one."""
        return bool(self._delete([call]))

    def delete_number(self, number: E164) -> tuple[CallId, ...]:
        """Delete the records of all calls to or from this number, in any notation. Returns the calls."""
        return self._delete(self.calls_of(number))

    def calls_of(self, number: E164) -> tuple[CallId, ...]:
        """The calls to or from this number, in any notation."""
        with self._reading() as connection:
            if connection is None:
                return ()
            near = or_(*(_bare(column).contains(number[1:]) for column in _PARTIES))
            rows = connection.execute(select(calls.c.call_id, *_PARTIES).where(near)).all()
        return tuple(CallId(call) for call, *parties in rows if any(is_number(one, number) for one in parties))

    def prune(self, before: float) -> int:
        """Delete the records of calls that ended before this time. Returns how many."""
        count = 0
        while True:
            with self._reading() as connection:
                if connection is None:
                    return count
                old = select(calls.c.call_id).where(calls.c.ended_at < _ms(before)).limit(_BATCH)
                found = [CallId(call) for call in connection.execute(old).scalars()]
            if not found:
                with self._database.transaction() as connection:
                    connection.execute(delete(reports).where(reports.c.at < _ms(before)))
                return count
            count += len(self._delete(found))

    def latency(self, last: int = 200) -> JsonRecord:
        """The latencies of the turns of the `last` newest calls, as `voicecall latency` prints them."""
        with self._reading() as connection:
            if connection is None:
                return latency_summary(0, (), ())
            newest = _newest_first(select(calls.c.call_id)).limit(max(1, last)).subquery()
            scanned = connection.execute(select(newest.c.call_id)).all()
            times = connection.execute(
                select(turns.c.latency_ms, turns.c.listen_wait_ms).where(turns.c.call_id.in_(select(newest.c.call_id)))
            ).all()
        return latency_summary(
            len(scanned),
            (latency for latency, _ in times if latency is not None),
            (wait for _, wait in times if wait is not None),
        )

    def _upserted(self, connection: Connection, row: JsonRecord) -> bool:
        make = sqlite.insert if self._database.is_sqlite else postgresql.insert
        statement = make(calls).values(row)
        statement = statement.on_conflict_do_update(
            index_elements=[calls.c.call_id],
            set_={name: statement.excluded[name] for name in row if name != "call_id"},
            where=calls.c.digest != statement.excluded.digest,
        )
        return connection.execute(statement.returning(calls.c.call_id)).first() is not None

    @contextmanager
    def _reading(self) -> Iterator[Connection | None]:
        """A transaction; None for a SQLite file that does not exist, which reading must not create."""
        if self._database.is_there:
            with self._database.transaction() as connection:
                yield connection
        else:
            yield None

    def _found(self, wanted: Select[Any], *, transcripts: bool = True) -> list[JsonRecord]:
        with self._reading() as connection:
            if connection is None:
                return []
            found = [dict(row) for row in connection.execute(wanted).mappings()]
            ids = [row["call_id"] for row in found]
            said = _by_call(connection, lines, ids) if transcripts else None
            timed = _by_call(connection, turns, ids)
        return [
            rows.record_of(row, None if said is None else said.get(row["call_id"], []), timed.get(row["call_id"], []))
            for row in found
        ]

    def _delete(self, found: Iterable[CallId]) -> tuple[CallId, ...]:
        left, deleted = list(found), []
        while left:
            portion, left = left[:_BATCH], left[_BATCH:]
            if not self._database.is_there:
                break
            with self._database.transaction() as connection:
                connection.execute(delete(reports).where(reports.c.call_id.in_(portion)))
                which = delete(calls).where(calls.c.call_id.in_(portion)).returning(calls.c.call_id)
                deleted += [CallId(call) for call in connection.execute(which).scalars()]
        # Also when nothing was deleted: an earlier call may have failed at this point.
        if self._database.is_there:
            self._database.forget_pages()
        return tuple(deleted)


def _conditions(
    number: str | None,
    since: float | None,
    until: float | None,
    cursor: str | None,
    **exactly: str | None,
) -> Iterator[Any]:
    if number is not None:
        yield or_(calls.c.from_number == number, calls.c.to_number == number)
    if since is not None:
        yield calls.c.started_at >= _ms(since)
    if until is not None:
        yield calls.c.started_at < _ms(until)
    for column, wanted in exactly.items():
        if wanted is not None:
            yield calls.c[column] == wanted
    if cursor is not None:
        at = _CURSOR.match(cursor)
        if at is None or not is_call_id(at[2]):
            raise InvalidRequest("cursor is not the `next` of an earlier page")
        earlier = and_(calls.c.started_at == int(at[1]), calls.c.call_id < at[2])
        yield or_(calls.c.started_at < int(at[1]), earlier)


def _bare(column: Column[str]) -> ColumnElement[str]:
    """The text without the characters that people write between digits."""
    text: ColumnElement[str] = column
    for mark in " ().-":
        text = func.replace(text, mark, "")
    return text


def _newest_first(wanted: Select[Any]) -> Select[Any]:
    return wanted.order_by(calls.c.started_at.desc(), calls.c.call_id.desc())


def _by_call(connection: Connection, table: Any, ids: list[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    if ids:
        wanted = select(table).where(table.c.call_id.in_(ids)).order_by(table.c.call_id, table.c.place)
        for row in connection.execute(wanted).mappings():
            found.setdefault(row["call_id"], []).append(row)
    return found


def _ms(at: float) -> int:
    return round(at * 1000)

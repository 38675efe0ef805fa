"""Finds the leg of a dial whose reply was lost, in Plivo's three lists: live, queued, and records of ended calls.

Decides by numbers and times, because Plivo does not keep our id. Two candidates, a list that may have a next page, and
a malformed reply are UNKNOWN. Used by the control, which passes the legs that belong to other calls.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from voicecall.call.events import LegStatus
from voicecall.call.ids import LegId
from voicecall.carriers.common.rest import Reply
from voicecall.carriers.plivo.hangup import END_STATUSES, end_reason
from voicecall.carriers.plivo.webhooks import is_call_uuid
from voicecall.ports import LegReport

__all__ = ["LostDial", "Search", "status_of"]

_PAGE: Final = 20  # the largest page of Plivo's lists
_CLOCK_SLACK_S: Final = 2.0
_ALIVE: Final = frozenset({"queued", "initiated", "ringing", "early media", "in-progress"})
_UNKNOWN = LegReport(status=LegStatus.UNKNOWN)

_Ask = Callable[[str], Awaitable[Reply | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LostDial:
    """Numbers without plus, as Plivo writes them; `since` in epoch seconds."""

    to: str
    from_: str
    since: float


class _Unclear(Exception):
    """Plivo's answer does not decide."""


@dataclass(frozen=True, slots=True)
class Search:
    """`account`: the account's URL, without trailing slash. `ask`: sends a GET; None when there is no answer."""

    account: str
    ask: _Ask

    async def find(self, lost: LostDial, *, taken: Collection[LegId]) -> LegReport:
        """ALIVE or ENDED with its leg, ABSENT when no list has it, else UNKNOWN."""
        try:
            found = {
                report.leg: report
                # Ended calls last, so that a call that ends meanwhile is in at least one of the lists.
                for reports in (
                    await self._current("live", lost),
                    await self._current("queued", lost),
                    await self._ended(lost),
                )
                for report in reports
                if report.leg not in taken
            }
        except _Unclear:
            return _UNKNOWN
        if len(found) > 1:
            return _UNKNOWN
        return next(iter(found.values()), LegReport(status=LegStatus.ABSENT))

    async def _current(self, status: str, lost: LostDial) -> list[LegReport]:
        """Matching legs of one list of ids, by a GET for each. A queued call has no start time."""
        ids = (await self._json(f"/Call/?{urlencode({'status': status, 'limit': _PAGE})}", "calls")) or []
        reports = []
        for leg in ids:
            if not is_call_uuid(leg):
                raise _Unclear
            reply = await self.ask(f"{self.account}/Call/{leg}/?status={status}")
            if reply is not None and reply.status == 404:
                continue  # it has changed its list meanwhile, and is in a later one
            row = reply.json() if reply is not None and reply.status == 200 else None
            if row is None:
                raise _Unclear
            if not _is_dial(row, lost, "to", "from", "direction"):
                continue
            began = _epoch(row.get("session_start"))
            if began is None and status == "live":
                raise _Unclear
            if began is None or began >= lost.since - _CLOCK_SLACK_S:
                reports.append(LegReport(status=LegStatus.ALIVE, leg=LegId(leg)))
        return reports

    async def _ended(self, lost: LostDial) -> list[LegReport]:
        query = {"from_number": lost.from_, "to_number": lost.to, "call_direction": "outbound", "limit": _PAGE}
        rows = await self._json(f"/Call/?{urlencode(query)}", "objects")
        reports = []
        for row in rows:
            report, began = status_of(row), _epoch(row.get("initiation_time") if isinstance(row, dict) else None)
            if report is None or began is None:
                raise _Unclear
            matches = _is_dial(row, lost, "to_number", "from_number", "call_direction")
            if matches and began >= lost.since - _CLOCK_SLACK_S and report.leg is not None:
                reports.append(report)
        return reports

    async def _json(self, path: str, member: str) -> list[Any]:
        reply = await self.ask(self.account + path)
        body = reply.json() if reply is not None and reply.status == 200 else None
        rows = (body or {}).get(member)
        # After a full page there may be another.
        if not isinstance(rows, list) or len(rows) >= _PAGE:
            raise _Unclear
        return rows


def status_of(row: Any) -> LegReport | None:
    """The report for a call resource of Plivo, live or ended. An unknown status is UNKNOWN; None for malformed data."""
    if not isinstance(row, dict):
        return None
    named = row.get("call_uuid")
    leg = LegId(named) if is_call_uuid(named) else None
    status = row.get("call_status", row.get("call_state"))
    name = status.strip().lower() if isinstance(status, str) else ""
    if name in _ALIVE:
        return LegReport(status=LegStatus.ALIVE, leg=leg)
    code = row.get("hangup_cause_code")
    if name in END_STATUSES or (row.get("end_time") and code is not None):
        return LegReport(status=LegStatus.ENDED, leg=leg, reason=end_reason(name, code))
    return LegReport(status=LegStatus.UNKNOWN, leg=leg)


def _is_dial(row: dict[str, Any], lost: LostDial, to: str, from_: str, direction: str) -> bool:
    numbers = tuple(str(row.get(name, "")).removeprefix("+") for name in (to, from_))
    return row.get(direction, "outbound") == "outbound" and numbers == (lost.to, lost.from_)


def _epoch(text: Any) -> float | None:
    """Epoch seconds of `2022-06-28 19:39:05+05:30`; without a zone it is UTC."""
    try:
        when = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()

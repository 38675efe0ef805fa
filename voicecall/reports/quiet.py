"""Quiet hours: when a number may be called, by the clock of its own time zone.

Pure. The zone is the configured one of the number (`Callbacks.zone_of`): a number does not say where its phone is.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from voicecall.settings.model.reports import Callbacks, clock_minutes

__all__ = ["allowed_at"]

_DAY: Final = 24 * 60


def allowed_at(now: float, number: str, settings: Callbacks) -> float:
    """The first moment from `now` on (epoch seconds) at which the number may be called: `now` itself, or the end of
    the quiet hours.
    """
    start, end = clock_minutes(settings.quiet_hours.start), clock_minutes(settings.quiet_hours.end)
    local = datetime.fromtimestamp(now, ZoneInfo(settings.zone_of(number)))
    minute = local.hour * 60 + local.minute
    if start == end or (minute - start) % _DAY >= (end - start) % _DAY:
        return now
    day = local.date() + timedelta(days=int(minute >= end))
    # By the wall clock: a night in which the clocks change is an hour shorter or longer.
    ends = datetime(day.year, day.month, day.day, end // 60, end % 60, tzinfo=local.tzinfo)
    return max(now, ends.astimezone(UTC).timestamp())

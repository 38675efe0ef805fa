"""A call as JSON in Twilio's shape, and pages of calls, filtered as the API filters. Pure."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from simulators.twilio.call import Call

__all__ = ["call_resource", "page_of"]

_RATE_PER_MINUTE = 0.014


def call_resource(call: Call) -> dict[str, Any]:
    """The body of GET .../Calls/{sid}.json. As at Twilio, numbers are strings and dates RFC 2822."""
    account = call.exchange.account_sid
    uri = f"/2010-04-01/Accounts/{account}/Calls/{call.sid}"
    minutes = math.ceil(call.duration_s / 60)
    return {
        "sid": call.sid,
        "account_sid": account,
        "api_version": "2010-04-01",
        "status": call.status if call.status != "initiated" else "queued",
        "direction": call.direction,
        "from": call.from_,
        "from_formatted": call.from_,
        "to": call.to,
        "to_formatted": call.to,
        "date_created": _date(call.created_at),
        "date_updated": _date(call.history[-1]["at"] if call.history else call.created_at),
        "start_time": _date(call.started_at),
        "end_time": _date(call.ended_at),
        "duration": str(call.duration_s) if call.over else None,
        "price": f"{-minutes * _RATE_PER_MINUTE:.5f}" if call.over else None,
        "price_unit": "USD",
        "answered_by": call.answered_by,
        "queue_time": str(call.queue_ms),
        "parent_call_sid": None,
        "phone_number_sid": None,
        "forwarded_from": None,
        "group_sid": None,
        "caller_name": None,
        "trunk_sid": None,
        "annotation": None,
        "uri": f"{uri}.json",
        "subresource_uris": {
            name: f"{uri}/{path}.json"
            for name, path in {"recordings": "Recordings", "streams": "Streams", "events": "Events"}.items()
        },
    }


def page_of(calls: Iterable[Call], query: Mapping[str, str], path: str) -> dict[str, Any]:
    """One page of the calls that `query` selects, newest first: To, From, Status, StartTime, PageSize, Page."""
    chosen = [call for call in calls if _selected(call, query)]
    chosen.sort(key=lambda call: call.created_at, reverse=True)
    size = min(max(int(query.get("PageSize", "50")), 1), 1000)
    page = max(int(query.get("Page", "0")), 0)
    start = page * size
    shown = chosen[start : start + size]
    filters = {name: value for name, value in query.items() if name not in ("Page", "PageToken")}

    def uri(number: int) -> str:
        return f"{path}?{urlencode({**filters, 'PageSize': str(size), 'Page': str(number)})}"

    more = start + size < len(chosen)
    return {
        "calls": [call_resource(call) for call in shown],
        "page": page,
        "page_size": size,
        "start": start,
        "end": max(start + len(shown) - 1, 0),
        "uri": uri(page),
        "first_page_uri": uri(0),
        "next_page_uri": uri(page + 1) if more else None,
        "previous_page_uri": uri(page - 1) if page else None,
    }


def _selected(call: Call, query: Mapping[str, str]) -> bool:
    facts = {"To": call.to, "From": call.from_, "Status": call_resource(call)["status"]}
    if any(name in query and query[name] != value for name, value in facts.items()):
        return False
    started = datetime.fromtimestamp(call.started_at or call.created_at, UTC)
    return all(
        _in_time(started, name.removeprefix("StartTime"), value)
        for name, value in query.items()
        if name in ("StartTime", "StartTime<", "StartTime>")
    )


def _in_time(started: datetime, side: str, text: str) -> bool:
    """A date stands for the whole day; as at Twilio, `<` and `>` include their own limit."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        day, limit = started.strftime("%Y-%m-%d"), text
    else:
        day, limit = started.isoformat(timespec="seconds"), datetime.fromisoformat(text).isoformat(timespec="seconds")
    return day <= limit if side == "<" else day >= limit if side == ">" else day == limit


def _date(at: float | None) -> str | None:
    return None if at is None else format_datetime(datetime.fromtimestamp(at, UTC))

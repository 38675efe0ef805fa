"""Feed items as the outside knows them: camelCase, milliseconds, no field of our machinery.

Pure. Leaves out request ids and stream names: who knows one could answer for another (reliability attack 79); and what
was confided to the agent alone: the brief, and keys that may be somebody's PIN.
"""

from dataclasses import fields
from enum import Enum
from typing import Any, Final

from pydantic.alias_generators import to_camel

from voicecall.bus.feed.feed import FeedItem
from voicecall.call.events import Event

__all__ = ["feed_record"]

_OURS: Final = frozenset(
    {"at", "request", "turn_token", "stream", "ingress", "policy", "effect", "requester", "opening_digits", "brief"}
)


def feed_record(item: FeedItem) -> dict[str, Any]:
    """One commit: what happened, and where the call is after it. `id` is what `since` takes."""
    return {
        "id": item.id,
        "callId": item.call,
        "state": item.phase.value,
        "events": [{"seq": record.seq, **_event_record(record.event)} for record in item.records],
    }


def _event_record(event: Event) -> dict[str, Any]:
    record = {"type": event.name, "at": _ms(event.at)}
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name not in _OURS and value is not None:
            record[to_camel(field.name.rstrip("_"))] = value.value if isinstance(value, Enum) else value
    return record


def _ms(at: float | None) -> int | None:
    return None if at is None else round(at * 1000)

"""One item of the feed: a commit as readers outside the call see it, and its bytes.

`bus/log.py` writes an item with each commit; `follower` and `feed` read them. Decisions are never based on the feed:
the log of the call is authoritative.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from voicecall.call.events import Event, PlaybackBegan
from voicecall.call.ids import CallId, RequestId, Seq, is_call_id
from voicecall.call.state import Call, Phase, RequestResult
from voicecall.ports import Commit, Record
from voicecall.wire import Undecodable, pack, pack_event, unpack, unpack_event

__all__ = ["FeedEntry", "PublishedItem", "RawItem", "pack_echo", "read_published", "unpack_echo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """One commit of one call. `id` orders the feed of all calls; following from it misses nothing."""

    id: str
    call: CallId
    records: tuple[Record, ...]  # the posted events, then the call's own
    phase: Phase  # after the commit
    answers: tuple[RequestResult, ...] = ()  # to the API requests that this commit settled


@dataclass(frozen=True, slots=True)
class RawItem:
    """An item whose `data` is not decoded yet. `at`: when the log took it, epoch seconds."""

    id: str
    call: CallId
    at: float
    data: bytes

    def is_after(self, other: str | None) -> bool:
        """Whether it comes later in the feed than the item `other`; True for None."""
        return other is None or _order(self.id) > _order(other)

    def decode(self) -> FeedEntry:
        """Raises Undecodable."""
        return unpack_echo(self.id, self.call, self.at, self.data)


@dataclass(frozen=True, slots=True)
class PublishedItem:
    """An item as published on the channel, with the id of the one before it."""

    before: str
    item: RawItem


def read_published(data: bytes) -> PublishedItem | None:
    """None for bytes that are no published item."""
    header, newline, body = data.partition(b"\n")
    try:
        before, item_id, call, at = header.decode("ascii").split(" ")
        _order(before), _order(item_id)
        published = PublishedItem(before, RawItem(item_id, CallId(call), float(at), body))
    except ValueError:
        return None
    return published if newline and is_call_id(call) else None


def pack_echo(commit: Commit, own: Iterable[bytes], first_own: int) -> bytes:
    """The `data` of an item. `own`: the commit's own events, packed; the first of them has the seq `first_own`."""
    return pack(
        (
            commit.call.phase.value,
            [(record.seq, pack_event(_with_spans(record.event, commit.call))) for record in commit.fresh],
            first_own,
            [
                pack_event(_with_spans(event, commit.call)) if isinstance(event, PlaybackBegan) else packed
                for event, packed in zip(commit.own, own, strict=True)
            ],
            [(answer.request, answer.ok, answer.text) for answer in commit.resolved],
        ),
    )


def _with_spans(event: Event, call: Call) -> Event:
    """The event as readers of the feed see it: the beginning of a reply says what the wait for it was made of.

    In a field of the event, which a reader of an earlier build ignores.
    """
    stats = call.stats
    if not isinstance(event, PlaybackBegan) or event.utterance != stats.last_reply:
        return event
    return replace(event, spans=stats.last_turn_spans, tools=stats.last_turn_tools or None)


def unpack_echo(item_id: str, call: CallId, at: float, data: bytes) -> FeedEntry:
    """`at`: when the log took it, the time of own events that carry none. Raises Undecodable."""
    echo = unpack(data)
    try:
        phase, fresh, first_own, own, answers = echo
        records = [Record(seq=Seq(int(seq)), event=unpack_event(packed)) for seq, packed in fresh]
        records += [Record(seq=Seq(first_own + place), event=_stamped(packed, at)) for place, packed in enumerate(own)]
        return FeedEntry(
            id=item_id,
            call=call,
            records=tuple(records),
            phase=Phase(phase),
            answers=tuple(_answer(*answer) for answer in answers),
        )
    except (TypeError, ValueError) as error:
        raise Undecodable("feed item does not fit") from error


def _stamped(packed: bytes, at: float) -> Event:
    event = unpack_event(packed)
    return event if event.at else unpack_event(packed, at=at)


def _answer(request: Any, ok: Any, text: Any) -> RequestResult:
    return RequestResult(request=RequestId(str(request)), ok=bool(ok), text=str(text))


def _order(item_id: str) -> tuple[int, int]:
    ms, _, no = item_id.partition("-")
    return int(ms), int(no)

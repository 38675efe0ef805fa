"""A commit as others see it: one item of the feed, and its bytes.

Written with each commit by `bus/log.py`, read by `bus/feed.py`. Nobody decides on it: the log is the truth.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from voicecall.call.events import Event
from voicecall.call.ids import CallId, RequestId, Seq
from voicecall.call.state import Phase, RequestResult
from voicecall.ports import Commit, Record
from voicecall.wire import Undecodable, pack, pack_event, unpack, unpack_event

__all__ = ["FeedItem", "pack_echo", "unpack_echo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedItem:
    """One commit of one call. `id` orders the feed of all calls; follow from it to miss nothing."""

    id: str
    call: CallId
    records: tuple[Record, ...]  # what came in, then what the call itself added
    phase: Phase  # after the commit
    answers: tuple[RequestResult, ...] = ()  # requests of local callers that this commit settled


def pack_echo(commit: Commit, own: Iterable[bytes], first_own: int) -> bytes:
    """`own`: the commit's own events, packed; the first of them gets the seq `first_own`."""
    return pack(
        (
            commit.call.phase.value,
            [(record.seq, pack_event(record.event)) for record in commit.fresh],
            first_own,
            list(own),
            [(answer.request, answer.ok, answer.text) for answer in commit.resolved],
        ),
    )


def unpack_echo(item_id: str, call: CallId, at: float, data: bytes) -> FeedItem:
    """`at`: when the log took it, for own events that brought no time. Raises Undecodable."""
    echo = unpack(data)
    try:
        phase, fresh, first_own, own, answers = echo
        records = [Record(seq=Seq(int(seq)), event=unpack_event(packed)) for seq, packed in fresh]
        records += [Record(seq=Seq(first_own + place), event=_stamped(packed, at)) for place, packed in enumerate(own)]
        return FeedItem(
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

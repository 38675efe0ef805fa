"""The bytes of a media bundle: many small items for one node in one message.

The format, known only here: one version byte, then msgpack of tuples, each a kind and its fields in the order of
`ports/media.py`; call ids as the 16 bytes of their UUID, audio unchanged. Bytes that do not fit exactly are no bundle.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgpack

from voicecall.call.events import Failover
from voicecall.call.ids import CallId
from voicecall.ports import (
    Attach,
    CallerAudio,
    Clear,
    Detach,
    Finish,
    FirstAudio,
    Listen,
    MediaItem,
    Pause,
    Play,
    RecordStream,
    Resume,
)

__all__ = ["pack_bundle", "unpack_bundle"]

_VERSION: Final = b"\x01"
_LONGEST: Final = 8 * 1_048_576

_SHAPES: Final[dict[int, tuple[Any, tuple[type, ...]]]] = {
    # kind: (class, types on the wire: kind, call, fields ...)
    0: (Attach, (int, bytes, int, str, str)),
    1: (Play, (int, bytes, int, int, bytes)),
    2: (Finish, (int, bytes, int, int)),
    3: (Clear, (int, bytes, int)),
    4: (Detach, (int, bytes, int)),
    5: (CallerAudio, (int, bytes, str, int, bytes)),
    6: (Pause, (int, bytes, int)),
    7: (Resume, (int, bytes, int)),
    8: (FirstAudio, (int, bytes, int, int, int, str, str, str)),
    9: (Listen, (int, bytes, str, int)),
    10: (RecordStream, (int, bytes, int, bool)),
}


_BARE: Final[dict[type[MediaItem], int]] = {Clear: 3, Detach: 4, Pause: 6, Resume: 7}
"""The kinds of which the call and the epoch are all there is."""


def pack_bundle(items: Iterable[MediaItem]) -> bytes:
    packed: bytes = msgpack.packb([_fields(item) for item in items], use_bin_type=True)
    return _VERSION + packed


def unpack_bundle(data: bytes) -> tuple[MediaItem, ...] | None:
    """The items in order; None for bytes that are no bundle."""
    if data[:1] != _VERSION or len(data) > _LONGEST:
        return None
    try:
        bundle = msgpack.unpackb(memoryview(data)[1:], raw=False, use_list=False)
    except (ValueError, msgpack.exceptions.UnpackException):
        return None
    if type(bundle) is not tuple:
        return None
    items = []
    for fields in bundle:
        item = _item(fields)
        if item is None:
            return None
        items.append(item)
    return tuple(items)


def _fields(item: MediaItem) -> tuple[Any, ...]:
    match item:
        case CallerAudio():
            return 5, _call_bytes(item.call), item.stream, item.first, item.mulaw
        case Play():
            return 1, _call_bytes(item.call), item.epoch, item.utterance, item.mulaw
        case Attach():
            return 0, _call_bytes(item.call), item.epoch, item.node, item.stream
        case Finish() | Listen() | RecordStream():
            return _rare(item)
        case FirstAudio():
            return 8, _call_bytes(item.call), item.epoch, item.utterance, item.synthesis_ms, *_failover(item.failover)
        case Clear() | Detach() | Pause() | Resume():
            return _BARE[type(item)], _call_bytes(item.call), item.epoch


def _rare(item: Finish | Listen | RecordStream) -> tuple[Any, ...]:
    if isinstance(item, Listen):
        return 9, _call_bytes(item.call), item.listener, item.lease_ms
    if isinstance(item, RecordStream):
        return 10, _call_bytes(item.call), item.epoch, item.on
    return 2, _call_bytes(item.call), item.epoch, item.utterance


def _item(fields: Any) -> MediaItem | None:
    if type(fields) is not tuple or len(fields) < 3 or type(fields[0]) is not int:
        return None
    kind = _SHAPES.get(fields[0])
    if kind is None or tuple(map(type, fields)) != kind[1] or len(fields[1]) != 16:
        return None
    call = _call_text(fields[1])
    if kind[0] is FirstAudio:
        epoch, utterance, synthesis_ms, *names = fields[2:]
        return FirstAudio(call, epoch, utterance, synthesis_ms, _failover_of(*names))
    item: MediaItem = kind[0](call, *fields[2:])
    return item


def _failover(failover: Failover | None) -> tuple[str, str, str]:
    """That one voice took over from another; empty texts: none did."""
    return ("", "", "") if failover is None else (failover.from_, failover.to, failover.reason)


def _failover_of(from_: str, to: str, reason: str) -> Failover | None:
    return Failover(service="tts", from_=from_, to=to, reason=reason) if to else None


# Cached: a few hundred calls are converted thousands of times a second.
@lru_cache(maxsize=4096)
def _call_bytes(call: CallId) -> bytes:
    return UUID(call).bytes


@lru_cache(maxsize=4096)
def _call_text(data: bytes) -> CallId:
    return CallId(str(UUID(bytes=data)))

"""The newest items of the feed, for whoever comes to watch and wants to know what happened just before.

Used by the gateway before it follows the feed. Reads backwards from the end, so its cost does not grow with the feed.
"""

from typing import Any, Final

from redis.asyncio import Redis

from voicecall.bus import keys
from voicecall.bus.connection import reaching_redis
from voicecall.bus.feed.wire import FeedItem, unpack_echo
from voicecall.call.ids import CallId
from voicecall.wire import Undecodable

__all__ = ["recent"]

_PAGE: Final = 500
_FARTHEST: Final = 20  # pages that are searched for the items of one call


async def recent(redis: Redis, count: int, call: CallId | None = None) -> tuple[tuple[FeedItem, ...], str]:
    """Up to `count` newest items, oldest first, of one call or of all; and the id from which to follow on.

    Items nobody can read are left out. Raises BusUnavailable.
    """
    found: list[FeedItem] = []
    newest, end = "0-0", "+"
    for _ in range(_FARTHEST):
        with reaching_redis():
            page: Any = await redis.xrevrange(keys.FEED, max=end, count=_PAGE if call else min(_PAGE, count + 1))
        if page and newest == "0-0":
            newest = page[0][0].decode()
        found += _readable(page, call)
        if len(found) >= count or len(page) < _PAGE:
            break
        end = f"({page[-1][0].decode()}"
    return tuple(reversed(found[:count])), newest


def _readable(page: Any, call: CallId | None) -> list[FeedItem]:
    items = []
    for item_id, fields in page:
        owner = CallId(fields[b"c"].decode())
        if call is not None and owner != call:
            continue
        try:
            items.append(unpack_echo(item_id.decode(), owner, float(fields[b"t"]), fields[b"d"]))
        except Undecodable:
            continue  # the feed is for onlookers: what is spoiled was reported by the call's owner
    return items

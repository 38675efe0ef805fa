"""Closes the media sockets of an ingress that stops, each at a moment in which its caller does not notice.

Such a moment is the end of an utterance, or the beginning of the next one, while the caller makes no sound: a person
answers only a little later, and what the carrier does not pass on between two sockets is silence. Run by `server`.
"""

import asyncio
from typing import Final

from ingress.streams import Stream, Streams

__all__ = ["close_each", "close_together"]

_POLL_S: Final = 0.05
_DEFERRED_S: Final = 0.15  # longer than a poll: an utterance that may be moved does not begin between two
_ENDED_S: Final = 0.2  # so soon after an utterance no one has begun to answer it
_IDLE_S: Final = 2.0  # who has said nothing for so long does not begin in this very moment
_QUIET_S: Final = 0.2  # a shorter pause is one between words
_TOGETHER_S: Final = 0.5  # how long an utterance waits for the common moment


async def close_each(streams: Streams, *, within_s: float) -> None:
    """Close each socket at its own moment, for its carrier reconnects to another ingress at once."""
    loop = asyncio.get_running_loop()
    moments: dict[Stream, _Moment] = {}
    deadline = loop.time() + within_s
    while (left := list(streams)) and loop.time() < deadline:
        for stream in left:
            moment = moments.setdefault(stream, _Moment(stream, loop.time()))
            if moment.has_come(loop.time()):
                _close(stream)
        await asyncio.sleep(_POLL_S)
    for stream in streams:
        _close(stream)


async def close_together(streams: Streams, *, within_s: float) -> list[Stream]:
    """Close all sockets at one moment, for each carrier waits from its close until the next ingress listens.

    Returns the streams that were closed.
    """
    loop = asyncio.get_running_loop()
    if len(streams) == 1:
        left = list(streams)
        await close_each(streams, within_s=within_s)
        return left
    deadline = loop.time() + within_s
    quiet_since = float("inf")
    while (left := list(streams)) and loop.time() < deadline:
        if deadline - loop.time() <= _TOGETHER_S:
            _defer(left)
        if not all(stream.is_between and not stream.is_noisy for stream in left):
            quiet_since = float("inf")
        elif loop.time() - (quiet_since := min(quiet_since, loop.time())) >= _QUIET_S:
            break
        await asyncio.sleep(_POLL_S)
    for stream in left:
        _close(stream)
    return left


class _Moment:
    """The moment of one stream."""

    def __init__(self, stream: Stream, now: float) -> None:
        self._stream = stream
        self._was_between = True
        self._ended_at = float("-inf")
        self._quiet_since = now

    def has_come(self, now: float) -> bool:
        """Whether to close now. Called at every poll: what could begin before the next one is deferred."""
        stream = self._stream
        if stream.is_between and not self._was_between:
            self._ended_at = now
        self._was_between = stream.is_between
        if stream.is_noisy or not stream.is_between:
            self._quiet_since = now
        if stream.is_noisy:
            return False
        stream.defer(_DEFERRED_S)
        if not stream.is_between:
            return False
        return stream.is_deferring or now - self._ended_at <= _ENDED_S or now - self._quiet_since >= _IDLE_S


def _defer(streams: list[Stream]) -> None:
    for stream in streams:
        if not stream.is_noisy:
            stream.defer(_DEFERRED_S)


def _close(stream: Stream) -> None:
    stream.socket.close(1001, "going away")

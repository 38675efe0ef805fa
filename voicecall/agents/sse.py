"""Server-sent events, read from bytes that may be cut anywhere.

Pure; used by `stream`. Knows the line format (fields, comments, blank lines, the three line ends); does not know what
the data means.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = ["Event", "SseParser"]

_LONGEST: Final = 1_048_576
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


class Event(NamedTuple):
    """One event. `name` is that of its `event` field, b"" without one."""

    name: bytes
    data: bytes


class SseParser:
    """The events that have data, in order. Comments (keep-alives) and other fields are skipped."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events complete so far. Raises ValueError when one grows beyond 1 MiB."""
        text = self._rest + piece
        cut = text[len(text.rstrip(b"\r")) :][-1:]  # a line end, or the first half of one
        *lines, rest = _LINE_END.split(text[: len(text) - len(cut)])
        self._rest = rest + cut
        if len(self._rest) + sum(map(len, self._data)) > _LONGEST:
            raise ValueError("event is too long")
        for line in lines:
            if not line:
                yield from self._take()
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                self._data.append(value)
            elif field == b"event":
                self._name = value.strip()

    def flush(self) -> Iterator[Event]:
        """The last event of a stream that ended without a blank line."""
        yield from self.feed(b"\n\n")

    def _take(self) -> Iterator[Event]:
        event, self._name, self._data = Event(self._name, b"\n".join(self._data)), b"", []
        if event.data.strip():
            yield event

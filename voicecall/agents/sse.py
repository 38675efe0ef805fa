"""Server-sent events, read from bytes that may be cut anywhere.

Pure; used by `stream`. Knows the line format (fields, comments, blank lines); does not know what the data means.
"""

from collections.abc import Iterator
from typing import Final

__all__ = ["SseParser"]

_LONGEST: Final = 1_048_576


class SseParser:
    """The `data` of each event, in order. Comments (keep-alives) and other fields are skipped."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._after_cr = False  # the last byte was a CR, whose LF may follow

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The events complete so far. Raises ValueError when one grows beyond 1 MiB."""
        *lines, self._rest = (self._rest + self._with_lf(piece)).split(b"\n")
        if len(self._rest) + sum(map(len, self._data)) > _LONGEST:
            raise ValueError("event is too long")
        for text in lines:
            if text.startswith(b"data:"):
                self._data.append(text[5:].removeprefix(b" "))
            elif not text and self._data:
                yield b"\n".join(self._data)
                self._data = []

    def _with_lf(self, piece: bytes) -> bytes:
        """The piece with LF at the end of each line, instead of CR LF or CR."""
        if self._after_cr and piece:
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" not in piece:
            return piece
        self._after_cr = piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def flush(self) -> Iterator[bytes]:
        """The last event of a stream that ended without a blank line."""
        yield from self.feed(b"\n\n")

"""A `calls.jsonl`, read: the last lines and those that come, or the newest records. Ours or the original's.

Lines that are no record are passed over. Knows the file, and nothing of what a record means.
"""

import json
import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

__all__ = ["follow", "newest"]

_AT_ONCE: Final = 1 << 20


def follow(path: Path, *, last: int, every_s: float) -> Iterator[str]:
    """The `last` lines of the file, then each new one, for ever; blocks between them.

    A file that became shorter, or was replaced, is read from its beginning; one that has gone is waited for. Raises
    OSError when there is none at the start.
    """
    with path.open("rb") as file:
        lines = deque(file, maxlen=last)
        at, which, rest = file.tell(), _which(file), b""
    if lines and not lines[-1].endswith(b"\n"):
        rest = lines.pop()
    yield from map(_text, lines)
    while True:
        try:
            with path.open("rb") as file:
                if _which(file) != which or file.seek(0, 2) < at:
                    at, which, rest = 0, _which(file), b""
                file.seek(at)
                data = file.read(_AT_ONCE)
                at += len(data)
        except FileNotFoundError:
            data = b""
        *whole, rest = (rest + data).split(b"\n")
        yield from map(_text, whole)
        if not data:
            time.sleep(every_s)


def newest(path: Path, last: int) -> list[dict[str, Any]]:
    """The records in the `last` lines, oldest first. Raises OSError."""
    with path.open("rb") as file:
        lines = deque((line for line in file if line.strip()), maxlen=last)
    return [record for line in lines if (record := _record(line)) is not None]


def _which(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        read = json.loads(line)
    except ValueError:
        return None
    return read if isinstance(read, dict) else None

"""Reads a `calls.jsonl`, of this system or of OpenClaw: follows its lines, or returns the newest records.

Skips lines that are not records. Knows the file format, not the meaning of a record.
"""

import json
import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

__all__ = ["follow", "newest"]

_CHUNK: Final = 1 << 20


def follow(path: Path, *, last: int, every_s: float) -> Iterator[str]:
    """The `last` lines of the file, then each new one, endlessly; blocks between them.

    A truncated or replaced file is read from its beginning; a deleted one is awaited. Raises OSError when the file does
    not exist at the start.
    """
    with path.open("rb") as file:
        lines = deque(file, maxlen=last)
        at, inode, rest = file.tell(), _inode(file), b""
    if lines and not lines[-1].endswith(b"\n"):
        rest = lines.pop()
    yield from map(_text, lines)
    while True:
        try:
            with path.open("rb") as file:
                if _inode(file) != inode or file.seek(0, 2) < at:
                    at, inode, rest = 0, _inode(file), b""
                file.seek(at)
                data = file.read(_CHUNK)
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


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        read = json.loads(line)
    except ValueError:
        return None
    return read if isinstance(read, dict) else None

"""`calls.jsonl`: one record a line, as the original writes it, so that its readers can be pointed at ours.

A call may stand in more than one line; the last one counts (behaviour 3.6). Several processes of one host may write:
each holds the file's lock, and sees whether the file was replaced meanwhile.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from voicecall.archive.archive import Archive

__all__ = ["JsonLinesFile", "export_jsonl"]

_LARGEST: Final = 64 * 1024 * 1024

Record = Mapping[str, Any]


class JsonLinesFile:
    """The file and the one before it, `<name>.1`, which begins anew when the file grows over `largest` bytes."""

    def __init__(self, path: Path, *, largest: int = _LARGEST) -> None:
        self.path = path
        self._largest = largest

    @property
    def former(self) -> Path:
        return self.path.with_name(f"{self.path.name}.1")

    def append(self, record: Record) -> None:
        """Write one line. Raises OSError."""
        line = _line(record)
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked() as handle:
            if os.fstat(handle).st_size:
                if os.fstat(handle).st_size + len(line) > self._largest:
                    self.path.replace(self.former)
                    return self.append(record)
                # What a crash left half written must not spoil this line too.
                line = line if os.pread(handle, 1, os.fstat(handle).st_size - 1) == b"\n" else b"\n" + line
            while line:
                line = line[os.write(handle, line) :]
        return None

    def scrub(self, gone: Callable[[Record], bool]) -> int:
        """Take out the records that are `gone`, of both files; how many lines. Raises OSError."""
        if not self.path.exists() and not self.former.exists():
            return 0
        # Locked all the while, and replaced last: whoever writes must not move it over the other meanwhile.
        with self._locked():
            return sum(_scrubbed(path, gone) for path in (self.former, self.path) if path.exists())

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, open for appending and ours alone until the block ends."""
        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                if _is_still(self.path, handle):
                    yield handle
                    return
            finally:
                os.close(handle)


def export_jsonl(archive: Archive, path: Path, since: float | None = None) -> int:
    """Write every call that began at `since` (epoch seconds) or later, oldest first; how many.

    The file appears whole, replacing any of that name, and is readable by its owner only. Raises ArchiveUnavailable,
    OSError.
    """
    return _replaced(path, (_line(record) for record in archive.each(since=since)))


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _scrubbed(path: Path, gone: Callable[[Record], bool]) -> int:
    with path.open("rb") as file:
        kept, count = [], 0
        for line in file:
            if _is_of(line, gone):
                count += 1
            else:
                kept.append(line)
    if count:
        _replaced(path, iter(kept))
    return count


def _is_of(line: bytes, gone: Callable[[Record], bool]) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False  # no line of ours; the original's readers skip it as well
    return isinstance(record, dict) and gone(record)


def _replaced(path: Path, written: Iterator[bytes]) -> int:
    count = 0
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            for line in written:
                file.write(line)
                count += 1
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return count


def _line(record: Record) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"

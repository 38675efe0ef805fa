"""`calls.jsonl`: a file with one record per line, compatible with the voice-call plugin's (docs/compatibility.md).

A call may have more than one line; the last one counts. Several processes of one host may write: each takes the file's
lock and checks whether the file was replaced meanwhile.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from voicecall.archive.archive import CallArchive

__all__ = ["JsonLinesFile", "export_jsonl"]

_LARGEST: Final = 64 * 1024 * 1024

JsonRecord = Mapping[str, Any]


class JsonLinesFile:
    """The file and its predecessor `<name>.1`, to which it is renamed before it would exceed `largest` bytes."""

    def __init__(self, path: Path, *, largest: int = _LARGEST) -> None:
        self.path = path
        self._largest = largest

    @property
    def previous(self) -> Path:
        return self.path.with_name(f"{self.path.name}.1")

    def append(self, record: JsonRecord) -> None:
        """Write one line. Raises OSError."""
        line = _line(record)
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked() as handle:
            if os.fstat(handle).st_size:
                if os.fstat(handle).st_size + len(line) > self._largest:
                    self.path.replace(self.previous)
                    return self.append(record)
                # A line that a crash left incomplete must not corrupt this one too.
                line = line if os.pread(handle, 1, os.fstat(handle).st_size - 1) == b"\n" else b"\n" + line
            while line:
                line = line[os.write(handle, line) :]
        return None

    def remove(self, matches: Callable[[JsonRecord], bool]) -> int:
        """Remove the records that match from both files. Returns the number of lines. Raises OSError."""
        if not self.path.exists() and not self.previous.exists():
            return 0
        # The current file is locked throughout and replaced last, so that no writer rotates it meanwhile.
        with self._locked():
            return sum(_remove(path, matches) for path in (self.previous, self.path) if path.exists())

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, open for appending and locked until the block ends."""
        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                if _is_still(self.path, handle):
                    yield handle
                    return
            finally:
                os.close(handle)


def export_jsonl(archive: CallArchive, path: Path, since: float | None = None) -> int:
    """Write every call that began at `since` (epoch seconds) or later, oldest first. Returns how many.

    The file is replaced atomically and is readable by its owner only. Raises ArchiveUnavailable, OSError.
    """
    return _replace(path, (_line(record) for record in archive.each(since=since)))


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _remove(path: Path, matches: Callable[[JsonRecord], bool]) -> int:
    with path.open("rb") as file:
        kept, count = [], 0
        for line in file:
            if _matches(line, matches):
                count += 1
            else:
                kept.append(line)
    if count:
        _replace(path, iter(kept))
    return count


def _matches(line: bytes, matches: Callable[[JsonRecord], bool]) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False  # not a record; readers skip it as well
    return isinstance(record, dict) and matches(record)


def _replace(path: Path, lines: Iterator[bytes]) -> int:
    count = 0
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            for line in lines:
                file.write(line)
                count += 1
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return count


def _line(record: JsonRecord) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"

"""Where recordings are: the role, and a directory that fills it.

Every method blocks, and raises RecordingStoreUnavailable when the store does not serve. Names are relative, with `/`.
Files are readable by their owner only, and a file that has its name is whole.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from voicecall.errors import RecordingStoreUnavailable

__all__ = ["DirectoryStore", "RecordingStore"]


class RecordingStore(Protocol):
    @property
    def name(self) -> str:
        """For logs: without a secret."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Store durably; an object of this name is replaced."""
        ...

    def put_file(self, name: str, path: Path) -> None:
        """As `put`, with the content of a local file."""
        ...

    def read(self, name: str, first: int, length: int) -> bytes: ...

    def get(self, name: str) -> bytes | None:
        """The object; None when there is none."""
        ...

    def size(self, name: str) -> int | None:
        """In bytes; None when there is no such object."""
        ...

    def names(self, prefix: str) -> list[str]:
        """The names of all objects that begin with this; `prefix` ends with `/`."""
        ...

    def delete(self, prefix: str) -> int:
        """Delete what `names` finds. Returns how many there were."""
        ...

    def older(self, before: float) -> list[str]:
        """The folders at the top, of which the newest object was written before that time (epoch seconds)."""
        ...


class DirectoryStore:
    """A directory that ingresses, workers and gateways share. Created at the first write."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.name = str(root)

    def put(self, name: str, data: bytes) -> None:
        with self._serving(), self._replacing(name) as part, part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def put_file(self, name: str, path: Path) -> None:
        with self._serving(), self._replacing(name) as part, path.open("rb") as source, part.open("wb") as file:
            shutil.copyfileobj(source, file, 1_048_576)
            file.flush()
            os.fsync(file.fileno())

    def read(self, name: str, first: int, length: int) -> bytes:
        with self._serving(), (self._root / name).open("rb") as file:
            file.seek(first)
            return file.read(length)

    def get(self, name: str) -> bytes | None:
        with self._serving():
            try:
                return (self._root / name).read_bytes()
            except FileNotFoundError:
                return None

    def size(self, name: str) -> int | None:
        with self._serving():
            try:
                return (self._root / name).stat().st_size
            except FileNotFoundError:
                return None

    def names(self, prefix: str) -> list[str]:
        with self._serving():
            found = (self._root / prefix).rglob("*")
            return sorted(str(path.relative_to(self._root)) for path in found if path.is_file())

    def delete(self, prefix: str) -> int:
        names = self.names(prefix)
        with self._serving(), suppress(FileNotFoundError):
            shutil.rmtree(self._root / prefix)
        return len(names)

    def older(self, before: float) -> list[str]:
        with self._serving():
            if not self._root.exists():
                return []
            return [f"{each.name}/" for each in self._root.iterdir() if each.is_dir() and _newest(each) < before]

    @contextmanager
    def _replacing(self, name: str) -> Iterator[Path]:
        """A file that gets this name when the block ends, and is removed when it raises."""
        path = self._root / name
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            yield part
            part.replace(path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise

    @contextmanager
    def _serving(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RecordingStoreUnavailable(
                f"recordings at {self.name}: {error.strerror or type(error).__name__}; see that the directory exists,"
                " has room and belongs to this user, or correct recording.store"
            ) from error


def _newest(folder: Path) -> float:
    return max((path.stat().st_mtime for path in (folder, *folder.rglob("*"))), default=0.0)

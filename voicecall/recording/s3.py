"""Recordings in a bucket of S3, or of a store that speaks its protocol. Needs the extra `s3` (obstore)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from voicecall.errors import ConfigError, RecordingStoreUnavailable
from voicecall.settings.model.recording import Recording

try:
    import obstore
    from obstore.exceptions import BaseError, NotFoundError
    from obstore.store import S3Store as Client
except ModuleNotFoundError as error:
    raise ConfigError(["recording.store: S3 needs another package; pip install 'voicecall[s3]'"]) from error

__all__ = ["S3Store"]

_REQUEST_S: Final = 10
_RETRY_S: Final = 5
_DELETED_AT_ONCE: Final = 1_000
_PART_BYTES: Final = 8 * 1_048_576


class S3Store:
    """`prefix`: of every name, without slashes at its ends. Raises ConfigError for settings that cannot be used."""

    def __init__(self, bucket: str, prefix: str, settings: Recording) -> None:
        given = {
            "endpoint": settings.endpoint,
            "region": settings.region,
            "access_key_id": settings.access_key_id,
            "secret_access_key": settings.secret_access_key,
        }
        try:
            self._client = Client(
                bucket,
                prefix=prefix or None,
                client_options={"timeout": timedelta(seconds=_REQUEST_S), "allow_http": True},
                retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=_RETRY_S)},
                **{name: value for name, value in given.items() if value},  # type: ignore[arg-type]
            )
        except (BaseError, ValueError) as error:
            raise ConfigError([f"recording.store: {_reason(error)}; see docs/recording.md"]) from error
        self.name = f"s3://{bucket}/{prefix}"

    def put(self, name: str, data: bytes) -> None:
        with self._serving():
            obstore.put(self._client, name, data, use_multipart=False)

    def put_file(self, name: str, path: Path) -> None:
        with self._serving():
            obstore.put(self._client, name, path, chunk_size=_PART_BYTES)

    def read(self, name: str, first: int, length: int) -> bytes:
        with self._serving():
            return bytes(obstore.get_range(self._client, name, start=first, length=length))

    def get(self, name: str) -> bytes | None:
        with self._serving():
            try:
                return bytes(obstore.get(self._client, name).bytes())
            except (NotFoundError, FileNotFoundError):
                return None

    def size(self, name: str) -> int | None:
        with self._serving():
            try:
                return int(obstore.head(self._client, name)["size"])
            except (NotFoundError, FileNotFoundError):
                return None

    def names(self, prefix: str) -> list[str]:
        with self._serving():
            pages = obstore.list(self._client, prefix.rstrip("/"))
            return sorted(str(each["path"]) for page in pages for each in page)

    def delete(self, prefix: str) -> int:
        names = self.names(prefix)
        with self._serving():
            for first in range(0, len(names), _DELETED_AT_ONCE):
                obstore.delete(self._client, names[first : first + _DELETED_AT_ONCE])
        return len(names)

    def older(self, before: float) -> list[str]:
        newest: dict[str, float] = {}
        with self._serving():
            for page in obstore.list(self._client):
                for each in page:
                    folder = str(each["path"]).partition("/")[0]
                    newest[folder] = max(newest.get(folder, 0.0), each["last_modified"].timestamp())
        return [f"{folder}/" for folder, at in newest.items() if at < before]

    @contextmanager
    def _serving(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            raise RecordingStoreUnavailable(
                f"recordings at {self.name}: {_reason(error)}; see that the store is reachable and its keys may write"
                " there, or correct recording.store"
            ) from error


def _reason(error: Exception) -> str:
    """The first line, without what the server or the signature said in full."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]

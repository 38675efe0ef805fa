"""The store that the configuration names. Its parts for S3 are loaded only where it names a bucket."""

from pathlib import Path
from urllib.parse import urlsplit

from voicecall.recording.store import DirectoryStore, RecordingStore
from voicecall.settings import Settings

__all__ = ["open_store"]


def open_store(settings: Settings) -> RecordingStore | None:
    """None while no call is recorded. Raises ConfigError for a store that cannot be used."""
    if not settings.records_calls:
        return None
    where = settings.recording.store or str(settings.store_path / "recordings")
    if not where.startswith("s3://"):
        return DirectoryStore(Path(where).expanduser())
    # Its package is an extra, and its import takes a moment that no one else should wait.
    from voicecall.recording.s3 import S3Store

    parts = urlsplit(where)
    return S3Store(parts.netloc, parts.path.strip("/"), settings.recording)

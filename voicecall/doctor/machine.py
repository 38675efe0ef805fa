"""Checks this machine: the archive of ended calls, the disk it is on, and how many files a process may open.

Judged for the machine and the user that run the doctor: run it where the processes run.
"""

import asyncio
import resource
import shutil
from pathlib import Path
from typing import Final

from voicecall.archive import CallArchive
from voicecall.doctor.finding import Finding, fail, ok, warn
from voicecall.errors import ArchiveUnavailable, ConfigError
from voicecall.settings import Settings

__all__ = ["archive_answers", "judge_descriptors", "judge_disk"]

_MIB: Final = 1 << 20
_LITTLE_MIB: Final = 1024
_LEAST_MIB: Final = 100
_CONNECTIONS: Final = 1024  # of an ingress, beside its media sockets
_SHARE: Final = 3 / 4  # an ingress takes connections for this much of its descriptors
_TIMEOUT_S: Final = 5.0


async def archive_answers(settings: Settings) -> Finding:
    """Whether ended calls can be read from the archive. A SQLite file that does not exist yet is in order."""
    check = "archive"
    if not settings.archive.enabled:
        return ok(check, "disabled: ended calls stay in Redis for 30 days")
    try:
        archive = CallArchive(settings.archive_url)
    except ConfigError as error:
        return fail(check, "; ".join(error.problems), "correct archive.url")
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await asyncio.to_thread(archive.latency, 1)
    except ArchiveUnavailable as error:
        seen, _, remedy = str(error).partition("; ")
        return fail(check, seen, remedy or "correct archive.url")
    except TimeoutError:
        return fail(check, f"{archive.name} does not answer within {_TIMEOUT_S:.0f} s", "check that the server runs")
    finally:
        archive.close()
    return ok(check, f"{archive.name} answers")


def judge_disk(path: Path, free_bytes: int | None = None) -> Finding:
    """Room for the files of ended calls at `path`. `free_bytes`: instead of the disk's."""
    there = next((each for each in (path, *path.parents) if each.exists()), Path("/"))
    free_mib = (shutil.disk_usage(there).free if free_bytes is None else free_bytes) // _MIB
    seen = f"{free_mib:,} MiB free at {there}"
    if free_mib >= _LITTLE_MIB:
        return ok("disk", seen)
    level = fail if free_mib < _LEAST_MIB else warn
    return level("disk", seen, "make room, or shorten archive.retentionDays: a full disk stops the archive")


def judge_descriptors(media_sockets: int, limit: int | None = None) -> Finding:
    """Whether an ingress may open as many connections as it is configured for. `limit`: instead of this shell's."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit
    needed = round((_CONNECTIONS + media_sockets) / _SHARE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return ok("descriptors", "unlimited" if soft == resource.RLIM_INFINITY else f"{soft:,} for each process")
    connections = int(soft * _SHARE)
    seen = (
        f"{soft:,} for each process: an ingress takes {connections:,} connections of {_CONNECTIONS + media_sockets:,}"
    )
    return warn("descriptors", seen, f"raise the limit of open files to {needed:,} (LimitNOFILE=, ulimits, ulimit -n)")

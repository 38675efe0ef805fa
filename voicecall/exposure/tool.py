"""Other people's programs, run without a shell: found on the PATH, given little, watched for time and size.

Used by the tunnels beside it. A program gets the environment that it needs to work and none of our secrets; what it
prints is for its own reader alone, and only a few constant words of it reach a log.
"""

import asyncio
import os
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from voicecall.errors import ExposureError, ToolMissing

__all__ = ["OUTPUT_LIMIT", "Outcome", "end", "environment_of", "run", "start"]

OUTPUT_LIMIT: Final = 262_144
"""Bytes kept of each stream; the rest is read and thrown away, so that the program never waits for us."""

_FLUSH_S: Final = 0.2
_INSTALL: Final = {
    "ngrok": "install it from https://ngrok.com/download",
    "tailscale": "install it from https://tailscale.com/download",
}
_NEEDED: Final = frozenset(
    {"APPDATA", "HOME", "LANG", "LOCALAPPDATA", "LOGNAME", "PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "TZ", "USER"}
    | {"ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_DIR", "SSL_CERT_FILE"}
)
_FAMILIES: Final = ("LC_", "NGROK_", "TAILSCALE_", "TS_", "XDG_")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended. `status` None: it did not, in time, and was killed; what it had said until then is here."""

    status: int | None
    out: str
    err: str


def environment_of(environ: Mapping[str, str], **more: str) -> dict[str, str]:
    """What a program of others may know of our environment: paths, proxies, its own settings. Never a carrier's key."""
    known = {
        name: value for name, value in environ.items() if name.upper() in _NEEDED or name.upper().startswith(_FAMILIES)
    }
    return {**known, **more}


async def start(name: str, *arguments: str, environ: Mapping[str, str]) -> Process:
    """Begin a program in a process group of its own, its output in pipes. Raises ToolMissing, ExposureError.

    `environ` is given to it as it is; the PATH in it is where it is looked for.
    """
    path = await asyncio.to_thread(shutil.which, name, path=environ.get("PATH", os.defpath))
    if path is None:
        raise ToolMissing(name, f"no such program on the PATH; {_INSTALL.get(name, 'install it')}")
    try:
        return await asyncio.create_subprocess_exec(
            path, *arguments, env=dict(environ), stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
        )
    except OSError as error:
        raise ExposureError(name, f"cannot be started ({error.strerror or error}); see whether {path} runs") from error


async def run(
    name: str, *arguments: str, within_s: float, environ: Mapping[str, str], until: re.Pattern[bytes] | None = None
) -> Outcome:
    """Run a program to its end, or kill it: after `within_s`, or once it prints what `until` finds.

    Raises ToolMissing, ExposureError.
    """
    process = await start(name, *arguments, environ=environ)
    out, err, enough = bytearray(), bytearray(), asyncio.Event()
    readers = [asyncio.create_task(_collect(pipe, into, until, enough)) for pipe, into in _pipes(process, out, err)]
    # Its end counts, not that of its pipes: a child it left behind may hold those for ever.
    ends = [asyncio.create_task(process.wait()), asyncio.create_task(enough.wait())]
    try:
        await asyncio.wait(ends, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        status = process.returncode
        if status is not None:
            await asyncio.wait(readers, timeout=_FLUSH_S)
    finally:
        await end(process, grace_s=0.0)
        for task in (*readers, *ends):
            task.cancel()
        await asyncio.gather(*readers, *ends, return_exceptions=True)
    return Outcome(status, out.decode(errors="replace"), err.decode(errors="replace"))


async def end(process: Process, *, grace_s: float) -> None:
    """SIGTERM, `grace_s` to obey, SIGKILL. Harmless when it has ended; not cut short by a cancellation."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        if grace_s:
            process.terminate()
            try:
                async with asyncio.timeout(grace_s):
                    await process.wait()
            except TimeoutError:
                process.kill()
            except asyncio.CancelledError:
                process.kill()
                raise
        else:
            process.kill()
    await process.wait()


def _pipes(process: Process, out: bytearray, err: bytearray) -> list[tuple[asyncio.StreamReader, bytearray]]:
    return [(pipe, into) for pipe, into in ((process.stdout, out), (process.stderr, err)) if pipe is not None]


async def _collect(
    pipe: asyncio.StreamReader, into: bytearray, until: re.Pattern[bytes] | None, enough: asyncio.Event
) -> None:
    while piece := await pipe.read(65_536):
        into += piece[: OUTPUT_LIMIT - len(into)]
        if until is not None and until.search(into):
            enough.set()

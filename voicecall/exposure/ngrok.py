"""One ngrok agent: a child process that forwards a public URL to a local port for as long as it runs.

Used by the ingress. The token is passed in the child's environment: never on a command line, which every user can read,
and never in the user's own ngrok configuration. When this process is killed, the agent's log pipe breaks and it ends.
"""

import asyncio
import json
import logging
import re
from asyncio import StreamReader
from asyncio.subprocess import Process
from collections.abc import Mapping
from typing import Any, Final, Self

from voicecall.errors import ExposureError
from voicecall.subprocesses import end, environment_of, lines_of, spawn

__all__ = ["Ngrok"]

_log = logging.getLogger(__name__)

_TOOL: Final = "ngrok"
_START_S: Final = 30.0
_STOP_S: Final = 2.0
_CODE: Final = re.compile(r"ERR_NGROK_[0-9]{1,6}")
_ORIGIN: Final = re.compile(r"https://[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?\Z")
_REMEDIES: Final = {
    "ERR_NGROK_105": "set tunnel.ngrokAuthToken (or NGROK_AUTHTOKEN) to a token of your ngrok dashboard",
    "ERR_NGROK_107": "set tunnel.ngrokAuthToken (or NGROK_AUTHTOKEN) to a token of your ngrok dashboard",
    "ERR_NGROK_108": "stop the other ngrok agents of this account",
    "ERR_NGROK_334": "stop the agent that uses tunnel.ngrokDomain already, or choose another domain",
    "ERR_NGROK_4018": "set tunnel.ngrokAuthToken (or NGROK_AUTHTOKEN): ngrok requires an account",
}


class Ngrok:
    """A running agent. `origin` is its public URL without a path; `ended` waits for its end; `stop` ends it."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._origin: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        # Both are read until the agent ends: a full pipe would block it.
        self._readers = (
            asyncio.create_task(self._read(process.stdout)),
            asyncio.create_task(self._read(process.stderr)),
        )
        self._code = ""

    @classmethod
    async def open(
        cls,
        upstream: str,
        *,
        token: str | None,
        domain: str | None,
        environ: Mapping[str, str],
        within_s: float = _START_S,
    ) -> Self:
        """Start an agent for `upstream` (a port, or host:port); wait for its URL. Raises ToolMissing, ExposureError."""
        order = ["http", upstream, "--log", "stdout", "--log-format", "json"]
        order += ["--domain", domain] if domain else []
        more = {"NGROK_AUTHTOKEN": token} if token else {}
        agent = cls(await spawn(_TOOL, *order, environ=environment_of(environ, **more)))
        try:
            await agent._until_open(within_s)
        except BaseException:
            await agent.stop()
            raise
        return agent

    @property
    def origin(self) -> str:
        return self._origin.result()

    async def ended(self) -> ExposureError:
        """Wait until the agent ends, and return why."""
        await self._process.wait()
        await asyncio.wait(self._readers, timeout=_STOP_S)
        return self._error()

    async def stop(self) -> None:
        """SIGTERM, two seconds, SIGKILL."""
        try:
            await end(self._process, grace_s=_STOP_S)
        finally:
            for reader in self._readers:
                reader.cancel()
            await asyncio.gather(*self._readers, return_exceptions=True)

    async def _until_open(self, within_s: float) -> None:
        ended = asyncio.create_task(self.ended())
        try:
            await asyncio.wait((self._origin, ended), timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            if not self._origin.done():
                raise ended.result() if ended.done() else self._timed_out(within_s)
            self._origin.result()
        finally:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)

    async def _read(self, pipe: StreamReader | None) -> None:
        async for line in lines_of(pipe):
            self._take(line)

    def _take(self, line: str) -> None:
        """Read one line of output. Only URL and error code are kept, for the rest may hold the token."""
        origin = _origin_in(line)
        if origin is not None and not self._origin.done():
            self._origin.set_result(origin)
        found = _CODE.search(line)
        if found is None:
            return
        self._code = found[0]
        if not self._origin.done():
            self._origin.set_exception(self._error())
            self._origin.exception()  # marks it as retrieved: `open` may have given up

    def _error(self) -> ExposureError:
        if self._code:
            remedy = _REMEDIES.get(self._code, "look it up in ngrok's list of errors")
            where = f"https://ngrok.com/docs/errors/{self._code.lower()}"
            return ExposureError(_TOOL, f"{self._code}; {remedy} ({where})")
        status = self._process.returncode
        return ExposureError(_TOOL, f"ended with {status}; run `ngrok http 80` by hand to see why")

    def _timed_out(self, within_s: float) -> ExposureError:
        return ExposureError(
            _TOOL, f"startup timed out after {within_s:g} s; see whether this machine reaches connect.ngrok-agent.com"
        )


def _origin_in(line: str) -> str | None:
    """The public https URL in a record of the log, if there is one.

    An agent of version 2 also logs an `http` one, which is ignored: transcripts and signatures need encryption.
    """
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    url = record.get("url")
    if not isinstance(url, str) or not _ORIGIN.match(url.rstrip("/")):
        return None
    is_tunnel = record.get("msg") == "started tunnel" or "addr" in record
    return url.rstrip("/") if is_tunnel else None

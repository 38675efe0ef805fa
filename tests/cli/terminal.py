"""Runs the `voicecall` command as a process: arguments and environment in, exit status and both outputs out."""

import asyncio
import os
import sys
from dataclasses import dataclass

from tests.gateway.conftest import TOKEN

__all__ = ["UNKNOWN", "Outcome", "environment", "started", "voicecall"]

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


def environment(url: str, token: str | None = TOKEN, **more: str) -> dict[str, str]:
    known = {"PATH": os.environ["PATH"], "VOICECALL_GATEWAY_URL": url, "COLUMNS": "200", **more}
    return known if token is None else {**known, "VOICECALL_GATEWAY_TOKEN": token}


async def started(env: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "voicecall.cli", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
    )


async def voicecall(env: dict[str, str], *arguments: str) -> Outcome:
    process = await started(env, *arguments)
    out, err = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), err.decode())

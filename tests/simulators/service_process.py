"""A simulator of speech or a model as a process for its tests: start, read the URL, end by SIGTERM."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import pytest

__all__ = ["running", "until_broken"]


@contextmanager
def running(module: str) -> Iterator[str]:
    """The URL of `python -m <module>`. Asserts exit status 0 after SIGTERM, even with open connections."""
    process = subprocess.Popen([sys.executable, "-m", module, "--port", "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True
        yield ready["url"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def until_broken(response: aiohttp.ClientResponse) -> bytes:
    """What arrives of a body that must break off before its end."""
    heard = b""

    async def read() -> None:
        nonlocal heard
        async for piece in response.content.iter_any():
            heard += piece

    with pytest.raises(aiohttp.ClientPayloadError):
        await read()
    return heard

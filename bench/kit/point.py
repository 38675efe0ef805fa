"""One point of a comparison: a server under so many calls of `load.py`, its CPU and memory while they are measured.

The caller starts the server; load and services are started here. On machines with two cores the server may be given a
core alone: `on_cores` is inherited by every process that is started within it.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from bench.cpu import Cpu, rss_bytes
from simulators.stack import Plan, Process, Stack
from simulators.stack.redis import free_port

__all__ = ["TOKEN", "Point", "load", "on_cores", "services", "system", "under_load"]

TOKEN: Final = "t" * 32
_ROOT: Final = Path(__file__).resolve().parents[2]
_WINDOW_S: Final = 20.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """What was measured: `shares` of one core by role; bytes by which memory grew per call; times in milliseconds."""

    calls: int
    shares: Mapping[str, float]
    grown: float
    turn: Sequence[float]
    late: Sequence[float]
    sent_late: Sequence[float]
    missed: int
    weather: str
    own_cpu: float
    seconds: float = field(default=_WINDOW_S)

    @property
    def cpu_s_per_call_minute(self) -> float:
        return sum(self.shares.values()) * 60 / self.calls


@contextmanager
def on_cores(*cores: int) -> Iterator[None]:
    """Processes that are started in the block run on these cores. All cores on a machine that has not got them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cores) & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@asynccontextmanager
async def services(home: Path, *cores: int) -> AsyncIterator[str]:
    """The address of running services."""
    port = free_port()
    command = [sys.executable, "-m", "bench.kit.services", "--port", str(port)]
    process = Process("services", command, env=os.environ, log=home / "services.log", cwd=_ROOT)
    with on_cores(*cores):
        await process.start(_listens)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await process.kill()


async def _listens(process: Process) -> bool:
    return b"listening" in process.output


def system(url: str, *, workers: int = 1, ingresses: int = 1, source: Path = _ROOT) -> Stack:
    """Our processes, of a checkout, as it runs in production, with the services at `url`; Redis with AOF everysec."""
    config = {
        "twilio": {"accountSid": "AC" + "0" * 32, "authToken": TOKEN},
        "inboundPolicy": "open",
        "allowFrom": [],
        "inboundGreeting": "Hello.",
        "maxConcurrentCalls": 2000,
        "maxInboundCalls": 2000,
        "maxDurationSeconds": 3600,
        "turns": {"silenceTimeoutMs": 0},
        "streaming": {
            "baseUrl": f"{url}/v1",
            "maxConnections": 2000,
            "maxPendingConnections": 500,
            "maxPendingConnectionsPerIp": 500,
        },
        "tts": {"provider": "elevenlabs", "elevenlabs": {"apiKey": "k", "baseUrl": url}},
        "responseModel": "openai/gpt-4o-mini",
        "responseBaseUrl": f"{url}/v1",
    }
    environment = {"TWILIO_API_BASE_URL": url, "VOICECALL_WORKER_SLOTS": "2000"}
    plan = Plan(workers=workers, ingresses=ingresses, config=config, environment=environment, aof=True)
    return Stack(plan, source=source)


async def load(calls: int, *cores: int, **options: object) -> AsyncIterator[bytes]:
    """Start the callers; yields `measuring`, and then the JSON of what they measured."""
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "bench.kit.load", "--calls", str(calls), *words]
    with on_cores(*cores):
        process = await asyncio.create_subprocess_exec(
            *command, cwd=_ROOT, stdout=asyncio.subprocess.PIPE, limit=1 << 26
        )
    try:
        if process.stdout is None:
            raise AssertionError("stdout is a pipe")
        async for line in process.stdout:
            yield line
        if await process.wait():
            raise RuntimeError(f"the load of {calls} calls ended with status {process.returncode}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def under_load(
    processes: Mapping[str, Process], calls: int, *cores: int, seconds: float = _WINDOW_S, **options: object
) -> Point:
    """The measured point. `processes`: the server's, by role and number; `cores`: those of the callers."""
    async for _ in load(1, *cores, **{**options, "seconds": 1.0, "warm": 3.0}):
        pass  # a first call loads what all share
    idle = sum(map(rss_bytes, processes.values()))
    lines = load(calls, *cores, seconds=seconds, **options)
    await anext(lines)
    async with Cpu(processes) as cpu:
        found: dict[str, Any] = orjson.loads(await anext(lines))
    grown = (sum(map(rss_bytes, processes.values())) - idle) / calls
    async for _ in lines:
        pass
    if found["refused"]:
        raise RuntimeError(f"{found['refused']} of {calls} calls got no stream")
    return Point(
        calls=calls,
        shares=cpu.shares(),
        grown=grown,
        turn=found["turn"],
        late=found["late"],
        sent_late=found["sent_late"],
        missed=found["missed"],
        weather=cpu.weather(),
        own_cpu=found["own_cpu"],
        seconds=cpu.seconds,
    )

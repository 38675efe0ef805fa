"""voicecall beside the fastest Python peer: the same calls, services and core, one server after the other.

Each server runs alone on core 0; callers and services on core 1. Patter over sockets does the same work as voicecall;
Patter with stubs, in its own process, is its best case. Of voicecall all processes and Redis are counted. The peer is
installed into an environment of its own (`out/peers`), with `pip`; voicecall never depends on it.

`peers:80:150` gives the numbers of calls; a path among them is a further checkout of voicecall, to compare two of its
builds in one run, as in `peers:80:../before`; `-patter` leaves the peer out.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figures import Bar, Result, percentile
from bench.kit.point import TOKEN, Point, on_cores, services, system, under_load
from bench.progress import Progress
from simulators.stack import Process
from simulators.stack.process import answers
from simulators.stack.redis import free_port
from simulators.stack.stack import THIS_BUILD

__all__ = ["run"]

_CALLS: Final = (80, 150)
_PEER: Final = "getpatter==0.7.0"
_ENVIRONMENT: Final = Path("out/peers")
_LATE_MS: Final = 10.0
"""When the callers' own p99 was later than this, their times count as too long."""
_RATIO: Final = 0.6


@dataclass(frozen=True)
class _Asked:
    counts: Sequence[int]
    sources: Sequence[Path]
    peer: bool


async def run(progress: Progress, argument: str) -> Result:
    """`argument`: see the module. Raises ValueError for one that is neither a number nor a checkout."""
    asked, result = _asked(argument), Result(bench="peers")
    python = await _environment(progress) if asked.peer else None
    with tempfile.TemporaryDirectory(prefix="voicecall-peers-") as scratch:
        home = Path(scratch)
        for calls in asked.counts:
            async with services(home, 1) as url:
                await _compare(progress, result, calls, url, python, asked.sources, home)
    return result


def _asked(argument: str) -> _Asked:
    words = [word for word in argument.split(":") if word]
    counts = [int(word) for word in words if word.isdecimal()]
    paths = [Path(word).resolve() for word in words if not word.isdecimal() and word != "-patter"]
    for path in paths:
        if not (path / "ingress").is_dir():
            raise ValueError(f"{path} is no checkout of voicecall")
    return _Asked(counts or _CALLS, [THIS_BUILD, *paths], "-patter" not in words)


async def _environment(progress: Progress) -> Path:
    """The interpreter of the peer's environment, which is made at the first run."""
    python = _ENVIRONMENT / "bin" / "python"
    if not (_ENVIRONMENT / "ready").exists():
        progress(f"installing {_PEER} into {_ENVIRONMENT}")
        await _do(sys.executable, "-m", "venv", str(_ENVIRONMENT))
        await _do(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", _PEER, "uvloop")
        (_ENVIRONMENT / "ready").touch()
    return python.absolute()


async def _do(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait():
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")


async def _compare(
    progress: Progress, result: Result, calls: int, url: str, python: Path | None, sources: Sequence[Path], home: Path
) -> None:
    of_peer: Point | None = None
    if python is not None:
        for name, address in (("Patter with stubs", ""), ("Patter", url)):
            async with _patter(python, address, home) as (process, port):
                of_peer = await under_load({"patter": process}, calls, 1, ports=port, path="/ws/stream/{sid}")
            _add(progress, result, name, of_peer)
    for source in sources:
        name = "voicecall" if source == THIS_BUILD else f"voicecall of {source.name}"
        point = await _voicecall(calls, url, source)
        _add(progress, result, name, point)
        if of_peer is not None:
            ratio = point.cpu_s_per_call_minute / of_peer.cpu_s_per_call_minute
            result.add(f"{calls} calls: CPU of {name} to Patter's", "", [ratio], Bar(of="mean", limit=_RATIO))


async def _voicecall(calls: int, url: str, source: Path) -> Point:
    stack = system(url, source=source)
    with on_cores(0):
        await stack.__aenter__()
    async with contextlib.AsyncExitStack() as closing:
        closing.push_async_callback(stack.close)
        return await under_load(
            stack.processes, calls, 1, ports=stack.ingress_ports[0], url=stack.webhook_url, token=TOKEN
        )


@asynccontextmanager
async def _patter(python: Path, url: str, home: Path) -> AsyncIterator[tuple[Process, int]]:
    port = free_port()
    command = [str(python), str(Path(__file__).parent / "kit" / "patter.py"), "--port", str(port)]
    command += ["--services", url] if url else []
    process = Process("patter", command, env={**os.environ, "PYTHONPATH": ""}, log=home / "patter.log", cwd=home)
    with on_cores(0):
        await process.start(answers(f"http://127.0.0.1:{port}/openapi.json"), within_s=60)
    try:
        yield process, port
    finally:
        await process.stop(within_s=5)


def _add(progress: Progress, result: Result, name: str, point: Point) -> None:
    label = f"{point.calls} calls, {name}"
    result.add(f"{label}: CPU per call and minute, all processes", "s", [point.cpu_s_per_call_minute])
    for role, share in point.shares.items():
        if len(point.shares) > 1 and share > 0.0005:
            result.add(f"{label}: of it {role}", "s", [share * 60 / point.calls])
    result.add(f"{label}: turn, end marker to first audio", "ms", point.turn)
    result.add(f"{label}: audio late", "ms", point.late)
    result.add(f"{label}: memory per call", "KiB", [point.grown / 1024])
    late = percentile(sorted(point.sent_late), 0.99)
    starved = ": STARVED, the times are too long" if late > _LATE_MS else ""
    result.remarks.append(
        f"{label}: {point.missed} turns missed, {sum(point.shares.values()):.0%} of the core used; the callers' own "
        f"frames {late:.1f} ms late at p99{starved}; {point.weather}"
    )
    result.facts[label] = {"missed": point.missed, "shares": dict(point.shares), "sent_late_p99_ms": late}
    progress(f"{label}: {point.cpu_s_per_call_minute:.3f} s of CPU per call and minute")

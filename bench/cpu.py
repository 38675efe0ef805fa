"""CPU and memory of each process of a stack: CPU seconds by role, resident memory, and how busy the machine is."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import psutil  # type: ignore[import-untyped] # it ships no types

from simulators.stack import Process

__all__ = ["PRODUCT_ROLES", "Cpu", "role_of", "rss_bytes", "tree"]

PRODUCT_ROLES = ("ingress", "worker", "gateway", "redis")

_OTHERS = 0.3
"""In cores: the most that the benchmark itself and an idle machine use."""


def role_of(name: str) -> str:
    """The role of a process: `worker-1` is a worker."""
    return name.split("-", maxsplit=1)[0]


def tree(process: Process) -> list[psutil.Process]:
    """The program and its children, because a dramatiq master forks."""
    if not process.is_running:
        return []
    try:
        root = psutil.Process(process.pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def rss_bytes(process: Process) -> int:
    """Resident memory of the program and its children. Pages shared after a fork count once for each."""
    total = 0
    for one in tree(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += one.memory_info().rss
    return total


class Cpu:
    """Inside the block: samples CPU time once a second. After it: shares of one core, by role."""

    def __init__(self, processes: Mapping[str, Process], *, every_s: float = 1.0) -> None:
        self._processes = processes
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None
        self.samples: list[dict[str, float]] = []
        """Share of one core by role, window by window."""
        self.machine: list[float] = []
        """How busy all cores together were, 0 to 1, window by window: with simulators and foreign processes."""
        self.seconds = 0.0
        """The measured time, in seconds."""
        self._used: dict[str, float] = defaultdict(float)

    async def __aenter__(self) -> Self:
        psutil.cpu_percent()
        self._last, self._at = self._read(), time.monotonic()
        self._task = asyncio.create_task(self._sample_repeatedly())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if not self.samples or time.monotonic() - self._at > self._every_s / 2:
            self._sample()

    def shares(self) -> dict[str, float]:
        """Share of one core by role, over the whole block."""
        return {role: used / self.seconds for role, used in sorted(self._used.items())} if self.seconds else {}

    def weather(self) -> str:
        """How busy the machine was, and by what, as text: figures from a busy machine are less reliable."""
        busy = sum(self.machine) / len(self.machine)
        others = max(0.0, busy * (psutil.cpu_count() or 1) - sum(self.shares().values()))
        text = (
            f"machine {busy:.0%} busy, simulators included; other processes (and this one) used {others:.2f} of a core"
        )
        return text + (": NOT ALONE, latencies are too high" if others > _OTHERS else "")

    async def _sample_repeatedly(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            self._sample()

    def _sample(self) -> None:
        read, now = self._read(), time.monotonic()
        window, by_role = now - self._at, defaultdict[str, float](float)
        for key, (role, used) in read.items():
            # A process that began in this window counts from zero; one that ended is lost with its last second.
            spent = max(0.0, used - self._last.get(key, (role, 0.0))[1])
            by_role[role] += spent / window
            self._used[role] += spent
        self.samples.append(dict(by_role))
        self.machine.append(psutil.cpu_percent() / 100)
        self.seconds += window
        self._last, self._at = read, now

    def _read(self) -> dict[tuple[int, float], tuple[str, float]]:
        read = {}
        for name, process in self._processes.items():
            for one in tree(process):
                with contextlib.suppress(psutil.NoSuchProcess):
                    times = one.cpu_times()
                    read[one.pid, one.create_time()] = (role_of(name), times.user + times.system)
        return read

"""What the calls of one account share: the clock, the ledger, the faults, the webhook sender. Holds no logic."""

import asyncio
import traceback
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from simulators.ledger import Ledger
from simulators.phone.clock import Ticker
from simulators.phone.faults import Faults
from simulators.phone.public_map import PublicMap
from simulators.phone.spoken import Spoken

__all__ = ["Services", "Tasks"]


class Tasks:
    """Background tasks that are not awaited. A failure is a bug of the simulator and is written into the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._running: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start it now."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    async def close(self) -> None:
        """Cancel the running tasks and wait for them."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        fault = task.exception()
        if fault is not None:
            traceback.print_exception(fault)
            self._ledger.write("fault", error=repr(fault), trace="".join(traceback.format_exception(fault)))


@dataclass(kw_only=True)
class Services:
    """The services of one account; each carrier adds its keys and its webhook sender."""

    ledger: Ledger = field(default_factory=Ledger)
    faults: Faults = field(default_factory=Faults)
    public: PublicMap = field(default_factory=PublicMap)
    ticker: Ticker = field(default_factory=Ticker)
    calls_per_second: float = 0.0
    """Outbound calls started per second; 0 sets no limit. More are queued."""
    spoken: Spoken | None = None
    """With it the people on the phone have real voices; without, tone code."""

    def __post_init__(self) -> None:
        self.tasks = Tasks(self.ledger)

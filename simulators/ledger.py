"""What happened, in order, with times: the evidence a simulator keeps.

A ledger is an append-only list of lines. Simulators write to it; tests, the demo and the benches read it, all at once
or as it grows. It does not know what a line means, and it never judges: checkers do that.
"""

import asyncio
import time
from typing import Any

__all__ = ["Ledger", "Line"]

Line = dict[str, Any]
"""One fact: `seq` (from 1, without gaps), `at` (epoch seconds), `kind`, and whatever the writer knows."""


class Ledger:
    """An append-only list of lines that readers can follow.

    Keeps the newest `limit` lines, so that a simulator may run for days; `forgotten` says how many were let go, because
    a checker that counts must know that it counts a part.
    """

    def __init__(self, limit: int = 200_000) -> None:
        self.limit = limit
        self.forgotten = 0
        self.last_seq = 0
        self._lines: list[Line] = []
        self._grown: set[asyncio.Event] = set()

    def write(self, kind: str, **facts: Any) -> Line:
        """Append one line and wake whoever follows."""
        self.last_seq += 1
        line: Line = {"seq": self.last_seq, "at": time.time(), "kind": kind, **facts}
        self._lines.append(line)
        if len(self._lines) > self.limit:
            # A tenth at a time: cutting one line per write would move the whole list each time.
            surplus = max(1, self.limit // 10)
            del self._lines[:surplus]
            self.forgotten += surplus
        for event in self._grown:
            event.set()
        return line

    def lines(self, *kinds: str, after: int = 0) -> list[Line]:
        """The lines with `seq` greater than `after`, of these kinds (all when none is named), oldest first."""
        if not self._lines:
            return []
        start = max(0, after + 1 - self._lines[0]["seq"])
        tail = self._lines[start:]
        return [line for line in tail if line["kind"] in kinds] if kinds else tail

    async def follow(self, after: int, timeout_s: float) -> list[Line]:
        """Lines newer than `after`; waits up to `timeout_s` for the first. An empty list means that none came."""
        if self.last_seq > after:
            return self.lines(after=after)
        grown = asyncio.Event()
        self._grown.add(grown)
        try:
            async with asyncio.timeout(timeout_s):
                await grown.wait()
        except TimeoutError:
            return []
        finally:
            self._grown.discard(grown)
        return self.lines(after=after)

    def clear(self) -> None:
        """Forget every line. Sequence numbers go on, so that a follower does not read the past twice."""
        self._lines.clear()
        self.forgotten = 0

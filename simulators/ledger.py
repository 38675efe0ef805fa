"""The ledger of a simulator: what happened, in order, with times.

A ledger is an append-only list of lines. Simulators write to it; tests, the demo and the benchmarks read it, all at
once or as it grows. It does not interpret its lines.
"""

import asyncio
import time
from typing import Any

__all__ = ["Ledger", "Line"]

Line = dict[str, Any]
"""One fact: `seq` (from 1, without gaps), `at` (epoch seconds), `kind`, and further fields of the writer."""


class Ledger:
    """An append-only list of lines that readers can follow.

    Keeps the newest `limit` lines, so that a simulator may run for days. `forgotten` counts the lines that were
    dropped: a reader that counts lines must check that it is 0.
    """

    def __init__(self, limit: int = 200_000) -> None:
        self.limit = limit
        self.forgotten = 0
        self.last_seq = 0
        self._lines: list[Line] = []
        self._grown: set[asyncio.Event] = set()

    def write(self, kind: str, **facts: Any) -> Line:
        """Append one line and wake every follower."""
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
        """The lines with `seq` greater than `after` and of these kinds (all kinds when none is named), oldest first."""
        if not self._lines:
            return []
        start = max(0, after + 1 - self._lines[0]["seq"])
        tail = self._lines[start:]
        return [line for line in tail if line["kind"] in kinds] if kinds else tail

    async def follow(self, after: int, timeout_s: float) -> list[Line]:
        """Lines newer than `after`; waits up to `timeout_s` seconds for the first. Returns an empty list on timeout."""
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
        """Drop every line. Sequence numbers continue, so that a follower does not read a line twice."""
        self._lines.clear()
        self.forgotten = 0

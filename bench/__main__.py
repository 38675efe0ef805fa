"""`python -m bench [name …]`: run the benchmarks, print a table for each, write out/bench.json.

Without names: all of them but `peers` and `scale`, about twelve minutes. `media:100` or
`turns:plivo` gives a benchmark its argument.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console

from bench import (
    console,
    failover,
    interruption,
    media,
    memory,
    peers,
    preemptive,
    scale,
    share,
    truncation,
    turns,
    webhooks,
)
from bench.figures import Result
from bench.machine import machine_facts
from bench.progress import Progress
from bench.report import show, write

__all__ = ["main"]


Bench = Callable[[Progress, str], Awaitable[Result]]

_BENCHES: dict[str, Bench] = {
    "webhooks": webhooks.run,
    "media": media.run,
    "turns": turns.run,
    "preemptive": preemptive.run,
    "interruption": interruption.run,
    "share": share.run,
    "truncation": truncation.run,
    "failover": failover.run,
    "memory": memory.run,
    "console": console.run,
}
_ON_DEMAND: dict[str, Bench] = {"peers": peers.run, "scale": scale.run}
"""Not among all: one installs another program, and both together take ten minutes."""
_OUT = Path("out/bench.json")


def main() -> None:
    """Read the command line and run the benchmarks."""
    known = _BENCHES | _ON_DEMAND
    words = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    words.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(known)}; name:argument")
    words.add_argument("--out", type=Path, default=_OUT)
    asked = words.parse_args()
    chosen = [name.partition(":")[::2] for name in asked.names] or [(name, "") for name in _BENCHES]
    unknown = [name for name, _ in chosen if name not in known]
    if unknown:
        words.error(f"unknown benchmarks: {', '.join(unknown)}; there are {', '.join(known)}")
    # A log file reports no width; give the tables room.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    try:
        asyncio.run(_measure(console, chosen, asked.out))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("\n[yellow]stopped; nothing is left running[/]")
        sys.exit(130)


async def _measure(console: Console, chosen: list[tuple[str, str]], out: Path) -> None:
    task = asyncio.current_task()
    if task is not None:
        # SIGTERM unwinds like Ctrl-C, so that every stack is closed.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    machine, started = machine_facts(), time.monotonic()
    console.print(
        f"{machine['cores']} x {machine['cpu']}, Python {machine['python']}, Redis {machine['redis']}, "
        f"commit {machine['commit']}; load {machine['load_before'][0]}"
    )
    results: list[Result] = []
    for name, argument in chosen:
        started = time.monotonic()

        def progress(what: str, name: str = name, started: float = started) -> None:
            console.print(f"[dim]{name} {time.monotonic() - started:5.1f} s[/]  {what}")

        results.append(await (_BENCHES | _ON_DEMAND)[name](progress, argument))
        show(console, results[-1])
        # Written after each benchmark, so that an interrupted run keeps its results.
        write(out, machine, results, time.monotonic() - started)
    console.print(f"{out} written after {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()

"""The cost of one idle actor: resident memory and start time, on a thread of its own and on the event loop.

`python bench/actor_weight.py [how many]` measures each kind in a fresh process and prints one line for it
(ADR 0003). Linux only: it reads /proc.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pykka
import uvloop

from actors.loop_actor import LoopActor

_PAGE = 4096


class OnThread(pykka.ThreadingActor):
    use_daemon_thread = True

    def on_receive(self, message: object) -> object:
        return message


class OnLoop(LoopActor):
    def on_receive(self, message: object) -> object:
        return message


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def _weigh(name: str, count: int, start: Callable[[], pykka.ActorRef]) -> list[pykka.ActorRef]:
    before, began = _resident(), time.perf_counter()
    refs = [start() for _ in range(count)]
    took, grown = time.perf_counter() - began, _resident() - before
    print(f"{name:7} {count} actors: {grown / count / 1024:6.2f} KiB and {took / count * 1000:6.3f} ms each")
    return refs


def threads(count: int) -> None:
    refs = _weigh("threads", count, OnThread.start)
    assert refs[-1].ask("there?", timeout=5) == "there?"


async def loop(count: int) -> None:
    refs = _weigh("loop", count, OnLoop.start)
    began = time.perf_counter()
    assert await refs[-1].ask("there?", block=False) == "there?"  # every on_start has run when this returns
    print(f"        all had run on_start {time.perf_counter() - began:.3f} s later")


def main() -> None:
    logging.disable()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    match sys.argv[2:]:
        case ["threads"]:
            threads(count)
        case ["loop"]:
            uvloop.run(loop(count))
        case _:
            for kind in ("threads", "loop"):
                subprocess.run([sys.executable, __file__, str(count), kind], check=True)


if __name__ == "__main__":
    main()

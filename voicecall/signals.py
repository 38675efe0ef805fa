"""SIGTERM, SIGINT and SIGHUP in every part of a process's life: they ask it to stop, and it leaves with status 0.

Ingress and gateway call `leave_on_signals` before they import the rest of the program. Imports nothing of it.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["ignore_signals", "leave_on_signals", "on_signals"]

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def leave_on_signals() -> None:
    """Nothing is open yet: a signal ends the process at once. One that was ignored, as by `nohup`, stays so."""
    for number in _STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: os._exit(0))


@contextmanager
def on_signals(called: Callable[[], object]) -> Iterator[None]:
    """Calls `called` in the main thread at each signal; afterwards the former handlers are back.

    Not by the event loop's own handlers: to remove one of those restores the default for a moment, which kills.
    SIGHUP that was ignored from the start stays so: `nohup` means that the process outlives its terminal.
    """
    former = {n: signal.getsignal(n) for n in _STOP_SIGNALS}
    handled = [n for n, handler in former.items() if handler is not signal.SIG_IGN or n != signal.SIGHUP]

    def at_signal(*_: object) -> None:
        called()

    for number in handled:
        signal.signal(number, at_signal)
    try:
        yield
    finally:
        for number in handled:
            if signal.getsignal(number) is at_signal:
                signal.signal(number, former[number])


def ignore_signals() -> None:
    """The process is ending: a further signal changes nothing, and not its status."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)

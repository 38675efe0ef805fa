"""A carrier's simulator as a process for its tests: start with options, read the ready line, end by SIGTERM."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["running_carrier"]


@contextmanager
def running_carrier(module: str, *options: str) -> Iterator[dict[str, Any]]:
    """Run a simulator; yields its ready line. Asserts exit status 0 after SIGTERM, even with open connections."""
    process = subprocess.Popen([sys.executable, "-m", module, *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True
        yield dict(ready)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(10)
        process.stdout.close()
    assert code == 0

"""The machine and the code that were measured."""

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped] # it ships no types

from simulators.stack.redis import redis_command

__all__ = ["machine_facts"]

_ROOT = Path(__file__).resolve().parents[1]
_LIBRARIES = ("aiohttp", "dramatiq", "hiredis", "msgpack", "numpy", "orjson", "pykka", "redis", "uvloop")


def machine_facts() -> dict[str, Any]:
    """Processor, memory, load at the start, versions, commit."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "redis": _redis_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "commit": _commit(),
        "command": " ".join(["python -m bench", *sys.argv[1:]]),
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _redis_version() -> str:
    said = _output([redis_command(0, Path(), aof=False)[0], "--version"])
    return next((word[2:] for word in said.split() if word.startswith("v=")), said)


def _commit() -> str:
    head = _output(["git", "-C", str(_ROOT), "rev-parse", "--short=12", "HEAD"])
    changed = _output(["git", "-C", str(_ROOT), "status", "--porcelain", "--untracked-files=no"])
    return (head or "unknown") + (" with local changes" if changed else "")


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        # A tree without git, or a machine without it: the figures are valid all the same.
        return ""

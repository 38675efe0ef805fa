"""Fake executables of third-party programs, in a directory that a test puts first on the PATH.

Each run appends to a ledger how it was invoked, and reads a JSON file in the same directory that sets its behaviour, so
a test can change the behaviour of the next run. Used by `simulators.ngrok` and `simulators.tailscale`. The ledger holds
the names of environment variables, not their values.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["FakeBinaries"]

_ROOT = Path(__file__).resolve().parents[1]


class FakeBinaries:
    """A directory of fake executables.

    `install` adds one, `behave` sets the behaviour of its next runs, `runs` returns the arguments of the past ones.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def install(self, name: str) -> None:
        """Write an executable of this name that runs `simulators.<name>`."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / name
        path.write_text(
            f"#!{sys.executable}\n"
            f"import sys\nsys.path.insert(0, {str(_ROOT)!r})\n"
            f"from simulators.{name}.__main__ import main\n"
            f"sys.exit(main({str(self.directory)!r}))\n"
        )
        path.chmod(0o755)

    def environ(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """A copy of `environ` in which the fake executables are found first."""
        return {**environ, "PATH": f"{self.directory}{os.pathsep}{environ.get('PATH', '')}"}

    def behave(self, tool: str, /, **how: Any) -> None:
        """Set how `tool` behaves from its next run on. Without options it behaves normally."""
        (self.directory / f"{tool}.json").write_text(json.dumps(how))

    def behaviour(self, name: str) -> dict[str, Any]:
        path = self.directory / f"{name}.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def write(self, name: str, kind: str, **facts: Any) -> None:
        """Append one ledger line in one write, because several executables write at once."""
        line = json.dumps({"at": time.time(), "tool": name, "kind": kind, "pid": os.getpid(), **facts}) + "\n"
        with (self.directory / "ledger.jsonl").open("ab") as ledger:
            ledger.write(line.encode())

    def begin(self, name: str) -> dict[str, Any]:
        """Record how the executable was invoked and return its configured behaviour."""
        self.write(name, "run", argv=sys.argv[1:], environ=sorted(os.environ))
        return self.behaviour(name)

    def lines(self, name: str, kind: str = "run") -> list[dict[str, Any]]:
        path = self.directory / "ledger.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [line for line in lines if (line["tool"], line["kind"]) == (name, kind)]

    def runs(self, name: str) -> list[list[str]]:
        """The arguments of every run so far."""
        return [line["argv"] for line in self.lines(name)]

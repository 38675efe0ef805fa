"""Stand-ins for programs that people install beside us: real executables in a directory that a test puts on the PATH.

Each keeps a ledger of how it was run, and behaves as told by a file in the same directory; the next run reads what the
test wrote last. Used by `simulators.ngrok` and `simulators.tailscale`. Never keeps the value of a variable, but one.
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
    """A directory with stand-ins. `install` puts one there, `behave` says how its next runs go, `runs` what came."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def install(self, name: str) -> None:
        """An executable of this name, which runs `simulators.<name>`."""
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
        """An environment in which the stand-ins are found first."""
        return {**environ, "PATH": f"{self.directory}{os.pathsep}{environ.get('PATH', '')}"}

    def behave(self, tool: str, /, **how: Any) -> None:
        """From the next run on; nothing said is good behaviour."""
        (self.directory / f"{tool}.json").write_text(json.dumps(how))

    def behaviour(self, name: str) -> dict[str, Any]:
        path = self.directory / f"{name}.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def write(self, name: str, kind: str, **facts: Any) -> None:
        """One line of the ledger, whole: several stand-ins write at once."""
        line = json.dumps({"at": time.time(), "tool": name, "kind": kind, "pid": os.getpid(), **facts}) + "\n"
        with (self.directory / "ledger.jsonl").open("ab") as ledger:
            ledger.write(line.encode())

    def begin(self, name: str) -> dict[str, Any]:
        """What a stand-in does first: note how it was run, and learn how to behave."""
        self.write(name, "run", argv=sys.argv[1:], environ=sorted(os.environ))
        return self.behaviour(name)

    def lines(self, name: str, kind: str = "run") -> list[dict[str, Any]]:
        path = self.directory / "ledger.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [line for line in lines if (line["tool"], line["kind"]) == (name, kind)]

    def runs(self, name: str) -> list[list[str]]:
        """The arguments of every run so far."""
        return [line["argv"] for line in self.lines(name)]

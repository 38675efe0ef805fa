"""Finds the programs that read the files of `deploy/`.

Without one its tests say that they were not run; VOICECALL_REQUIRE_DEPLOY_TOOLS=1 accepts no skip.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

__all__ = ["DEPLOY", "run", "tool"]

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"
_PACKAGES: Final = {
    "promtool": "apt-get install prometheus",
    "systemd-analyze": "apt-get install systemd",
    "kubectl": "https://kubernetes.io/docs/tasks/tools/",
    "docker": "https://docs.docker.com/compose/install/",
    "caddy": "apt-get install caddy",
    "sqlite3": "apt-get install sqlite3",
    "kubernetes-validate": "pip install kubernetes-validate",
}


def tool(name: str) -> str:
    """Its path. Without it the test is skipped with the command that installs it, or fails where that is required."""
    path = shutil.which(name)
    if path is None:
        missing(name)
    return str(path)


def missing(name: str) -> None:
    """Skip the test, or fail it where the tools are required."""
    reason = f"NOT RUN: {name} is missing; {_PACKAGES[name]}"
    if os.environ.get("VOICECALL_REQUIRE_DEPLOY_TOOLS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def run(*command: str, cwd: Path = DEPLOY) -> str:
    """What the command printed, on both channels. Fails the test when its exit status is not 0."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    return printed

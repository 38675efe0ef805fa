"""The real OpenClaw, and simulated programs for the commands that run on this machine."""

import os
from pathlib import Path

import pytest

from simulators.fake_binaries import FakeBinaries
from tests.integrations.openclaw import installed, npm_is_reachable


@pytest.fixture(scope="session")
def npm() -> None:
    """OpenClaw is installed, or the reason why it cannot be is stated."""
    if not npm_is_reachable():
        reason = "npm IS NOT REACHABLE: the bridge to the real OpenClaw was NOT tested"
        if os.environ.get("CI") or os.environ.get("VOICECALL_REQUIRE_NPM") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    installed()


@pytest.fixture
def binaries(tmp_path: Path) -> FakeBinaries:
    binaries = FakeBinaries(tmp_path / "bin")
    binaries.install("tailscale")
    return binaries

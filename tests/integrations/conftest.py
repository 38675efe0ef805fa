"""Simulated programs for the commands that run on this machine."""

from pathlib import Path

import pytest

from simulators.fake_binaries import FakeBinaries


@pytest.fixture
def binaries(tmp_path: Path) -> FakeBinaries:
    binaries = FakeBinaries(tmp_path / "bin")
    binaries.install("tailscale")
    return binaries

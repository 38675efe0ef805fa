"""Fake ngrok and tailscale binaries, alone on the PATH."""

from pathlib import Path

import pytest

from simulators.fake_binaries import FakeBinaries

TOKEN = "2abcTOKEN_secret"


@pytest.fixture
def binaries(tmp_path: Path) -> FakeBinaries:
    binaries = FakeBinaries(tmp_path / "bin")
    binaries.install("ngrok")
    binaries.install("tailscale")
    binaries.behave("ngrok", token=TOKEN)
    return binaries


@pytest.fixture
def environ(binaries: FakeBinaries, tmp_path: Path) -> dict[str, str]:
    """The environment of an ingress, with secrets that the programs must not get."""
    return {
        "PATH": str(binaries.directory),
        "HOME": str(tmp_path),
        "HTTPS_PROXY": "http://proxy.example:3128",
        "TWILIO_AUTH_TOKEN": "carrier-secret",
        "OPENAI_API_KEY": "sk-secret",
        "REDIS_URL": "redis://:secret@127.0.0.1/0",
    }

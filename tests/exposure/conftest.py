"""A shelf with both stand-ins, alone on the PATH."""

from pathlib import Path

import pytest

from simulators.standins import Shelf

TOKEN = "2abcTOKEN_secret"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path / "bin")
    shelf.install("ngrok")
    shelf.install("tailscale")
    shelf.behave("ngrok", token=TOKEN)
    return shelf


@pytest.fixture
def environ(shelf: Shelf, tmp_path: Path) -> dict[str, str]:
    """As an ingress has it: with secrets that are nobody else's business."""
    return {
        "PATH": str(shelf.directory),
        "HOME": str(tmp_path),
        "HTTPS_PROXY": "http://proxy.example:3128",
        "TWILIO_AUTH_TOKEN": "carrier-secret",
        "OPENAI_API_KEY": "sk-secret",
        "REDIS_URL": "redis://:secret@127.0.0.1/0",
    }

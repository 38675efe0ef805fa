"""The plugin's files, without OpenClaw."""

import json
from pathlib import Path

from typer.testing import CliRunner

from voicecall.cli import app

PLUGIN = Path(__file__).resolve().parents[2] / "integrations" / "openclaw"


def test_the_tool_of_both_bridges_is_the_same() -> None:
    """The plugin's schema is the one that `voicecall tool schema` prints."""
    printed = CliRunner().invoke(app, ["tool", "schema"])
    assert json.loads((PLUGIN / "voice_call.schema.json").read_text(encoding="utf-8")) == json.loads(printed.stdout)

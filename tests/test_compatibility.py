"""`docs/compatibility.md` agrees with the program: every documented name has a row, and every row holds."""

import re
from pathlib import Path

import pytest
import typer.main

from gateway.rpc import METHODS
from voicecall.cli import app
from voicecall.settings.reading.legacy import OLDER
from voicecall.settings.reading.tree import all_paths, leaves
from voicecall.tool.actions import ACTIONS

_PAGE = Path(__file__).parents[1] / "docs" / "compatibility.md"
_VERDICTS = {"works", "better", "accepted", "refused"}
_OFFERED = {"works", "better", "accepted"}
_ADDED = (
    "recording.",
    "phrases.recorded",
    "phrases.mayRecord",
    "archive.",
    "callbacks.",
    "live.",
    "numbers.*.reportSchema",
    "reports.",
    "tools.",
    "numbers.*.tools",
    "numbers.*.phrases.askingOwner",
    "phrases.askingOwner",
    "voicemail.message",
    "secrets.",
    "tts.fallbacks",
    "tts.connectTimeoutMs",
    "tts.firstAudioTimeoutMs",
    "tts.compatible.",
    "tts.offline.",
    "tts.elevenlabs.transport",
    "streaming.fallbacks",
    "streaming.providers.compatible.",
    "streaming.connectTimeoutMs",
    "streaming.firstReadyTimeoutMs",
    "streaming.transcriptTimeoutMs",
    "streaming.lostAfterMs",
    "streaming.reconnectAttempts",
    "realtime.fallback",
    "realtime.firstAudioTimeoutMs",
    "realtime.reconnectTimeoutMs",
    "relay.",
    "responseFallbacks.",
    "responseConnectTimeoutMs",
    "responseFirstTokenTimeoutMs",
    "numbers.*.responseFallbacks.",
    "streaming.providers.offline.",
    "responseBaseUrl",
    "responseApiKey",
    "outbound.allowCountries",
    "outbound.dialWithinSec",
    "language",
    "phrases.",
    "numbers.*.language",
    "numbers.*.phrases.",
    "numbers.*.recording.",
    "maxInboundCalls",
    "turns.",
    "numbers.*.responseBaseUrl",
    "numbers.*.responseApiKey",
)
"""Keys that OpenClaw's plugin does not have."""
_GROUPED = ("realtime.providers.", "streaming.providers.", "tts.edge.", "tts.modelOverrides.", "numbers.*.tts.")
"""Groups of keys that share one row."""


def rows(title: str) -> dict[str, str]:
    """Name and verdict of each row under a heading."""
    section = _PAGE.read_text().split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (\w+) \|", section, re.MULTILINE))


@pytest.mark.parametrize("title", ["Configuration", "Commands", "RPC", "The agent tool"])
def test_every_row_has_a_verdict(title: str) -> None:
    """One of the four that the page defines."""
    assert rows(title)
    assert set(rows(title).values()) <= _VERDICTS


def test_keys_that_work_are_keys_and_those_refused_are_not() -> None:
    known = {".".join(path) for path, _ in leaves()}
    documented = rows("Configuration")
    older = {".".join(path) for path in OLDER}
    groups = {".".join(path) for path in all_paths()}
    assert {key for key, verdict in documented.items() if verdict in _OFFERED} <= known | older | groups
    refused = {key for key, verdict in documented.items() if verdict == "refused"}
    assert not {key for key in known for block in refused if key == block or key.startswith(f"{block}.")}


def test_every_key_of_the_plugin_has_a_row() -> None:
    """A key that was not added here and is not grouped has a row of its own."""
    documented = rows("Configuration")
    known = {".".join(path) for path, _ in leaves()}
    assert not {key for key in known if not key.startswith((*_ADDED, *_GROUPED))} - set(documented)


def test_commands_that_work_exist() -> None:
    command = typer.main.get_command(app)
    known = set(getattr(command, "commands", {}))
    assert {name for name, verdict in rows("Commands").items() if verdict in _OFFERED} <= known


def test_methods_that_work_exist_and_those_refused_do_not() -> None:
    documented = rows("RPC")
    known = {method.name for method in METHODS}
    assert {name for name, verdict in documented.items() if verdict in _OFFERED} <= known
    assert not known & {name for name, verdict in documented.items() if verdict == "refused"}


def test_the_actions_of_the_tool_are_those_that_work() -> None:
    documented = rows("The agent tool")
    assert {name for name, verdict in documented.items() if verdict in _OFFERED} == set(ACTIONS)

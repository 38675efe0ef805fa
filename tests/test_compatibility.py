"""The compatibility page is true: every documented name has its row, and every row holds of the program."""

import re
from pathlib import Path

import pytest
import typer.main

from gateway.rpc import METHODS
from voicecall.cli import app
from voicecall.settings.reading.tree import leaves
from voicecall.tool.actions import ACTIONS

_PAGE = Path(__file__).parents[1] / "docs" / "compatibility.md"
_VERDICTS = {"works", "better", "accepted", "refused"}
_HERE = {"works", "better", "accepted"}
_OURS = (
    "archive.",
    "voicemail.message",
    "secrets.",
    "plivo.acceptV2",
    "streaming.baseUrl",
    "responseBaseUrl",
    "responseApiKey",
)
"""Keys that the original does not have."""
_TOLD_TOGETHER = ("tts.edge.", "tts.modelOverrides.", "numbers.*.tts.")
"""One row each for their first key, or for all of them."""


def rows(title: str) -> dict[str, str]:
    """Name and verdict of each row under a heading."""
    section = _PAGE.read_text().split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (\w+) \|", section, re.MULTILINE))


@pytest.mark.parametrize("title", ["Configuration", "Commands", "RPC", "The agent tool"])
def test_every_row_has_a_verdict(title: str) -> None:
    """Four words, no shades."""
    assert rows(title)
    assert set(rows(title).values()) <= _VERDICTS


def test_keys_that_work_are_keys_and_those_refused_are_not() -> None:
    known = {".".join(path) for path, _ in leaves()}
    told = rows("Configuration")
    assert {key for key, verdict in told.items() if verdict in _HERE} <= known
    refused = {key for key, verdict in told.items() if verdict == "refused"}
    assert not {key for key in known for block in refused if key == block or key.startswith(f"{block}.")}


def test_no_key_of_the_original_is_forgotten() -> None:
    """What is neither ours nor told together has a row of its own."""
    told = rows("Configuration")
    known = {".".join(path) for path, _ in leaves()}
    assert not {key for key in known if not key.startswith((*_OURS, *_TOLD_TOGETHER))} - set(told)


def test_commands_that_work_exist() -> None:
    command = typer.main.get_command(app)
    known = set(getattr(command, "commands", {}))
    assert {name for name, verdict in rows("Commands").items() if verdict in _HERE} <= known


def test_methods_are_all_told_and_those_refused_do_not_exist() -> None:
    told = rows("RPC")
    known = {method.name for method in METHODS}
    assert {name for name, verdict in told.items() if verdict in _HERE} <= known
    assert not known & {name for name, verdict in told.items() if verdict == "refused"}


def test_actions_are_all_told_and_those_refused_do_not_exist() -> None:
    told = rows("The agent tool")
    assert {name for name, verdict in told.items() if verdict in _HERE} == set(ACTIONS)

"""`voicecall history`: lists and shows what the archive has, writes it to a file, and forgets when told twice."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.archive.records import ANNA, call_id, record
from voicecall.archive import Archive
from voicecall.cli.history import history_app


class Gateway:
    """Answers what it was given, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answer: dict[str, Any] = {}

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((method, params))
        return self.answer


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def app(gateway: Gateway) -> typer.Typer:
    return history_app(gateway.ask)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    archive = Archive(f"sqlite:///{tmp_path / 'calls.db'}")
    for number in (2, 1):
        archive.put(record(number))
    archive.close()
    return tmp_path


def test_filters_are_handed_on_and_the_page_is_printed(app: typer.Typer, gateway: Gateway) -> None:
    """Times are local, and travel as epoch milliseconds."""
    gateway.answer = {"calls": [record(1)], "next": "1-x"}
    asked = ["list", "--number", ANNA, "--direction", "inbound", "--limit", "3", "--since", "2026-01-02"]
    done = CliRunner().invoke(app, asked)
    assert (done.exit_code, json.loads(done.output)) == (0, gateway.answer)
    method, params = gateway.asked[0]
    since = params.pop("since")
    assert (method, params) == ("voicecall.history", {"number": ANNA, "direction": "inbound", "limit": 3})
    assert 1_767_225_600_000 <= since <= 1_767_398_400_000


def test_a_call_is_shown_by_its_id(app: typer.Typer, gateway: Gateway) -> None:
    gateway.answer = {"found": True, "call": record(1)}
    done = CliRunner().invoke(app, ["show", "--call-id", call_id(1)])
    assert json.loads(done.output) == record(1)
    assert gateway.asked == [("voicecall.status", {"callId": call_id(1)})]


def test_forgetting_is_confirmed(app: typer.Typer, gateway: Gateway) -> None:
    """Nothing is asked of the gateway before; `--yes` is for programs."""
    gateway.answer = {"forgotten": 2, "atEnd": 0}
    assert CliRunner().invoke(app, ["forget", "--number", ANNA], input="n\n").exit_code == 1
    assert gateway.asked == []
    done = CliRunner().invoke(app, ["forget", "--number", ANNA, "--yes"])
    assert (done.exit_code, json.loads(done.output)) == (0, gateway.answer)
    assert gateway.asked == [("voicecall.forget", {"number": ANNA})]


@pytest.mark.parametrize("arguments", [[], ["--number", ANNA, "--call-id", call_id(1)]])
def test_what_to_forget_is_one_thing(app: typer.Typer, gateway: Gateway, arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["forget", "--yes", *arguments]).exit_code == 2
    assert gateway.asked == []


def test_the_archive_is_exported_while_nothing_runs(store: Path) -> None:
    """From where the configuration says; a file that cannot be written is named."""
    config = store / "config.json5"
    config.write_text(json.dumps({"store": str(store)}))
    env = {"PATH": os.environ["PATH"], "VOICECALL_CONFIG": str(config)}

    def export(output: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "voicecall.cli", "history", "export", "-o", str(output)]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    done = export(store / "out.jsonl")
    assert (done.returncode, done.stderr.split(" written")[0]) == (0, "2 calls")
    assert [json.loads(line) for line in (store / "out.jsonl").read_text().splitlines()] == [record(1), record(2)]
    failed = export(store / "nowhere" / "out.jsonl")
    assert (failed.returncode, "cannot be written: No such file" in failed.stderr) == (1, True)

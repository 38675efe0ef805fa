"""`voicecall history`: lists, shows and exports archived calls, and deletes them after a confirmation."""

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
from voicecall.api.methods import Method
from voicecall.archive import CallArchive
from voicecall.cli.history import history_app


class Gateway:
    """Answers with a given payload, and records the requests."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.answer: dict[str, Any] = {}

    def send(self, method: Method[Any, Any], params: dict[str, Any]) -> dict[str, Any]:
        self.requests.append((method.name, params))
        return self.answer


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def app(gateway: Gateway) -> typer.Typer:
    return history_app(gateway.send)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    archive = CallArchive(f"sqlite:///{tmp_path / 'calls.db'}")
    for number in (2, 1):
        archive.put(record(number))
    archive.close()
    return tmp_path


def test_filters_are_sent_and_the_page_is_printed(app: typer.Typer, gateway: Gateway) -> None:
    """Times are local on the command line and epoch milliseconds in the request."""
    gateway.answer = {"calls": [record(1)], "next": "1-x"}
    command = ["list", "--number", ANNA, "--direction", "inbound", "--limit", "3", "--since", "2026-01-02"]
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, json.loads(done.output)) == (0, gateway.answer)
    method, params = gateway.requests[0]
    since = params.pop("since")
    assert (method, params) == ("voicecall.history", {"number": ANNA, "direction": "inbound", "limit": 3})
    assert 1_767_225_600_000 <= since <= 1_767_398_400_000


def test_a_call_is_shown_by_its_id(app: typer.Typer, gateway: Gateway) -> None:
    gateway.answer = {"found": True, "call": record(1)}
    done = CliRunner().invoke(app, ["show", "--call-id", call_id(1)])
    assert json.loads(done.output) == record(1)
    assert gateway.requests == [("voicecall.status", {"callId": call_id(1)})]


def test_forgetting_is_confirmed(app: typer.Typer, gateway: Gateway) -> None:
    """No request is sent before the confirmation; `--yes` skips it."""
    gateway.answer = {"forgotten": 2, "atEnd": 0}
    assert CliRunner().invoke(app, ["forget", "--number", ANNA], input="n\n").exit_code == 1
    assert gateway.requests == []
    done = CliRunner().invoke(app, ["forget", "--number", ANNA, "--yes"])
    assert (done.exit_code, json.loads(done.output)) == (0, gateway.answer)
    assert gateway.requests == [("voicecall.forget", {"number": ANNA})]


@pytest.mark.parametrize("arguments", [[], ["--number", ANNA, "--call-id", call_id(1)]])
def test_forget_takes_a_call_or_a_number(app: typer.Typer, gateway: Gateway, arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["forget", "--yes", *arguments]).exit_code == 2
    assert gateway.requests == []


def test_the_archive_is_exported_without_a_gateway(store: Path) -> None:
    """From the configured store; a file that cannot be written is named."""
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

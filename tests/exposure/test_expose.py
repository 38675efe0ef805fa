"""`voicecall expose` as a user runs it: its exact output, its exit status, and the routes it leaves."""

import json
import os
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from simulators.fake_binaries import FakeBinaries
from simulators.tailscale.__main__ import routes
from voicecall.cli import app

HOOK = "/voice/webhook"
LOCAL = "http://127.0.0.1:3334"
PUBLIC = "https://phone.tail1234.ts.net"
LINK = "https://login.tailscale.com/f/{}?node=nTEST11CNTRL"


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


@pytest.fixture
def config() -> dict[str, Any]:
    """A carrier without a public address: the command is used before there is one."""
    return {
        "provider": "twilio",
        "fromNumber": "+15550001000",
        "twilio": {"accountSid": "AC1", "authToken": "secret"},
    }


def expose(binaries: FakeBinaries, config: dict[str, Any], *arguments: str) -> Outcome:
    path = binaries.directory / "config.json5"
    path.write_bytes(orjson.dumps(config))
    environ = {**binaries.environ(os.environ), "VOICECALL_CONFIG": str(path), "COLUMNS": "200"}
    done = CliRunner().invoke(app, ["expose", *arguments], env=environ)
    return Outcome(done.exit_code, done.stdout, done.stderr)


def test_funnel_is_the_default(binaries: FakeBinaries, config: dict[str, Any]) -> None:
    """Pretty JSON; the local URL is whole, with its path."""
    outcome = expose(binaries, config)
    shown = {"ok": True, "mode": "funnel", "path": HOOK, "localUrl": LOCAL + HOOK, "publicUrl": PUBLIC + HOOK}
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == json.dumps(shown, indent=2) + "\n"
    assert routes(binaries) == {f"443 {HOOK}": f"funnel {LOCAL}{HOOK}"}


def test_the_media_sockets_are_exposed_and_withdrawn_too(binaries: FakeBinaries, config: dict[str, Any]) -> None:
    keys = {"openaiApiKey": "k", "enabled": True, "streamPath": "/voice/stream"}
    config |= {"streaming": keys, "tts": {"openai": {"apiKey": "k"}}, "responseApiKey": "k"}
    outcome = expose(binaries, config, "--mode", "serve", "--path", "/hook", "--port", "4000", "--serve-path", "/in")
    assert json.loads(outcome.out) == {
        "ok": True,
        "mode": "serve",
        "path": "/hook",
        "localUrl": "http://127.0.0.1:4000/in",
        "publicUrl": f"{PUBLIC}/hook",
    }
    assert routes(binaries) == {
        "443 /hook": "serve http://127.0.0.1:4000/in",
        "443 /voice/stream": "serve http://127.0.0.1:4000/voice/stream",
    }
    off = expose(binaries, config, "--mode", "off", "--path", "/hook")
    assert (off.status, json.loads(off.out)) == (0, {"ok": True, "mode": "off", "path": "/hook"})
    assert routes(binaries) == {}


def test_off_withdraws_both_modes(binaries: FakeBinaries, config: dict[str, Any]) -> None:
    """The path is `tailscale.path` when that is configured."""
    outcome = expose(binaries, {**config, "tailscale": {"path": "/public", "port": 8443}}, "--mode", "off")
    assert json.loads(outcome.out) == {"ok": True, "mode": "off", "path": "/public"}
    wanted = [[mode, "--https=8443", "--set-path", "/public", "off"] for mode in ("serve", "funnel")]
    assert binaries.runs("tailscale") == wanted


@pytest.mark.parametrize(
    ("behaviour", "link"),
    [
        ({"disabled": ["funnel"]}, LINK.format("funnel")),
        ({"refuses": HOOK}, LINK.format("funnel")),
        ({"exit": 1}, None),
    ],
)
def test_a_failure_has_a_hint_and_exit_status_1(
    binaries: FakeBinaries, config: dict[str, Any], behaviour: dict[str, Any], link: str | None
) -> None:
    binaries.behave("tailscale", **behaviour)
    outcome = expose(binaries, config)
    shown = json.loads(outcome.out)
    hint = shown.pop("hint")
    assert outcome.status == 1
    assert shown == {"ok": False, "mode": "funnel", "path": HOOK, "localUrl": LOCAL + HOOK, "publicUrl": None}
    assert hint["enableUrl"] == link
    assert set(hint) == {"note", "enableUrl"}
    assert outcome.err.startswith("tailscale: ")
    assert routes(binaries) == {}


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--mode", "funel"), "funel"),
        (("--path", "hook"), "/voice/webhook"),
    ],
)
def test_an_invalid_argument_opens_nothing(
    binaries: FakeBinaries, config: dict[str, Any], arguments: tuple[str, ...], word: str
) -> None:
    """A typing error must not put a machine on the internet."""
    outcome = expose(binaries, config, *arguments)
    assert outcome.status == 2
    assert word in outcome.err
    assert binaries.runs("tailscale") == []


def test_a_configuration_that_cannot_be_used_is_exit_status_78(binaries: FakeBinaries, config: dict[str, Any]) -> None:
    outcome = expose(binaries, {**config, "fromNumber": "12"})
    assert (outcome.status, outcome.out) == (78, "")
    assert "fromNumber" in outcome.err

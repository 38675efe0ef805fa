"""`setup` and `smoke`: each check in text and in JSON, and no call without `--to` and `--yes`."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.cli.terminal import environment, voicecall
from tests.fakes.redis_server import RedisServer, start_redis
from tests.gateway.conftest import System, stack
from voicecall.cli import app

IDS = ["plugin-enabled", "provider", "provider-config", "webhook-exposure", "mode", "agent-owner"]
TWILIO: dict[str, Any] = {
    "provider": "twilio",
    "twilio": {"accountSid": "AC1", "authToken": "secret"},
    "fromNumber": "+15550001234",
    "publicUrl": "https://calls.example/voice/webhook",
}


def written(tmp_path: Path, config: dict[str, Any]) -> str:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    return str(path)


def run(tmp_path: Path, config: dict[str, Any], *words: str) -> Result:
    env = environment("http://127.0.0.1:1", VOICECALL_CONFIG=written(tmp_path, config), HOME=str(tmp_path))
    return CliRunner().invoke(app, list(words), env=env)


def test_a_good_setup_passes_six_checks(tmp_path: Path) -> None:
    done = run(tmp_path, TWILIO, "setup")
    header, *lines = done.stdout.splitlines()
    assert (done.exit_code, header) == (0, "Voice call setup")
    assert [line.split(":")[0] for line in lines] == [f"OK {name}" for name in IDS]


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        ({"enabled": False}, "plugin-enabled"),
        ({"provider": "pigeon"}, "provider"),
        ({"twilio": {"accountSid": "AC1"}}, "provider-config"),
        ({"fromNumber": "0123"}, "provider-config"),
        ({"publicUrl": "https://192.168.1.4/voice/webhook"}, "webhook-exposure"),
        ({"tunnel": {"provider": "rope"}}, "webhook-exposure"),
        ({"streaming": {"enabled": True}}, "mode"),
        ({"responseTimeoutMs": -1}, "agent-owner"),
    ],
)
def test_each_mistake_fails_the_check_it_is_about(tmp_path: Path, change: dict[str, Any], failing: str) -> None:
    """Exit status 1, with the documented JSON."""
    done = run(tmp_path, {**TWILIO, **change}, "setup", "--json")
    printed = json.loads(done.stdout)
    assert (done.exit_code, printed["ok"]) == (1, False)
    assert [check["id"] for check in printed["checks"]] == IDS
    assert failing in [check["id"] for check in printed["checks"] if not check["ok"]]
    assert all(set(check) == {"id", "ok", "message"} and check["message"] for check in printed["checks"])
    assert "secret" not in done.stdout


def owner_of(tmp_path: Path, config: dict[str, Any]) -> tuple[bool, str]:
    """The check of the agent: whether it passed, and its message."""
    printed = json.loads(run(tmp_path, config, "setup", "--json").stdout)
    (found,) = (check for check in printed["checks"] if check["id"] == "agent-owner")
    return found["ok"], found["message"]


def test_a28_setup_names_the_key_that_the_agent_lacks(tmp_path: Path) -> None:
    """Calls that only notify need no model, so the check passes and says so."""
    missing = "openai/gpt-4o-mini cannot answer without a key: set responseApiKey or OPENAI_API_KEY"
    assert owner_of(tmp_path, TWILIO) == (True, f"agent main holds the calls; {missing}")
    for change in ({"inboundPolicy": "open"}, {"outbound": {"defaultMode": "conversation"}}):
        assert owner_of(tmp_path, {**TWILIO, **change}) == (False, f"agent main holds the calls; {missing}")


@pytest.mark.parametrize(
    "change",
    [
        {"responseApiKey": "sk-1"},
        {"responseBaseUrl": "http://127.0.0.1:8002/v1"},
        {"responseModel": "ollama/llama"},
        {"responseModel": "echo"},
        {"responseModel": "remote/desk"},
    ],
)
def test_a28_an_agent_that_can_answer_is_said_to_answer(tmp_path: Path, change: dict[str, Any]) -> None:
    """By a key, or without one where none is needed."""
    config = {**TWILIO, "inboundPolicy": "open", **change}
    model = config.get("responseModel", "openai/gpt-4o-mini")
    assert owner_of(tmp_path, config) == (True, f"agent main holds the calls; {model} answers")


def test_a28_the_model_of_a_number_needs_its_key_too(tmp_path: Path) -> None:
    """Each provider with the variable of its own."""
    numbers = {"+15550001001": {"responseModel": "mistral/small"}}
    ok, message = owner_of(tmp_path, {**TWILIO, "inboundPolicy": "open", "responseApiKey": "k", "numbers": numbers})
    assert not ok
    key = "numbers.+15550001001.responseApiKey"  # the general one is another service's
    assert message.endswith(f"mistral/small cannot answer without a key: set {key} or MISTRAL_API_KEY")


def test_without_a_configuration_setup_names_its_variable(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["setup"], env={"HOME": str(tmp_path), "VOICECALL_CONFIG": ""})
    assert done.exit_code == 1
    assert "FAIL plugin-enabled: VOICECALL_CONFIG" in done.stdout
    assert "OK " not in done.stdout


def test_smoke_of_a_bad_setup_places_no_call(tmp_path: Path) -> None:
    """There is no gateway at the address, so a request would fail."""
    done = run(tmp_path, {"provider": "pigeon"}, "smoke", "--to", "+15550001234", "--yes", "--json")
    printed = json.loads(done.stdout)
    assert (done.exit_code, printed["ok"], printed["liveCall"], printed["setup"]["ok"]) == (1, False, False, False)


@pytest.mark.parametrize("words", [(), ("--yes",), ("--to", "+15550001234")])
def test_smoke_without_both_to_and_yes_is_a_dry_run(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run(tmp_path, {"provider": "mock"}, "smoke", *words, "--json")
    printed = json.loads(done.stdout)
    assert (done.exit_code, printed["ok"], printed["liveCall"]) == (0, True, False)
    assert "callId" not in printed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    started = start_redis(tmp_path_factory.mktemp("redis"))
    yield started
    started.stop()


@pytest.fixture
async def system(server: RedisServer) -> AsyncIterator[System]:
    async with stack(server.url) as opened:
        yield opened


async def test_smoke_with_both_places_one_call(system: System, tmp_path: Path) -> None:
    """In the mode notify, by default."""
    env = environment(system.url, VOICECALL_CONFIG=written(tmp_path, {"provider": "mock"}))
    done = await voicecall(env, "smoke", "-t", "+15550001234", "--yes", "--json")
    printed = json.loads(done.out)
    assert (done.status, printed["ok"], printed["liveCall"], printed["setup"]["ok"]) == (0, True, True, True)
    assert len(system.worker.dialled) == 1
    shown = json.loads((await voicecall(env, "status", "--call-id", printed["callId"])).out)
    assert (shown["to"], shown["metadata"]["mode"]) == ("+15550001234", "notify")


@pytest.mark.parametrize("words", [("setup",), ("config", "check")])
def test_a28_the_missing_key_of_each_chosen_recogniser_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    """With its variable: of the provider, and of what takes over from it."""
    streaming = {"enabled": True, "provider": "deepgram", "fallbacks": ["elevenlabs", "whisper"]}
    keys = {"tts": {"openai": {"apiKey": "k"}}, "responseApiKey": "k"}
    done = run(tmp_path, {**TWILIO, **keys, "streaming": streaming}, *words)
    shown = " ".join((done.stdout + done.stderr).split())
    assert done.exit_code != 0
    for named in (
        "deepgram.apiKey",
        "DEEPGRAM_API_KEY",
        "elevenlabs.apiKey",
        "ELEVENLABS_API_KEY",
        "compatible.baseUrl",
    ):
        assert named in shown, named

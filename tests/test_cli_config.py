"""`voicecall config`: every problem at once, the values and their sources, and never a secret."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from voicecall.cli import app
from voicecall.settings.describe.schema import schema

TWILIO = """{
  provider: "twilio", twilio: {accountSid: "AC1", authToken: "geheim-im-file"}, fromNumber: "+15550001234",
  publicUrl: "https://calls.example/voice/webhook", maxConcurrentCalls: 3,
  responseApiKey: {source: "env", id: "MODEL_KEY"},
  tts: {voice: "sage"},
  numbers: {"+15550001001": {inboundGreeting: "Workshop."}},
}"""


def run(tmp_path: Path, *words: str, text: str = TWILIO, **environ: str) -> Result:
    path = tmp_path / "c.json5"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    env = {"VOICECALL_CONFIG": str(path), "MODEL_KEY": "geheim-im-env", "HOME": str(tmp_path), **environ}
    return CliRunner().invoke(app, ["config", *words], env=env)


def test_a_good_configuration_is_summed_up(tmp_path: Path) -> None:
    """A warning does not change the exit status."""
    done = run(tmp_path, "check")
    assert done.exit_code == 0
    assert "is valid: twilio, the carrier's own speech, agent openai/gpt-4o-mini" in done.stdout
    assert "webhooks at https://calls.example/voice/webhook, 1 numbers" in done.stdout
    assert "warning: tts.voice is an old name; write tts.openai.voice" in done.stderr


def test_every_problem_is_printed_with_78(tmp_path: Path) -> None:
    """Problems of the file, of its rules and of the environment together."""
    text = '{provider: "twilio", colour: 1, serve: {port: 0}}'
    done = run(tmp_path, "check", text=text, VOICECALL_GATEWAY_PORT="many")
    assert done.exit_code == 78
    printed = done.stderr.splitlines()
    for start in ("colour: ", "serve.port: 0 ", "twilio.authToken is required", "VOICECALL_GATEWAY_PORT: "):
        assert any(line.startswith(start) for line in printed), start
    assert done.stdout == ""


@pytest.mark.parametrize(("text", "ok"), [(TWILIO, True), ("{colour: 1}", False)])
def test_programs_get_the_same_as_json(tmp_path: Path, text: str, *, ok: bool) -> None:
    done = run(tmp_path, "check", "--json", text=text)
    printed = json.loads(done.stdout)
    assert (printed["ok"], not printed["problems"], done.exit_code) == (ok, ok, 0 if ok else 78)


def test_a_refusal_of_the_carrier_s_codec_is_a_problem_too(tmp_path: Path) -> None:
    """The mock carrier, reachable by other machines, without its secret."""
    done = run(tmp_path, "check", text='{serve: {bind: "0.0.0.0"}}', MOCK_SECRET="")
    assert done.exit_code == 78
    assert "MOCK_SECRET" in done.stderr


def test_b11_a_short_token_of_a_reachable_gateway_is_a_problem(tmp_path: Path) -> None:
    """On loopback, and a health server off loopback without a token, are warnings."""
    done = run(tmp_path, "check", VOICECALL_GATEWAY_BIND="0.0.0.0", VOICECALL_GATEWAY_TOKEN="geheim")
    assert (done.exit_code, "geheim" in done.stderr) == (78, False)
    assert "VOICECALL_GATEWAY_TOKEN is shorter than 16 characters, and the gateway listens on 0.0.0.0" in done.stderr
    done = run(tmp_path, "check", VOICECALL_GATEWAY_TOKEN="geheim", VOICECALL_WORKER_HEALTH="0.0.0.0:3339")
    assert done.exit_code == 0
    assert "warning: VOICECALL_GATEWAY_TOKEN is shorter than 16 characters" in done.stderr
    assert "warning: VOICECALL_WORKER_HEALTH is not on loopback, and no token" in done.stderr
    long = "sixteen-letters-"
    done = run(tmp_path, "check", VOICECALL_GATEWAY_TOKEN=long, VOICECALL_WORKER_HEALTH="0.0.0.0:3339")
    assert "VOICECALL" not in done.stderr


def test_a_disabled_configuration_is_valid_and_reported_as_disabled(tmp_path: Path) -> None:
    done = run(tmp_path, "check", text='{enabled: false, provider: "twilio"}')
    assert (done.exit_code, "disabled" in done.stdout) == (0, True)


def test_every_value_has_its_source(tmp_path: Path) -> None:
    done = run(tmp_path, "show", "--json", ELEVENLABS_API_KEY="geheim-eleven")
    shown = json.loads(done.stdout)
    values: dict[str, Any] = shown["values"]
    assert (shown["file"], shown["because"]) == (str(tmp_path / "c.json5"), "VOICECALL_CONFIG")
    assert values["maxConcurrentCalls"] == {"value": 3, "from": "file"}
    assert values["maxDurationSeconds"] == {"value": 300, "from": "default"}
    assert values["tts.openai.voice"] == {"value": "sage", "from": "migrated from tts.voice"}
    assert values["twilio.authToken"] == {"value": "*** (14 characters)", "from": "file"}
    assert values["responseApiKey"]["from"] == "secret reference env:default:MODEL_KEY"
    assert values["tts.elevenlabs.apiKey"]["from"] == "environment variable ELEVENLABS_API_KEY"
    assert values["numbers.+15550001001.inboundGreeting"] == {"value": "Workshop.", "from": "file"}
    assert "numbers.+15550001001.responseModel" not in values  # as for every other number
    assert "geheim" not in done.output


def test_no_value_of_an_invalid_configuration_is_shown(tmp_path: Path) -> None:
    done = run(tmp_path, "show", text="{colour: 1}")
    assert (done.exit_code, done.stdout) == (78, "")
    assert done.stderr.startswith("colour: ")


def test_the_schema_is_printed_without_a_configuration() -> None:
    done = CliRunner().invoke(app, ["config", "schema"], env={"VOICECALL_CONFIG": ""})
    assert (done.exit_code, json.loads(done.stdout)) == (0, schema())

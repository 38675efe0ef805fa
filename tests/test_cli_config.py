"""`voicecall config`: every problem at once, what is in force, and never a secret."""

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
    """Warnings are no problems."""
    done = run(tmp_path, "check")
    assert done.exit_code == 0
    assert "is good: twilio, the carrier's own voice, agent openai/gpt-4o-mini" in done.stdout
    assert "webhooks at https://calls.example/voice/webhook, 1 numbers" in done.stdout
    assert "warning: tts.voice is an old name; write tts.openai.voice" in done.stderr


def test_every_problem_is_told_with_78(tmp_path: Path) -> None:
    """Of the file, of its rules and of the environment together."""
    text = '{provider: "twilio", colour: 1, serve: {port: 0}}'
    done = run(tmp_path, "check", text=text, VOICECALL_GATEWAY_PORT="many")
    assert done.exit_code == 78
    told = done.stderr.splitlines()
    for start in ("colour: ", "serve.port: 0 ", "twilio.authToken is required", "VOICECALL_GATEWAY_PORT: "):
        assert any(line.startswith(start) for line in told), start
    assert done.stdout == ""


@pytest.mark.parametrize(("text", "ok"), [(TWILIO, True), ("{colour: 1}", False)])
def test_programs_get_the_same_as_json(tmp_path: Path, text: str, *, ok: bool) -> None:
    done = run(tmp_path, "check", "--json", text=text)
    told = json.loads(done.stdout)
    assert (told["ok"], not told["problems"], done.exit_code) == (ok, ok, 0 if ok else 78)


def test_what_a_carrier_s_codec_refuses_is_a_problem_too(tmp_path: Path) -> None:
    """The mock, reachable by others, without its secret."""
    done = run(tmp_path, "check", text='{serve: {bind: "0.0.0.0"}}', MOCK_SECRET="")
    assert done.exit_code == 78
    assert "MOCK_SECRET" in done.stderr


def test_a_disabled_configuration_is_good_and_said_to_be_disabled(tmp_path: Path) -> None:
    done = run(tmp_path, "check", text='{enabled: false, provider: "twilio"}')
    assert (done.exit_code, "disabled" in done.stdout) == (0, True)


def test_what_is_in_force_says_where_it_comes_from(tmp_path: Path) -> None:
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


def test_nothing_in_force_is_shown_of_a_broken_configuration(tmp_path: Path) -> None:
    done = run(tmp_path, "show", text="{colour: 1}")
    assert (done.exit_code, done.stdout) == (78, "")
    assert done.stderr.startswith("colour: ")


def test_the_schema_is_printed_without_a_configuration() -> None:
    done = CliRunner().invoke(app, ["config", "schema"], env={"VOICECALL_CONFIG": ""})
    assert (done.exit_code, json.loads(done.stdout)) == (0, schema())

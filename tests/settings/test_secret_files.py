"""Secrets in files: `NAME_FILE` names the file that holds the value of `NAME`."""

import json
from pathlib import Path

import pytest

from voicecall.client import AsyncVoicecall
from voicecall.errors import ConfigError
from voicecall.settings import load_deployment, load_settings

TWILIO = {"provider": "twilio", "fromNumber": "+15550001000", "publicUrl": "https://voice.example.com/voice/webhook"}


def config(folder: Path, **keys: object) -> str:
    path = folder / "voicecall.json5"
    path.write_text(json.dumps({"provider": "mock", **keys}), encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def secret(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_c18_a_carriers_secret_is_read_from_a_file(tmp_path: Path) -> None:
    """As Docker and Kubernetes mount it, with a line break at its end."""
    made = load_settings(
        {
            "VOICECALL_CONFIG": config(tmp_path, **TWILIO),
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
            "TWILIO_AUTH_TOKEN_FILE": secret(tmp_path, "token", "from-a-file\n"),
        }
    )
    assert made.twilio.auth_token == "from-a-file"


def test_c18_tokens_and_addresses_of_the_deployment_are_read_from_files(tmp_path: Path) -> None:
    made = load_deployment(
        {
            "REDIS_URL_FILE": secret(tmp_path, "redis", "redis://:secret@redis:6379/0\n"),
            "VOICECALL_GATEWAY_TOKEN_FILE": secret(tmp_path, "gateway", "a-long-random-token"),
            "VOICECALL_GATEWAY_READ_TOKEN": "another-long-random-token",
            "VOICECALL_GATEWAY_READ_TOKEN_FILE": "/nowhere",
        }
    )
    assert (made.redis_url, made.gateway_token) == ("redis://:secret@redis:6379/0", "a-long-random-token")
    assert made.gateway_read_token == "another-long-random-token"  # the variable wins, and its file is not opened


def test_c18_a_name_in_a_text_is_read_from_its_file(tmp_path: Path) -> None:
    path = config(tmp_path, store="${CALL_STORE}")
    made = load_settings({"VOICECALL_CONFIG": path, "CALL_STORE_FILE": secret(tmp_path, "store", "/srv/calls\n")})
    assert made.store == "/srv/calls"


@pytest.mark.parametrize(
    ("text", "why"), [(None, "No such file or directory"), ("", "is empty"), ("x" * 70_000, "is larger than")]
)
def test_c18_a_file_that_cannot_be_used_is_a_problem_without_its_contents(
    tmp_path: Path, text: str | None, why: str
) -> None:
    path = tmp_path / "token"
    if text is not None:
        path.write_text(text)
    for read in (load_deployment, load_settings):
        environ = {"VOICECALL_CONFIG": config(tmp_path, **TWILIO), "TWILIO_AUTH_TOKEN_FILE": str(path)}
        environ["VOICECALL_GATEWAY_TOKEN_FILE"] = str(path)
        with pytest.raises(ConfigError) as refusal:
            read(environ)
        reported = "; ".join(refusal.value.problems)
        assert f"{'VOICECALL_GATEWAY' if read is load_deployment else 'TWILIO_AUTH'}_TOKEN_FILE: " in reported
        assert why in reported
        assert "xxxx" not in reported


def test_c18_the_client_reads_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program on the same machine needs no other way to its token."""
    monkeypatch.delenv("VOICECALL_GATEWAY_TOKEN", raising=False)
    monkeypatch.setenv("VOICECALL_GATEWAY_TOKEN_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="VOICECALL_GATEWAY_TOKEN_FILE"):
        AsyncVoicecall()
    monkeypatch.setenv("VOICECALL_GATEWAY_TOKEN_FILE", secret(tmp_path, "token", "a-long-random-token"))
    assert AsyncVoicecall().url

"""Secrets that stand elsewhere: in the environment, in a file, with a program that is asked."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from voicecall.errors import ConfigError
from voicecall.settings import parse_settings, read_settings
from voicecall.settings.describe.effective import effective

TWILIO: dict[str, Any] = {
    "provider": "twilio",
    "fromNumber": "+15550001234",
    "publicUrl": "https://calls.example/voice/webhook",
    "twilio": {"accountSid": "AC1"},
}


def with_token(reference: object, providers: dict[str, Any] | None = None, **more: Any) -> str:
    document = {**TWILIO, "twilio": {"accountSid": "AC1", "authToken": reference}, **more}
    return json.dumps({**document, "secrets": {"providers": providers}} if providers is not None else document)


def problem(text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as refusal:
        parse_settings(text, environ or {})
    assert len(refusal.value.problems) == 1
    assert refusal.value.problems[0].startswith("twilio.authToken: ")
    return refusal.value.problems[0]


def program(path: Path, body: str) -> dict[str, Any]:
    path.write_text(f"#!{sys.executable} -IS\nimport json, os, sys, time\n{body}\n", encoding="utf-8")
    path.chmod(0o700)
    return {"source": "exec", "command": str(path)}


ANSWERS = """
asked = json.load(sys.stdin)
values = {id: f"{asked['provider']}-{id}-{len(asked['ids'])}-{os.environ.get('SEEN')}-{os.environ.get('HOME')}"
          for id in asked["ids"] if id != "unknown"}
json.dump({"protocolVersion": asked["protocolVersion"], "values": values}, sys.stdout)
"""


@pytest.mark.parametrize("provider", [{}, {"provider": "default"}])
def test_the_environment_needs_no_provider(provider: dict[str, str]) -> None:
    text = with_token({"source": "env", "id": "CARRIER_TOKEN", **provider})
    assert parse_settings(text, {"CARRIER_TOKEN": " geheim "}).twilio.auth_token == "geheim"


def test_an_allowlist_keeps_other_variables_in() -> None:
    providers = {"few": {"source": "env", "allowlist": ["CARRIER_TOKEN"]}}
    good = with_token({"source": "env", "provider": "few", "id": "CARRIER_TOKEN"}, providers)
    assert parse_settings(good, {"CARRIER_TOKEN": "t"}).twilio.auth_token == "t"
    bad = with_token({"source": "env", "provider": "few", "id": "PATH"}, providers)
    assert "not on the provider's allowlist" in problem(bad, {"PATH": "geheim"})


def test_a_file_holds_many_secrets_or_one(tmp_path: Path) -> None:
    """JSON by pointer, with its two escapes; or the whole file, under the one id there is."""
    many, one = tmp_path / "many.json", tmp_path / "one"
    many.write_text(json.dumps({"a/b": {"c~d": ["x", "geheim"]}}), encoding="utf-8")
    one.write_text("geheim\n", encoding="utf-8")
    for path in (many, one):
        path.chmod(0o600)
    providers = {
        "many": {"source": "file", "path": str(many)},
        "one": {"source": "file", "path": "~/one", "mode": "singleValue"},
    }
    for reference in (
        {"source": "file", "provider": "many", "id": "/a~1b/c~0d/1"},
        {"source": "file", "provider": "one", "id": "value"},
    ):
        made = parse_settings(with_token(reference, providers), {"HOME": str(tmp_path)})
        assert made.twilio.auth_token == "geheim"


def test_a_program_is_asked_once_for_everything_and_sees_little(tmp_path: Path) -> None:
    """One request with all ids; of our environment only what `passEnv` names."""
    place = program(tmp_path / "vault", ANSWERS) | {"env": {"SEEN": "a"}, "passEnv": ["PATH"]}
    reference = {"source": "exec", "provider": "vault"}
    text = with_token({**reference, "id": "carrier/token"}, {"vault": place}, responseApiKey={**reference, "id": "llm"})
    made = parse_settings(text, {"HOME": "/home/me"})
    assert (made.twilio.auth_token, made.response_api_key) == ("vault-carrier/token-2-a-None", "vault-llm-2-a-None")


def test_a_program_may_print_just_the_secret(tmp_path: Path) -> None:
    place = program(tmp_path / "op", "print('geheim')")
    reference = {"source": "exec", "provider": "op", "id": "value"}
    assert "did not answer in JSON" in problem(with_token(reference, {"op": place}))
    made = parse_settings(with_token(reference, {"op": {**place, "jsonOnly": False}}))
    assert made.twilio.auth_token == "geheim"


@pytest.mark.parametrize(
    ("body", "changes", "part"),
    [
        ("time.sleep(60)", {"timeoutMs": 200}, "no answer within 200 ms; raise timeoutMs"),
        ("print('geheim'); sys.exit(3)", {}, "failed with status 3"),
        ("print('geheim' * 10)", {"maxOutputBytes": 5}, "more than maxOutputBytes"),
        ("print('geheim')", {}, "did not answer in JSON"),
        ("print(json.dumps({'values': {'unknown': 'geheim'}}))", {}, "not in its protocol"),
        (ANSWERS, {}, "there is no text under that id"),
        ("", {"trustedDirs": ["/usr/nowhere"]}, "lies in none of trustedDirs"),
        ("", {"command": "vault"}, "no absolute path"),
        ("", {"command": "/nowhere/vault"}, "is no program"),
    ],
)
def test_a_program_that_fails_is_reported_without_its_output(
    tmp_path: Path, body: str, changes: dict[str, Any], part: str
) -> None:
    place = program(tmp_path / "vault", body) | changes
    sentence = problem(with_token({"source": "exec", "provider": "vault", "id": "unknown"}, {"vault": place}))
    assert part in sentence
    assert "geheim" not in sentence


def test_a_misconfigured_provider_is_named() -> None:
    text = with_token({"source": "exec", "provider": "v", "id": "x"}, {"v": {"source": "exec", "timeoutMs": 0}})
    with pytest.raises(ConfigError, match=r"'v' is misconfigured \(timeoutMs\); correct secrets.providers.v"):
        parse_settings(text)


def test_a_link_to_a_program_is_followed_only_when_allowed(tmp_path: Path) -> None:
    place = program(tmp_path / "vault", ANSWERS)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "vault")
    reference = {"source": "exec", "provider": "vault", "id": "x"}
    linked = {**place, "command": str(link)}
    assert "is a symbolic link" in problem(with_token(reference, {"vault": linked}))
    allowed = {**linked, "allowSymlinkCommand": True, "trustedDirs": [str(tmp_path)]}
    assert parse_settings(with_token(reference, {"vault": allowed})).twilio.auth_token == "vault-x-1-None-None"


@pytest.mark.parametrize(
    ("reference", "providers", "part"),
    [
        ({"source": "env", "id": "NOT_SET"}, None, "the environment variable NOT_SET is not set; set it"),
        ({"source": "env", "provider": "other", "id": "X"}, None, "add secrets.providers.other"),
        ({"source": "env", "provider": "Bad Name", "id": "X"}, None, "is no name of a provider"),
        ({"source": "env", "id": "lower"}, None, "id is none of the source env"),
        ({"source": "env"}, None, "id is none of the source env"),
        ({"source": "store", "id": "X"}, None, "has no source that is offered; write {source:"),
        ({"source": "file", "provider": "f", "id": "/x"}, {"f": {"source": "env"}}, "is no file; correct secrets"),
        ({"source": "file", "provider": "f", "id": "/x"}, {"f": {"source": "file"}}, "has no path"),
        (
            {"source": "file", "provider": "f", "id": "/x"},
            {"f": {"source": "file", "path": "/nowhere"}},
            "No such file",
        ),
        ({"source": "file", "provider": "f", "id": "/x"}, {"f": {"source": "file", "path": "/"}}, "is no file"),
    ],
)
def test_a_reference_that_leads_nowhere_is_one_problem(
    reference: dict[str, Any], providers: dict[str, Any] | None, part: str
) -> None:
    """The path, the reason, the remedy; and not once more that the token is missing."""
    assert part in problem(with_token(reference, providers))


@pytest.mark.parametrize(
    ("content", "ident", "part"), [("{}", "/x", "nothing at that"), ("geheim", "/x", "is not JSON")]
)
def test_a_file_without_the_secret_is_reported(tmp_path: Path, content: str, ident: str, part: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(content, encoding="utf-8")
    text = with_token({"source": "file", "provider": "f", "id": ident}, {"f": {"source": "file", "path": str(path)}})
    sentence = problem(text)
    assert part in sentence
    assert "geheim" not in sentence


def test_what_is_not_needed_is_not_resolved() -> None:
    """A carrier that is not configured, recognition that is off, a configuration that is disabled."""
    unset = {"source": "env", "id": "NOT_SET"}
    made = parse_settings(json.dumps({"telnyx": {"apiKey": unset}, "streaming": {"openaiApiKey": unset}}))
    assert (made.telnyx.api_key, made.streaming.providers.openai.api_key) == (None, None)
    assert not parse_settings(with_token(unset, enabled=False)).enabled


def test_a_reference_stands_only_where_a_secret_may() -> None:
    with pytest.raises(ConfigError, match=r"inboundGreeting: the object is not a string"):
        parse_settings(json.dumps({"inboundGreeting": {"source": "env", "id": "X"}}))


def test_providers_of_an_openclaw_file_are_not_validated(tmp_path: Path) -> None:
    """Of providers we do not use, and of options we do not know, nothing is said."""
    secret = tmp_path / "secrets.json"
    secret.write_text('{"carrier": {"token": "geheim"}}', encoding="utf-8")
    secret.chmod(0o644)
    config = {**TWILIO, "twilio": {"accountSid": "AC1", "authToken": {"source": "file", "id": "/carrier/token"}}}
    host = {
        "plugins": {"entries": {"voice-call": {"config": config}}},
        "secrets": {
            "defaults": {"file": "main"},
            "providers": {
                "main": {"source": "file", "path": str(secret), "timeoutMs": 100, "new": 1},
                "odd": {"source": "x"},
            },
        },
    }
    path = tmp_path / "openclaw.json"
    path.write_text(json.dumps(host), encoding="utf-8")
    path.chmod(0o600)
    loaded = read_settings({"VOICECALL_CONFIG": str(path)})
    assert loaded.settings.twilio.auth_token == "geheim"
    assert [warning for warning in loaded.warnings if "secrets" in warning] == [
        f"others on this machine may read the secrets in {str(secret)!r}; chmod 600 it"
    ]
    assert "geheim" not in repr(loaded)


def test_a_child_that_keeps_the_pipe_open_does_not_block(tmp_path: Path) -> None:
    """It left the session that we end; to read its pipe to the end would be to wait for it at every start."""
    body = """
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.write(writer, str(os.getpid()).encode())
    time.sleep(30)
    os._exit(0)
open(os.path.join(os.path.dirname(sys.argv[0]), "helper"), "wb").write(os.read(reader, 20))
os._exit(0)
"""
    places = {"vault": program(tmp_path / "vault", body) | {"timeoutMs": 300}}
    began = time.monotonic()
    try:
        reported = problem(with_token({"source": "exec", "provider": "vault", "id": "a"}, places))
    finally:
        os.kill(int((tmp_path / "helper").read_text()), signal.SIGKILL)
    assert "no answer within 300 ms" in reported
    assert time.monotonic() - began < 15


def test_a_file_of_secrets_that_is_nested_too_deeply_is_reported(tmp_path: Path) -> None:
    (tmp_path / "deep").write_text("[" * 100_000, encoding="utf-8")
    (tmp_path / "deep").chmod(0o600)
    places = {"deep": {"source": "file", "path": str(tmp_path / "deep")}}
    assert "is not JSON" in problem(with_token({"source": "file", "provider": "deep", "id": "/a"}, places))


def test_what_a_program_is_given_is_never_shown(tmp_path: Path) -> None:
    """A vault's token often stands there; `voicecall config show` is for eyes, and for bug reports."""
    vault = {"source": "exec", "command": "/bin/vault", "args": ["--token=geheim"], "env": {"TOKEN": "geheim"}}
    (tmp_path / "voicecall.json").write_text(json.dumps({"secrets": {"providers": {"vault": vault}}}), encoding="utf-8")
    loaded = read_settings({"VOICECALL_CONFIG": str(tmp_path / "voicecall.json")})
    shown = {row.name: row.value for row in effective(loaded)}
    assert shown["secrets.providers.vault.env"] == {"TOKEN": "*** (6 characters)"}
    assert shown["secrets.providers.vault.args"] == ["*** (14 characters)"]
    assert "geheim" not in repr(loaded.settings)

"""Every example of the documentation is a good configuration, without a warning."""

import json
import re
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from voicecall.settings import load_settings, read_settings
from voicecall.settings.describe.schema import schema
from voicecall.settings.reading.openclaw import is_openclaw
from voicecall.settings.reading.source import read

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples" / "config").iterdir())
VARIABLES = """
    TWILIO_ACCOUNT_SID TWILIO_AUTH_TOKEN TELNYX_API_KEY TELNYX_CONNECTION_ID TELNYX_PUBLIC_KEY PLIVO_AUTH_ID
    PLIVO_AUTH_TOKEN OPENAI_API_KEY ELEVENLABS_API_KEY NGROK_AUTHTOKEN CARRIER_TOKEN CARRIER_CONNECTION
"""
SECRETS = dict.fromkeys(VARIABLES.split(), "geheim")
each = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)


@each
def test_an_example_is_good_and_quiet(path: Path, tmp_path: Path) -> None:
    """A copied example works; its secrets are where its first lines say."""
    text = path.read_text(encoding="utf-8").replace("/usr/local/bin/vault-read", str(vault(tmp_path)))
    copied = tmp_path / path.name
    copied.write_text(text, encoding="utf-8")
    copied.chmod(0o600)
    loaded = read_settings({**SECRETS, "HOME": str(tmp_path), "VOICECALL_CONFIG": str(copied)})
    assert loaded.warnings == ()
    assert load_settings({**SECRETS, "HOME": str(tmp_path), "VOICECALL_CONFIG": str(copied)}) == loaded.settings


def vault(home: Path) -> Path:
    """What the example of secret references needs beside it: a file, and a program that is asked."""
    secrets, program = home / ".voicecall-secrets.json", home / "vault-read"
    secrets.write_text('{"openai": {"key": "geheim"}}', encoding="utf-8")
    secrets.chmod(0o600)
    answer = 'dict(protocolVersion=1, values={id: "geheim" for id in json.load(sys.stdin)["ids"]})'
    program.write_text(f"#!{sys.executable} -IS\nimport json, sys\njson.dump({answer}, sys.stdout)\n", encoding="utf-8")
    program.chmod(0o700)
    return program


@each
def test_an_example_fits_the_schema(path: Path) -> None:
    document = read(path, "test")
    if is_openclaw(document):
        document = document["plugins"]["entries"]["voice-call"]["config"]
    # A variable in a text is filled in before the text is judged.
    text = re.sub(r"\$\{[A-Z_]+\}", "x", json.dumps(document))
    assert [error.message for error in Draft202012Validator(schema()).iter_errors(json.loads(text))] == []


@each
def test_an_example_says_how_it_is_used(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert f"VOICECALL_CONFIG=examples/config/{path.name}" in text or path.name == "compose.json5"
    assert text.startswith(("// ", "# "))


def test_every_carrier_has_one_streaming_and_one_native() -> None:
    names = {path.stem for path in EXAMPLES}
    assert names >= {f"{carrier}-{way}" for carrier in ("twilio", "telnyx", "plivo") for way in ("streaming", "native")}

"""The committed schema and table are what the program does, and the schema accepts what the loader accepts."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from voicecall.errors import ConfigError
from voicecall.settings import parse_settings
from voicecall.settings.describe.reference import markdown
from voicecall.settings.describe.schema import node_at, schema
from voicecall.settings.model.settings import Settings
from voicecall.settings.reading.legacy import OLDER
from voicecall.settings.reading.tree import Path as Key
from voicecall.settings.reading.tree import all_paths, leaves

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = schema()
VALIDATOR = Draft202012Validator(SCHEMA)
CHOSEN = {"numbers": "+15550001001", "providers": "main", "http": "clock", "mcp": "shop", "rates": "deepgram"}
REQUIRED = {
    "http": {"clock": {"url": "https://h.example/t", "description": "d"}},
    "transfer": {"clerk": {"number": "+15550007777"}},
}
REFERENCE = {"source": "env", "provider": "default", "id": "NAME"}
VALUES: list[Any] = [
    None, True, 0, 1, 2.0, 0.5, -1, 1500, 70_000, "", " ", "x y", "word", "/path", "/a?b", "https://h.example/v1",
    "https://h.example", "https://u:p@h.example/v", "http://h:99999/v", "+15550001234", "+1 555", "postgresql://h/d",
    [], ["+15550001234"], ["x", 5], {}, {"enabled": False}, REFERENCE, {"source": "env"}, {**REFERENCE, "more": 1},
]  # fmt: skip
KEYS: list[Key] = [
    *(path for path, _ in leaves()),
    *all_paths(),
    *OLDER,
    ("tts", "providers", "microsoft", "voice"),
    ("tts", "providers", "google"),
    ("streaming", "providers", "mistral"),
    ("numbers", "+1 555", "agentId"),
    ("numbers", "*", "tts", "providers", "openai", "voice"),
    ("secrets", "providers", "Main", "path"),
    ("$schema",),
    ("colour",),
    ("serve", "colour"),
]


def document(key: Key, value: Any) -> dict[str, Any]:
    """A disabled configuration, which no rule between keys concerns, with one key set."""
    for place, part in reversed(list(enumerate(key))):
        if part == "*" and key[place - 1] == "responseFallbacks":
            value = [{"model": "openai/a-model", **value}]
        elif part == "*" and key[place - 1] in REQUIRED:
            value = {name: {**rest, **value} for name, rest in REQUIRED[key[place - 1]].items()}
        else:
            value = {CHOSEN[key[place - 1]] if part == "*" else part: value}
    return {"enabled": False, **value}


def is_loaded(text: str) -> bool:
    try:
        parse_settings(text)
    except ConfigError:
        return False
    return True


def choices(key: Key) -> list[Any]:
    """What this very key may be, as far as it is a list."""
    try:
        return list(node_at(SCHEMA, key).get("enum", ()))
    except KeyError:
        return []


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_committed_documents_are_drawn_from_the_program() -> None:
    """If this fails: `make draw`."""
    assert json.loads((DOCS / "generated" / "config.schema.json").read_text(encoding="utf-8")) == SCHEMA
    assert markdown() in (DOCS / "configuration.md").read_text(encoding="utf-8")


def test_every_key_says_what_it_means() -> None:
    assert [".".join(path) for path, field in leaves() if not field.description] == []


@pytest.mark.parametrize("block", sorted({key[0] for key in KEYS}))
def test_schema_and_loader_agree_about_every_key(block: str) -> None:
    """One key changed at a time, over everything a key may be mistaken for."""
    disagreed = []
    for key in dict.fromkeys(key for key in KEYS if key[0] == block):
        for value in (*VALUES, *choices(key)):
            made = document(key, value)
            if VALIDATOR.is_valid(made) is not is_loaded(json.dumps(made)):
                disagreed.append((".".join(key), value, "schema" if VALIDATOR.is_valid(made) else "loader"))
    assert disagreed == []


def test_the_defaults_are_good() -> None:
    """What is in force without a word in the file may also stand in it."""
    written = json.loads(Settings().model_dump_json(by_alias=True))
    assert is_loaded(json.dumps(written))
    assert VALIDATOR.is_valid(written)

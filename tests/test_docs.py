"""The documents say what the code says."""

import re
from pathlib import Path

from voicecall.call.effects import EFFECTS
from voicecall.call.events import EVENTS

DOCS = Path(__file__).resolve().parents[1] / "docs"


def words_of(section: str) -> set[str]:
    text = (DOCS / "glossary.md").read_text().split(f"## {section}")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {word for row in rows for word in re.findall(r"`(\w+)`", row)}


def test_the_glossary_holds_every_event_and_nothing_else() -> None:
    assert words_of("Events") == set(EVENTS)


def test_the_glossary_holds_every_effect_and_nothing_else() -> None:
    assert words_of("Effects") == set(EFFECTS)

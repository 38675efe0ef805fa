"""The documents say what the code says."""

import re
from pathlib import Path

from voicecall.api.errors import STATUS_OF_CODE
from voicecall.api.methods import METHODS
from voicecall.call.effects import EFFECTS
from voicecall.call.events import EVENTS
from voicecall.settings import parse_settings

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
VARIABLE = re.compile(r"\b(?:VOICECALL|TWILIO|TELNYX|PLIVO|MOCK|OPENAI|ELEVENLABS)_[A-Z_]+\b|\bREDIS_URL\b")


def words_of(section: str) -> set[str]:
    text = (DOCS / "glossary.md").read_text().split(f"## {section}")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {word for row in rows for word in re.findall(r"`(\w+)`", row)}


def test_the_glossary_holds_every_event_and_nothing_else() -> None:
    assert words_of("Events") == set(EVENTS)


def test_the_glossary_holds_every_effect_and_nothing_else() -> None:
    assert words_of("Effects") == set(EFFECTS)


def variables_read() -> set[str]:
    """Names of the environment that the program's own code mentions."""
    sources = (
        path for package in ("voicecall", "workers", "ingress", "gateway") for path in (ROOT / package).rglob("*.py")
    )
    return {name for path in sources for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}


def test_the_environment_of_readme_and_compose_is_the_program_s() -> None:
    """A variable that nobody reads is a promise broken in silence."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").split("### The environment")[1].split("\n## ")[0]
    compose = set(VARIABLE.findall((ROOT / "compose.yaml").read_text(encoding="utf-8")))
    told = set(VARIABLE.findall(readme))
    assert told <= variables_read()
    assert compose <= told


def test_the_readme_s_configuration_is_good() -> None:
    """Step 3 of "Run it", as it stands."""
    text = re.findall(r"```json5\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    assert parse_settings(text.replace("…", "0"), {"OPENAI_API_KEY": "sk"}).provider == "twilio"


def test_every_method_and_code_is_told() -> None:
    """`docs/rpc.md` has a heading for each method, with its scope, and a row for each code."""
    page = (DOCS / "rpc.md").read_text(encoding="utf-8")
    for method in METHODS:
        assert f"### {method.name} · `{method.scope.value}`" in page
    for code, status in STATUS_OF_CODE.items():
        assert re.search(rf"^\| `{code}` \| {status}", page, re.MULTILINE), code

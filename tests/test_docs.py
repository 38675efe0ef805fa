"""The documents agree with the code: glossary, environment, examples, methods, cited tests and files, versions."""

import difflib
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from tests.contract.conformance.journeys import JOURNEYS
from voicecall.api.errors import STATUS_OF_CODE
from voicecall.api.methods import METHODS
from voicecall.call.effects import EFFECTS
from voicecall.call.events import EVENTS, Mode
from voicecall.call.ids import RequestId
from voicecall.manifests import AGENTS, CARRIERS
from voicecall.service.requests import CallRequest
from voicecall.settings import parse_settings

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
VARIABLE = re.compile(r"\b(?:VOICECALL|TWILIO|TELNYX|PLIVO|MOCK|OPENAI|ELEVENLABS|DEEPGRAM)_[A-Z_]+\b|\bREDIS_URL\b")


def glossary(section: str) -> dict[str, str]:
    """Name on the wire and name of the class, of each row of a table of the glossary."""
    text = (DOCS / "glossary.md").read_text(encoding="utf-8").split(f"## {section}")[1].split("\n## ")[0]
    cells = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| `")]
    pairs = [(re.findall(r"`(\w+)`", names), re.findall(r"`(\w+)`", classes)) for names, classes in cells]
    return {name: kind for names, classes in pairs for name, kind in zip(names, classes or names, strict=True)}


@pytest.mark.parametrize(("section", "table"), [("Events", EVENTS), ("Effects", EFFECTS)])
def test_the_glossary_holds_exactly_the_events_and_effects(section: str, table: dict[str, type]) -> None:
    """By their names on the wire, with the class where it has another name."""
    documented = glossary(section)
    assert documented == {name: kind.__name__ for name, kind in table.items()}


CONSTANT = re.compile(r"^([A-Z_]+)(?:: Final)? = ", re.MULTILINE)


def variables_read() -> set[str]:
    """Environment variables that the code of the program names, or builds from a carrier's name."""
    packages = ("voicecall", "workers", "ingress", "gateway")
    sources = [path.read_text(encoding="utf-8") for package in packages for path in (ROOT / package).rglob("*.py")]
    constants = {name for source in sources for name in CONSTANT.findall(source)}
    named = {name for source in sources for name in VARIABLE.findall(source)}
    return (named - constants) | {manifest.api_variable for manifest in CARRIERS.values()}


def test_documented_variables_are_read_and_compose_passes_documented_ones() -> None:
    """`docs/configuration.md` lists only variables that the program reads; `compose.yaml` passes only listed ones."""
    page = (DOCS / "configuration.md").read_text(encoding="utf-8")
    documented = set(VARIABLE.findall(page.split("## Environment variables")[1].split("\n## ")[0]))
    compose = set(VARIABLE.findall((ROOT / "compose.yaml").read_text(encoding="utf-8")))
    assert documented <= variables_read()
    assert compose <= documented


def test_a21_compose_passes_the_key_of_every_model_s_provider() -> None:
    """And the page names its variable."""
    page, compose = ((ROOT / name).read_text(encoding="utf-8") for name in ("docs/configuration.md", "compose.yaml"))
    for variable in (name for service in AGENTS.values() for name in service.key_variables):
        assert f"`{variable}`" in page
        assert f"\n    {variable}:\n" in compose


def test_every_variable_that_is_read_is_documented() -> None:
    """Somewhere on the configuration page."""
    page = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert variables_read() <= set(VARIABLE.findall(page))


def test_the_conformance_page_lists_every_journey() -> None:
    page = (DOCS / "conformance.md").read_text(encoding="utf-8").split("| journey | checked |")[1]
    assert re.findall(r"^\| ([a-z][a-z -]+) \|", page, re.MULTILINE) == list(JOURNEYS)


def test_the_configuration_in_the_readme_is_valid() -> None:
    """Step 3 of "Run it"."""
    text = re.findall(r"```json5\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    assert parse_settings(text.replace("…", "0"), {"OPENAI_API_KEY": "sk"}).provider == "twilio"


@pytest.mark.parametrize("page", ["README.md", "skills/voice-call/SKILL.md"])
def test_c9_the_calls_of_a_page_are_allowed_by_the_configuration_of_the_readme(page: str) -> None:
    """By country and kind of number, and by the limit: the calls of one page may be up at the same time."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.findall(r"```json5\n(.*?)```", readme, re.DOTALL)[0].replace("…", "0")
    settings = parse_settings(text, {"OPENAI_API_KEY": "sk"})
    commands = re.findall(r"voicecall call (.*--to .*)", (ROOT / page).read_text(encoding="utf-8"))
    assert commands
    for command in commands:
        words = shlex.split(command.rstrip("`"))
        given = dict(zip(words[::2], words[1::2], strict=True))
        placed = CallRequest(to=given["--to"], message=given["--message"], mode=Mode(given["--mode"]))
        assert placed.to_event(settings, RequestId("r")).to == given["--to"]
    assert len(commands) <= settings.max_concurrent_calls


def test_every_method_and_error_code_is_documented() -> None:
    """`docs/rpc.md` has a heading for each method, with its scope, and a row for each code."""
    page = (DOCS / "rpc.md").read_text(encoding="utf-8")
    for method in METHODS:
        assert f"### {method.name} · `{method.scope.value}`" in page
    for code, status in STATUS_OF_CODE.items():
        assert re.search(rf"^\| `{code}` \| {status}", page, re.MULTILINE), code


def test_the_version_is_stated_once_and_copied_correctly() -> None:
    """`pyproject.toml` is the source; the changelog's newest release and the plugin's manifests repeat it."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    releases = re.findall(r"^## \[(\d[\d.]*)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    manifests = [
        json.loads((ROOT / "integrations" / "openclaw" / name).read_text(encoding="utf-8"))["version"]
        for name in ("package.json", "openclaw.plugin.json")
    ]
    assert [releases[0], *manifests] == [version] * 3


def cited_numbers(citation: str, number: str) -> set[str]:
    """The numbers in every citation of that form, in the code of the program and its tests.

    Tests of the project itself hold made-up citations as examples.
    """
    folders = ("voicecall", "actors", "workers", "ingress", "gateway", "simulators", "tests")
    files = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    sources = (path for path in files if path != Path(__file__) and path.parent.name != "project")
    found = (re.findall(citation, path.read_text(encoding="utf-8"), re.IGNORECASE) for path in sources)
    return {one for citations in found for text in citations for one in re.findall(number, text)}


PAGES = [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "integrations").rglob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    """Every relative link of a page names a file or a folder of the repository."""
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def names_in(path: Path) -> set[str]:
    """Names of the functions of a file; none when it does not exist."""
    if not path.exists():
        return set()
    return set(re.findall(r"^ *(?:async )?def (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("page", ["guarantees.md", "threat-model.md"])
def test_cited_tests_exist(page: str) -> None:
    """`path.py::test_name` and `path.py` in these pages name tests of this repository, relative to `tests/`."""
    text = (DOCS / page).read_text(encoding="utf-8")
    cited = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", text)
    assert cited
    missing = {
        f"{path}::{name}": difflib.get_close_matches(name, names_in(ROOT / "tests" / path), n=2, cutoff=0.3)
        for path, name in cited
        if name not in {"", *names_in(ROOT / "tests" / path)} or not (ROOT / "tests" / path).exists()
    }
    assert missing == {}, "each with the names it may have now"


def test_cited_guarantees_are_stated() -> None:
    """Every "guarantee P16" of code and tests is a heading of `docs/guarantees.md`."""
    stated = set(re.findall(r"^## (P\d+)", (DOCS / "guarantees.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert stated == {f"P{number}" for number in range(1, 23)}
    assert cited_numbers(r"guarantees? ((?:P\d+(?:, | and )?)+)", r"P\d+") <= stated


def test_cited_attacks_are_listed() -> None:
    """Every "attack 37" of code and tests is in the first column of a table of `docs/threat-model.md`."""
    page = (DOCS / "threat-model.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d, ]+) \|", page, re.MULTILINE)
    listed = {number for row in rows for number in re.findall(r"\d+", row)}
    assert cited_numbers(r"\battacks? ((?:\d+(?:, | and | to |-)?)+)", r"\d+") <= listed

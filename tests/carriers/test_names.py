"""A new carrier is a folder, its line in the registry and its entries in the settings: nobody else knows its name."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.stack.carriers import CARRIERS as SIMULATORS
from tests.contract.conformance.ways import CARRIERS as WAYS
from voicecall.settings import CARRIERS

_ROOT = Path(__file__).resolve().parents[2]
_HOUSE = ("voicecall", "actors", "workers", "ingress", "gateway")

_KNOWN = {
    "voicecall/carriers/registry.py": "the line in the registry, and its two builders",
    "voicecall/cli/dev.py": "which boxes a demo may be played with",
    "voicecall/cli/dev_stack.py": "a developer's house stands with the mock and its box",
    "voicecall/settings/model/carriers.py": "the block of its account",
    "voicecall/settings/deployment.py": "where its API is",
    "voicecall/settings/reading/environment.py": "the default: mock",
    "voicecall/settings/model/settings.py": "the block's place in the whole, and the default: mock",
    "voicecall/settings/reading/rules.py": "rules of one carrier's own keys, and the default: mock",
    "voicecall/settings/reading/secret_refs.py": "the default: mock",
    "voicecall/settings/reading/legacy.py": "older spellings of Twilio's and of the mock's",
    "voicecall/settings/capabilities.py": "its name, its credentials, and what a call is promised on it",
}
"""Where the names of carriers stand outside their folders, and why. A file that needs one no more goes from here."""


def _names_in(file: Path) -> Iterator[str]:
    """Carriers that the code of a file names, in identifiers or strings; what is explained in prose does not count."""
    tree = ast.parse(file.read_text())
    prose = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        words = ""
        match node:
            case ast.Constant(value=str(words)) if id(node) in prose:
                continue
            case ast.Constant(value=str(words)) | ast.Name(id=words) | ast.Attribute(attr=words) | ast.arg(arg=words):
                pass
            case ast.keyword(arg=str(words)) | ast.ImportFrom(module=str(words)):
                pass
        yield from (name for name in CARRIERS if name in words.lower())


def test_the_house_does_not_know_its_carriers_by_name() -> None:
    """What differs between them is a trait, a port or a setting; a condition on a name would be found by nobody."""
    found = {}
    for package in _HOUSE:
        for file in (_ROOT / package).rglob("*.py"):
            path = file.relative_to(_ROOT)
            own = path.parts[2] if path.parts[:2] == ("voicecall", "carriers") and len(path.parts) > 3 else ""
            if names := {name for name in _names_in(file) if name != own}:
                found[path.as_posix()] = names
    assert set(found) == set(_KNOWN), {path: names for path, names in found.items() if path not in _KNOWN}


def test_the_simulators_name_a_carrier_in_its_folder_and_in_one_table() -> None:
    """Twilio besides, as the one that a house and a demo stand with unless told otherwise."""
    found = {}
    for file in (_ROOT / "simulators").rglob("*.py"):
        path = file.relative_to(_ROOT)
        if names := {name for name in _names_in(file) if name != path.parts[1]}:
            found[path.as_posix()] = names
    others = {path: names - {"twilio"} for path, names in found.items() if path != "simulators/stack/carriers.py"}
    assert not any(others.values()), others


@pytest.mark.parametrize("name", CARRIERS)
def test_every_carrier_is_whole(name: str) -> None:
    """A folder of ours, a box that is its judge, and its columns in the matrix."""
    assert (_ROOT / "voicecall/carriers" / name / "codec.py").exists()
    assert (_ROOT / "simulators" / name / "__main__.py").exists()
    assert name in SIMULATORS
    assert name in WAYS

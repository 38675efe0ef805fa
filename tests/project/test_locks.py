"""What is installed is pinned: exact versions, the hashes of their files, and no word of where they were found."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-offline.lock")


def entries(lock: str) -> list[str]:
    """Its requirements, each with its continuation lines."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pinned(lock: str) -> dict[str, str]:
    """The version of each package."""
    found = (
        re.fullmatch(r"([\w.-]+)==([^\s;]+)(?: ;.*?)?( +--hash=sha256:[0-9a-f]{64})+", entry) for entry in entries(lock)
    )
    return {canonicalize_name(one[1]): one[2] for one in found if one is not None}


@pytest.mark.parametrize("lock", LOCKS)
def test_c18_every_requirement_has_a_version_and_hashes(lock: str) -> None:
    """No address, no local file, no option: pip takes what the reader's own index offers under these hashes."""
    assert len(pinned(lock)) == len(entries(lock)) > 50


def test_c18_all_files_pin_the_same_versions() -> None:
    """The second one is everything: the first, what tests need, and the offline voice."""
    assert pinned(LOCKS[0]).items() <= pinned(LOCKS[1]).items()
    assert pinned(LOCKS[2]).items() <= pinned(LOCKS[1]).items()


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        (LOCKS[0], ("demo", "mcp", "otel", "postgres", "s3")),
        (LOCKS[1], ("dev", "turns")),
        (LOCKS[2], ("demo", "offline")),
    ],
)
def test_c18_the_files_hold_what_the_project_declares(lock: str, extras: tuple[str, ...]) -> None:
    """A range changed in `pyproject.toml` needs `make lock`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    versions = pinned(lock)
    for requirement in map(Requirement, wanted):
        assert versions[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile", "README.md", "tests/project/wheel.py"])
def test_c18_every_installation_checks_the_hashes(file: str) -> None:
    """Also where pip's default changes."""
    lines = [line for line in (ROOT / file).read_text(encoding="utf-8").splitlines() if "requirements" in line]
    installing = [line for line in lines if re.search(r"pip\b.* (-r|\"--requirement\")|PIP\).* -r", line)]
    assert installing
    assert all("--require-hashes" in line for line in installing)

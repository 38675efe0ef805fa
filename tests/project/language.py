"""Finds words that this project does not use, and citations of documents that the repository does not hold.

Used by `test_language.py` and by `python -m tests.project.figures`. Reads files as text, not as Python: names,
comments, docstrings and string literals all count. Identifiers are split at underscores and capitals, so `_tell_all`
and `TellAll` both contain "tell".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

__all__ = ["ALLOWED", "CITATION", "PRODUCT", "WORDS", "Allowance", "Finding", "absent_citations", "forbidden", "texts"]

PRODUCT: Final = ("voicecall", "actors", "workers", "ingress", "gateway")
"""The folders that are installed and run."""

_CODE: Final = (*PRODUCT, "simulators", "bench")
_SUFFIXES: Final = frozenset({".py", ".lua", ".html", ".js", ".css"})
_PAGES: Final = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")

WORDS: Final = (
    *("house", "houses", "door", "doors", "box", "boxes"),
    *("somebody", "somebodys", "nobody", "nobodys", "anybody", "anybodys", "whoever", "of ours"),
    *("told", "tell", "tells", "telling"),
    *("ear", "ears", "mouth", "mouths", "mind", "minds"),
    *("desk", "desks", "office", "offices", "lobby", "lull", "seat", "seats", "reception", "herald", "whereabouts"),
    *("shelf", "courier", "couriers", "mischief", "misbehave", "misbehaves", "deaf", "hush", "gist"),
    *("local caller", "local callers", "news", "the other side"),
)
"""Words of a private dialect; `docs/style.md` names the standard term for each."""

CITATION: Final = re.compile(
    r"\b(?:behaviou?r(?:s)? \d|reliability (?:P?\d)|carriers (?:section )?\d|architecture (?:section )?\d)",
    re.IGNORECASE,
)
"""A reference to a numbered section of a document that is not in the repository."""

_ATTACK: Final = re.compile(r"\battacks? (\d+)(?:(?: and |, |-)(\d+))*", re.IGNORECASE)
_WORD: Final = re.compile(r"\b(?:" + "|".join(map(re.escape, WORDS)) + r")\b", re.IGNORECASE)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_")


@dataclass(frozen=True)
class Allowance:
    """Files (a glob) in which a word may stand, on lines that match `line`, and the reason."""

    files: str
    word: str
    line: str
    reason: str

    def covers(self, path: str, word: str, line: str) -> bool:
        """Whether this word may stand in this line of this file."""
        return fnmatch(path, self.files) and self.word in (word, "*") and re.search(self.line, line) is not None


ALLOWED: Final = (
    Allowance("docs/style.md", "*", "", "lists the words, each with the term to use instead"),
    Allowance("docs/adr/0006-plain-names.md", "*", "", "records which names were replaced"),
    Allowance("docs/adr/0003-actors-on-the-loop.md", "tell", "`tell`", "a method of pykka's actors"),
    Allowance("docs/guarantees.md", "*", "::test_", "names of tests"),
    Allowance("docs/threat-model.md", "*", "`test_attack_", "names of tests"),
    Allowance("voicecall/wire.py", "door", r'"ingress": "door"', "the field's name in logs of earlier builds"),
    Allowance("voicecall/wire.py", "tells", r'"reports_beep": "tells_beep"', "the name in earlier logs"),
    Allowance("actors/*", "tell", r"\btell\(|`tell`|\ba tell\b", "pykka's term for a message to an actor"),
    Allowance("workers/*", "tell", r"\b_?tell(_all)?\(", "pykka's term for a message to an actor"),
    Allowance("*.py", "tell", r"\bfile\.tell\(\)", "the position in a file"),
    Allowance("gateway/*", "nobody", r'"nobody-listens"', "a reason on the wire of agent hosts"),
    Allowance("docs/*", "nobody", r"`nobody-listens`", "a reason on the wire of agent hosts"),
    Allowance(
        "gateway/documents/asyncapi.py", "tell", r'"tell": \{"action"', "an operation's name in the published document"
    ),
    Allowance("voicecall/text/planning.py", "tell", r"say\|speak\|ask\|tell", "a word of models"),
    Allowance("*.css", "box", r"\bbox-(sizing|shadow)\b", "properties of CSS"),
    Allowance("*.js", "box", r"\bviewBox\b", "an attribute of SVG"),
    Allowance("*.py", "box", r"\bbox=|import box\b|\bbox\.[A-Z]", "the argument and module of rich that draw a frame"),
    Allowance("actors/*.py", "tell", r"\.tell\(|`tell`", "pykka's name for sending a message"),
    Allowance("workers/activations.py", "tell", r"\.tell\(", "pykka's name for sending a message"),
    Allowance("bench/*", "misbehave", '"misbehave": ', "the simulators' script section"),
    Allowance("simulators/*", "misbehave", "", "the simulators' public route and script section"),
    Allowance("voicecall/agents/prompt.py", "tell", "You must tell the other person", "text of the prompt itself"),
    Allowance("*", "hush", r"/hush|\"hush\"|`hush`", "a command of the mock carrier's public protocol"),
)
"""Places in which a word of the list is right. Keep it short: each entry needs a reason."""


@dataclass(frozen=True)
class Finding:
    """One word in one line; `line` counts from 1."""

    path: str
    line: int
    word: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.word}"


def forbidden(root: Path, *, code: tuple[str, ...] = _CODE) -> list[Finding]:
    """Every forbidden word in the code and pages of the checkout at `root`, apart from the allowed places."""
    return [
        Finding(path, number, word)
        for path, lines in texts(root, code=code)
        for number, line in lines
        for word in _words(line)
        if not any(allowance.covers(path, word, line) for allowance in ALLOWED)
    ]


def absent_citations(root: Path, *, code: tuple[str, ...] = _CODE) -> list[Finding]:
    """Every citation of an absent document, and of an attack that `docs/threat-model.md` does not list."""
    attacks = _listed_attacks(root)
    return [
        Finding(path, number, citation)
        for path, lines in texts(root, code=code)
        for number, line in lines
        for citation in (*_citations(line), *_unlisted(line, attacks))
    ]


def texts(root: Path, *, code: tuple[str, ...] = _CODE) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Each file that is held to the language: its path below `root`, and its numbered lines."""
    for folder in code:
        for file in sorted(file for file in (root / folder).rglob("*") if file.suffix in _SUFFIXES):
            yield file.relative_to(root).as_posix(), list(enumerate(file.read_text().splitlines(), start=1))
    for file in [*(root / page for page in _PAGES), *sorted((root / "docs").rglob("*.md"))]:
        if file.exists():
            lines = list(enumerate(file.read_text().splitlines(), start=1))
            yield file.relative_to(root).as_posix(), _newest(lines) if file.name == "CHANGELOG.md" else lines


def _newest(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The first section of a changelog: older ones are history and stay as they were written."""
    heads = [at for at, (_, line) in enumerate(lines) if line.startswith("## ")]
    return lines[: heads[1]] if len(heads) > 1 else lines


def _words(line: str) -> list[str]:
    return [found.lower() for found in _WORD.findall(_HUMP.sub(" ", line))]


def _citations(line: str) -> list[str]:
    return [found.group() for found in CITATION.finditer(line)]


def _unlisted(line: str, listed: frozenset[int]) -> list[str]:
    found = [match.group() for match in _ATTACK.finditer(line)]
    return [text for text in found if not {int(number) for number in re.findall(r"\d+", text)} <= listed]


def _listed_attacks(root: Path) -> frozenset[int]:
    """The numbers in the first column of the threat model's table, "12" or "12-14"."""
    page = root / "docs/threat-model.md"
    numbers: set[int] = set()
    for line in page.read_text().splitlines() if page.exists() else ():
        for first, last in (
            re.findall(r"(\d+)(?:\s*[-\u2013]\s*(\d+))?", line.split("|")[1]) if line.startswith("|") else ()
        ):
            numbers |= set(range(int(first), int(last or first) + 1))
    return frozenset(numbers)

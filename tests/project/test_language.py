"""The project is written in the terms of its field: no word of a private dialect, no citation of an absent document.

`docs/style.md` names the standard term for each word; `tests/project/language.py` has the list and the allowed places.
"""

from pathlib import Path

import pytest

from tests.project.language import ALLOWED, Allowance, Finding, absent_citations, forbidden, texts

_ROOT = Path(__file__).resolve().parents[2]


def test_no_word_of_the_dialect_is_used() -> None:
    """In code, comments, docstrings, messages, help texts and pages; a failure lists file, line and word."""
    found = forbidden(_ROOT)
    if found:
        pytest.fail(_listed("words of the dialect", found), pytrace=False)


def test_no_absent_document_is_cited() -> None:
    """A reader must be able to follow every reference."""
    found = absent_citations(_ROOT)
    if found:
        pytest.fail(_listed("citations of absent documents", found), pytrace=False)


def _listed(what: str, found: list[Finding]) -> str:
    return f"{len(found)} {what}:\n" + "\n".join(map(str, found))


@pytest.mark.parametrize("allowed", ALLOWED, ids=lambda allowed: f"{allowed.files} {allowed.word}")
def test_every_allowance_is_used(allowed: Allowance) -> None:
    """An allowance that covers nothing hides the next mistake."""
    assert any(
        allowed.covers(path, allowed.word if allowed.word != "*" else "house", line)
        for path, lines in texts(_ROOT)
        for _, line in lines
    )


def test_words_are_found_in_names_and_in_prose(tmp_path: Path) -> None:
    """Identifiers are split at underscores and capitals; longer words that contain one are not found."""
    (tmp_path / "voicecall").mkdir()
    (tmp_path / "voicecall/some.py").write_text(
        "def _tell_all() -> None: ...\nclass OpenDoor: ...\n# nobody\ninbox = outbox = 1\nearly = hearing = 2\n"
    )
    assert [str(found) for found in forbidden(tmp_path)] == [
        "voicecall/some.py:1: tell",
        "voicecall/some.py:2: door",
        "voicecall/some.py:3: nobody",
    ]


def test_a_cited_section_must_exist(tmp_path: Path) -> None:
    """Attacks are numbered by the threat model; other numbered documents are not in the repository."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/threat-model.md").write_text("| # | attack |\n|---|---|\n| 7, 8 | no key |\n")
    (tmp_path / "voicecall").mkdir()
    (tmp_path / "voicecall/some.py").write_text("# behaviour 5.1\n# reliability P16\n# attack 7\n# attacks 8 and 9\n")
    assert [found.line for found in absent_citations(tmp_path)] == [1, 2, 4]

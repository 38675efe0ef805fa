"""The threat model lists every attack test in the row of its number, and no test that does not exist."""

import re
from pathlib import Path

_HERE = Path(__file__).parent
_TABLE = _HERE.parents[2] / "docs" / "threat-model.md"


def test_the_threat_model_names_these_tests_by_their_numbers() -> None:
    """A renamed or removed test fails here until the page is changed."""
    written = {
        name
        for path in _HERE.glob("test_*.py")
        for name in re.findall(r"^def (test_attack_\w+)", path.read_text(), re.MULTILINE)
    }
    rows = re.findall(r"^\| ([\d, ]+) \|(.*)$", _TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    named = [
        (int(name.split("_")[2]), name, numbers)
        for numbers, row in rows
        for name in re.findall(r"`(test_attack_\w+)`", row)
    ]
    assert {name for _, name, _ in named} == written
    assert [name for number, name, numbers in named if number not in map(int, numbers.split(","))] == []

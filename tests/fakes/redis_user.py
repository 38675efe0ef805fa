"""The Redis user that docs/operations.md tells operators to make: the line of an ACL file, as it stands there."""

import re
from pathlib import Path

__all__ = ["documented_user"]

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def documented_user() -> str:
    found = re.findall(r"^user voicecall .*$", _PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(found) == 1
    return str(found[0])

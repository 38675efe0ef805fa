"""The generated parts of the documents are current."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


def test_generated_parts_are_current() -> None:
    """If this fails: correct `WAYS` in `docs/draw.py` if a step's function moved, then `make draw`."""
    spec = importlib.util.spec_from_file_location("draw", DOCS / "draw.py")
    assert spec is not None
    assert spec.loader is not None
    draw = importlib.util.module_from_spec(spec)
    sys.modules["draw"] = draw  # its dataclasses look their module up
    spec.loader.exec_module(draw)
    stale = [page for page, text in draw.drawn().items() if page.read_text(encoding="utf-8") != text]
    assert [str(page.relative_to(ROOT)) for page in stale] == []


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ("console.md", [f"console-{view}" for view in ("live", "call", "waterfall", "history", "health")]),
        ("phone.md", ["phone"]),
    ],
)
def test_every_view_of_a_page_has_small_pictures_in_both_colours(document: str, names: list[str]) -> None:
    """Drawn by `make draw`, and shown on its page."""
    shown = set(re.findall(r"\]\(pictures/([\w-]+\.png)\)", (DOCS / document).read_text(encoding="utf-8")))
    assert shown == {f"{name}-{theme}.png" for name in names for theme in ("light", "dark")}
    for name in shown:
        picture = (DOCS / "pictures" / name).read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) <= 120_000
    kind = document.removesuffix(".md")
    assert {path.name for path in (DOCS / "pictures").glob(f"{kind}-*.png")} == shown

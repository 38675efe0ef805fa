"""How the pages are served: their policy, their types, and caches that never mix two builds."""

import re
from pathlib import Path

import pytest

from gateway.web import assets
from tests.gateway.conftest import System

WEB = Path(assets.__file__).parent
SOURCES = sorted(path for path in WEB.rglob("*") if path.suffix in {".html", ".css", ".js", ".svg"})


async def test_the_console_runs_only_modules_of_this_server(system: System) -> None:
    """No inline script or style, no frame around it, and no way to turn text into markup (attack 80)."""
    async with system.http.get(f"{system.url}/") as answer:
        page, headers = await answer.text(), answer.headers
    policy = headers["Content-Security-Policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "require-trusted-types-for 'script'; trusted-types 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Permissions-Policy"] == "microphone=(), camera=()"
    assert not re.search(r"<style|<script(?! type=\"module\" src=)|\son\w+=|style=", page)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(WEB)))
def test_pages_name_no_other_server_and_make_no_markup_of_text(source: Path) -> None:
    """Every text of a caller is a text node. What the console keeps beyond the tab is the choice of colours."""
    text = source.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?://(?!127\.0\.0\.1|localhost)[^\s\"'`]+", text) == []
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "srcdoc", "setHTML"):
        assert way not in text
    if source.parent.name in {"common", "console"}:
        assert "localStorage" not in text or source.name == "theme.js"


@pytest.mark.parametrize("source", [path for path in SOURCES if path.suffix == ".js"], ids=lambda path: path.name)
def test_modules_import_files_that_exist(source: Path) -> None:
    """By relative addresses, which keep the digest of the build."""
    for name in re.findall(r"from \"([^\"]+)\"", source.read_text(encoding="utf-8")):
        assert name.startswith(".")
        assert (source.parent / name).is_file()


async def test_assets_are_kept_by_browsers_and_the_page_is_asked_for_again(system: System) -> None:
    """An address holds the digest of all files, so its content never changes."""
    async with system.http.get(f"{system.url}/") as answer:
        page, tag = await answer.text(), answer.headers["ETag"]
        assert answer.headers["Cache-Control"] == "no-cache"
    async with system.http.get(f"{system.url}/", headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    found = re.findall(r"(?:src|href)=\"(/assets/[^\"]+)\"", page)
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    assert {name.rpartition(".")[2] for name in found} == set(kinds)
    for name in found:
        async with system.http.get(system.url + name) as answer:
            assert answer.status == 200
            assert answer.content_type == kinds[name.rpartition(".")[2]]
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_other_files_and_other_builds_are_not_served(system: System) -> None:
    """No source of the server, no page under an asset's name, nothing outside the folder, no foreign page's request."""
    async with system.http.get(f"{system.url}/") as answer:
        digest = re.findall(r"/assets/(\w+)/", await answer.text())[0]
    for path in (
        f"/assets/{digest}/assets.py",
        f"/assets/{digest}/console/index.html",
        f"/assets/{digest}/../app.py",
        f"/assets/{digest}/console/%2e%2e/%2e%2e/app.py",
        "/assets/0000/common/base.css",
        f"/assets/{digest}/",
        "/assets/",
    ):
        async with system.http.get(system.url + path) as answer:
            assert answer.status == 404, path
    foreign = {"Sec-Fetch-Site": "cross-site"}
    async with system.http.get(f"{system.url}/assets/{digest}/common/base.css", headers=foreign) as answer:
        assert answer.status == 403

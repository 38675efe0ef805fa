"""Draws the pictures of `console.md` with the machine's Chromium: the real pages over invented calls.

`make draw` runs it. Without Chromium, or when neither the pages nor the scene have changed since the pictures were
drawn, it draws nothing: two builds of a browser do not draw the same bytes.
"""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from console_scene import HERO, NOW, fill, push_past
from playwright.async_api import Browser, Page, ViewportSize

from gateway.web import assets
from simulators.staged_gateway import StagedGateway
from tests.browser.chromium import chromium_path, launched

__all__ = ["DOCS", "PICTURES", "WEB", "draw_console", "drawn_of"]

DOCS: Final = Path(__file__).resolve().parent
PICTURES: Final = DOCS / "pictures"
WEB: Final = Path(assets.__file__).parent
"""The pages' own files."""
_SIZE: Final[ViewportSize] = {"width": 1180, "height": 650}
_LOW: Final[ViewportSize] = {"width": 1180, "height": 560}  # a table is expensive to compress
_SETTLE_MS: Final = 700


def draw_console() -> Iterator[str]:
    """Yields what was drawn, or why nothing was."""
    return drawn_of("console", [*sorted(WEB.glob("co*/*")), *sorted(DOCS.glob("console_*.py"))], _draw)


def drawn_of(name: str, files: Iterable[Path], draw: Callable[[str], Coroutine[Any, Any, None]]) -> Iterator[str]:
    """Call `draw` with the path of Chromium when one of these files has changed. Yields what was drawn, or why not."""
    path, drawn = chromium_path(), PICTURES / f"{name}.sha256"
    digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()
    if path is None:
        yield f"pictures of the {name} not drawn: Chromium is not installed (apt-get install chromium)"
    elif drawn.exists() and drawn.read_text(encoding="utf-8").strip() == digest:
        yield f"pictures of the {name} are current"
    else:
        PICTURES.mkdir(exist_ok=True)
        asyncio.run(draw(path))
        drawn.write_text(f"{digest}\n", encoding="utf-8")
        yield f"drew {PICTURES.relative_to(DOCS.parent)}/{name}-*.png"


async def _draw(path: str) -> None:
    gateway = StagedGateway(page=_page, asset=_asset)
    async with gateway.running() as url, launched(path, "--disable-lcd-text") as browser:
        for theme in ("light", "dark"):
            fill(gateway)
            await _draw_theme(browser, url, gateway, theme)


async def _draw_theme(browser: Browser, url: str, gateway: StagedGateway, theme: str) -> None:
    scheme = "dark" if theme == "dark" else "light"
    context = await browser.new_context(viewport=_SIZE, color_scheme=scheme, locale="en-GB", timezone_id="UTC")
    page = await context.new_page()
    await page.clock.set_fixed_time(NOW / 1000)
    await page.goto(url)
    await page.get_by_role("row").nth(5).wait_for()
    await push_past(gateway)
    await page.get_by_text("worker-d2 → worker").nth(2).wait_for()
    await page.set_viewport_size(_LOW)
    await _show(page, "#/live", f"console-live-{theme}")
    await page.set_viewport_size(_SIZE)
    await _show(page, f"#/call/{HERO}", f"console-call-{theme}")
    await page.get_by_role("region", name="Waits for replies").screenshot(
        path=PICTURES / f"console-waterfall-{theme}.png", animations="disabled"
    )
    await _show(page, "#/history", f"console-history-{theme}")
    await _show(page, "#/health", f"console-health-{theme}")
    await context.close()


async def _show(page: Page, address: str, name: str) -> None:
    await page.evaluate("address => { location.hash = address; }", address)
    await page.wait_for_timeout(_SETTLE_MS)
    await page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")


async def _page(request: web.Request) -> web.StreamResponse:
    return assets.page("console", request)


async def _asset(request: web.Request) -> web.StreamResponse:
    return assets.asset(request)

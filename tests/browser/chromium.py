"""Finds and starts the machine's Chromium. Used by the tests of the pages, their benchmark, and `make draw`."""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from typing import Final

from playwright.async_api import Browser, async_playwright

__all__ = ["MISSING", "chromium_path", "launched"]

MISSING: Final = (
    "CHROMIUM IS NOT INSTALLED: the pages in tests/browser were NOT tested; "
    "get it with: apt-get install chromium (or set VOICECALL_CHROMIUM to its path)"
)
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_FLAGS: Final = (
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
)


def chromium_path() -> str | None:
    """The program that VOICECALL_CHROMIUM names, or the first of the usual names on PATH."""
    named = os.environ.get("VOICECALL_CHROMIUM")
    found = (shutil.which(name) for name in ((named,) if named else _NAMES))
    return next((path for path in found if path), None)


@contextlib.asynccontextmanager
async def launched(path: str, *flags: str) -> AsyncIterator[Browser]:
    """A browser of its own, with further `flags`, such as those of a fake microphone."""
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=[*_FLAGS, *as_root, *flags], timeout=60_000
        )
        try:
            yield browser
        finally:
            await browser.close()

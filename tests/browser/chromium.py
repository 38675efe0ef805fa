"""Finds and starts the machine's Chromium. Used by the tests of the pages, their benchmark, and `make draw`."""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from typing import Final

import pytest
from playwright.async_api import Browser, async_playwright

__all__ = ["MISSING", "chromium_path", "is_required", "launched", "skip_without_chromium"]

MISSING: Final = (
    "CHROMIUM IS NOT INSTALLED: the pages of the gateway were NOT tested; "
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


def is_required() -> bool:
    """Whether tests of the pages may not be skipped."""
    return bool(os.environ.get("CI")) or os.environ.get("VOICECALL_REQUIRE_CHROMIUM") == "1"


def skip_without_chromium() -> None:
    """Skip the module that calls this while it is imported: one line for all its tests."""
    if chromium_path() is None and not is_required():
        pytest.skip(MISSING, allow_module_level=True)


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

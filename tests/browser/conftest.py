"""Chromium of the machine, driven by Playwright: the gateway's pages as a person meets them.

Tests here run on the event loop of the session, on which the browser lives, so a module has `pytestmark =
pytest.mark.asyncio(loop_scope="session")`. First it calls `skip_without_chromium()`, which skips it with the command
that installs Chromium; CI and VOICECALL_REQUIRE_CHROMIUM=1 accept no skip.
"""

import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, expect

from tests.browser.chromium import MISSING, chromium_path, launched
from tests.fakes.redis_server import RedisServer, start_redis

expect.set_options(timeout=20_000)  # a crowded machine is slow; what is expected stays the same


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium. Modules of tests are skipped without it, where it is not required."""
    path = chromium_path()
    if path is None:
        pytest.fail(MISSING)
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """One browser for the session; each test opens its own page."""
    async with launched(chromium) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page in a context of its own. The test fails when a script threw or the page's policy was violated."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    opened = await context.new_page()
    opened.set_default_timeout(20_000)
    problems = watched(opened)
    yield opened
    await context.close()
    assert problems == []


def watched(page: Page) -> list[str]:
    """What goes wrong in the page from now on: uncaught errors, and refusals by the Content-Security-Policy."""
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Refused to" in message.text:
            problems.append(message.text)

    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", note)
    return problems


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


def free_port() -> int:
    """A port of loopback that nothing uses now: for a gateway that is started again on it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

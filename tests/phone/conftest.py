"""One system and one browser for all tests of this folder."""

import base64
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from simulators.tones import Ended, decode_all
from tests.phone.browser import chromium, question, require_chromium
from tests.phone.stack import Dev, dev_stack

WITHIN_MS = 30_000
OTHER_NUMBER = "+15550002000"
"""A second number of the system, with a greeting of its own."""


@pytest.fixture(scope="package")
def program() -> str:
    return require_chromium()


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Its event loop runs in this thread until it is closed, so it must not outlive this folder."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def dev(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:  # noqa: ARG001 - nothing without it
    numbers = {OTHER_NUMBER: {"inboundGreeting": "You have reached the kitchen."}}
    with dev_stack(tmp_path_factory.mktemp("dev"), numbers=numbers) as running:
        yield running


@pytest.fixture(scope="package")
def browser(playwright: Playwright, program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser whose fake microphone is silent: what is said is typed."""
    silent = question(tmp_path_factory.mktemp("microphone") / "silent.wav", "", after_s=1, silence_s=1)
    with chromium(playwright, program, silent) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context()
    opened.set_default_timeout(WITHIN_MS)
    yield opened
    opened.close()


@pytest.fixture
def phone(context: BrowserContext, dev: Dev) -> "Phone":
    return Phone(context.new_page(), dev.url)


class Phone:
    """The page as somebody uses it. Errors of its scripts fail the test."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{url}/phone")

    def ready(self) -> "Phone":
        self.page.wait_for_selector("#call:visible")
        return self

    def call(self) -> "Phone":
        self.ready().page.click("#call")
        return self.in_call()

    def in_call(self) -> "Phone":
        self.page.wait_for_selector("#hangup:visible")
        self.until(lambda: self.facts()["state"] == "up", "the call is up")
        return self

    def say(self, text: str) -> None:
        self.page.fill("#typed", text)
        self.page.press("#typed", "Enter")

    def facts(self) -> dict[str, object]:
        return dict(self.page.evaluate("voicecallPhone.facts()"))

    def heard(self) -> list[Ended]:
        """What was played in the page, decoded."""
        return decode_all(base64.b64decode(self.page.evaluate("voicecallPhone.played()")))

    def words(self) -> list[str]:
        """The lines of the conversation, each with who says it."""
        lines = self.page.locator("#words li")
        return [
            f"{(lines.nth(place).get_attribute('class') or '')}: {lines.nth(place).locator('.heard').inner_text()}"
            for place in range(lines.count())
            if lines.nth(place).locator(".heard").count()
        ]

    def until(self, holds: Callable[[], bool], what: str, within_s: float = WITHIN_MS / 1000) -> None:
        deadline = time.monotonic() + within_s
        while not holds():
            assert not self.errors, self.errors
            assert time.monotonic() < deadline, f"not within {within_s} s: {what}\n{self.state()}"
            self.page.wait_for_timeout(50)

    def until_heard(self, text: str) -> None:
        self.until(lambda: any(text in one.text for one in self.heard()), f"{text!r} is heard")

    def state(self) -> str:
        return "\n".join(
            [*(self.page.inner_text(f"#{name}") for name in ("state", "words", "events")), str(self.facts())]
        )

    def shot(self, path: Path) -> None:
        self.page.screenshot(path=path)

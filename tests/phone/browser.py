"""The distribution's Chromium, driven by Playwright, and what its fake microphone hears."""

import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright

from simulators.tones import encode_pcm16
from tests.browser.chromium import MISSING, chromium_path, is_required

__all__ = ["chromium", "question", "require_chromium", "run_js"]

_RATE = 48_000
# No sandbox: containers lack what it needs. Every page is the gateway's own.
_ARGUMENTS = ("--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


def require_chromium() -> str:
    """The program. Skips loudly without one; fails where it is required."""
    found = chromium_path()
    if found is None:
        (pytest.fail if is_required() else pytest.skip)(MISSING)
    return found


@contextmanager
def chromium(playwright: Playwright, program: str, microphone: Path) -> Iterator[Browser]:
    """A running browser, without a window. `microphone`: a WAV that its microphone hears once, from the first use."""
    fake = f"--use-file-for-fake-audio-capture={microphone}%noloop"
    browser = playwright.chromium.launch(executable_path=program, args=[*_ARGUMENTS, fake])
    try:
        yield browser
    finally:
        browser.close()


def question(path: Path, text: str, *, after_s: float, silence_s: float = 60.0) -> Path:
    """A WAV of somebody who says nothing, then this in tone code, then nothing again."""
    silence = b"\0\0" * _RATE
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        said = encode_pcm16(text, _RATE) if text else b""
        file.writeframes(silence * round(after_s) + said + silence * round(silence_s))
    return path


def run_js(page: Page, module: str, body: str, argument: object = None) -> object:
    """Run the body of a function of `module`'s exports `m` and the argument `a`, in the page; its result."""
    where = f"new URL('{module}.js', document.querySelector('script[type=module]').src)"
    code = f"async (a) => {{ const m = await import({where}); {body} }}"
    return page.evaluate(code, argument)

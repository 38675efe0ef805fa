"""Draws the pictures of `phone.md` with the machine's Chromium: the real page in an invented call.

Its gateway is staged, and so is its line to the exchange, so that the moment holds still. As `console_pictures.py`.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from console_pictures import DOCS, PICTURES, WEB, drawn_of
from playwright.async_api import Browser, Page, ViewportSize, WebSocketRoute

from gateway.web import assets
from simulators.staged_gateway import StagedGateway
from tests.browser.chromium import launched
from tests.phone.browser import question

__all__ = ["draw_phone"]

_SIZE: Final[ViewportSize] = {"width": 1060, "height": 716}
_NOW: Final = 1_790_848_800_000  # 2026-10-01 10:00 UTC
_BEGAN: Final = _NOW - 47_000
_KILLED: Final = _NOW - 6_400
_CALL: Final = "6f0c7a52-5d0e-4c5c-9c62-0d1c6a0f3b11"
_FACTS: Final = {"leg": "leg-1", "from": "+15550004321", "to": "+15550000000", "callId": _CALL, "stream": ""}
_WELCOME: Final = {
    "event": "welcome",
    "number": "+15550004321",
    "agents": ["+15550000000"],
    "streams": True,
    "kills": ["worker", "ingress"],
    "graceS": 30,
    "call": None,
}
_UP: Final = (
    {"event": "calling", **_FACTS},
    {"event": "up", **_FACTS},
    {"event": "stream", "leg": "leg-1", "stream": "stream-1"},
)
_SPOKEN: Final = (
    (1_200, "bot", "Harbour Kitchen, good evening. How can I help you?"),
    (6_700, "user", "A table for four, please."),
    (7_150, "bot", "At what time?"),
    (14_400, "user", "At half past seven."),
    (14_900, "bot", "A table for four at half past seven, we have one by the window."),
    (40_000, "bot", "What name shall I write down?"),
)
_AFTER: Final = (
    (40_000, "bot", "What name shall"),
    (41_000, "bot", "Sorry, I was cut off."),
    (41_050, "bot", "What name shall I write down?"),
)
_NAMES: Final = ("endpointing_wait", "transcription", "agent_first_token", "sentence", "tts_first_audio", "transport")
_WAITS: Final = ((240, 110, 40, 90, 120, 12), (240, 95, 45, 210, 150, 11))


def draw_phone() -> Iterator[str]:
    """Yields what was drawn, or why nothing was."""
    files = [*sorted(WEB.glob("common/*")), *sorted(WEB.glob("phone/*")), *sorted(DOCS.glob("phone_*.py"))]
    return drawn_of("phone", files, _draw)


async def _draw(chromium: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        silent = question(Path(folder) / "silent.wav", "", after_s=1, silence_s=1)
        flags = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
        microphone = f"--use-file-for-fake-audio-capture={silent}"
        async with launched(chromium, "--disable-lcd-text", *flags, microphone) as browser:
            for theme in ("light", "dark"):
                await _draw_theme(browser, theme)


async def _draw_theme(browser: Browser, theme: str) -> None:
    gateway = StagedGateway(page=_page, asset=_asset)
    async with gateway.running() as url:
        scheme = "dark" if theme == "dark" else "light"
        context = await browser.new_context(viewport=_SIZE, color_scheme=scheme, locale="en-GB", timezone_id="UTC")
        page = await context.new_page()
        await page.clock.set_fixed_time(_BEGAN / 1000)
        line = await _staged_line(page)
        await page.goto(url)
        _record(gateway, _SPOKEN, 0)
        await page.get_by_role("button", name="Call your agent").click()
        await page.get_by_text("media socket open").wait_for()
        await _talk(page, gateway)
        await _kill(page, gateway, line[0])
        await page.clock.set_fixed_time(_NOW / 1000)
        await _speak(page, line[0])
        await page.screenshot(path=PICTURES / f"phone-{theme}.png", animations="disabled")
        await context.close()


async def _staged_line(page: Page) -> list[WebSocketRoute]:
    """The exchange of test phones: it takes the call and holds still. Gives the line, once the page opens it."""
    lines: list[WebSocketRoute] = []

    def opened(line: WebSocketRoute) -> None:
        lines.append(line)

        def answer(message: str | bytes) -> None:
            frame = json.loads(message)
            if frame.get("method") == "connect":
                _send(line, {"type": "res", "id": frame["id"], "ok": True, "payload": {}}, _WELCOME)
            elif frame.get("event") == "call":
                _send(line, *_UP)

        line.on_message(answer)

    await page.route_web_socket("**/phone/line", opened)
    return lines


def _send(line: WebSocketRoute, *frames: dict[str, Any]) -> None:
    for frame in frames:
        line.send(json.dumps(frame))


def _record(gateway: StagedGateway, lines: tuple[tuple[int, str, str], ...], turn: int) -> None:
    """The call's record: what has been said so far, and the parts of the newest wait."""
    said = [{"timestamp": _BEGAN + at, "speaker": who, "text": text} for at, who, text in lines]
    waits = {"lastTurnSpans": dict(zip(_NAMES, _WAITS[turn - 1], strict=True))} if turn else {}
    gateway.calls[_CALL] = {"callId": _CALL, "transcript": said, "metadata": {"turnCount": turn, **waits}}


async def _talk(page: Page, gateway: StagedGateway) -> None:
    """Turn by turn, as the feed would have brought them."""
    for turn in range(1, len(_WAITS) + 1):
        _record(gateway, _SPOKEN, turn)
        await gateway.push(_CALL, "speaking", {"seq": turn, "type": "PlaybackBegan", "at": _BEGAN, "utterance": turn})
        await page.get_by_text(f"Turn {turn}:").wait_for()


async def _kill(page: Page, gateway: StagedGateway, line: WebSocketRoute) -> None:
    await page.clock.set_fixed_time(_KILLED / 1000)
    _send(line, {"event": "killed", "role": "worker"})
    await page.get_by_text("the worker was killed").wait_for()
    _record(gateway, (*_SPOKEN[:-1], *_AFTER), len(_WAITS))
    taken = {"seq": 9, "type": "Reactivated", "at": _KILLED + 380, "epoch": 2, "cause": "died"}
    await gateway.push(_CALL, "speaking", taken)
    await page.get_by_text("resumed", exact=True).wait_for()


async def _speak(page: Page, line: WebSocketRoute) -> None:
    """A sound of one loudness, while the picture is taken."""
    wave = bytes([0x9F, 0x9F, 0x9F, 0x9F, 0x1F, 0x1F, 0x1F, 0x1F] * 20)
    frame = await page.evaluate("bytes => btoa(String.fromCharCode(...bytes))", list(wave))
    for _ in range(200):
        _send(line, {"event": "audio", "leg": "leg-1", "stream": "stream-1", "payload": frame})
    await page.get_by_text("the agent speaks").wait_for()
    await page.wait_for_timeout(300)


async def _page(request: web.Request) -> web.StreamResponse:
    return assets.page("phone", request, microphone=True)


async def _asset(request: web.Request) -> web.StreamResponse:
    return assets.asset(request)

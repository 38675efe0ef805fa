"""The distribution's Firefox, driven by WebDriver BiDi, which it speaks itself: no driver stands between.

Playwright drives only a Firefox of its own, with patches, and not the one that people have.
Protocol: https://w3c.github.io/webdriver-bidi/
"""

import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.talk.sound import PROGRAMS, Sound

__all__ = ["Tab", "firefox", "require_firefox"]

_MISSING: Final = (
    "{missing} NOT INSTALLED: the test phone was NOT tried in Firefox; "
    "get it with: apt-get install firefox-esr pulseaudio (or set VOICECALL_FIREFOX to the browser's path)"
)
_NAMES: Final = ("firefox-esr", "firefox")
_PREFERENCES: Final = {
    "media.navigator.permission.disabled": True,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.normandy.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}
_START_S: Final = 60.0
_LISTENS: Final = re.compile(r"WebDriver BiDi listening on (ws://\S+)\n")


def require_firefox() -> str:
    """The program. Skips loudly without it, or without a sound server; fails where they are required."""
    named = os.environ.get("VOICECALL_FIREFOX")
    found = next((path for name in ((named,) if named else _NAMES) if (path := shutil.which(name))), None)
    missing = ["FIREFOX"] * (found is None) + [one.upper() for one in PROGRAMS if shutil.which(one) is None]
    if missing:
        required = bool(os.environ.get("CI")) or os.environ.get("VOICECALL_REQUIRE_FIREFOX") == "1"
        (pytest.fail if required else pytest.skip)(_MISSING.format(missing=", ".join(missing)))
    return str(found)


@contextlib.asynccontextmanager
async def firefox(program: str, home: Path, sound: Sound) -> AsyncIterator["Tab"]:
    """A running browser without a window; its one tab, which may use the microphone. `home`: an empty folder."""
    profile = home / "profile"
    profile.mkdir()
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _PREFERENCES.items())
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    with (home / "firefox.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"),
            env={**os.environ, "HOME": str(home), **sound.environment},
            stdout=log,
            stderr=log,
        )
    try:
        address = await _address(process, Path(log.name))
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{address}/session", max_msg_size=0) as socket:
            yield await Tab.first(socket)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), _START_S)


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    """Where it listens for commands."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.returncode is None:
        printed = await asyncio.to_thread(log.read_text, errors="replace")
        if found := _LISTENS.search(printed):
            return found[1]
        await asyncio.sleep(0.05)
    raise AssertionError(f"Firefox does not listen: {printed}")


class Tab:
    """A tab, as somebody uses it: with pointer and keys, which the page trusts."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._context = ""

    @classmethod
    async def first(cls, socket: aiohttp.ClientWebSocketResponse) -> "Tab":
        tab = cls(socket)
        await tab._do("session.new", capabilities={})
        tab._context = (await tab._do("browsingContext.getTree"))["contexts"][0]["context"]
        return tab

    async def open(self, url: str) -> None:
        await self._do("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def read(self, expression: str) -> Any:
        """The value of an expression of the page."""
        done = await self._do(
            "script.evaluate",
            expression=f"JSON.stringify({expression})",
            target={"context": self._context},
            awaitPromise=True,
        )
        assert done["type"] == "success", done
        return json.loads(done["result"].get("value", "null"))

    async def text(self, selector: str) -> str:
        return str(await self.read(f"document.querySelector({json.dumps(selector)}).textContent"))

    async def click(self, selector: str) -> None:
        """With the pointer, in the middle of what is found and visible."""
        middle = (
            f"(() => {{ const found = document.querySelector({json.dumps(selector)}); found.scrollIntoView();"
            " const { x, y, width, height } = found.getBoundingClientRect();"
            " return { x: Math.round(x + width / 2), y: Math.round(y + height / 2), seen: width > 0 }; })()"
        )
        place = await self.read(middle)
        assert place.pop("seen"), f"{selector} is not visible"
        press = [{"type": "pointerMove", **place}, *({"type": f"pointer{way}", "button": 0} for way in ("Down", "Up"))]
        await self._act("pointer", "mouse", press)

    async def type(self, text: str) -> None:
        """On the keyboard, where the focus is; ends with Enter."""
        keys = [{"type": f"key{way}", "value": key} for key in (*text, "\ue007") for way in ("Down", "Up")]
        await self._act("key", "keyboard", keys)

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str, within_s: float = 60.0) -> None:
        deadline = time.monotonic() + within_s
        while not await holds():
            assert time.monotonic() < deadline, f"not within {within_s} s: {what}\n{await self.text('body')}"
            await asyncio.sleep(0.1)

    async def _act(self, kind: str, device: str, actions: list[Any]) -> None:
        source = {"type": kind, "id": device, "actions": actions}
        await self._do("input.performActions", context=self._context, actions=[source])

    async def _do(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json(timeout=_START_S)
            if answer.get("id") == number:
                assert answer["type"] == "success", answer
                return dict(answer["result"])

"""Tailscale's routes, set and removed by its own command line; what it refuses is told with its own link."""

import time
from pathlib import Path
from typing import Any

import pytest

from simulators.fake_binaries import FakeBinaries
from simulators.tailscale.__main__ import routes
from voicecall.errors import ExposureError, ToolMissing
from voicecall.exposure import tailscale

TARGET = "http://127.0.0.1:3334/voice/webhook"


async def test_who_we_are_is_asked_of_the_tailnet(environ: dict[str, str]) -> None:
    tailnet = await tailscale.look(environ)
    assert tailnet == tailscale.Tailnet("phone.tail1234.ts.net", "nTEST11CNTRL")
    assert tailnet.url("/w") == "https://phone.tail1234.ts.net/w"
    assert tailnet.url("/w", 8443) == "https://phone.tail1234.ts.net:8443/w"


@pytest.mark.parametrize(
    ("behaviour", "word"),
    [
        ({"name": ""}, "MagicDNS"),
        ({"name": "."}, "MagicDNS"),
        ({"name": None}, "MagicDNS"),
        ({"name": "evil.example/?"}, "MagicDNS"),
        ({"state": "NeedsLogin"}, "tailscale up"),
        ({"garbage": True}, "no JSON"),
        ({"exit": 1}, "tailscaled"),
    ],
)
async def test_a_machine_without_a_name_is_told_what_is_missing(
    binaries: FakeBinaries, environ: dict[str, str], behaviour: dict[str, Any], word: str
) -> None:
    binaries.behave("tailscale", **behaviour)
    with pytest.raises(ExposureError, match=word):
        await tailscale.look(environ)


async def test_a_daemon_that_does_not_answer_is_not_waited_for(binaries: FakeBinaries, environ: dict[str, str]) -> None:
    binaries.behave("tailscale", slow_s=60)
    began = time.monotonic()
    with pytest.raises(ExposureError, match=r"within 0\.3 s"):
        await tailscale.look(environ, within_s=0.3)
    assert time.monotonic() - began < 30


async def test_a_route_is_set_as_its_own_documentation_says_and_removed_the_same_way(
    binaries: FakeBinaries, environ: dict[str, str]
) -> None:
    await tailscale.expose("funnel", "/hook", TARGET, environ=environ)
    await tailscale.expose("serve", "/hook", TARGET, port=8443, environ=environ)
    assert routes(binaries) == {"443 /hook": f"funnel {TARGET}", "8443 /hook": f"serve {TARGET}"}
    assert await tailscale.withdraw("funnel", "/hook", environ=environ)
    assert await tailscale.withdraw("serve", "/hook", port=8443, environ=environ)
    assert routes(binaries) == {}
    assert binaries.runs("tailscale") == [
        ["funnel", "--bg", "--yes", "--set-path", "/hook", TARGET],
        ["serve", "--bg", "--yes", "--https=8443", "--set-path", "/hook", TARGET],
        ["funnel", "--https=443", "--set-path", "/hook", "off"],
        ["serve", "--https=8443", "--set-path", "/hook", "off"],
    ]
    assert not {"TWILIO_AUTH_TOKEN", "OPENAI_API_KEY"} & set(binaries.lines("tailscale")[0]["environ"])


async def test_a_route_that_is_gone_already_is_removed(environ: dict[str, str]) -> None:
    assert await tailscale.withdraw("funnel", "/never", environ=environ)


async def test_a_route_that_cannot_be_set_is_told_in_tailscales_words(
    binaries: FakeBinaries, environ: dict[str, str]
) -> None:
    binaries.behave("tailscale", refuses="/hook")
    with pytest.raises(ExposureError, match="already serving TCP"):
        await tailscale.expose("funnel", "/hook", TARGET, environ=environ)


async def test_a_mode_that_is_not_enabled_is_told_with_the_link_that_enables_it(
    binaries: FakeBinaries, environ: dict[str, str]
) -> None:
    """Tailscale prints the link and waits for somebody to follow it; we do not wait with it."""
    binaries.behave("tailscale", disabled=["funnel"])
    with pytest.raises(ExposureError, match="funnel is not enabled") as caught:
        await tailscale.expose("funnel", "/hook", TARGET, environ=environ)
    assert caught.value.enable_url == "https://login.tailscale.com/f/funnel?node=nTEST11CNTRL"
    assert routes(binaries) == {}


async def test_without_tailscale_it_is_said_how_to_install_it(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match=r"https://tailscale\.com/download"):
        await tailscale.look({**environ, "PATH": str(tmp_path)})

"""Tailscale's routes, set and removed by its command line; what it refuses is reported with its own link."""

import time
from pathlib import Path
from typing import Any

import pytest

from simulators.fake_binaries import FakeBinaries
from simulators.tailscale.__main__ import routes
from voicecall.errors import ExposureError, ToolMissing
from voicecall.exposure import tailscale

TARGET = "http://127.0.0.1:3334/voice/webhook"


async def test_the_machines_name_is_read_from_the_tailnet(environ: dict[str, str]) -> None:
    tailnet = await tailscale.status(environ)
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
async def test_a_machine_without_a_name_is_an_error_with_a_remedy(
    binaries: FakeBinaries, environ: dict[str, str], behaviour: dict[str, Any], word: str
) -> None:
    binaries.behave("tailscale", **behaviour)
    with pytest.raises(ExposureError, match=word):
        await tailscale.status(environ)


async def test_a_daemon_that_does_not_answer_is_an_error_in_time(
    binaries: FakeBinaries, environ: dict[str, str]
) -> None:
    binaries.behave("tailscale", slow_s=60)
    started = time.monotonic()
    with pytest.raises(ExposureError, match=r"within 0\.3 s"):
        await tailscale.status(environ, within_s=0.3)
    assert time.monotonic() - started < 30


async def test_a_route_is_set_and_removed_with_the_documented_commands(
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


async def test_removing_a_missing_route_succeeds(environ: dict[str, str]) -> None:
    assert await tailscale.withdraw("funnel", "/never", environ=environ)


async def test_a_route_that_cannot_be_set_is_reported_with_tailscales_text(
    binaries: FakeBinaries, environ: dict[str, str]
) -> None:
    binaries.behave("tailscale", refuses="/hook")
    with pytest.raises(ExposureError, match="already serving TCP"):
        await tailscale.expose("funnel", "/hook", TARGET, environ=environ)


async def test_a_mode_that_is_not_enabled_is_reported_with_the_link_that_enables_it(
    binaries: FakeBinaries, environ: dict[str, str]
) -> None:
    """Tailscale prints the link and waits until it has been followed; the command is ended instead."""
    binaries.behave("tailscale", disabled=["funnel"])
    with pytest.raises(ExposureError, match="funnel is not enabled") as caught:
        await tailscale.expose("funnel", "/hook", TARGET, environ=environ)
    assert caught.value.enable_url == "https://login.tailscale.com/f/funnel?node=nTEST11CNTRL"
    assert routes(binaries) == {}


async def test_without_tailscale_the_error_says_how_to_install_it(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match=r"https://tailscale\.com/download"):
        await tailscale.status({**environ, "PATH": str(tmp_path)})

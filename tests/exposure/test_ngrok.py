"""The ngrok agent: its URL is read, its token stays secret, and every way it can fail is reported."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from simulators.fake_binaries import FakeBinaries
from tests.exposure.conftest import TOKEN
from voicecall.errors import ExposureError, ToolMissing
from voicecall.exposure.ngrok import Ngrok


async def opened(environ: dict[str, str], **changes: Any) -> Ngrok:
    given = {"token": TOKEN, "domain": None, "environ": environ, **changes}
    return await Ngrok.open("3334", **given)


async def refused(environ: dict[str, str], **changes: Any) -> str:
    with pytest.raises(ExposureError) as caught:
        await opened(environ, **changes)
    assert TOKEN not in str(caught.value)
    assert caught.value.retryable
    return str(caught.value)


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_the_url_is_read_from_the_log_and_stop_ends_the_agent(
    binaries: FakeBinaries, environ: dict[str, str]
) -> None:
    agent = await opened(environ)
    assert agent.origin == "https://a1b2.ngrok-free.app"
    await agent.stop()
    assert binaries.runs("ngrok") == [["http", "3334", "--log", "stdout", "--log-format", "json"]]
    assert len(binaries.lines("ngrok", "closed")) == 1
    assert has_ended(binaries.lines("ngrok")[0]["pid"])
    await agent.stop()  # a second time does nothing


async def test_the_token_is_passed_by_environment_without_other_secrets(
    binaries: FakeBinaries, environ: dict[str, str], tmp_path: Path
) -> None:
    """Every user of the machine can read command lines, and the user's own ngrok.yml must not be changed."""
    await (await opened(environ)).stop()
    (run,) = binaries.lines("ngrok")
    assert TOKEN not in " ".join(run["argv"])
    assert "NGROK_AUTHTOKEN" in run["environ"]
    assert binaries.lines("ngrok", "agent")[0]["token"] is True
    assert not {"TWILIO_AUTH_TOKEN", "OPENAI_API_KEY", "REDIS_URL"} & set(run["environ"])
    assert {"HOME", "HTTPS_PROXY", "PATH"} <= set(run["environ"])
    assert not any("authtoken" in word for argv in binaries.runs("ngrok") for word in argv)
    assert os.listdir(tmp_path) == ["bin"]  # noqa: PTH208  the names are what is compared


async def test_a_configured_domain_is_used(binaries: FakeBinaries, environ: dict[str, str]) -> None:
    agent = await opened(environ, domain="calls.ngrok.app")
    assert agent.origin == "https://calls.ngrok.app"
    await agent.stop()
    assert binaries.runs("ngrok")[0][-2:] == ["--domain", "calls.ngrok.app"]


async def test_noise_in_the_log_hides_nothing(binaries: FakeBinaries, environ: dict[str, str]) -> None:
    """Cut, nested and endless records, lists, a line of 200 kB, invalid UTF-8, plain http: none is the URL."""
    binaries.behave("ngrok", token=TOKEN, garbage=True)
    agent = await opened(environ)
    assert agent.origin == "https://a1b2.ngrok-free.app"
    await agent.stop()


@pytest.mark.parametrize("on", ["stderr", "stdout"])
async def test_a_refusal_is_reported_by_its_code_with_a_remedy(
    binaries: FakeBinaries, environ: dict[str, str], on: str
) -> None:
    """Ngrok's own text repeats the token, so it must not be repeated."""
    binaries.behave("ngrok", token=TOKEN, code="ERR_NGROK_108", on=on)
    assert "ERR_NGROK_108; stop the other ngrok agents" in await refused(environ)
    assert has_ended(binaries.lines("ngrok")[0]["pid"])


async def test_a_wrong_or_missing_token_is_reported(binaries: FakeBinaries, environ: dict[str, str]) -> None:
    assert "tunnel.ngrokAuthToken" in await refused(environ, token="another")
    assert "tunnel.ngrokAuthToken" in await refused(environ, token=None)
    assert "NGROK_AUTHTOKEN" not in binaries.lines("ngrok")[1]["environ"]


async def test_an_agent_that_ends_by_itself_is_reported_with_its_status(
    binaries: FakeBinaries, environ: dict[str, str]
) -> None:
    binaries.behave("ngrok", token=TOKEN, exit=3)
    assert "ended with 3" in await refused(environ)


async def test_an_agent_that_logs_no_url_is_ended(binaries: FakeBinaries, environ: dict[str, str]) -> None:
    binaries.behave("ngrok", token=TOKEN, silent=True)
    assert "startup timed out after 0.5 s" in await refused(environ, within_s=0.5)
    assert has_ended(binaries.lines("ngrok")[0]["pid"])


async def test_an_agent_that_ignores_sigterm_is_killed(binaries: FakeBinaries, environ: dict[str, str]) -> None:
    binaries.behave("ngrok", token=TOKEN, ignores_sigterm=True)
    agent = await opened(environ)
    await agent.stop()
    assert has_ended(binaries.lines("ngrok")[0]["pid"])
    assert binaries.lines("ngrok", "closed") == []


async def test_the_end_of_an_open_agent_is_reported(binaries: FakeBinaries, environ: dict[str, str]) -> None:
    agent = await opened(environ)
    os.kill(binaries.lines("ngrok")[0]["pid"], signal.SIGKILL)
    assert "ended with -9" in str(await asyncio.wait_for(agent.ended(), 5))
    await agent.stop()


async def test_without_ngrok_the_error_says_how_to_install_it(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match=r"https://ngrok\.com/download") as caught:
        await opened({**environ, "PATH": str(tmp_path)})
    assert not caught.value.retryable

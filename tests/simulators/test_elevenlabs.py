"""The simulator of ElevenLabs streams mu-law as the service does, and fails exactly as scripted."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from simulators.tones import decode_all, mulaw_from_pcm16
from tests.simulators.service_process import running, until_broken

PATH = "/v1/text-to-speech/voice-1/stream"
MULAW = {"output_format": "ulaw_8000"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running("simulators.elevenlabs") as url:
        yield url


@pytest.fixture
async def simulator(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a simulator without a script, with an empty ledger."""
    async with aiohttp.ClientSession(url, headers={"xi-api-key": "xi-test"}) as session:
        yield session
        for path in ("/_sim/script", "/_sim/ledger"):
            async with session.delete(path) as response:
                assert response.status == 204


async def script(simulator: aiohttp.ClientSession, **sections: Any) -> None:
    async with simulator.post("/_sim/script", json=sections) as response:
        assert response.status == 200, await response.text()


def said(text: str) -> dict[str, Any]:
    return {"text": text, "model_id": "eleven_flash_v2_5", "voice_settings": {"stability": 0.5}}


async def test_the_voice_says_what_it_was_given_in_mulaw(simulator: aiohttp.ClientSession) -> None:
    """Ready for the phone: 8 kHz mu-law, chunked, no header; the ledger names the voice and no key."""
    async with simulator.post(PATH, params=MULAW, json=said("Good morning, Zoë.")) as response:
        assert response.headers["Transfer-Encoding"] == "chunked"
        (heard,) = decode_all(await response.read())
    assert (heard.text, heard.complete) == ("Good morning, Zoë.", True)
    async with simulator.get("/_sim/ledger", params={"kind": "speech"}) as response:
        body = await response.text()
        (line,) = (await response.json())["lines"]
    assert (line["voice"], line["outcome"], line["body"]["model_id"]) == ("voice-1", "complete", "eleven_flash_v2_5")
    assert "xi-test" not in body


async def test_it_speaks_pcm_when_asked(simulator: aiohttp.ClientSession) -> None:
    """The format is the query's."""
    async with simulator.post(PATH, params={"output_format": "pcm_8000"}, json=said("pcm")) as response:
        assert [heard.text for heard in decode_all(mulaw_from_pcm16(await response.read()))] == ["pcm"]


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        (MULAW, {}, 422),
        (MULAW, {"text": ""}, 422),
        (MULAW, {"text": "x" * 40_001}, 400),
        ({}, said("x"), 400),
        ({"output_format": "opus_1"}, said("x"), 400),
    ],
)
async def test_a_request_that_cannot_be_spoken_is_refused(
    simulator: aiohttp.ClientSession, query: dict[str, str], body: dict[str, Any], status: int
) -> None:
    """In the service's shape: `detail`."""
    async with simulator.post(PATH, params=query, json=body) as response:
        assert response.status == status
        assert (await response.json())["detail"]["message"]


async def test_a_request_without_a_key_is_refused(url: str, simulator: aiohttp.ClientSession) -> None:
    """Neither without one nor with a wrong one."""
    await script(simulator, api_key="xi-right")
    async with aiohttp.ClientSession(url) as stranger:
        for given in ({}, {"xi-api-key": "xi-test"}):
            async with stranger.post(PATH, params=MULAW, json=said("x"), headers=given) as response:
                assert (response.status, (await response.json())["detail"]["status"]) == (401, "invalid_api_key")


async def test_faults_follow_the_script(simulator: aiohttp.ClientSession) -> None:
    """Busy, then cut off in mid-sentence, then silent; each once, then well again."""
    does: list[dict[str, Any]] = [{"status": 429, "retry_after_s": 1}, {"cut_after_bytes": 4000}, {"hang": True}]
    await script(simulator, misbehave=[{"where": "speech", "times": 1, "do": do} for do in does])
    async with simulator.post(PATH, params=MULAW, json=said("x")) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "1")
    async with simulator.post(PATH, params=MULAW, json=said("a long story about cats")) as response:
        heard = await until_broken(response)
    assert [(h.text, h.complete) for h in decode_all(heard)] == [("a long story", False)]
    with pytest.raises(TimeoutError):
        await simulator.post(PATH, params=MULAW, json=said("x"), timeout=aiohttp.ClientTimeout(total=0.2))
    async with simulator.post(PATH, params=MULAW, json=said("well")) as response:
        assert decode_all(await response.read())[0].text == "well"

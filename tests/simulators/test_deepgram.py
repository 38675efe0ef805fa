"""The simulator of Deepgram transcribes as the service does, refuses what that refuses, and keeps no keys."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import orjson
import pytest

from simulators.tones import encode_mulaw
from tests.simulators.service_process import running

NOVA = {"model": "nova-3", "encoding": "mulaw", "sample_rate": "8000", "interim_results": "true", "endpointing": "300"}
FLUX = {"model": "flux-general-en", "encoding": "mulaw", "sample_rate": "8000", "eot_threshold": "0.7"}
SILENCE = b"\xff" * 8000


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running("simulators.deepgram") as url:
        yield url


@pytest.fixture
async def simulator(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a simulator without a script, with an empty ledger."""
    async with aiohttp.ClientSession(url, headers={"Authorization": "Token dg-test"}) as session:
        yield session
        for path in ("/_sim/script", "/_sim/ledger"):
            async with session.delete(path) as response:
                assert response.status == 204


async def events(socket: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    """Everything until the socket is closed."""
    return [orjson.loads(message.data) async for message in socket]


async def talk(simulator: aiohttp.ClientSession, path: str, query: dict[str, str], *texts: str) -> list[dict[str, Any]]:
    async with simulator.ws_connect(path, params=query) as socket:
        for text in texts:
            audio = encode_mulaw(text) + SILENCE
            for at in range(0, len(audio), 800):
                await socket.send_bytes(audio[at : at + 800])
        await socket.send_str('{"type":"CloseStream"}')
        return await events(socket)


async def test_nova_sends_growing_parts_and_final_ones(simulator: aiohttp.ClientSession) -> None:
    """The final parts up to `speech_final` are the utterance."""
    text = "a sentence that is longer than one part of it"
    found = [each for each in await talk(simulator, "/v1/listen", NOVA, text) if each["type"] == "Results"]
    final = [each["channel"]["alternatives"][0]["transcript"] for each in found if each["is_final"]]
    assert " ".join(final) == text
    assert [each["speech_final"] for each in found if each["is_final"]] == [False, True]
    assert any(not each["is_final"] for each in found)


async def test_flux_counts_turns_and_ends_each_once(simulator: aiohttp.ClientSession) -> None:
    """An eager end comes only where a threshold for it was sent, and has the text of the end."""
    for eager in (False, True):
        query = FLUX | ({"eager_eot_threshold": "0.5"} if eager else {})
        found = await talk(simulator, "/v2/listen", query, "hello", "goodbye")
        turns = [each for each in found if each["type"] == "TurnInfo"]
        ends = [(each["turn_index"], each["transcript"]) for each in turns if each["event"] == "EndOfTurn"]
        likely = [(each["turn_index"], each["transcript"]) for each in turns if each["event"] == "EagerEndOfTurn"]
        assert found[0]["type"] == "Connected"
        assert ends == [(0, "hello"), (1, "goodbye")]
        assert likely == (ends if eager else [])


@pytest.mark.parametrize(("then", "eager"), [("silence", True), ("silence", False), ("words", True)])
async def test_a_late_eager_end_is_sent_unless_the_turn_ends_or_goes_on_before(
    simulator: aiohttp.ClientSession, then: str, *, eager: bool
) -> None:
    """Recognition takes its time for likely ends as for ends."""
    do = {"where": "eager", "do": {"delay_ms": 20 if eager else 20_000}}
    async with simulator.post("/_sim/script", json={"misbehave": [do]}) as response:
        assert response.status == 200
    query = FLUX | {"eager_eot_threshold": "0.5"}
    async with simulator.ws_connect("/v2/listen", params=query) as socket:
        await socket.send_bytes(encode_mulaw("hello") + SILENCE[:1600])
        kinds: list[str] = []
        while "EagerEndOfTurn" not in kinds and eager:
            kinds.append(orjson.loads((await socket.receive()).data).get("event", ""))
        rest = (encode_mulaw("you") if then == "words" else b"") + SILENCE
        for at in range(0, len(rest), 640):
            await socket.send_bytes(rest[at : at + 640])
        await socket.send_str('{"type":"CloseStream"}')
        kinds += [each.get("event", "") for each in await events(socket)]
    assert [kind for kind in kinds if kind not in ("", "Update", "StartOfTurn")] == [
        *(["EagerEndOfTurn"] if eager else []),
        *(["TurnResumed"] if then == "words" else []),
        "EndOfTurn",
    ]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/v1/listen", NOVA | {"encoding": "opus"}, 400),
        ("/v1/listen", NOVA | {"colour": "red"}, 400),
        ("/v1/listen", NOVA | {"model": "flux-general-en"}, 400),
        ("/v2/listen", FLUX | {"eot_threshold": "0.2"}, 400),
        ("/v2/listen", FLUX | {"interim_results": "true"}, 400),
    ],
)
async def test_it_refuses_what_the_service_refuses(
    simulator: aiohttp.ClientSession, path: str, query: dict[str, str], status: int
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await simulator.ws_connect(path, params=query)
    assert refusal.value.status == status


async def test_a_wrong_key_is_refused_and_no_key_is_kept(simulator: aiohttp.ClientSession) -> None:
    async with simulator.post("/_sim/script", json={"api_key": "another"}) as response:
        assert response.status == 200
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await simulator.ws_connect("/v1/listen", params=NOVA)
    assert refusal.value.status == 401
    async with simulator.get("/_sim/ledger") as response:
        body = await response.text()
    assert '"outcome":"refused"' in body
    assert "dg-test" not in body

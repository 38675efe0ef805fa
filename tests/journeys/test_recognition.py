"""A conversation with each service of speech recognition, in which one takes over from the other."""

import asyncio

from simulators.stack import Plan, Stack
from tests.journeys.stage import GREETING, Stage, lines, texts

_DOWN = {"where": "listen", "do": {"status": 503}}
_LONG = "what will the weather be like at noon on the day after tomorrow"


async def _talk(stage: Stage, words: str) -> None:
    """The caller asks, the agent answers, and the transcript has the words."""
    to = await stage.person({"wait_heard": GREETING}, {"say": words}, {"wait_heard": "raining"}, {"hangup": True})
    record = await stage.over(await stage.dial(to))
    assert texts(await stage.leg(record)) == [GREETING, "It is raining."]
    assert lines(record)[1] == ("user", words)


async def test_each_service_holds_a_conversation_and_takes_over_from_the_one_before_it() -> None:
    """Deepgram's Flux; then it breaks off in mid-sentence, and ElevenLabs hears it all; a Whisper server is left."""
    async with Stack(Plan(workers=1, stt=("deepgram", "elevenlabs", "compatible"))) as stack:
        stage = Stage(stack)
        await stage.model(weather="It is raining.")
        await asyncio.gather(_talk(stage, "how is the weather"), _talk(stage, "is the weather good"))
        assert not (await stack.elevenlabs.get("/_sim/ledger", kind="listen"))["lines"]

        cut = {"where": "listen", "times": 1, "do": {"drop_after_ms": 3000}}
        await stack.deepgram.post("/_sim/script", {"misbehave": [cut, _DOWN]})
        await _talk(stage, _LONG)
        heard = (await stack.elevenlabs.get("/_sim/ledger", kind="transcript"))["lines"]
        assert [line["text"] for line in heard] == [_LONG]

        await stack.elevenlabs.post("/_sim/script", {"misbehave": [_DOWN]})
        await _talk(stage, "and the weather here")
        asked = (await stack.openai.get("/_sim/ledger", kind="transcription"))["lines"]
        assert [line["text"] for line in asked] == ["and the weather here"]
        log = stack.processes["worker-0"].log.read_text()
        assert log.count("another provider took over") == 2
        assert await stage.mistakes() == []

"""Preemptive generation with real processes: Flux's eager ends, a model that thinks, and what reaches the model."""

from typing import Any

from simulators.stack import Plan, Stack
from tests.journeys.stage import GREETING, Stage, lines, texts

_THINKS = {"reply": "It is raining.", "delay_ms": 700}


async def _asked(stack: Stack) -> list[tuple[str, str]]:
    """The caller's newest words in each request to the model, and how the request ended."""
    found = (await stack.openai.get("/_sim/ledger", kind="chat"))["lines"]
    return [(line["body"]["messages"][-1]["content"], line["outcome"]) for line in found]


async def _conversation(stage: Stage, *said: dict[str, Any]) -> Any:
    to = await stage.person({"wait_heard": GREETING}, *said, {"wait_heard": "raining"}, {"hangup": True})
    record = await stage.over(await stage.dial(to))
    assert texts(await stage.leg(record)) == [GREETING, "It is raining."]
    return record


async def test_a_likely_end_gives_the_model_a_head_start_and_a_wrong_one_is_discarded() -> None:
    """A hit is one request. A miss is two, and the first is closed while the model thinks."""
    async with Stack(Plan(workers=1, stt=("deepgram",))) as stack:
        stage, log = Stage(stack), stack.processes["worker-0"].log
        await stage.model(weather=_THINKS)
        record = await _conversation(stage, {"say": "how is the weather"})
        assert await _asked(stack) == [("how is the weather", "complete")]
        (line,) = (await stack.deepgram.get("/_sim/ledger", kind="listen"))["lines"]
        assert line["query"]["eager_eot_threshold"] == "0.5"
        assert "early reply used" in log.read_text()
        begun = [line for line in log.read_text().splitlines() if '"reply begun"' in line and '"turn":1' in line]
        assert '"saved_ms"' in begun[0]
        spans = record["metadata"]["lastTurnSpans"]
        assert record["metadata"]["lastTurnSavedMs"] + spans["agent_first_token"] >= _THINKS["delay_ms"]
        assert record["metadata"]["lastTurnSavedMs"] > 0

        await stack.openai.delete("/_sim/ledger")
        record = await _conversation(stage, {"say": "how is the weather"}, {"wait_ms": 220}, {"say": "in Oslo"})
        assert lines(record)[1] == ("user", "how is the weather in Oslo")
        assert await _asked(stack) == [
            ("how is the weather", "client_gone"),
            ("how is the weather in Oslo", "complete"),
        ]
        assert log.read_text().count("early reply discarded") == 1
        assert await stage.mistakes() == []


async def test_a_transcript_that_has_stopped_growing_gives_a_head_start_too() -> None:
    """OpenAI's live model transcribes while the caller speaks; our own detector waits for the pause."""
    streaming = {"sttModel": "gpt-live-transcribe", "silenceDurationMs": 800}
    async with Stack(Plan(workers=1, config={"streaming": streaming})) as stack:
        stage = Stage(stack)
        await stage.model(weather=_THINKS)
        record = await _conversation(stage, {"say": "how is the weather"})
        assert await _asked(stack) == [("how is the weather", "complete")]
        assert record["metadata"]["lastTurnSavedMs"] > 100


async def test_switched_off_no_eager_ends_are_asked_for() -> None:
    async with Stack(Plan(workers=1, stt=("deepgram",), config={"turns": {"preemptive": False}})) as stack:
        stage = Stage(stack)
        await stage.model(weather=_THINKS)
        record = await _conversation(stage, {"say": "how is the weather"})
        (line,) = (await stack.deepgram.get("/_sim/ledger", kind="listen"))["lines"]
        assert "eager_eot_threshold" not in line["query"]
        assert "lastTurnSavedMs" not in record["metadata"]
        assert record["metadata"]["lastTurnSpans"]["agent_first_token"] >= _THINKS["delay_ms"] * 0.9

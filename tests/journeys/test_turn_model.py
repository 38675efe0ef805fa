"""A whole stack with a turn model: its judgement of real audio decides how long a caller is waited for."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from simulators.stack import Plan, Stack
from tests.fakes import turn_models
from tests.journeys.stage import GREETING, Stage, lines, texts


async def _decided_in_ms(value: float) -> tuple[Any, int]:
    """The record of a short conversation with a model that always says this, and how long its turn was held."""
    with tempfile.TemporaryDirectory() as place:
        model = turn_models.constant(Path(place) / "model.onnx", value)
        turns = {"model": str(model), "minDelayMs": 0, "maxDelayMs": 4000}
        config = {"turns": turns, "streaming": {"silenceDurationMs": 1000}}
        async with Stack(Plan(workers=1, config=config)) as stack:
            stage = Stage(stack)
            await stage.model(weather="It is raining.")
            to = await stage.person(
                {"wait_heard": GREETING}, {"say": "how is the weather"}, {"wait_heard": "raining"}, {"hangup": True}
            )
            record = await stage.over(await stage.dial(to))
            assert texts(await stage.leg(record)) == [GREETING, "It is raining."]
            assert await stage.mistakes() == []
            return record, record["metadata"]["lastTurnSpans"]["turn_decision"]


async def test_a_turn_that_sounds_incomplete_is_waited_for() -> None:
    """Both callers stop after the same words; one of the two is given time to go on, and is answered all the same."""
    (complete, at_once_ms), (incomplete, waited_ms) = await asyncio.gather(_decided_in_ms(0.95), _decided_in_ms(0.05))
    assert lines(complete)[1] == lines(incomplete)[1] == ("user", "how is the weather")
    assert waited_ms > at_once_ms + 1500

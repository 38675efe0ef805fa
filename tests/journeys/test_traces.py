"""A call as a trace: one, with the parents and the times of its record, whoever had it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulators.stack import Plan, Stack
from tests.fakes.otlp import Collector, Received
from tests.journeys.stage import GREETING, Stage
from tests.journeys.test_history import archived
from voicecall.call.ids import CallId
from voicecall.call.waits import Span
from voicecall.tracing.spans import trace_id

pytestmark = pytest.mark.timeout(150)

WORDS = ("weather", "raining", "story", "king", "Good morning", "1555")


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with Collector() as opened:
        yield opened


async def test_a_call_whose_worker_died_is_one_trace(collector: Collector, tmp_path: Path) -> None:
    """Two turns, the worker killed between them: every span once, in one trace with those of the ingress."""
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    async with Stack(Plan(workers=2, environment=environment), logs=tmp_path / "logs") as stack:
        stage = Stage(stack)
        await stage.model(weather="It is raining.", story="There was a king.")
        to = await stage.person(
            {"wait_heard": GREETING},
            {"say": "how is the weather"},
            {"wait_heard": "raining"},
            {"wait_ms": 4000},
            {"say": "a story please"},
            {"wait_heard": "king"},
            {"hangup": True},
        )
        call = await stage.dial(to)
        await stage.record(call, lambda seen: seen["metadata"].get("turnCount") == 1)
        await asyncio.sleep(1.5)  # the reply is heard
        await stack.worker_of(await stack.owner_of(call)).kill()
        await stage.over(call)
        record = await archived(stage, to)
        await collector.until(1, name="call")
        await collector.until(1, name="media_stream")
    spans = [span for span in collector.spans if span.trace == f"{trace_id(CallId(call)):032x}"]
    assert spans == collector.spans
    assert len({span.id for span in spans}) == len(spans)
    assert record["metadata"]["reactivations"] == 1
    (whole,) = (span for span in spans if span.name == "call")
    _is_the_record(record, spans, whole)
    of_ingress = [span for span in spans if span.service == "voicecall-ingress"]
    assert {span.name for span in of_ingress} == {"webhook", "media_stream"}
    assert {span.parent for span in of_ingress} == {whole.id}
    assert not any(word in f"{span.name} {span.attributes}" for span in spans for word in WORDS)


def _is_the_record(record: object, spans: list[Received], whole: Received) -> None:
    """The turns and their parts are those of the record, to the millisecond."""
    assert isinstance(record, dict)
    assert whole.parent == ""
    assert whole.ms == pytest.approx(record["endedAt"] - record["startedAt"], abs=2)
    turns = sorted((span for span in spans if span.name == "turn"), key=lambda span: span.start_ms)
    waits = record["metadata"]["turnSpans"]
    assert [span.parent for span in turns] == [whole.id] * len(waits) == [whole.id] * 2
    for turn, wait in zip(turns, waits, strict=True):
        assert turn.ms == sum(wait["spans"].values())
        parts = {span.name: span.ms for span in spans if span.parent == turn.id}
        assert parts == {name: ms for name, ms in wait["spans"].items() if ms}
        assert parts.keys() <= set(Span)

"""Recognition, voice and agent fail in one call: the caller notices nothing; who did what in whose place is told."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from simulators.stack import Plan
from simulators.stack import Stack as System
from simulators.stack.clients import Simulator
from simulators.stack.redis import free_port
from tests.journeys.stage import GREETING, Stage, lines, said_by_us, texts
from voicecall.call.phrases import ENGLISH

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = "Hello! How can I help you today?"
FAULTS: dict[str, dict[str, Any]] = {
    "silent": {"delay_ms": 60_000},
    "stalled": {"stall_after_tokens": 0},
    "busy": {"status": 429, "retry_after_s": 60},
    "empty": {"reply": ""},
    "filtered": {"reply": "", "finish": "content_filter"},
    "declining": {"refusal": "I cannot help with that."},
}
"""How a model fails, by its name; each has a number of ours, because those that failed are passed over."""
_NUMBERS = {name: f"+1555000110{place}" for place, name in enumerate([*FAULTS, "broken-off"])}
_HEALTH = free_port()
_PLAN = Plan(
    workers=1,
    stt=("deepgram", "openai"),
    voices={"+15550001013": "deepgram"},
    config={
        "maxConcurrentCalls": 8,
        "responseModel": "openai/first",
        "responseFallbacks": ["openai/second"],
        "responseTimeoutMs": 5000,
        "responseFirstTokenTimeoutMs": 1000,
        "numbers": {number: {"responseModel": f"openai/{name}"} for name, number in _NUMBERS.items()},
    },
    environment={"VOICECALL_WORKER_HEALTH": f"127.0.0.1:{_HEALTH}"},
)
_DOWN = {"status": 503}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[Stage]:
    async with System(_PLAN) as started:
        yield Stage(started)


@pytest_asyncio.fixture(loop_scope="module")
async def stage(system: Stage) -> AsyncIterator[Stage]:
    yield system
    await system.stack.deepgram.delete("/_sim/script")
    await system.clean_up()


async def feed_of(stage: Stage, events: list[dict[str, Any]]) -> None:
    async for item in stage.stack.gateway.feed():
        events += item["events"]


async def script(stage: Stage, *rules: dict[str, Any]) -> None:
    await stage.stack.openai.post("/_sim/script", {"chat": {"rules": rules}})


async def kept(stage: Stage, call: str) -> Any:
    """The record in the archive, which is written soon after the end."""
    deadline = time.monotonic() + 20
    while True:
        calls = (await stage.stack.gateway.rpc("voicecall.history"))["calls"]
        if found := [each for each in calls if each["callId"] == call]:
            return found[0]
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def metrics() -> str:
    worker = Simulator(f"http://127.0.0.1:{_HEALTH}")
    try:
        return (await worker.read("/metrics")).decode()
    finally:
        await worker.close()


async def test_each_service_is_replaced_within_the_turn_and_that_is_a_fact(stage: Stage) -> None:
    """In the feed while the call lasts, in its record and in the archive afterwards, in the log, and in the metrics."""
    events: list[dict[str, Any]] = []
    following = asyncio.create_task(feed_of(stage, events))
    await stage.stack.deepgram.post(
        "/_sim/script",
        {"misbehave": [{"where": "listen", "do": _DOWN}, {"where": "speech", "match": "raining", "do": _DOWN}]},
    )
    await script(stage, {"model": "first", **_DOWN}, {"model": "second", "reply": "It is raining."})
    sid = await stage.ring_us(
        {"wait_heard": "help you"},
        {"say": "how is the weather"},
        {"wait_heard": "raining"},
        {"hangup": True},
        to="+15550001013",
    )
    record = await stage.over(sid)
    assert texts(await stage.leg(sid))[-1] == "It is raining."
    assert lines(record)[1:] == [("user", "how is the weather"), ("bot", "It is raining.")]

    facts = [
        {"service": "stt", "from": "deepgram", "to": "openai", "reason": "broken"},
        {"service": "agent", "from": "openai/first", "to": "openai/second", "reason": "broken"},
        {"service": "tts", "from": "deepgram", "to": "openai", "reason": "broken"},
    ]
    assert record["metadata"]["failovers"] == facts
    following.cancel()
    told = [(event["type"], event["failover"]) for event in events if "failover" in event]
    assert told == list(zip(["Heard", "AgentSaid", "PlaybackBegan"], facts, strict=True))
    log = stage.stack.processes["worker-0"].log.read_text(encoding="utf-8")
    took_over = [json.loads(line) for line in log.splitlines() if "another provider took over" in line]
    assert [line["call_id"] for line in took_over] == [record["callId"]] * 3
    counted = await metrics()
    for fact in facts:
        labels = f'from="{fact["from"]}",service="{fact["service"]}",to="{fact["to"]}"'
        assert f"voicecall_provider_failover_total{{{labels}}} 1.0" in counted, labels
    assert (await kept(stage, record["callId"]))["metadata"]["failovers"] == facts


@pytest.mark.parametrize("name", FAULTS)
async def test_the_caller_hears_the_answer_of_the_next_model(stage: Stage, name: str) -> None:
    """And no apology, and nothing of the first one."""
    await script(stage, {"model": name, **FAULTS[name]}, {"model": "second", "reply": "It is raining."})
    sid = await stage.ring_us(
        {"wait_heard": "help you"},
        {"say": "how is the weather"},
        {"wait_heard": "raining"},
        {"hangup": True},
        to=_NUMBERS[name],
    )
    record = await stage.over(sid)
    assert texts(await stage.leg(sid)) == [HELLO, "It is raining."]
    (fact,) = record["metadata"]["failovers"]
    assert (fact["from"], fact["to"]) == (f"openai/{name}", "openai/second")


async def test_a_reply_that_breaks_off_is_gone_on_with(stage: Stage) -> None:
    """Each sentence once, and the second one by another model."""
    cut = {"model": "broken-off", "reply": "It is raining here. It will be", "cut_after_tokens": 6}
    await script(stage, cut, {"model": "second", "reply": "Tomorrow the sun shines."})
    sid = await stage.ring_us(
        {"wait_heard": "help you"},
        {"say": "how is the weather"},
        {"wait_heard": "sun shines"},
        {"hangup": True},
        to=_NUMBERS["broken-off"],
    )
    record = await stage.over(sid)
    assert texts(await stage.leg(sid)) == [HELLO, "It is raining here.", "Tomorrow the sun shines."]
    assert " ".join(said_by_us(record)[1:]) == "It is raining here. Tomorrow the sun shines."


async def test_models_that_all_fail_are_an_apology_and_then_a_goodbye(stage: Stage) -> None:
    """As with one model."""
    await script(stage, {"model": "first", "delay_ms": 60_000}, {"model": "second", "delay_ms": 60_000})
    to = await stage.person(
        {"wait_heard": GREETING}, {"say": "hello"}, {"wait_heard": "could not"}, {"say": "hello there"}
    )
    record = await stage.over(await stage.dial(to))
    said = [text for text in said_by_us(record) if text not in ENGLISH.fillers]
    assert said == [GREETING, ENGLISH.agent_failed, ENGLISH.goodbye]

"""Processes and services are killed under calls in which a model, or the carrier, hears and speaks (P1, P6, P7)."""

import asyncio
import time
from typing import Any

import pytest

from simulators.stack import Plan, Stack
from tests.chaos.callers import CONFIG, Hits
from tests.journeys.stage import GREETING, Stage, lines, said_by_us, texts
from voicecall.call.phrases import ENGLISH

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

STORY = "There was a king who had a daughter with a ball of gold, and one day the ball fell into the well."
_RETURNS_S = 1.5  # until the caller hears something again


def _realtime(config: dict[str, Any], stack: Stack) -> dict[str, Any]:
    block = {"baseUrl": f"{stack.openai.url}/v1", "apiKey": "sk-demo", "silenceDurationMs": 200}
    return {**config, "realtime": {"enabled": True, "providers": {"openai": block}}}


def _relay(config: dict[str, Any], _: Stack) -> dict[str, Any]:
    return {**config, "streaming": {"enabled": False}, "relay": {"enabled": True}}


async def _in_the_story(stage: Stage, *then: dict[str, Any]) -> tuple[str, str]:
    """A call in which the story is being heard; its ids, ours and the carrier's."""
    await stage.model(story=STORY, weather="It is raining.")
    person = await stage.person({"wait_heard": GREETING}, {"say": "a story please"}, *then)
    call = await stage.dial(person)
    sid = (await stage.record(call, lambda seen: len(said_by_us(seen)) == 2))["providerCallId"]
    await asyncio.sleep(1.0)
    return call, sid


def _rejoined(heard: list[str]) -> bool:
    """Whether the story was heard in two pieces, the second from the word in which the first was cut."""
    first, second = heard[0].rstrip("\ufffd"), heard[-1]
    overlap = len(first) + len(second) - len(STORY)
    return STORY.startswith(first) and STORY.endswith(second) and -1 <= overlap <= 12


async def test_a_worker_killed_while_the_model_speaks_costs_a_moment() -> None:
    """The next owner says the rest from the word that was heard last, and its session begins with what was said."""
    hits = Hits("worker kill -9, speech-to-speech")
    async with Stack(Plan(workers=2, config=CONFIG, document=_realtime)) as stack:
        stage = Stage(stack)
        call, sid = await _in_the_story(
            stage,
            {"wait_heard": "the well"},
            {"say": "how is the weather"},
            {"wait_heard": "raining"},
            {"hangup": True},
        )
        killed_at = time.time()
        await stack.worker_of(await stack.owner_of(call)).kill()
        record = await stage.over(call, within_s=40)
        leg = await stage.leg(sid)
        replies = (await stack.openai.get("/_sim/ledger", kind="reply"))["lines"]
    heard = texts(leg)
    story = [text for text in heard if text not in (GREETING, ENGLISH.cut_off, "It is raining.")]
    back = next(each["start_at"] for each in leg["heard"] if each["start_at"] > killed_at)
    hits.spread("kill to the next word", [back - killed_at])
    hits.show()
    assert _rejoined(story), heard
    assert heard[-1] == "It is raining."
    assert ("user", "how is the weather") in lines(record)
    assert replies[-1]["session"] != replies[0]["session"]
    assert any("a story please" in each for each in replies[-1]["conversation"])
    assert back - killed_at < 4 * _RETURNS_S  # on a machine that may be busy; the figure is above


async def test_a_provider_killed_in_the_middle_of_a_call_is_replaced() -> None:
    """Its socket is reset and every new one refused: recognition, agent and voice of the cascade go on."""
    async with Stack(Plan(workers=1, stt=("deepgram",), config=CONFIG, document=_realtime)) as stack:
        stage = Stage(stack)
        await stage.model(story=STORY, weather="It is raining.")
        await stage.services_fail(
            {"where": "reply", "match": "story", "times": 1, "do": {"cut_after_bytes": 8000}},
            {"where": "voice", "skip": 1, "do": {"status": 503}},
        )
        call = await stage.dial(
            await stage.person(
                {"wait_heard": GREETING},
                {"say": "a story please"},
                {"wait_heard": "the well"},
                {"say": "how is the weather"},
                {"wait_heard": "raining"},
                {"hangup": True},
            )
        )
        record = await stage.over(call, within_s=60)
        heard = texts(await stage.leg(record))
    assert heard[-1] == "It is raining."
    assert heard[-2].endswith("the well.")
    assert [line for line in lines(record) if line[0] == "user"] == [
        ("user", "a story please"),
        ("user", "how is the weather"),
    ]
    services = {(each["service"], each["from"]) for each in record["metadata"]["failovers"]}
    assert {("stt", "openai-realtime"), ("agent", "openai-realtime")} <= services


async def test_a_worker_killed_while_the_carrier_speaks_loses_no_prompt() -> None:
    """The carrier goes on with what it was given; what the caller says meanwhile is in the log."""
    async with Stack(Plan(workers=2, config=CONFIG, document=_relay)) as stack:
        stage = Stage(stack)
        call, sid = await _in_the_story(
            stage, {"wait_ms": 200}, {"say": "how is the weather"}, {"wait_heard": "raining"}, {"hangup": True}
        )
        await stack.worker_of(await stack.owner_of(call)).kill()
        record = await stage.over(call, within_s=40)
        leg = await stage.leg(sid)
    assert ("user", "how is the weather") in lines(record)
    assert texts(leg)[-1] == "It is raining."
    assert sum(text == "It is raining." for text in texts(leg)) == 1
    assert leg["relays"][0]["connections"] == 1


async def test_an_ingress_killed_under_a_relay_loses_no_prompt() -> None:
    """The carrier connects again by itself, and sends then what the caller said meanwhile."""
    async with Stack(Plan(workers=1, config=CONFIG, document=_relay)) as stack:
        stage = Stage(stack)
        await stage.model(weather="It is raining.")
        person = await stage.person(
            {"wait_heard": GREETING},
            {"wait_ms": 1500},
            {"say": "how is the weather"},
            {"wait_heard": "raining", "within_ms": 30_000},
            {"hangup": True},
        )
        call = await stage.dial(person)
        sid = (await stage.record(call, lambda seen: seen["state"] == "listening"))["providerCallId"]
        await stack.processes["ingress-0"].kill()
        await stage.until_leg(sid, lambda seen: any(each["text"] for each in seen["said"]), within_s=30)
        await asyncio.sleep(1.0)
        await stack.start_ingress(0)
        record = await stage.over(call, within_s=60)
        leg = await stage.leg(sid)
    assert ("user", "how is the weather") in lines(record)
    assert texts(leg)[-1] == "It is raining."
    (session,) = leg["relays"]
    assert session["connections"] >= 2
    assert session["replayed"] >= 1

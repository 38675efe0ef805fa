"""The same stack with another TTS, STT that needs the system's turn detection, and short timeouts."""

import asyncio

import pytest

from simulators.stack.clients import RpcError
from tests.journeys.stage import GREETING, Stage, lines, said_by_us, texts

pytestmark = pytest.mark.asyncio(loop_scope="package")

STORY = "There was a king who had a daughter with a ball of gold."


async def test_stt_without_turn_detection_and_another_voice_hold_a_conversation(other_stage: Stage) -> None:
    """The system's own voice activity detection ends the caller's turns; ElevenLabs speaks every reply as mu-law."""
    await other_stage.model(weather="It is raining.")
    to = await other_stage.person(
        {"wait_heard": GREETING}, {"say": "how is the weather"}, {"wait_heard": "raining"}, {"hangup": True}
    )
    record = await other_stage.over(await other_stage.dial(to))
    assert texts(await other_stage.leg(record)) == [GREETING, "It is raining."]
    assert lines(record)[1] == ("user", "how is the weather")
    spoken = (await other_stage.stack.elevenlabs.get("/_sim/ledger", kind="speech"))["lines"]
    assert [line["body"]["text"] for line in spoken][-2:] == [GREETING, "It is raining."]
    assert spoken[-1]["query"]["output_format"] == "ulaw_8000"


async def test_our_own_turn_detection_hears_an_interruption(other_stage: Stage) -> None:
    await other_stage.model(story=STORY, enough="Well.")
    to = await other_stage.person(
        {"wait_heard": GREETING},
        {"say": "story"},
        {"interrupt_after_chars": 20, "say": "enough"},
        {"wait_heard": "Well"},
        {"hangup": True},
    )
    record = await other_stage.over(await other_stage.dial(to))
    heard = (await other_stage.leg(record))["heard"]
    assert not heard[1]["complete"]
    assert abs(len(heard[1]["text"]) - len(said_by_us(record)[1])) <= 6
    assert heard[-1]["text"] == "Well."


async def test_the_reaper_ends_an_unanswered_call_and_spares_an_answered_one(other_stage: Stage) -> None:
    """Both are older than its three seconds when it looks (guarantee P20)."""
    await other_stage.model(weather="It is raining.")
    unanswered = await other_stage.person({"answer_after_ms": 60_000})
    to = await other_stage.person(
        {"wait_heard": GREETING},
        {"wait_ms": 1000},
        {"say": "the weather"},
        {"wait_heard": "raining"},
        {"wait_ms": 1200},
        {"hangup": True},
    )
    left, taken = await asyncio.gather(other_stage.dial(unanswered), other_stage.dial(to))
    reaped, spared = await other_stage.over(left), await other_stage.over(taken)
    assert (reaped["endReason"], reaped.get("answeredAt")) == ("hangup-bot", None)
    assert (await other_stage.leg(reaped))["status"] == "canceled"
    assert (spared["endReason"], texts(await other_stage.leg(spared))) == ("completed", [GREETING, "It is raining."])
    assert spared["endedAt"] - spared["startedAt"] > 3000


async def test_no_call_lasts_longer_than_it_may_and_no_question_waits_for_ever(other_stage: Stage) -> None:
    """After eight seconds the system hangs up in mid-conversation; a `continue` gave up after its own limit."""
    to = await other_stage.person({"wait_heard": GREETING})
    call = await other_stage.dial(to)
    await other_stage.record(call, lambda seen: said_by_us(seen) == [GREETING])
    with pytest.raises(RpcError, match="Timed out waiting for transcript after 1000ms"):
        await other_stage.stack.gateway.rpc("voicecall.continue", callId=call, message="Well?")
    asked_in_vain = asyncio.create_task(
        other_stage.stack.gateway.rpc("voicecall.speak", callId=call, message="La " * 100)
    )
    record = await other_stage.over(call)
    leg = await other_stage.leg(record)
    assert (record["endReason"], leg["ended_by"]) == ("timeout", "api")
    assert 7.5 <= leg["ended_at"] - leg["answered_at"] <= 14  # the only upper bound is that it did end
    await asyncio.wait_for(asked_in_vain, 5)  # answered, as an interrupted one
    assert said_by_us(record)[-1].startswith("La La")
    assert len(said_by_us(record)[-1]) < 250

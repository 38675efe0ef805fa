"""Who has the floor, judged on the audio that the caller heard: coughs, backchannels, interruptions, keys, silence."""

import asyncio
from typing import Any

import pytest

from simulators.tones import Ended, decode_all, encode_mulaw, mulaw_from_pcm16
from tests.journeys.stage import GREETING, Stage, lines, said_by_us, texts
from voicecall.call.phrases import ENGLISH

pytestmark = pytest.mark.asyncio(loop_scope="package")

STORY = (
    "Once upon a time there was a king who had a daughter.",
    "Her ball fell into the well.",
)


async def heard(stage: Stage, leg: Any) -> list[Ended]:
    """What the caller heard, utterance by utterance; a pause of less than three seconds ends none."""
    wav = await stage.stack.twilio.read(f"/_sim/calls/{leg['sid']}/audio.wav")
    left = memoryview(wav[44:]).cast("h")[::2].tobytes()
    return await asyncio.to_thread(decode_all, mulaw_from_pcm16(left), silence_ms=3000)


async def in_the_story(stage: Stage, *steps: dict[str, Any]) -> tuple[Any, Any]:
    """The caller asks for a story, does this in the middle of it, and hangs up at its end: the record and the leg."""
    await stage.model(story=" ".join(STORY), enough="As you like.")
    to = await stage.person({"wait_heard": GREETING}, {"say": "a story please"}, *steps, {"hangup": True})
    record = await stage.over(await stage.dial(to))
    return record, await stage.leg(record)


async def assert_told_whole(stage: Stage, record: Any, leg: Any) -> None:
    """Every character of the story was heard once, and the record says so; playback paused once, within a sentence."""
    utterances = await heard(stage, leg)
    assert [(each.text, each.complete) for each in utterances] == [(text, True) for text in (GREETING, *STORY)]
    assert lines(record) == [("bot", GREETING), ("user", "a story please"), *(("bot", text) for text in STORY)]
    assert len(leg["streams"][0]["clears"]) == 1
    paused_ms = utterances[1].end_ms - utterances[1].start_ms - len(encode_mulaw(STORY[0])) // 8
    print(f"playback paused for {paused_ms} ms")  # noqa: T201
    assert paused_ms >= 100


async def test_a16_a_cough_in_a_long_answer_costs_nothing_of_it(stage: Stage) -> None:
    """Playback pauses at the cough and goes on at the same frame; nobody says that they did not catch it."""
    record, leg = await in_the_story(stage, {"noise_ms": 200, "after_chars": 15}, {"wait_heard": "into the well"})
    await assert_told_whole(stage, record, leg)


async def test_a_backchannel_in_a_long_answer_costs_nothing_of_it(stage: Stage) -> None:
    record, leg = await in_the_story(
        stage, {"interrupt_after_chars": 15, "say": "mhm"}, {"wait_heard": "into the well"}
    )
    await assert_told_whole(stage, record, leg)


async def test_an_interruption_ends_the_answer_where_it_began(stage: Stage) -> None:
    """The caller hears nothing more of it from the first sound on, and the agent remembers what was heard."""
    record, leg = await in_the_story(
        stage, {"interrupt_after_chars": 15, "say": "that is enough"}, {"wait_heard": "As you like"}
    )
    greeting, cut, last = await heard(stage, leg)
    assert (greeting.text, last.text) == (GREETING, "As you like.")
    said = said_by_us(record)
    assert STORY[0].startswith(said[1])
    assert abs(len(said[1]) - len(cut.text)) <= 6
    spoke = next(each for each in leg["said"] if each["text"] == "that is enough")
    paused = leg["streams"][0]["clears"][0]["at"]
    print(f"from the caller's first sound to the clear: {(paused - spoke['start_at']) * 1000:.0f} ms")  # noqa: T201


async def test_a17_keys_answer_a_continue(stage: Stage) -> None:
    """At "#", without waiting for more."""
    to = await stage.person({"wait_heard": "PIN"}, {"press": "1234#"}, {"wait_heard": "Thank"}, {"hangup": True})
    rpc, call = stage.stack.gateway.rpc, await stage.dial(to)
    await stage.record(call, lambda seen: said_by_us(seen) == [GREETING])
    answer = await rpc("voicecall.continue", callId=call, message="Key in your PIN.")
    assert answer["transcript"] == "the caller pressed 1234#"
    await rpc("voicecall.speak", callId=call, message="Thank you.")
    record = await stage.over(call)
    assert lines(record)[-2:] == [("user", "the caller pressed 1234#"), ("bot", "Thank you.")]


async def test_a17_the_agent_hears_of_keys(stage: Stage) -> None:
    """Two seconds after the last one."""
    await stage.model(pressed_7="Seven it is.")
    to = await stage.person({"wait_heard": GREETING}, {"press": "7"}, {"wait_heard": "Seven"}, {"hangup": True})
    record = await stage.over(await stage.dial(to))
    assert texts(await stage.leg(record)) == [GREETING, "Seven it is."]


async def test_two_sentences_with_a_breath_between_are_one_question(stage: Stage) -> None:
    """Recognition ends the first after 200 ms, the turn ends after 300: it has not ended when the second begins."""
    await stage.model(table_for_two="Certainly.")
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "I would like"},
        {"wait_ms": 220},
        {"say": "a table for two"},
        {"wait_heard": "Certainly"},
        {"hangup": True},
    )
    record = await stage.over(await stage.dial(to))
    assert lines(record)[1:] == [("user", "I would like a table for two"), ("bot", "Certainly.")]


async def test_a_caller_who_says_nothing_is_asked_once_and_then_hung_up_on(other_stage: Stage) -> None:
    to = await other_stage.person({"wait_heard": GREETING})
    record = await other_stage.over(await other_stage.dial(to))
    said = [GREETING, ENGLISH.still_there, ENGLISH.silence_goodbye]
    assert texts(await other_stage.leg(record)) == said_by_us(record) == said
    assert (record["endReason"], record["metadata"]["detail"]) == ("hangup-bot", "the caller said nothing")

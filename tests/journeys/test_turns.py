"""Who has the floor, and what the caller hears when agent or TTS is late, broken or interrupted."""

import asyncio

import pytest

from simulators.stack.clients import RpcError
from simulators.tones import pcm16_from_mulaw
from tests.journeys.stage import GREETING, Stage, lines, said_by_us, texts
from voicecall.call import phrases
from voicecall.speech.tts.clip import apology

pytestmark = pytest.mark.asyncio(loop_scope="package")

STORY = (
    "Once upon a time there was a king who had a daughter, and she had a ball of gold. "
    "One day the ball fell into the well."
)


async def test_a_caller_who_interrupts_gets_the_floor(stage: Stage) -> None:
    """The caller hears a prefix of the reply; the transcript ends where it ends."""
    await stage.model(story=STORY, enough="As you like.")
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "a story please"},
        {"interrupt_after_chars": 30, "say": "that is enough"},
        {"wait_heard": "As you like"},
        {"hangup": True},
    )
    record = await stage.over(await stage.dial(to))
    leg = await stage.leg(record)
    greeting, cut, last = leg["heard"]
    assert (greeting["text"], last["text"]) == (GREETING, "As you like.")
    assert not cut["complete"]
    assert STORY.startswith(cut["text"].rstrip("\ufffd"))
    assert len(cut["text"]) < 70
    line = said_by_us(record)[1]
    assert STORY.startswith(line)
    assert abs(len(line) - len(cut["text"])) <= 6
    assert leg["streams"][0]["clears"]
    assert said_by_us(record) == [GREETING, line, "As you like."]


async def test_a_continue_returns_the_callers_next_words(stage: Stage) -> None:
    """Each question gets its own answer; while one waits, another is refused, and the agent is never asked."""
    to = await stage.person({"wait_heard": "colour"}, {"say": "blue"}, {"wait_heard": "size"}, {"say": "large"})
    rpc, call = stage.stack.gateway.rpc, await stage.dial(to)
    await stage.record(call, lambda seen: said_by_us(seen) == [GREETING])
    first = asyncio.create_task(rpc("voicecall.continue", callId=call, message="Which colour?"))
    await stage.record(call, lambda seen: "Which colour?" in said_by_us(seen))
    with pytest.raises(RpcError, match="Already waiting for transcript"):
        await rpc("voicecall.continue", callId=call, message="And why?")
    assert (await first)["transcript"] == "blue"
    assert (await rpc("voicecall.continue", callId=call, message="Which size?"))["transcript"] == "large"
    await rpc("voicecall.end", callId=call)
    record = await stage.over(call)
    assert texts(await stage.leg(record)) == [GREETING, "Which colour?", "Which size?"]
    assert lines(record)[1:] == [
        ("bot", "Which colour?"),
        ("user", "blue"),
        ("bot", "Which size?"),
        ("user", "large"),
    ]


async def test_a2_a_text_with_markup_is_heard_and_recorded_as_speech(stage: Stage) -> None:
    """Of an API client as of the agent."""
    to = await stage.person({"wait_heard": GREETING})
    rpc, call = stage.stack.gateway.rpc, await stage.dial(to)
    await stage.record(call, lambda seen: said_by_us(seen) == [GREETING])
    written = "**One** more <think>be brief</think>thing [[tts:voice=x]]at https://example.com/a \U0001f600"
    await rpc("voicecall.speak", callId=call, message=written)
    with pytest.raises(RpcError, match="nothing to say"):
        await rpc("voicecall.speak", callId=call, message="<think>be brief</think>\U0001f600")
    await rpc("voicecall.end", callId=call)
    record = await stage.over(call)
    assert texts(await stage.leg(record)) == said_by_us(record) == [GREETING, "One more thing at example.com"]


async def test_a4_a_model_without_words_is_an_apology_then_a_goodbye(stage: Stage) -> None:
    """The caller is not left in silence."""
    await stage.model(hello="")
    to = await stage.person(
        {"wait_heard": GREETING}, {"say": "hello"}, {"wait_heard": "could not"}, {"say": "hello there"}
    )
    record = await stage.over(await stage.dial(to))
    assert said_by_us(record) == [GREETING, phrases.AGENT_FAILED, phrases.GOODBYE]


async def test_an_operator_speaks_and_ends_the_call(stage: Stage) -> None:
    """`speak` returns when it was heard, `end` when the carrier has hung up; ending twice is no mistake."""
    to = await stage.person({"wait_heard": GREETING})
    rpc, call = stage.stack.gateway.rpc, await stage.dial(to)
    record = await stage.record(call, lambda seen: said_by_us(seen) == [GREETING])
    await rpc("voicecall.speak", callId=call, message="One more thing.")
    live = await stage.until_leg(record["providerCallId"], lambda seen: bool(seen["heard"]))
    assert texts(live) == [GREETING, "One more thing."]
    await rpc("voicecall.end", callId=call)
    leg = await stage.leg(record)
    assert (leg["status"], leg["ended_by"]) == ("completed", "api")
    await rpc("voicecall.end", callId=call)
    with pytest.raises(RpcError, match="Call has ended"):
        await rpc("voicecall.speak", callId=call, message="Too late.")
    assert (await stage.over(call))["endReason"] == "hangup-bot"


async def test_keys_the_caller_presses_are_kept(stage: Stage) -> None:
    """They come over the media socket, and the record has them in order."""
    to = await stage.person({"wait_heard": GREETING}, {"press": "42#"}, {"wait_ms": 200}, {"hangup": True})
    record = await stage.over(await stage.dial(to))
    assert record["metadata"]["digits"] == "42#"


async def test_an_agent_that_fails_is_apologised_for(stage: Stage) -> None:
    """The caller hears an apology and may ask again; a second failure in a row would end the call."""
    await stage.model(
        weather={"status": 500},
        forget_it="Thank you for your patience.",
    )
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "how is the weather"},
        {"wait_heard": "could not find an answer"},
        {"say": "forget it"},
        {"wait_heard": "patience"},
        {"hangup": True},
    )
    record = await stage.over(await stage.dial(to))
    assert texts(await stage.leg(record)) == [GREETING, phrases.AGENT_FAILED, "Thank you for your patience."]


async def test_an_agent_that_is_late_is_excused_and_then_apologised_for(stage: Stage) -> None:
    """Four seconds of thought earn a filler, `responseTimeoutMs` an apology; the late answer is never spoken."""
    await stage.model(weather={"reply": "It is raining.", "delay_ms": 6500}, forget_it="Goodbye then.")
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "how is the weather"},
        {"wait_heard": "could not find an answer"},
        {"wait_ms": 500},
        {"say": "forget it"},
        {"wait_heard": "Goodbye then"},
        {"hangup": True},
    )
    record = await stage.over(await stage.dial(to))
    leg = await stage.leg(record)
    assert texts(leg) == [GREETING, phrases.FILLER, phrases.AGENT_FAILED, "Goodbye then."]


async def test_a_voice_that_fails_is_replaced_by_the_recorded_one(stage: Stage) -> None:
    """Never silence: neither the reply nor the apology can be spoken, so the recorded one is heard, byte for byte."""
    await stage.services_fail({"where": "speech", "match": "raining|trouble", "do": {"status": 500}})
    await stage.model(weather="It is raining.", forget_it="We are back.")
    to = await stage.person(
        {"wait_heard": GREETING},
        {"say": "how is the weather"},
        {"wait_quiet_ms": 400},
        {"say": "forget it"},
        {"wait_heard": "back"},
        {"hangup": True},
    )
    record = await stage.over(await stage.dial(to))
    leg = await stage.leg(record)
    assert (texts(leg)[0], texts(leg)[-1]) == (GREETING, "We are back.")
    wav = await stage.stack.twilio.read(f"/_sim/calls/{leg['sid']}/audio.wav")
    assert _sounding(pcm16_from_mulaw(apology())) in _sounding(_left(wav))


async def test_a22_a_notice_whose_voice_fails_for_a_moment_is_heard(stage: Stage) -> None:
    """Busy twice, so the request in the voice and the utterance in the call are each repeated once."""
    text = "Your table is ready."
    await stage.services_fail({"where": "speech", "match": "table is ready", "times": 2, "do": {"status": 503}})
    record = await stage.over(await stage.dial(await stage.person(), text, mode="notify"))
    assert texts(await stage.leg(record)) == [text]
    assert (record["endReason"], said_by_us(record)) == ("hangup-bot", [text])


async def test_a22_a_notice_that_could_not_be_said_ends_with_the_reason(stage: Stage) -> None:
    await stage.services_fail({"where": "speech", "match": "ready|trouble", "do": {"status": 503}})
    record = await stage.over(await stage.dial(await stage.person(), "Your table is ready.", mode="notify"))
    assert (record["endReason"], said_by_us(record)) == ("error", [phrases.VOICE_FAILED])
    assert "answered 503" in record["metadata"]["detail"]


async def test_a23_a_voice_that_hangs_is_not_asked_for_the_apology(stage: Stage) -> None:
    """Eight seconds were its limit; the recorded apology follows at once, and the record says what was heard."""
    await stage.services_fail({"where": "speech", "match": "One more thing", "do": {"hang": True}})
    call = await stage.dial(await stage.person({"wait_heard": GREETING}))
    record = await stage.record(call, lambda seen: said_by_us(seen) == [GREETING])
    before = str(await stage.stack.openai.get("/_sim/ledger")).count(phrases.VOICE_FAILED)
    with pytest.raises(RpcError, match="speech failed"):
        await stage.stack.gateway.rpc("voicecall.speak", callId=call, message="One more thing.")
    await stage.record(call, lambda seen: said_by_us(seen) == [GREETING, phrases.VOICE_FAILED])
    assert str(await stage.stack.openai.get("/_sim/ledger")).count(phrases.VOICE_FAILED) == before
    await stage.stack.gateway.rpc("voicecall.end", callId=call)
    assert (await stage.over(record["callId"]))["endReason"] == "hangup-bot"


async def test_a22_a23_a_voice_that_falls_silent_in_mid_sentence_costs_no_notice(stage: Stage) -> None:
    """After 2.5 s of silence it is asked again; the record holds what was heard of the first try."""
    text = "Your table by the window is ready."
    slow = {"chunk_bytes": 24_000, "per_chunk_ms": 60_000}
    await stage.services_fail({"where": "speech", "match": "by the window", "times": 1, "do": slow})
    record = await stage.over(await stage.dial(await stage.person(), text, mode="notify"))
    *_, broken, excuse, whole = (await stage.leg(record))["heard"]
    assert (excuse["text"], whole["text"]) == (phrases.CUT_OFF, text)
    assert excuse["start_ms"] - broken["end_ms"] < 4000  # the limit, and what two cores add
    first, *rest = said_by_us(record)
    assert text.startswith(first)
    assert (rest, record["endReason"]) == ([phrases.CUT_OFF, text], "hangup-bot")


def _left(wav: bytes) -> bytes:
    """What was heard, from the stereo recording."""
    samples = memoryview(wav[44:]).cast("h")
    return samples[::2].tobytes()


def _sounding(pcm: bytes) -> bytes:
    """The frames of 20 ms that are not silence: a process short of CPU may put a gap between two."""
    frames = (pcm[at : at + 320] for at in range(0, len(pcm) - len(pcm) % 320, 320))
    return b"".join(frame for frame in frames if any(frame))

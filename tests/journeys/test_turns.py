"""Who has the floor, and what the caller hears when agent or TTS is late, broken or interrupted."""

import asyncio

import pytest

from simulators.stack.clients import RpcError
from tests.journeys.stage import GREETING, Stage, lines, said_by_us, texts
from voicecall.call.phrases import ENGLISH

pytestmark = pytest.mark.asyncio(loop_scope="package")


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
    assert (record["endReason"], said_by_us(record)) == ("error", [ENGLISH.voice_failed])
    assert "answered 503" in record["metadata"]["detail"]


async def test_a23_a_voice_that_hangs_is_not_asked_for_the_apology(stage: Stage) -> None:
    """Eight seconds were its limit; the recorded apology follows at once, and the record says what was heard."""
    await stage.services_fail({"where": "speech", "match": "One more thing", "do": {"hang": True}})
    call = await stage.dial(await stage.person({"wait_heard": GREETING}))
    record = await stage.record(call, lambda seen: said_by_us(seen) == [GREETING])
    before = str(await stage.stack.openai.get("/_sim/ledger")).count(ENGLISH.voice_failed)
    with pytest.raises(RpcError, match="speech failed"):
        await stage.stack.gateway.rpc("voicecall.speak", callId=call, message="One more thing.")
    await stage.record(call, lambda seen: said_by_us(seen) == [GREETING, ENGLISH.voice_failed])
    assert str(await stage.stack.openai.get("/_sim/ledger")).count(ENGLISH.voice_failed) == before
    await stage.stack.gateway.rpc("voicecall.end", callId=call)
    assert (await stage.over(record["callId"]))["endReason"] == "hangup-bot"


async def test_a22_a23_a_voice_that_falls_silent_in_mid_sentence_costs_no_notice(stage: Stage) -> None:
    """After 2.5 s of silence it is asked again; the record holds what was heard of the first try."""
    text = "Your table by the window is ready."
    slow = {"chunk_bytes": 24_000, "per_chunk_ms": 60_000}
    await stage.services_fail({"where": "speech", "match": "by the window", "times": 1, "do": slow})
    record = await stage.over(await stage.dial(await stage.person(), text, mode="notify"))
    *_, broken, excuse, whole = (await stage.leg(record))["heard"]
    assert (excuse["text"], whole["text"]) == (ENGLISH.cut_off, text)
    assert excuse["start_ms"] - broken["end_ms"] < 4000  # the limit, and what two cores add
    first, *rest = said_by_us(record)
    assert text.startswith(first)
    assert (rest, record["endReason"]) == ([ENGLISH.cut_off, text], "hangup-bot")

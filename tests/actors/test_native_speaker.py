"""Speaking by the carrier's TTS: one prompt at a time, at most once, its end reported or known."""

import asyncio
from dataclasses import replace

import pytest

from actors.native_speaker import NativeSpeaker
from tests.actors.test_speaker import CALL, LEASE, SpeakerHarness, live_call, speak
from tests.fakes.ports import eventually
from voicecall.call.events import PlaybackBegan, PlaybackDone, SpeechFailed
from voicecall.call.ids import EffectId, NodeId
from voicecall.errors import CarrierRejected, CarrierSilent, CarrierUnreachable


@pytest.fixture
def harness() -> SpeakerHarness:
    """A call without a stream, owned by the node of this speaker."""
    harness = SpeakerHarness()
    harness.stream, harness.call = None, live_call(streaming=False)
    for _ in range(LEASE.epoch):
        harness.stage.bus.seize(CALL, LEASE.node)
    return harness


async def test_a_prompt_goes_to_the_carrier_and_holds_the_lane_until_it_is_settled(harness: SpeakerHarness) -> None:
    """A second prompt would cut the first."""
    task = asyncio.create_task(harness.speaker.speak(speak("Hello")))
    await eventually(lambda: harness.reports == [PlaybackBegan(utterance=1)])
    assert harness.stage.carrier.ledger == [("say", "leg-1", "Hello", "1", "", "True")]
    assert not task.done()
    task.cancel()


async def test_a_carrier_that_knows_the_length_of_a_prompt_needs_no_webhook(harness: SpeakerHarness) -> None:
    harness.stage.carrier.outcomes["say"] = [0.0]
    task = asyncio.create_task(harness.speaker.speak(speak("Hello")))
    done = PlaybackDone(utterance=1, heard_ms=0, total_ms=None, complete=True)
    await eventually(lambda: harness.reports == [PlaybackBegan(utterance=1), done])
    task.cancel()


async def test_a_prompt_is_spoken_at_most_once(harness: SpeakerHarness) -> None:
    task = asyncio.create_task(harness.speaker.speak(speak("Hello")))
    await eventually(lambda: harness.stage.carrier.did("say") == 1)
    task.cancel()
    await harness.speaker.speak(speak("Hello"))
    assert harness.stage.carrier.did("say") == 1


async def test_a_refused_prompt_fails_with_the_carriers_message(harness: SpeakerHarness) -> None:
    harness.stage.carrier.outcomes["say"] = [CarrierRejected("Call is not in-progress", code="21220")]
    await harness.speaker.speak(speak("Hello"))
    assert harness.reports == [SpeechFailed(utterance=1, reason="21220: Call is not in-progress")]


async def test_a_prompt_without_an_answer_fails_only_if_no_webhook_mentions_it(harness: SpeakerHarness) -> None:
    """An apology at once would cut the prompt the caller may be hearing."""
    harness.stage.carrier.outcomes["say"] = [CarrierSilent("500"), CarrierSilent("500")]
    task = asyncio.create_task(harness.speaker.speak(speak("Hello")))
    await eventually(lambda: harness.stage.carrier.did("say") == 1)
    assert harness.reports == []
    task.cancel()
    without_wait = NativeSpeaker(
        harness.stage.context, LEASE, lambda: harness.call, harness.reports.append, lost_after_s=0.0
    )
    await without_wait.speak(replace(speak(""), id=EffectId(f"{CALL}.2")))
    assert harness.reports == [SpeechFailed(utterance=1, reason="500", retryable=True)]


async def test_a22_a_prompt_that_was_not_taken_may_be_sent_again(harness: SpeakerHarness) -> None:
    """The carrier was busy: nothing was said."""
    harness.stage.carrier.outcomes["say"] = [CarrierUnreachable("too many requests", status=429)]
    await harness.speaker.speak(speak("Hello"))
    assert harness.reports == [SpeechFailed(utterance=1, reason="too many requests", retryable=True)]


async def test_a_fenced_owner_speaks_nothing(harness: SpeakerHarness) -> None:
    harness.stage.bus.seize(CALL, NodeId("worker-2"))
    await harness.speaker.speak(speak("Hello"))
    assert harness.stage.carrier.did("say") == 0
    assert harness.reports == []


async def test_a26_a_prompt_in_place_of_a_media_socket_brings_what_listens_behind_it(harness: SpeakerHarness) -> None:
    """The document in force may wait for a socket that never comes: spoken over it, the answer would not be heard."""
    harness.call = replace(live_call(), stream_given_up=True)
    task = asyncio.create_task(harness.speaker.speak(speak("Hello")))
    await eventually(lambda: harness.reports == [PlaybackBegan(utterance=1)])
    assert harness.stage.carrier.ledger == [("say", "leg-1", "Hello", "1", "none", "True")]
    task.cancel()

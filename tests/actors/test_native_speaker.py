"""The carrier's own voice: one prompt at a time, said at most once, its end told or known."""

import asyncio
from dataclasses import replace

import pytest

from actors.native_speaker import NativeSpeaker
from tests.actors.test_speaker import CALL, LEASE, SpeakerHarness, live_call, speak
from tests.fakes.ports import eventually
from voicecall.call.events import PlaybackBegan, PlaybackDone, SpeechFailed
from voicecall.call.ids import EffectId, NodeId
from voicecall.errors import CarrierRejected, CarrierSilent


@pytest.fixture
def speaker() -> SpeakerHarness:
    """A call without a stream, owned by the node whose mouth this is."""
    speaker = SpeakerHarness()
    speaker.stream, speaker.call = None, live_call(streaming=False)
    for _ in range(LEASE.epoch):
        speaker.stage.bus.seize(CALL, LEASE.node)
    return speaker


async def test_a_prompt_goes_to_the_carrier_and_holds_the_lane_until_it_is_settled(speaker: SpeakerHarness) -> None:
    """A second prompt would cut the first."""
    task = asyncio.create_task(speaker.voice.speak(speak("Hello")))
    await eventually(lambda: speaker.reports == [PlaybackBegan(utterance=1)])
    assert speaker.stage.carrier.ledger == [("say", "leg-1", "Hello", "1", "", "True")]
    assert not task.done()
    task.cancel()


async def test_a_carrier_that_knows_how_long_it_speaks_spares_us_a_webhook(speaker: SpeakerHarness) -> None:
    speaker.stage.carrier.outcomes["say"] = [0.0]
    task = asyncio.create_task(speaker.voice.speak(speak("Hello")))
    done = PlaybackDone(utterance=1, heard_ms=0, total_ms=None, complete=True)
    await eventually(lambda: speaker.reports == [PlaybackBegan(utterance=1), done])
    task.cancel()


async def test_a_prompt_is_said_at_most_once(speaker: SpeakerHarness) -> None:
    task = asyncio.create_task(speaker.voice.speak(speak("Hello")))
    await eventually(lambda: speaker.stage.carrier.did("say") == 1)
    task.cancel()
    await speaker.voice.speak(speak("Hello"))
    assert speaker.stage.carrier.did("say") == 1


async def test_a_prompt_that_is_refused_has_failed_in_the_carriers_words(speaker: SpeakerHarness) -> None:
    speaker.stage.carrier.outcomes["say"] = [CarrierRejected("Call is not in-progress", code="21220")]
    await speaker.voice.speak(speak("Hello"))
    assert speaker.reports == [SpeechFailed(utterance=1, reason="21220: Call is not in-progress")]


async def test_a_prompt_whose_answer_was_lost_fails_only_if_nobody_tells_of_it(speaker: SpeakerHarness) -> None:
    """An apology at once would cut what is on the caller's ear."""
    speaker.stage.carrier.outcomes["say"] = [CarrierSilent("500"), CarrierSilent("500")]
    task = asyncio.create_task(speaker.voice.speak(speak("Hello")))
    await eventually(lambda: speaker.stage.carrier.did("say") == 1)
    assert speaker.reports == []
    task.cancel()
    impatient = NativeSpeaker(
        speaker.stage.context, LEASE, lambda: speaker.call, speaker.reports.append, lost_after_s=0.0
    )
    await impatient.speak(replace(speak(""), id=EffectId(f"{CALL}.2")))
    assert speaker.reports == [SpeechFailed(utterance=1, reason="500")]


async def test_an_owner_that_was_fenced_says_nothing(speaker: SpeakerHarness) -> None:
    speaker.stage.bus.seize(CALL, NodeId("worker-2"))
    await speaker.voice.speak(speak("Hello"))
    assert speaker.stage.carrier.did("say") == 0
    assert speaker.reports == []

"""The carrier's own voice: one prompt at a time, said at most once, its end told or known."""

import asyncio
from dataclasses import replace

import pytest

from actors.native_voice import NativeVoice
from tests.actors.test_voice import CALL, LEASE, Mouth, live_call, speak
from tests.fakes.ports import eventually
from voicecall.call.events import PlaybackBegan, PlaybackDone, SpeechFailed
from voicecall.call.ids import EffectId, NodeId
from voicecall.errors import CarrierRejected, CarrierSilent


@pytest.fixture
def mouth() -> Mouth:
    """A call without a stream, owned by the node whose mouth this is."""
    mouth = Mouth()
    mouth.stream, mouth.call = None, live_call(streaming=False)
    for _ in range(LEASE.epoch):
        mouth.stage.bus.seize(CALL, LEASE.node)
    return mouth


async def test_a_prompt_goes_to_the_carrier_and_holds_the_lane_until_it_is_settled(mouth: Mouth) -> None:
    """A second prompt would cut the first."""
    task = asyncio.create_task(mouth.voice.speak(speak("Hello")))
    await eventually(lambda: mouth.reports == [PlaybackBegan(utterance=1)])
    assert mouth.stage.carrier.ledger == [("say", "leg-1", "Hello", "1", "", "True")]
    assert not task.done()
    task.cancel()


async def test_a_carrier_that_knows_how_long_it_speaks_spares_us_a_webhook(mouth: Mouth) -> None:
    mouth.stage.carrier.outcomes["say"] = [0.0]
    task = asyncio.create_task(mouth.voice.speak(speak("Hello")))
    done = PlaybackDone(utterance=1, heard_ms=0, total_ms=None, complete=True)
    await eventually(lambda: mouth.reports == [PlaybackBegan(utterance=1), done])
    task.cancel()


async def test_a_prompt_is_said_at_most_once(mouth: Mouth) -> None:
    task = asyncio.create_task(mouth.voice.speak(speak("Hello")))
    await eventually(lambda: mouth.stage.carrier.did("say") == 1)
    task.cancel()
    await mouth.voice.speak(speak("Hello"))
    assert mouth.stage.carrier.did("say") == 1


async def test_a_prompt_that_is_refused_has_failed_in_the_carriers_words(mouth: Mouth) -> None:
    mouth.stage.carrier.outcomes["say"] = [CarrierRejected("Call is not in-progress", code="21220")]
    await mouth.voice.speak(speak("Hello"))
    assert mouth.reports == [SpeechFailed(utterance=1, reason="21220: Call is not in-progress")]


async def test_a_prompt_whose_answer_was_lost_fails_only_if_nobody_tells_of_it(mouth: Mouth) -> None:
    """An apology at once would cut what is on the caller's ear."""
    mouth.stage.carrier.outcomes["say"] = [CarrierSilent("500"), CarrierSilent("500")]
    task = asyncio.create_task(mouth.voice.speak(speak("Hello")))
    await eventually(lambda: mouth.stage.carrier.did("say") == 1)
    assert mouth.reports == []
    task.cancel()
    impatient = NativeVoice(mouth.stage.world, LEASE, lambda: mouth.call, mouth.reports.append, lost_after_s=0.0)
    await impatient.speak(replace(speak(""), id=EffectId(f"{CALL}.2")))
    assert mouth.reports == [SpeechFailed(utterance=1, reason="500")]


async def test_an_owner_that_was_fenced_says_nothing(mouth: Mouth) -> None:
    mouth.stage.bus.seize(CALL, NodeId("worker-2"))
    await mouth.voice.speak(speak("Hello"))
    assert mouth.stage.carrier.did("say") == 0
    assert mouth.reports == []

"""What a call opens with is synthesised while the phone rings: once, bounded, and never for nothing."""

import asyncio
from dataclasses import replace

import pytest

from actors.prefetch import OPENING_S
from tests.actors.test_speaker import STREAM, SpeakerHarness, live_call, speak
from tests.fakes.ports import eventually, service_down
from voicecall.call.events import EndReason
from voicecall.call.state import Call, EndState, LegState, PlaybackState
from voicecall.text.speakable import speakable

HELLO = "Hello, this is the workshop."


def ringing(*, streaming: bool = True) -> Call:
    """The dial was accepted, and the opening text waits for the answer."""
    return replace(live_call(streaming=streaming), playback=PlaybackState(opening_text=speakable(HELLO)))


@pytest.fixture
def harness() -> SpeakerHarness:
    harness = SpeakerHarness()
    harness.stream = None
    return harness


async def answered(harness: SpeakerHarness, text: str = HELLO) -> None:
    """The callee picks up: the stream is there, and the text is committed."""
    harness.stream = STREAM
    await harness.speaker.speak(speak(text))


async def test_the_greeting_is_synthesised_while_it_rings_and_only_once(harness: SpeakerHarness) -> None:
    """Whatever the call does meanwhile: each commit is followed."""
    for _ in range(3):
        harness.speaker.follow(ringing())
    await eventually(lambda: harness.stage.tts.made)
    await answered(harness)
    assert harness.stage.spoken() == HELLO.encode()
    assert harness.stage.tts.spoken == [HELLO]
    harness.speaker.follow(ringing())
    await asyncio.sleep(0)
    assert harness.stage.tts.spoken == [HELLO]


async def test_its_first_audio_leaves_sooner_than_without() -> None:
    """The service's own delay has passed when the callee picks up: less than half of the wait is left, in one run."""

    async def wait_s(*, follows: bool) -> float:
        harness = SpeakerHarness()
        harness.stream = None
        harness.stage.tts.latency_s = 0.2
        if follows:
            harness.speaker.follow(ringing())
        await asyncio.sleep(0.3)  # the phone rings
        began = asyncio.get_running_loop().time()
        await answered(harness)
        assert harness.stage.spoken()
        return asyncio.get_running_loop().time() - began

    assert await wait_s(follows=True) < 0.5 * await wait_s(follows=False)


@pytest.mark.parametrize("end", ["ended", "native"])
async def test_a_call_without_an_answer_stops_the_synthesis(harness: SpeakerHarness, end: str) -> None:
    """Nobody hears it: it is not paid for further. The same where the carrier's own voice will speak."""
    harness.stage.tts.gates[HELLO] = asyncio.Event()
    harness.speaker.follow(ringing())
    await eventually(lambda: harness.stage.tts.spoken)
    over = replace(ringing(), end=EndState(reason=EndReason.NO_ANSWER)) if end == "ended" else ringing(streaming=False)
    harness.speaker.follow(over)
    await asyncio.sleep(0.01)
    harness.stage.tts.gates[HELLO].set()
    await asyncio.sleep(0.01)
    assert harness.stage.tts.made == 0


async def test_another_text_that_is_said_first_takes_its_place(harness: SpeakerHarness) -> None:
    """As the message for an answering machine."""
    harness.speaker.follow(ringing())
    await eventually(lambda: harness.stage.tts.made)
    await answered(harness, "Please call back.")
    assert harness.stage.spoken() == b"Please call back."


async def test_a_failure_while_it_rings_is_forgotten(harness: SpeakerHarness) -> None:
    """The text is synthesised when it is said: the service may be back."""
    harness.stage.tts.failures[HELLO] = service_down()
    harness.speaker.follow(ringing())
    await eventually(lambda: harness.stage.tts.spoken)
    await asyncio.sleep(0.01)
    harness.stage.tts.failures.clear()
    await answered(harness)
    assert harness.stage.spoken() == HELLO.encode()
    assert harness.reports == []


async def test_a_long_greeting_waits_bounded(harness: SpeakerHarness) -> None:
    """Half a minute of audio is in memory at most, per call that rings."""
    harness.stage.tts.per_letter, harness.stage.tts.chunk = 16_000, 8000
    harness.speaker.follow(ringing())
    await eventually(lambda: harness.stage.tts.made >= OPENING_S * 8000)
    await asyncio.sleep(0.01)
    assert harness.stage.tts.made <= (OPENING_S + 1) * 8000
    harness.speaker.drop_prepared()
    await eventually(lambda: harness.stage.tts.abandoned == [HELLO])


async def test_the_voice_is_warmed_once_and_only_for_a_call_with_a_stream(harness: SpeakerHarness) -> None:
    """Its connection is open when the callee picks up."""
    harness.speaker.follow(ringing(streaming=False))
    harness.speaker.follow(replace(ringing(), leg_state=LegState()))
    assert harness.stage.tts.warmed == 0
    harness.speaker.follow(ringing())
    harness.speaker.follow(ringing())
    assert harness.stage.tts.warmed == 1
    harness.speaker.drop_prepared()

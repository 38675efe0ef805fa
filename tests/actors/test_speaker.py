"""The mouth: first chunk at once, the door never far ahead, and an apology when no voice can be had."""

import asyncio
from itertools import pairwise

import pytest

from actors.native_speaker import NativeSpeaker
from actors.speaker import AHEAD_S, Speaker
from tests.fakes.ports import Stage, eventually, service_down
from voicecall.call.effects import Speak
from voicecall.call.events import CallPolicy, Event, Mode, SpeechFailed
from voicecall.call.ids import CallId, EffectId, Epoch, LegId, NodeId, StreamId
from voicecall.call.state import Call, Direction, MediaStream
from voicecall.ports import Finish, Lease, Play

CALL = CallId("11111111-2222-4333-8444-555555555555")
LEASE = Lease(call=CALL, node=NodeId("worker-1"), epoch=Epoch(3))
STREAM = MediaStream(id=StreamId("s-1"), ingress=NodeId("ingress-1"))


def speak(text: str, *, utterance: int = 1, or_clip: bool = False) -> Speak:
    return Speak(id=EffectId(f"{CALL}.{utterance}"), utterance=utterance, text=text, or_clip=or_clip)


def live_call(*, streaming: bool = True) -> Call:
    return Call(
        id=CALL,
        carrier="mock",
        direction=Direction.OUTBOUND,
        mode=Mode.CONVERSATION,
        from_="+1",
        to="+2",
        policy=CallPolicy(streaming=streaming),
        started_at=1.0,
        leg=LegId("leg-1"),
    )


class SpeakerHarness:
    def __init__(self) -> None:
        self.stage = Stage()
        self.reports: list[Event] = []
        self.stream: MediaStream | None = STREAM
        self.call = live_call()
        native = NativeSpeaker(self.stage.context, LEASE, lambda: self.call, self.reports.append)
        self.voice = Speaker(self.stage.context, LEASE, lambda: self.stream, self.reports.append, native)


@pytest.fixture
def speaker() -> SpeakerHarness:
    return SpeakerHarness()


async def test_audio_goes_to_the_door_as_it_is_made_and_is_finished(speaker: SpeakerHarness) -> None:
    """Each chunk leaves by itself, under the lease's epoch, to the door that holds the socket."""
    speaker.stage.voice.chunk = 2

    await speaker.voice.speak(speak("abcde"))

    sent = speaker.stage.bus.sent
    assert [to for to, _ in sent] == ["ingress-1"] * 4
    assert [item.mulaw for _, item in sent if isinstance(item, Play)] == [b"ab", b"cd", b"e"]
    assert sent[-1][1] == Finish(call=CALL, epoch=Epoch(3), utterance=1)
    assert speaker.reports == []


async def test_the_first_chunk_leaves_before_the_second_is_made(speaker: SpeakerHarness) -> None:
    """Audio leaves as the first sentence's first chunk arrives, never after the whole reply."""
    speaker.stage.voice.chunk = 10
    speaker.stage.voice.per_letter = 10
    made_at_send: list[int] = []
    speaker.stage.bus.sent = Watched(lambda: made_at_send.append(speaker.stage.voice.made))

    await speaker.voice.speak(speak("abc"))

    assert made_at_send[0] == 10


class Watched(list):  # type: ignore[type-arg]
    """A list that tells when something is put in."""

    def __init__(self, told) -> None:
        super().__init__()
        self.told = told

    def append(self, item) -> None:
        self.told()
        super().append(item)


async def test_the_door_is_never_more_than_three_seconds_ahead(speaker: SpeakerHarness) -> None:
    """Back-pressure reaches the synthesis: a long reply is made no faster than it is heard."""
    speaker.stage.voice.per_letter = 8000  # a second a letter
    speaker.stage.voice.chunk = 8000
    task = asyncio.ensure_future(speaker.voice.speak(speak("a very long sentence")))
    await eventually(lambda: len(speaker.stage.spoken()) >= (AHEAD_S - 1) * 8000)
    for _ in range(50):
        await asyncio.sleep(0)

    assert len(speaker.stage.spoken()) <= AHEAD_S * 8000
    assert speaker.stage.voice.made <= (AHEAD_S + 1) * 8000

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert speaker.stage.voice.abandoned == ["a very long sentence"]


async def test_a_silenced_door_may_be_filled_again_at_once(speaker: SpeakerHarness) -> None:
    """After a clear nothing of ours is queued there: the apology does not wait for audio nobody will hear."""
    speaker.stage.voice.per_letter = 8000
    task = asyncio.ensure_future(speaker.voice.speak(speak("abcdefgh")))
    await eventually(lambda: len(speaker.stage.spoken()) >= 2 * 8000)
    task.cancel()
    await asyncio.wait([task])

    speaker.voice.clear()
    speaker.stage.voice.per_letter = 1
    await speaker.voice.speak(speak("yes", utterance=2))

    assert speaker.stage.silenced() == 1
    assert speaker.stage.spoken().endswith(b"yes")


async def test_a_voice_that_fails_before_a_sound_is_reported(speaker: SpeakerHarness) -> None:
    """The machine decides what the caller hears instead."""
    speaker.stage.voice.failures["hello"] = service_down()

    await speaker.voice.speak(speak("hello"))

    assert speaker.reports == [SpeechFailed(utterance=1, reason="scripted: down")]
    assert speaker.stage.bus.sent == []


async def test_a_voice_that_fails_in_the_middle_is_finished_and_reported(speaker: SpeakerHarness) -> None:
    """The door must not wait for audio that will never come."""
    speaker.stage.voice.failures["hello"] = service_down()
    speaker.stage.voice.fail_after = 3

    await speaker.voice.speak(speak("hello"))

    assert speaker.stage.spoken() == b"hel"
    assert speaker.stage.finished() == [1]
    assert len(speaker.reports) == 1


async def test_an_apology_that_fails_too_is_played_from_the_shipped_clip(speaker: SpeakerHarness) -> None:
    """There is always something to hear, and nothing more to report."""
    speaker.stage.voice.failures["sorry for that"] = service_down()

    await speaker.voice.speak(speak("sorry for that", or_clip=True))

    assert speaker.stage.spoken() == b"sorry"
    assert speaker.stage.finished() == [1]
    assert speaker.reports == []


async def test_an_adapter_that_breaks_its_word_costs_no_silence(speaker: SpeakerHarness) -> None:
    """A bug in a voice is a failed voice."""
    speaker.stage.voice.failures["hello"] = ValueError("a bug")

    await speaker.voice.speak(speak("hello"))

    assert speaker.reports == [SpeechFailed(utterance=1, reason="ValueError")]


async def test_without_a_stream_there_is_nobody_to_speak_to(speaker: SpeakerHarness) -> None:
    """No synthesis is paid for that nobody can hear."""
    speaker.stream = None

    await speaker.voice.speak(speak("hello"))

    assert speaker.stage.voice.made == 0
    assert isinstance(speaker.reports[0], SpeechFailed)


async def test_a_voice_that_makes_no_sound_has_failed(speaker: SpeakerHarness) -> None:
    """An empty answer of a provider must not become silence on the line."""
    speaker.stage.voice.per_letter = 0

    await speaker.voice.speak(speak("hello"))

    assert isinstance(speaker.reports[0], SpeechFailed)


async def test_a_node_without_a_pulse_says_nothing_until_it_has_one(speaker: SpeakerHarness) -> None:
    """Cut off from Redis, a worker stops speaking: somebody else may own the call (reliability P10)."""
    speaker.stage.monotonic = 3.0
    task = asyncio.ensure_future(speaker.voice.speak(speak("hello")))
    for _ in range(20):
        await asyncio.sleep(0)
    speaker.voice.clear()
    assert speaker.stage.bus.sent == []

    speaker.stage.lease_guard.beat(speaker.stage.lease_guard.now())
    await task
    assert speaker.stage.spoken() == b"hello"


async def test_a_new_socket_is_not_held_back_by_the_old_ones_queue(speaker: SpeakerHarness) -> None:
    """After a reconnect the door has nothing yet: what follows goes there at once."""
    speaker.stage.voice.per_letter = 8000
    task = asyncio.ensure_future(speaker.voice.speak(speak("abcdef")))
    await eventually(lambda: len(speaker.stage.spoken()) >= 2 * 8000)

    speaker.stream = MediaStream(id=StreamId("s-2"), ingress=NodeId("ingress-2"))
    await eventually(lambda: any(to == "ingress-2" for to, _ in speaker.stage.bus.sent))

    task.cancel()
    await asyncio.wait([task])
    ingresses = [to for to, _ in speaker.stage.bus.sent]
    assert all(before <= after for before, after in pairwise(ingresses))


async def test_a_sentence_that_was_expected_is_made_once_and_leaves_only_when_asked_for(
    speaker: SpeakerHarness,
) -> None:
    """Synthesis runs while the commit does; nothing is heard before it."""
    speaker.voice.expect("abc")
    await eventually(lambda: speaker.stage.voice.made > 0)
    made = speaker.stage.voice.made
    assert speaker.stage.bus.sent == []
    await speaker.voice.speak(speak("abc"))
    assert speaker.stage.voice.made == made
    assert [item.mulaw for _, item in speaker.stage.bus.sent if isinstance(item, Play)] == [b"abc"]


async def test_a_silenced_voice_forgets_what_it_expected(speaker: SpeakerHarness) -> None:
    speaker.voice.expect("abc")
    await eventually(lambda: speaker.stage.voice.made > 0)
    made = speaker.stage.voice.made
    speaker.voice.clear()
    await speaker.voice.speak(speak("abc"))
    assert speaker.stage.voice.made > made

"""The mouth: first chunk at once, the door never far ahead, and an apology when no voice can be had."""

import asyncio
from itertools import pairwise

import pytest

from actors.native_voice import NativeVoice
from actors.voice import AHEAD_S, Voice
from tests.fakes.ports import Stage, eventually, service_down
from voicecall.call.effects import Speak
from voicecall.call.events import Event, Mode, SpeechFailed, Terms
from voicecall.call.ids import CallId, EffectId, Epoch, LegId, NodeId, StreamId
from voicecall.call.state import Call, Direction, Stream
from voicecall.ports import Finish, Lease, Play

CALL = CallId("11111111-2222-4333-8444-555555555555")
LEASE = Lease(call=CALL, node=NodeId("worker-1"), epoch=Epoch(3))
STREAM = Stream(id=StreamId("s-1"), door=NodeId("ingress-1"))


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
        terms=Terms(streaming=streaming),
        started_at=1.0,
        leg=LegId("leg-1"),
    )


class Mouth:
    def __init__(self) -> None:
        self.stage = Stage()
        self.reports: list[Event] = []
        self.stream: Stream | None = STREAM
        self.call = live_call()
        native = NativeVoice(self.stage.world, LEASE, lambda: self.call, self.reports.append)
        self.voice = Voice(self.stage.world, LEASE, lambda: self.stream, self.reports.append, native)


@pytest.fixture
def mouth() -> Mouth:
    return Mouth()


async def test_audio_goes_to_the_door_as_it_is_made_and_is_finished(mouth: Mouth) -> None:
    """Each chunk leaves by itself, under the lease's epoch, to the door that holds the socket."""
    mouth.stage.voice.chunk = 2

    await mouth.voice.speak(speak("abcde"))

    sent = mouth.stage.bus.sent
    assert [to for to, _ in sent] == ["ingress-1"] * 4
    assert [item.mulaw for _, item in sent if isinstance(item, Play)] == [b"ab", b"cd", b"e"]
    assert sent[-1][1] == Finish(call=CALL, epoch=Epoch(3), utterance=1)
    assert mouth.reports == []


async def test_the_first_chunk_leaves_before_the_second_is_made(mouth: Mouth) -> None:
    """Audio leaves as the first sentence's first chunk arrives, never after the whole reply."""
    mouth.stage.voice.chunk = 10
    mouth.stage.voice.per_letter = 10
    made_at_send: list[int] = []
    mouth.stage.bus.sent = Watched(lambda: made_at_send.append(mouth.stage.voice.made))

    await mouth.voice.speak(speak("abc"))

    assert made_at_send[0] == 10


class Watched(list):  # type: ignore[type-arg]
    """A list that tells when something is put in."""

    def __init__(self, told) -> None:
        super().__init__()
        self.told = told

    def append(self, item) -> None:
        self.told()
        super().append(item)


async def test_the_door_is_never_more_than_three_seconds_ahead(mouth: Mouth) -> None:
    """Back-pressure reaches the synthesis: a long reply is made no faster than it is heard."""
    mouth.stage.voice.per_letter = 8000  # a second a letter
    mouth.stage.voice.chunk = 8000
    task = asyncio.ensure_future(mouth.voice.speak(speak("a very long sentence")))
    await eventually(lambda: len(mouth.stage.spoken()) >= (AHEAD_S - 1) * 8000)
    for _ in range(50):
        await asyncio.sleep(0)

    assert len(mouth.stage.spoken()) <= AHEAD_S * 8000
    assert mouth.stage.voice.made <= (AHEAD_S + 1) * 8000

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert mouth.stage.voice.abandoned == ["a very long sentence"]


async def test_a_silenced_door_may_be_filled_again_at_once(mouth: Mouth) -> None:
    """After a clear nothing of ours is queued there: the apology does not wait for audio nobody will hear."""
    mouth.stage.voice.per_letter = 8000
    task = asyncio.ensure_future(mouth.voice.speak(speak("abcdefgh")))
    await eventually(lambda: len(mouth.stage.spoken()) >= 2 * 8000)
    task.cancel()
    await asyncio.wait([task])

    mouth.voice.clear()
    mouth.stage.voice.per_letter = 1
    await mouth.voice.speak(speak("yes", utterance=2))

    assert mouth.stage.silenced() == 1
    assert mouth.stage.spoken().endswith(b"yes")


async def test_a_voice_that_fails_before_a_sound_is_reported(mouth: Mouth) -> None:
    """The machine decides what the caller hears instead."""
    mouth.stage.voice.failures["hello"] = service_down()

    await mouth.voice.speak(speak("hello"))

    assert mouth.reports == [SpeechFailed(utterance=1, reason="scripted: down")]
    assert mouth.stage.bus.sent == []


async def test_a_voice_that_fails_in_the_middle_is_finished_and_reported(mouth: Mouth) -> None:
    """The door must not wait for audio that will never come."""
    mouth.stage.voice.failures["hello"] = service_down()
    mouth.stage.voice.fail_after = 3

    await mouth.voice.speak(speak("hello"))

    assert mouth.stage.spoken() == b"hel"
    assert mouth.stage.finished() == [1]
    assert len(mouth.reports) == 1


async def test_an_apology_that_fails_too_is_played_from_the_shipped_clip(mouth: Mouth) -> None:
    """There is always something to hear, and nothing more to report."""
    mouth.stage.voice.failures["sorry for that"] = service_down()

    await mouth.voice.speak(speak("sorry for that", or_clip=True))

    assert mouth.stage.spoken() == b"sorry"
    assert mouth.stage.finished() == [1]
    assert mouth.reports == []


async def test_an_adapter_that_breaks_its_word_costs_no_silence(mouth: Mouth) -> None:
    """A bug in a voice is a failed voice."""
    mouth.stage.voice.failures["hello"] = ValueError("a bug")

    await mouth.voice.speak(speak("hello"))

    assert mouth.reports == [SpeechFailed(utterance=1, reason="ValueError")]


async def test_without_a_stream_there_is_nobody_to_speak_to(mouth: Mouth) -> None:
    """No synthesis is paid for that nobody can hear."""
    mouth.stream = None

    await mouth.voice.speak(speak("hello"))

    assert mouth.stage.voice.made == 0
    assert isinstance(mouth.reports[0], SpeechFailed)


async def test_a_voice_that_makes_no_sound_has_failed(mouth: Mouth) -> None:
    """An empty answer of a provider must not become silence on the line."""
    mouth.stage.voice.per_letter = 0

    await mouth.voice.speak(speak("hello"))

    assert isinstance(mouth.reports[0], SpeechFailed)


async def test_a_node_without_a_pulse_says_nothing_until_it_has_one(mouth: Mouth) -> None:
    """Cut off from Redis, a worker stops speaking: somebody else may own the call (reliability P10)."""
    mouth.stage.monotonic = 3.0
    task = asyncio.ensure_future(mouth.voice.speak(speak("hello")))
    for _ in range(20):
        await asyncio.sleep(0)
    mouth.voice.clear()
    assert mouth.stage.bus.sent == []

    mouth.stage.pulse.beat(mouth.stage.pulse.now())
    await task
    assert mouth.stage.spoken() == b"hello"


async def test_a_new_socket_is_not_held_back_by_the_old_ones_queue(mouth: Mouth) -> None:
    """After a reconnect the door has nothing yet: what follows goes there at once."""
    mouth.stage.voice.per_letter = 8000
    task = asyncio.ensure_future(mouth.voice.speak(speak("abcdef")))
    await eventually(lambda: len(mouth.stage.spoken()) >= 2 * 8000)

    mouth.stream = Stream(id=StreamId("s-2"), door=NodeId("ingress-2"))
    await eventually(lambda: any(to == "ingress-2" for to, _ in mouth.stage.bus.sent))

    task.cancel()
    await asyncio.wait([task])
    doors = [to for to, _ in mouth.stage.bus.sent]
    assert all(before <= after for before, after in pairwise(doors))


async def test_a_sentence_that_was_expected_is_made_once_and_leaves_only_when_asked_for(mouth: Mouth) -> None:
    """Synthesis runs while the commit does; nothing is heard before it."""
    mouth.voice.expect("abc")
    await eventually(lambda: mouth.stage.voice.made > 0)
    made = mouth.stage.voice.made
    assert mouth.stage.bus.sent == []
    await mouth.voice.speak(speak("abc"))
    assert mouth.stage.voice.made == made
    assert [item.mulaw for _, item in mouth.stage.bus.sent if isinstance(item, Play)] == [b"abc"]


async def test_a_silenced_voice_forgets_what_it_expected(mouth: Mouth) -> None:
    mouth.voice.expect("abc")
    await eventually(lambda: mouth.stage.voice.made > 0)
    made = mouth.stage.voice.made
    mouth.voice.clear()
    await mouth.voice.speak(speak("abc"))
    assert mouth.stage.voice.made > made

"""The speaker: first chunk at once, the ingress never far ahead, and an apology when TTS fails."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from actors.native_speaker import NativeSpeaker
from actors.speaker import AHEAD_S, Speaker
from simulators.dtmf import keys_in
from tests.fakes.ports import Stage, eventually, service_down
from voicecall.call.effects import Speak
from voicecall.call.events import CallPolicy, Event, Failover, Mode, SpeechFailed
from voicecall.call.ids import CallId, EffectId, Epoch, LegId, NodeId, StreamId
from voicecall.call.state import Call, Direction, LegState, MediaStream
from voicecall.errors import ServiceError, ServiceTimeout
from voicecall.ports import Clear, Finish, FirstAudio, Lease, Pause, Play, Resume

CALL = CallId("11111111-2222-4333-8444-555555555555")
LEASE = Lease(call=CALL, node=NodeId("worker-1"), epoch=Epoch(3))
STREAM = MediaStream(id=StreamId("s-1"), ingress=NodeId("ingress-1"), pauses=True)


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
        leg_state=LegState(id=LegId("leg-1")),
    )


class SpeakerHarness:
    def __init__(self) -> None:
        self.stage = Stage()
        self.reports: list[Event] = []
        self.stream: MediaStream | None = STREAM
        self.call = live_call()
        native = NativeSpeaker(self.stage.context, LEASE, lambda: self.call, self.reports.append)
        self.speaker = Speaker(self.stage.context, LEASE, lambda: self.stream, self.reports.append, native)


@pytest.fixture
def harness() -> SpeakerHarness:
    return SpeakerHarness()


async def test_audio_is_sent_as_it_is_synthesised_and_finished(harness: SpeakerHarness) -> None:
    """Each chunk is sent by itself, under the epoch of the lease, to the ingress that holds the socket."""
    harness.stage.tts.chunk = 2

    await harness.speaker.speak(speak("abcde"))

    sent = harness.stage.bus.sent
    assert [to for to, _ in sent] == ["ingress-1"] * 5
    assert [item.mulaw for _, item in sent if isinstance(item, Play)] == [b"ab", b"cd", b"e"]
    assert sent[-1][1] == Finish(call=CALL, epoch=Epoch(3), utterance=1)
    assert harness.reports == []


def played(harness: SpeakerHarness) -> list[bytes]:
    return [item.mulaw for item in harness.stage.bus.items(Play) if isinstance(item, Play)]


async def test_short_chunks_are_joined_while_the_ingress_has_enough_to_play(harness: SpeakerHarness) -> None:
    """Twenty of 20 ms are sent singly until it has 0.2 s, and then four at a time; the last ones with the end."""
    harness.stage.tts.chunk = harness.stage.tts.per_letter = 160
    text = "the letters are lines"

    await harness.speaker.speak(speak(text))

    pieces = played(harness)
    assert b"".join(pieces) == b"".join(bytes([letter]) * 160 for letter in text.encode())
    singly = [len(piece) for piece in pieces].index(640)
    assert 10 <= singly <= 15
    assert {len(piece) for piece in pieces[singly:-1]} == {640}


async def test_a_voice_that_breaks_off_loses_nothing_of_what_it_gave(harness: SpeakerHarness) -> None:
    """The chunks that were held to be joined are played before the failure counts."""
    harness.stage.tts.chunk = harness.stage.tts.per_letter = 160
    text = "the letters are lines"
    harness.stage.tts.failures[text] = service_down()
    harness.stage.tts.fail_after = 15 * 160

    await harness.speaker.speak(speak(text))

    assert len(b"".join(played(harness))) == 15 * 160
    assert [type(report) for report in harness.reports] == [SpeechFailed]


async def test_the_first_chunk_is_sent_before_the_second_is_synthesised(harness: SpeakerHarness) -> None:
    """Audio is sent when the first chunk of the first sentence arrives, not after the whole reply."""
    harness.stage.tts.chunk = 10
    harness.stage.tts.per_letter = 10
    made_at_send: list[int] = []
    harness.stage.bus.sent = Watched(lambda: made_at_send.append(harness.stage.tts.made))

    await harness.speaker.speak(speak("abc"))

    assert made_at_send[0] == 10


class Watched(list):  # type: ignore[type-arg]
    """A list that calls `on_append` before something is added."""

    def __init__(self, on_append) -> None:
        super().__init__()
        self.on_append = on_append

    def append(self, item) -> None:
        self.on_append()
        super().append(item)


async def test_the_ingress_is_never_more_than_three_seconds_ahead(harness: SpeakerHarness) -> None:
    """Back-pressure reaches TTS: a long reply is synthesised no faster than it is heard."""
    harness.stage.tts.per_letter = 8000  # a second a letter
    harness.stage.tts.chunk = 8000
    task = asyncio.ensure_future(harness.speaker.speak(speak("a very long sentence")))
    await eventually(lambda: len(harness.stage.spoken()) >= (AHEAD_S - 1) * 8000)
    for _ in range(50):
        await asyncio.sleep(0)

    assert len(harness.stage.spoken()) <= AHEAD_S * 8000
    assert harness.stage.tts.made <= (AHEAD_S + 1) * 8000

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert harness.stage.tts.abandoned == ["a very long sentence"]


async def test_after_a_clear_audio_is_sent_at_once(harness: SpeakerHarness) -> None:
    """The ingress holds nothing after a clear: the next utterance does not wait for discarded audio."""
    harness.stage.tts.per_letter = 8000
    task = asyncio.ensure_future(harness.speaker.speak(speak("abcdefgh")))
    await eventually(lambda: len(harness.stage.spoken()) >= 2 * 8000)
    task.cancel()
    await asyncio.wait([task])

    harness.speaker.clear()
    harness.stage.tts.per_letter = 1
    await harness.speaker.speak(speak("yes", utterance=2))

    assert harness.stage.cleared() == 1
    assert harness.stage.spoken().endswith(b"yes")


async def test_nothing_is_sent_during_a_pause(harness: SpeakerHarness) -> None:
    """The ingress would drop what it has no room for. Afterwards the sending goes on with the same lead."""
    harness.stage.tts.per_letter = 8000
    task = asyncio.ensure_future(harness.speaker.speak(speak("abcdef")))
    await eventually(lambda: len(harness.stage.spoken()) >= 2 * 8000)
    harness.speaker.pause()
    sent = len(harness.stage.spoken())
    await asyncio.sleep(0.7)
    assert len(harness.stage.spoken()) == sent
    resumed_at = asyncio.get_running_loop().time()
    harness.speaker.resume()
    await eventually(lambda: len(harness.stage.spoken()) > sent)
    assert asyncio.get_running_loop().time() - resumed_at < 0.6
    kinds = [type(item) for _, item in harness.stage.bus.sent if not isinstance(item, Play | FirstAudio)]
    assert kinds == [Pause, Pause, Resume]  # the pause is repeated, for a message may be lost
    task.cancel()
    await asyncio.wait([task])


async def test_a_reply_that_begins_during_a_pause_is_sent_after_it(harness: SpeakerHarness) -> None:
    harness.speaker.pause()
    task = asyncio.ensure_future(harness.speaker.speak(speak("yes")))
    for _ in range(20):
        await asyncio.sleep(0)
    assert harness.stage.spoken() == b""
    harness.speaker.resume()
    await task
    assert harness.stage.spoken() == b"yes"


async def test_a_clear_ends_a_pause(harness: SpeakerHarness) -> None:
    """Of the interruption, or of the end of the call."""
    harness.speaker.pause()
    harness.speaker.clear()
    await harness.speaker.speak(speak("yes", utterance=2))
    assert [type(item) for _, item in harness.stage.bus.sent][:2] == [Pause, Clear]
    assert harness.stage.spoken() == b"yes"
    harness.speaker.resume()
    assert not any(isinstance(item, Resume) for _, item in harness.stage.bus.sent)


async def test_an_activation_that_ends_repeats_no_pause(harness: SpeakerHarness) -> None:
    """The next owner may be speaking."""
    harness.speaker.pause()
    harness.speaker.close()
    await asyncio.sleep(0.6)
    assert [type(item) for _, item in harness.stage.bus.sent] == [Pause]


async def test_an_ingress_of_an_earlier_build_gets_no_pause(harness: SpeakerHarness) -> None:
    """It would take no bundle that has one in it."""
    harness.stream = replace(STREAM, pauses=False)
    harness.speaker.pause()
    harness.speaker.resume()
    assert harness.stage.bus.sent == []


async def test_tts_that_fails_before_any_audio_is_reported(harness: SpeakerHarness) -> None:
    """`decide` chooses what the caller hears instead."""
    harness.stage.tts.failures["hello"] = service_down()

    await harness.speaker.speak(speak("hello"))

    assert harness.reports == [SpeechFailed(utterance=1, reason="scripted: down", retryable=True)]
    assert harness.stage.bus.sent == []


async def test_tts_that_fails_in_the_middle_is_finished_and_reported(harness: SpeakerHarness) -> None:
    """The ingress must not wait for audio that never comes."""
    harness.stage.tts.failures["hello"] = service_down()
    harness.stage.tts.fail_after = 3

    await harness.speaker.speak(speak("hello"))

    assert harness.stage.spoken() == b"hel"
    assert harness.stage.finished() == [1]
    assert len(harness.reports) == 1


async def test_an_apology_that_fails_too_is_played_from_the_recorded_clip(harness: SpeakerHarness) -> None:
    """The caller hears an apology in any case, and the record gets the text of the one that is heard."""
    harness.stage.tts.failures["sorry for that"] = service_down()

    await harness.speaker.speak(speak("sorry for that", or_clip=True))

    assert harness.stage.spoken() == b"sorry"
    assert harness.stage.finished() == [1]
    assert harness.reports == [SpeechFailed(utterance=1, reason="scripted: down", retryable=True, clip=True)]


async def test_a23_the_recorded_apology_is_played_at_once_when_it_is_asked_for(harness: SpeakerHarness) -> None:
    """The voice is known to hang: it is not asked at all."""
    harness.stage.tts.gates["sorry for that"] = asyncio.Event()

    await harness.speaker.speak(replace(speak("sorry for that", or_clip=True), clip=True))

    assert (harness.stage.spoken(), harness.stage.finished(), harness.reports) == (b"sorry", [1], [])


async def test_a23_an_apology_that_does_not_begin_soon_is_replaced_by_the_recorded_one(
    harness: SpeakerHarness,
) -> None:
    """The caller has waited already; 2.5 seconds more are the limit."""
    harness.stage.tts.gates["sorry for that"] = asyncio.Event()
    started = asyncio.get_running_loop().time()

    await harness.speaker.speak(speak("sorry for that", or_clip=True))

    assert asyncio.get_running_loop().time() - started <= 2.5
    assert harness.stage.spoken() == b"sorry"
    (failed,) = harness.reports
    assert isinstance(failed, SpeechFailed)
    assert (failed.hung, failed.clip) == (True, True)


@pytest.mark.parametrize(
    ("failure", "retryable", "hung"),
    [
        (ServiceError("tts", "answered 503"), True, False),
        (ServiceError("tts", "answered 401", retryable=False), False, False),
        (ServiceTimeout("tts", "no answer in time"), False, True),
        (ValueError("a bug"), False, False),
    ],
)
async def test_a_failure_reports_whether_to_try_again_and_whether_the_voice_hangs(
    harness: SpeakerHarness, failure: Exception, *, retryable: bool, hung: bool
) -> None:
    """`decide` chooses by that what the caller hears instead."""
    harness.stage.tts.failures["hello"] = failure

    await harness.speaker.speak(speak("hello"))

    (failed,) = harness.reports
    assert isinstance(failed, SpeechFailed)
    assert (failed.retryable, failed.hung) == (retryable, hung)


async def test_a_defect_in_an_adapter_is_reported_as_failed_speech(harness: SpeakerHarness) -> None:
    """The caller must not get silence."""
    harness.stage.tts.failures["hello"] = ValueError("a bug")

    await harness.speaker.speak(speak("hello"))

    assert harness.reports == [SpeechFailed(utterance=1, reason="ValueError")]


async def test_without_a_stream_nothing_is_synthesised(harness: SpeakerHarness) -> None:
    """TTS costs money, and the caller would hear nothing."""
    harness.stream = None

    await harness.speaker.speak(speak("hello"))

    assert harness.stage.tts.made == 0
    assert isinstance(harness.reports[0], SpeechFailed)


async def test_tts_without_any_audio_has_failed(harness: SpeakerHarness) -> None:
    """An empty answer of a provider must not become silence for the caller."""
    harness.stage.tts.per_letter = 0

    await harness.speaker.speak(speak("hello"))

    assert isinstance(harness.reports[0], SpeechFailed)


async def test_a_node_whose_leases_are_not_renewed_speaks_only_after_a_renewal(harness: SpeakerHarness) -> None:
    """Cut off from Redis, a worker stops speaking: another node may own the call (guarantee P10)."""
    harness.stage.monotonic = 3.0
    task = asyncio.ensure_future(harness.speaker.speak(speak("hello")))
    for _ in range(20):
        await asyncio.sleep(0)
    harness.speaker.clear()
    assert harness.stage.bus.sent == []

    harness.stage.lease_guard.renewed(harness.stage.lease_guard.now())
    await task
    assert harness.stage.spoken() == b"hello"


async def test_a_new_socket_does_not_wait_for_the_queue_of_the_old_one(harness: SpeakerHarness) -> None:
    """After a reconnect the ingress holds nothing yet: audio is sent at once."""
    harness.stage.tts.per_letter = 8000
    task = asyncio.ensure_future(harness.speaker.speak(speak("abcdef")))
    await eventually(lambda: len(harness.stage.spoken()) >= 2 * 8000)

    harness.stream = MediaStream(id=StreamId("s-2"), ingress=NodeId("ingress-2"))
    await eventually(lambda: any(to == "ingress-2" for to, _ in harness.stage.bus.sent))

    task.cancel()
    await asyncio.wait([task])
    ingresses = [to for to, _ in harness.stage.bus.sent]
    assert all(before <= after for before, after in pairwise(ingresses))


async def test_a_prefetched_sentence_is_synthesised_once_and_sent_only_when_requested(
    harness: SpeakerHarness,
) -> None:
    """TTS runs during the commit; nothing is sent before it."""
    harness.speaker.prefetch("abc")
    await eventually(lambda: harness.stage.tts.made > 0)
    made = harness.stage.tts.made
    assert harness.stage.bus.sent == []
    await harness.speaker.speak(speak("abc"))
    assert harness.stage.tts.made == made
    assert [item.mulaw for _, item in harness.stage.bus.sent if isinstance(item, Play)] == [b"abc"]


async def test_a_clear_drops_the_prefetched_sentence(harness: SpeakerHarness) -> None:
    harness.speaker.prefetch("abc")
    await eventually(lambda: harness.stage.tts.made > 0)
    made = harness.stage.tts.made
    harness.speaker.clear()
    await harness.speaker.speak(speak("abc"))
    assert harness.stage.tts.made > made


@pytest.mark.parametrize("prefetched", [False, True])
async def test_the_ingress_reports_that_another_voice_speaks(harness: SpeakerHarness, prefetched: bool) -> None:
    """With the first audio of the utterance; a sentence that is prefetched, too."""
    failover = Failover(service="tts", from_="elevenlabs", to="openai", reason="timeout")
    harness.stage.tts.failover = failover
    if prefetched:
        harness.speaker.prefetch("hello")

    await harness.speaker.speak(speak("hello"))

    (report,) = [item for _, item in harness.stage.bus.sent if isinstance(item, FirstAudio)]
    assert (report.utterance, report.failover) == (1, failover)
    assert harness.stage.spoken() == b"hello"


async def test_keys_are_played_as_tones_without_a_voice(harness: SpeakerHarness) -> None:
    await harness.speaker.speak(replace(speak(""), tones="1w2"))
    assert [key for key, _, _ in keys_in(harness.stage.spoken())] == ["1", "2"]
    assert (harness.stage.finished(), harness.stage.tts.spoken) == ([1], [])

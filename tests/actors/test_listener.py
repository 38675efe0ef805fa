"""The listener: the ingress is attached to the owner of the call, and STT is fed each frame once, in order."""

import asyncio
from dataclasses import replace

import pytest

from actors.listener import Listener
from tests.fakes.ports import Stage, eventually, service_down
from voicecall.audio.framing import SILENT_FRAME
from voicecall.call.decide import decide
from voicecall.call.events import (
    AgentSaid,
    Answered,
    Arrived,
    Event,
    Failover,
    Heard,
    HungUp,
    Mode,
    Placed,
    PlaybackBegan,
    SpeechStarted,
    SpeechStopped,
    StreamOpened,
    StreamUnusable,
    SttFailed,
    SttLost,
    SttRecovered,
)
from voicecall.call.ids import E164, CallId, Epoch, LegId, NodeId, RequestId, StreamId
from voicecall.call.state import Call
from voicecall.ports import Attach, CallerAudio, Detach, Lease
from voicecall.speech.tts.clip import apology

CALL = CallId("11111111-2222-4333-8444-555555555555")
LEASE = Lease(call=CALL, node=NodeId("worker-1"), epoch=Epoch(2))
LEG = LegId("leg-1")
ARRIVED = Arrived(at=1.0, carrier="mock", leg=LEG, from_="+15550001", to="+15550002", greeting="Hi.")
OPENED = StreamOpened(at=2.0, stream=StreamId("s-1"), ingress=NodeId("ingress-1"), leg=LEG)


def call_after(*events: Event) -> Call:
    call: Call | None = None
    for event in events:
        call, _ = decide(call, event, CALL)
    assert call is not None
    return call


def frames(*numbers: int) -> bytes:
    """Frame n is 160 times the byte n."""
    return b"".join(bytes([number]) * 160 for number in numbers)


def audio(first: int, mulaw: bytes, stream: str = "s-1") -> CallerAudio:
    return CallerAudio(call=CALL, stream=StreamId(stream), first=first, mulaw=mulaw)


class ListenerHarness:
    def __init__(self) -> None:
        self.stage = Stage()
        self.reports: list[Event] = []
        self.listener = Listener(self.stage.context, LEASE, self.reports.append)

    async def listening(self) -> None:
        self.listener.follow(call_after(ARRIVED, OPENED))
        await eventually(lambda: self.listener._session is not None)

    @property
    def fed(self) -> bytes:
        return self.stage.stt.sessions[-1].audio


@pytest.fixture
async def harness():
    harness = ListenerHarness()
    yield harness
    await harness.listener.close()


async def test_the_ingress_is_attached_at_once_and_again(harness: ListenerHarness) -> None:
    """An Attach may be lost, and an ingress may restart: the second one follows a second later."""
    harness.listener.follow(call_after(ARRIVED, OPENED))

    attach = Attach(call=CALL, epoch=Epoch(2), node=NodeId("worker-1"), stream=StreamId("s-1"))
    assert harness.stage.bus.sent == [(NodeId("ingress-1"), attach)]
    assert harness.listener._next_attach is not None
    due_s = harness.listener._next_attach.when() - asyncio.get_running_loop().time()
    assert 0.5 < due_s <= 1.0


async def test_recognition_opens_before_the_first_word_can_come(harness: ListenerHarness) -> None:
    """An inbound leg has its stream within moments; an outbound one is answered first, and ringing needs no STT."""
    placed = Placed(
        carrier="mock", from_=E164("+15550001"), to=E164("+15550002"), mode=Mode.CONVERSATION, request=RequestId("r")
    )
    harness.listener.follow(call_after(placed))
    await asyncio.sleep(0)
    assert harness.stage.stt.sessions == []

    harness.listener.follow(call_after(ARRIVED))
    await eventually(lambda: harness.stage.stt.sessions)


async def test_frames_are_fed_once_and_in_order(harness: ListenerHarness) -> None:
    """Repeats are cut off, also when they overlap only in part."""
    await harness.listening()

    harness.listener.hear(audio(1, frames(1, 2)))
    harness.listener.hear(audio(1, frames(1, 2)))
    harness.listener.hear(audio(2, frames(2, 3)))
    harness.listener.hear(audio(4, frames(4)))

    assert harness.fed == frames(1, 2, 3, 4)


async def test_a_small_hole_becomes_silence_and_a_large_one_is_skipped(harness: ListenerHarness) -> None:
    """Pauses keep their length; but half a minute of silence would only delay recognition."""
    await harness.listening()

    harness.listener.hear(audio(1, frames(1)))
    harness.listener.hear(audio(4, frames(4)))
    harness.listener.hear(audio(1000, frames(9)))

    assert harness.fed == frames(1) + b"\xff" * 320 + frames(4) + frames(9)


async def test_audio_of_another_stream_is_dropped(harness: ListenerHarness) -> None:
    """An old socket may still send."""
    await harness.listening()

    harness.listener.hear(audio(1, frames(1), stream="s-0"))

    assert harness.fed == b""


async def test_a_new_stream_counts_frames_from_one(harness: ListenerHarness) -> None:
    """After a reconnect the frame numbers begin again; the STT session stays open."""
    await harness.listening()
    harness.listener.hear(audio(500, frames(5)))

    harness.listener.follow(call_after(ARRIVED, OPENED, replace(OPENED, at=3.0, stream=StreamId("s-2"))))
    harness.listener.hear(audio(1, frames(1), stream="s-2"))

    assert harness.fed == frames(5, 1)
    assert len(harness.stage.stt.sessions) == 1


async def test_audio_that_arrives_while_recognition_opens_is_fed_afterwards(harness: ListenerHarness) -> None:
    """The caller may speak while the session is being opened."""
    harness.stage.stt.gate = asyncio.Event()
    harness.listener.follow(call_after(ARRIVED, OPENED))
    harness.listener.hear(audio(1, frames(1)))
    harness.listener.hear(audio(2, frames(2)))

    harness.stage.stt.gate.set()
    await eventually(lambda: harness.listener._session is not None)

    assert harness.fed == frames(1, 2)


async def test_events_of_the_service_are_reported(harness: ListenerHarness) -> None:
    """Only events about audio reach the call."""
    await harness.listening()

    heard = Heard(text="Hello", confidence=0.5)
    harness.stage.stt.say(SpeechStarted(), heard, SttLost(), SttRecovered(), SttFailed(reason="gone"))

    assert harness.reports == [
        SpeechStarted(),
        Heard(text="Hello", confidence=0.5),
        SttLost(),
        SttRecovered(),
        SttFailed(reason="gone"),
    ]


async def test_a_pause_is_reported_only_when_no_transcript_follows_soon(harness: ListenerHarness) -> None:
    """The transcript usually follows at once, and must not wait for the commit of a pause."""
    await harness.listening()
    harness.stage.stt.say(SpeechStarted(), SpeechStopped(), Heard(text="Hello", confidence=0.5), SpeechStopped())
    assert harness.reports == [SpeechStarted(), Heard(text="Hello", confidence=0.5)]
    await eventually(lambda: harness.reports[2:] == [SpeechStopped()])


async def test_a_transcript_says_how_long_the_caller_has_been_silent(harness: ListenerHarness) -> None:
    """From the end of the sound: the recogniser's own pause counts. Nothing is known of one that reports no pause."""
    await harness.listening()
    harness.stage.stt.say(SpeechStarted(), Heard(text="one"))
    harness.stage.stt.say(SpeechStarted(), SpeechStopped(), Heard(text="two"))
    harness.stage.stt.say(SpeechStarted(), SpeechStopped(silent_ms=800), Heard(text="three"))
    silences = [event.silent_ms for event in harness.reports if isinstance(event, Heard)]
    assert silences[:2] == [None, None]
    assert silences[2] == pytest.approx(800, abs=50)
    stops = [event.stopped_ms for event in harness.reports if isinstance(event, Heard)]
    assert stops == [None, None, pytest.approx(0, abs=50)]


async def test_a_transcript_says_that_the_caller_speaks_again(harness: ListenerHarness) -> None:
    """Recognition took longer than the caller's pause."""
    await harness.listening()
    harness.stage.stt.say(SpeechStarted(), SpeechStopped(silent_ms=300), SpeechStarted(), Heard(text="one"))
    harness.stage.stt.say(SpeechStopped(silent_ms=300), Heard(text="two"))
    silences = [event.silent_ms for event in harness.reports if isinstance(event, Heard)]
    assert silences == [0, pytest.approx(300, abs=50)]


def unsure_call() -> Call:
    """The caller made a sound while the bot speaks: it is not known yet whether it is an interruption."""
    opened = replace(OPENED, pauses=True)
    said = AgentSaid(at=4.0, turn=1, text="Once upon a time.")
    began = PlaybackBegan(at=5.0, utterance=2)
    return call_after(ARRIVED, opened, Heard(at=3.0, text="hi"), said, began, SpeechStarted(at=9.0))


async def test_a16_the_end_of_a_short_sound_is_found_at_once(harness: ListenerHarness) -> None:
    """A recogniser reports it only after its pause of 800 ms; the caller would hear that as a silence."""
    await harness.listening()
    sound = apology()[:2400] + SILENT_FRAME * 10 + apology()[2400:5600]
    for number in range(len(sound) // 160):
        harness.listener.hear(audio(number + 1, sound[number * 160 : number * 160 + 160]))
        if number == 12:
            harness.listener.follow(unsure_call())
    assert harness.reports[:2] == [SpeechStopped(silent_ms=120), SpeechStarted()]
    harness.listener.follow(call_after(ARRIVED, OPENED))
    reported = len(harness.reports)
    for number in range(100, 150):
        harness.listener.hear(audio(number, SILENT_FRAME))
    assert len(harness.reports) == reported


async def test_partial_transcripts_are_reported_only_while_they_decide_something(harness: ListenerHarness) -> None:
    """Each would be a commit."""
    await harness.listening()
    harness.stage.stt.say(Heard(text="no", final=False))
    assert harness.reports == []
    harness.listener.follow(unsure_call())
    harness.stage.stt.say(Heard(text="no wait", final=False))
    assert harness.reports == [Heard(text="no wait", final=False)]


@pytest.mark.parametrize(("failure", "reason"), [(service_down(), "scripted: down"), (KeyError("bug"), "KeyError")])
async def test_recognition_that_cannot_be_opened_is_reported(
    harness: ListenerHarness, failure: Exception, reason: str
) -> None:
    """`decide` chooses what the caller hears; here it is reported, once."""
    harness.stage.stt.failure = failure
    harness.listener.follow(call_after(ARRIVED, OPENED))
    await eventually(lambda: harness.reports)
    harness.listener.follow(call_after(ARRIVED, OPENED))
    await asyncio.sleep(0)

    assert harness.reports == [SttFailed(reason=reason)]


async def test_a_call_that_is_over_is_detached(harness: ListenerHarness) -> None:
    """One Detach, and no more Attach."""
    await harness.listening()

    harness.listener.follow(call_after(ARRIVED, OPENED, HungUp(at=4.0, leg=LEG)))

    assert harness.stage.bus.sent[-1] == (NodeId("ingress-1"), Detach(call=CALL, epoch=Epoch(2)))
    assert harness.listener._next_attach is None


async def test_a_closed_listener_sends_and_reports_nothing(harness: ListenerHarness) -> None:
    """Another activation may be attached by now: no Detach, no Attach, no late transcript."""
    await harness.listening()
    session = harness.stage.stt.sessions[0]

    await harness.listener.close()
    session.on_event(Heard(text="late"))
    harness.listener.hear(audio(1, frames(1)))

    assert session.closed
    assert harness.reports == []
    assert harness.stage.bus.items(Detach) == []
    assert session.audio == b""


async def test_a_node_whose_leases_are_not_renewed_attaches_to_no_ingress(harness: ListenerHarness) -> None:
    """A node that may have lost the call must not receive its audio."""
    harness.stage.monotonic = 3.0

    harness.listener.follow(call_after(ARRIVED, OPENED))

    assert harness.stage.bus.sent == []


async def test_a10_recognition_is_closed_when_the_carrier_listens_itself(harness: ListenerHarness) -> None:
    """A session that hears nothing is paid for all the same."""
    harness.listener.follow(call_after(ARRIVED))
    await eventually(lambda: harness.listener._session is not None)
    harness.listener.follow(call_after(ARRIVED, StreamUnusable(at=2.0, leg=LEG, reason="G722")))
    await eventually(lambda: harness.stage.stt.sessions[-1].closed)
    harness.listener.follow(call_after(ARRIVED, StreamUnusable(at=2.0, leg=LEG, reason="G722")))
    assert len(harness.stage.stt.sessions) == 1


async def test_b3_a_leg_that_no_known_call_has_opens_no_recognition(harness: ListenerHarness) -> None:
    """A session is paid for: a replayed report must not open one."""
    harness.listener.follow(call_after(Answered(at=1.0, leg=LEG)))
    await asyncio.sleep(0)
    assert harness.stage.stt.sessions == []


async def test_the_first_transcript_says_who_took_over(harness: ListenerHarness) -> None:
    """Once; and from whom it was meant to come, when several took over in turn before anything was said."""
    await harness.listening()
    one = Failover(service="stt", from_="deepgram", to="elevenlabs", reason="timeout")
    two = Failover(service="stt", from_="elevenlabs", to="openai", reason="broken")
    harness.stage.stt.say(one, two, SpeechStarted(), Heard(text="one"), Heard(text="two"))
    back = Failover(service="stt", from_="openai", to="deepgram", reason="broken")
    harness.stage.stt.say(back, replace(back, from_="deepgram", to="openai"), Heard(text="three"))
    told = [event.failover for event in harness.reports if isinstance(event, Heard)]
    assert told == [replace(two, from_="deepgram"), None, None]
    assert not [event for event in harness.reports if isinstance(event, Failover)]

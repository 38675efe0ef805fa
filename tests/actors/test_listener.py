"""The ears: the door knows who owns the call, and recognition hears each frame once, in order."""

import asyncio
from dataclasses import replace

import pytest

from actors.listener import Listener
from tests.fakes.ports import Stage, eventually, service_down
from voicecall.call.decide import decide
from voicecall.call.events import (
    Arrived,
    Event,
    Heard,
    HungUp,
    Mode,
    Placed,
    SpeechStarted,
    SpeechStopped,
    StreamOpened,
    SttFailed,
    SttLost,
    SttRecovered,
)
from voicecall.call.ids import E164, CallId, Epoch, LegId, NodeId, RequestId, StreamId
from voicecall.call.state import Call
from voicecall.ports import Attach, CallerAudio, Detach, Lease

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


class Head:
    def __init__(self) -> None:
        self.stage = Stage()
        self.reports: list[Event] = []
        self.pump = Listener(self.stage.context, LEASE, self.reports.append)

    async def listening(self) -> None:
        self.pump.follow(call_after(ARRIVED, OPENED))
        await eventually(lambda: self.pump._hearing is not None)

    @property
    def heard(self) -> bytes:
        return self.stage.ears.sessions[-1].audio


@pytest.fixture
async def head():
    head = Head()
    yield head
    await head.pump.close()


async def test_the_door_is_told_at_once_and_again(head: Head) -> None:
    """A hint may be lost, and so may a door's memory: the second Attach comes a second later."""
    head.pump.follow(call_after(ARRIVED, OPENED))

    attach = Attach(call=CALL, epoch=Epoch(2), node=NodeId("worker-1"), stream=StreamId("s-1"))
    assert head.stage.bus.sent == [(NodeId("ingress-1"), attach)]
    assert head.pump._next_attach is not None
    due_s = head.pump._next_attach.when() - asyncio.get_running_loop().time()
    assert 0.5 < due_s <= 1.0


async def test_recognition_opens_before_the_first_word_can_come(head: Head) -> None:
    """An inbound leg will have its stream in moments; an outbound one must be answered first: ringing costs nothing."""
    placed = Placed(
        carrier="mock", from_=E164("+15550001"), to=E164("+15550002"), mode=Mode.CONVERSATION, request=RequestId("r")
    )
    head.pump.follow(call_after(placed))
    await asyncio.sleep(0)
    assert head.stage.ears.sessions == []

    head.pump.follow(call_after(ARRIVED))
    await eventually(lambda: head.stage.ears.sessions)


async def test_frames_are_fed_once_and_in_order(head: Head) -> None:
    """Repeats are cut off, also when they overlap only in part."""
    await head.listening()

    head.pump.hear(audio(1, frames(1, 2)))
    head.pump.hear(audio(1, frames(1, 2)))
    head.pump.hear(audio(2, frames(2, 3)))
    head.pump.hear(audio(4, frames(4)))

    assert head.heard == frames(1, 2, 3, 4)


async def test_a_small_hole_becomes_silence_and_a_large_one_is_skipped(head: Head) -> None:
    """Time must stay true for whoever measures pauses; but nobody waits half a minute of silence."""
    await head.listening()

    head.pump.hear(audio(1, frames(1)))
    head.pump.hear(audio(4, frames(4)))
    head.pump.hear(audio(1000, frames(9)))

    assert head.heard == frames(1) + b"\xff" * 320 + frames(4) + frames(9)


async def test_audio_of_another_stream_is_not_ours(head: Head) -> None:
    """An old socket may still send what nobody wants to hear."""
    await head.listening()

    head.pump.hear(audio(1, frames(1), stream="s-0"))

    assert head.heard == b""


async def test_a_new_stream_counts_anew(head: Head) -> None:
    """After a reconnect frame one is frame one; recognition stays open."""
    await head.listening()
    head.pump.hear(audio(500, frames(5)))

    head.pump.follow(call_after(ARRIVED, OPENED, replace(OPENED, at=3.0, stream=StreamId("s-2"))))
    head.pump.hear(audio(1, frames(1), stream="s-2"))

    assert head.heard == frames(5, 1)
    assert len(head.stage.ears.sessions) == 1


async def test_what_is_said_while_recognition_opens_is_heard_afterwards(head: Head) -> None:
    """The caller does not know that a socket is being opened."""
    head.stage.ears.gate = asyncio.Event()
    head.pump.follow(call_after(ARRIVED, OPENED))
    head.pump.hear(audio(1, frames(1)))
    head.pump.hear(audio(2, frames(2)))

    head.stage.ears.gate.set()
    await eventually(lambda: head.pump._hearing is not None)

    assert head.heard == frames(1, 2)


async def test_what_the_service_says_becomes_facts(head: Head) -> None:
    """Only facts about audio reach the call."""
    await head.listening()

    words = Heard(text="Hello", confidence=0.5)
    head.stage.ears.say(SpeechStarted(), words, SttLost(), SttRecovered(), SttFailed(reason="gone"))

    assert head.reports == [
        SpeechStarted(),
        Heard(text="Hello", confidence=0.5),
        SttLost(),
        SttRecovered(),
        SttFailed(reason="gone"),
    ]


async def test_a_pause_is_a_fact_only_when_the_words_are_slow_to_follow(head: Head) -> None:
    """They usually come at once, and must not wait behind the commit of a pause."""
    await head.listening()
    head.stage.ears.say(SpeechStarted(), SpeechStopped(), Heard(text="Hello", confidence=0.5), SpeechStopped())
    assert head.reports == [SpeechStarted(), Heard(text="Hello", confidence=0.5)]
    await eventually(lambda: head.reports[2:] == [SpeechStopped()])


@pytest.mark.parametrize(("failure", "reason"), [(service_down(), "scripted: down"), (KeyError("bug"), "KeyError")])
async def test_recognition_that_cannot_be_opened_is_a_fact_too(head: Head, failure: Exception, reason: str) -> None:
    """The machine tells the caller; here it is only reported, once."""
    head.stage.ears.failure = failure
    head.pump.follow(call_after(ARRIVED, OPENED))
    await eventually(lambda: head.reports)
    head.pump.follow(call_after(ARRIVED, OPENED))
    await asyncio.sleep(0)

    assert head.reports == [SttFailed(reason=reason)]


async def test_a_call_that_is_over_lets_the_door_close(head: Head) -> None:
    """Detach once, and no more claims on that door."""
    await head.listening()

    head.pump.follow(call_after(ARRIVED, OPENED, HungUp(at=4.0, leg=LEG)))

    assert head.stage.bus.sent[-1] == (NodeId("ingress-1"), Detach(call=CALL, epoch=Epoch(2)))
    assert head.pump._next_attach is None


async def test_a_closed_pump_says_nothing_more(head: Head) -> None:
    """Another activation may have the door by now: no Detach, no Attach, no late words."""
    await head.listening()
    session = head.stage.ears.sessions[0]

    await head.pump.close()
    session.on_event(Heard(text="late"))
    head.pump.hear(audio(1, frames(1)))

    assert session.closed
    assert head.reports == []
    assert head.stage.bus.items(Detach) == []
    assert session.audio == b""


async def test_a_node_without_a_pulse_claims_no_door(head: Head) -> None:
    """Whoever may have lost the call must not point the door at itself."""
    head.stage.monotonic = 3.0

    head.pump.follow(call_after(ARRIVED, OPENED))

    assert head.stage.bus.sent == []

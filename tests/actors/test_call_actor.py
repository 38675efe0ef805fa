"""One activation: gather events, fold, commit, then run effects; and end when the call or the lease does."""

import asyncio
from dataclasses import replace

import pytest

from actors.call_actor import CallActor
from actors.context import Decide
from actors.messages import ActivationEnd, Fence, HandOver, IngressDied, Nudged, Own, Wake
from tests.fakes.ports import InMemoryBus, Stage, eventually
from voicecall.call.decide import decide
from voicecall.call.effects import Effect
from voicecall.call.events import (
    Answered,
    CallPolicy,
    DigitsRequested,
    DtmfReceived,
    EndReason,
    EndRequested,
    Event,
    HungUp,
    LegStatus,
    Mode,
    Placed,
    PlaybackBegan,
    PlaybackDone,
    Reactivated,
    Ringing,
    StreamOpened,
    Takeover,
    Timer,
)
from voicecall.call.ids import E164, CallId, LegId, NodeId, RequestId, StreamId
from voicecall.call.state import Call, Phase
from voicecall.errors import CarrierRejected, CarrierSilent, CarrierUnreachable
from voicecall.ports import NO_OWNER, Attach, CallerAudio, Clear, Lease, LegReport, Play, Record
from workers.activations import Activations

CALL = CallId("11111111-2222-4333-8444-555555555555")
LEG = LegId("leg-1")
PLACED = Placed(
    carrier="mock",
    from_=E164("+15550001"),
    to=E164("+15550002"),
    mode=Mode.CONVERSATION,
    message="Hello there.",
    request=RequestId("r-placed"),
)
OPENED = StreamOpened(stream=StreamId("s-1"), ingress=NodeId("ingress-1"), leg=LEG)


class NodeHarness:
    """One node and its activations, started and ended as `workers/supervisor.py` does."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.activations = Activations()
        self.ended: list[ActivationEnd] = []
        stage.bus.nudge = self.activations.nudge

    def activate(self, *, seize: bool = False, hand_over_timeout_s: float = 5.0) -> CallActor:
        bus, node = self.stage.bus, self.stage.node
        assert seize or bus.calls[CALL].owner is None
        ingest = bus.seize(CALL, node)

        def ended(_lease: Lease, ending: ActivationEnd, _state: Call | None) -> None:
            self.ended.append(ending)
            self.activations.remove(ingest.lease)

        actor = CallActor.start_local(self.stage.context, ingest, ended, hand_over_timeout_s=hand_over_timeout_s)
        self.activations.add(actor)
        return actor

    async def post(self, *events: Event) -> None:
        await self.stage.bus.post(CALL, events)

    @property
    def call(self) -> Call:
        call = self.stage.bus.calls[CALL].snapshot
        assert call is not None
        return call

    async def quiet(self, actor: CallActor) -> None:
        """Return when no event waits, no commit is in flight, and no lane runs an effect."""
        await eventually(
            lambda: (
                actor.actor_inbox.empty() and actor._step is None and not actor._buffer.has_work and actor._lanes.idle
            )
        )

    async def quiet_but_speaking(self, actor: CallActor) -> None:
        """Return when no event waits and no commit is in flight; the lanes may run effects."""
        await eventually(lambda: actor.actor_inbox.empty() and actor._step is None and not actor._buffer.has_work)

    async def ended_with(self) -> ActivationEnd:
        await eventually(lambda: self.ended)
        return self.ended[-1]


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def harness(stage: Stage) -> NodeHarness:
    return NodeHarness(stage)


async def live_call(harness: NodeHarness, *, hand_over_timeout_s: float = 5.0) -> CallActor:
    """An answered call whose greeting was heard, in the phase LISTENING."""
    await harness.post(PLACED)
    actor = harness.activate(hand_over_timeout_s=hand_over_timeout_s)
    await eventually(lambda: harness.stage.carrier.did("dial"))
    await harness.quiet(actor)
    await harness.post(Ringing(leg=LEG), Answered(leg=LEG), OPENED)
    await eventually(lambda: harness.stage.finished() == [1])
    await harness.post(PlaybackBegan(utterance=1))
    await harness.post(PlaybackDone(utterance=1, heard_ms=900, total_ms=900, complete=True))
    await harness.quiet(actor)
    assert harness.call.phase is Phase.LISTENING
    return actor


def fragile(event: Event) -> Decide:
    """The real `decide`, except that one event makes it raise."""

    def broken(call: Call | None, happened: Event, call_id: CallId) -> tuple[Call | None, tuple[Effect, ...]]:
        if replace(happened, at=0.0) == event:
            raise ZeroDivisionError("a bug")
        return decide(call, happened, call_id)

    return broken


# --- the step -----------------------------------------------------------------------------------------------------


async def test_a_placed_call_is_committed_before_it_is_dialled(harness: NodeHarness) -> None:
    """An effect is executed only after the commit that contains it."""
    seen: list[int] = []
    harness.stage.bus.before_commit = lambda: seen.append(harness.stage.carrier.did("dial"))
    await harness.post(PLACED)

    actor = harness.activate()
    await eventually(lambda: harness.stage.carrier.did("dial"))
    await harness.quiet(actor)

    assert seen == [0]
    assert harness.call.leg == LEG
    assert [event.name for event in harness.stage.bus.calls[CALL].log] == ["Placed", "Dialled"]


async def test_everything_that_waits_goes_in_with_one_commit(harness: NodeHarness) -> None:
    """Events that arrive during a commit go into the next one together: a busy call needs fewer round trips."""
    actor = await live_call(harness)
    before = len(harness.stage.bus.commits)

    for digit in "12345678":
        await harness.post(DtmfReceived(digits=digit))
    await harness.quiet(actor)

    assert harness.call.digits == "12345678"
    assert len(harness.stage.bus.commits) - before <= 2


async def test_a_lost_nudge_is_read_from_the_log(harness: NodeHarness) -> None:
    """Pub/sub may lose any message; a gap in the seqs is read from the log before the next step."""
    actor = await live_call(harness)
    harness.stage.bus.put(CALL, DtmfReceived(digits="1"))

    await harness.post(DtmfReceived(digits="2"))
    await harness.quiet(actor)

    assert harness.call.digits == "12"


async def test_a_wake_reads_records_without_a_nudge(harness: NodeHarness) -> None:
    """After a lost subscription every actor reads its log."""
    actor = await live_call(harness)
    harness.stage.bus.put(CALL, DtmfReceived(digits="9"))

    harness.activations.send_all(Wake())
    await harness.quiet(actor)

    assert harness.call.digits == "9"


async def test_a_nudge_that_arrives_twice_is_folded_once(harness: NodeHarness) -> None:
    """Records that are applied already are dropped."""
    actor = await live_call(harness)
    records = harness.stage.bus.put(CALL, DtmfReceived(digits="7"))

    actor.actor_ref.tell(Nudged(records))
    await harness.quiet(actor)
    actor.actor_ref.tell(Nudged(records))
    await harness.quiet(actor)

    assert harness.call.digits == "7"


async def test_a_commit_refused_because_the_log_grew_is_decided_again(harness: NodeHarness) -> None:
    """The order of the log is the order of decisions: the tentative state and its effects are discarded."""
    actor = await live_call(harness)
    harness.stage.bus.before_commit = lambda: harness.stage.bus.put(CALL, HungUp(leg=LEG, reason=EndReason.HANGUP_USER))

    harness.stage.stt.hear("Are you there?")
    await harness.ended_with()

    log = harness.stage.bus.calls[CALL].log
    assert [event.name for event in log[-2:]] == ["HungUp", "Heard"]
    assert harness.stage.agent.questions == []
    assert harness.call.phase is Phase.HANGUP_USER
    assert not actor.actor_ref.is_alive()


async def test_a_commit_whose_answer_was_lost_happens_once(harness: NodeHarness) -> None:
    """The same step is repeated until Redis answers; then its effects run, once."""
    actor = await live_call(harness)
    harness.stage.bus.drop_replies = 2

    harness.stage.stt.hear("Once only.")
    await eventually(lambda: harness.stage.finished() == [1, 2])
    await harness.quiet(actor)

    log = [event.name for event in harness.stage.bus.calls[CALL].log]
    assert log.count("Heard") == 1
    assert len(harness.stage.agent.questions) == 1


async def test_while_redis_is_down_effects_wait_and_no_event_is_lost(harness: NodeHarness) -> None:
    """The step is kept and committed when Redis is back."""
    actor = await live_call(harness)
    harness.stage.bus.down = True

    harness.stage.stt.hear("Hello?")
    await eventually(lambda: actor._step is not None)
    await asyncio.sleep(0)
    assert harness.stage.agent.questions == []

    harness.stage.bus.down = False
    await eventually(lambda: harness.stage.finished() == [1, 2])
    assert harness.stage.agent.questions[0].history[-1].text == "Hello?"


async def test_own_events_carry_the_time_they_happened_at(harness: NodeHarness) -> None:
    """`at` is the time of Redis when the event happened, in the microseconds the log keeps."""
    actor = await live_call(harness)
    harness.stage.clock.at = 1234.56789012

    harness.stage.stt.hear("Now.")
    await harness.quiet(actor)

    heard = next(e for e in harness.stage.bus.calls[CALL].log if e.name == "Heard")
    assert heard.at == 1234.56789


async def test_results_for_api_clients_travel_with_the_commit(harness: NodeHarness) -> None:
    """A `Resolve` is not run by a lane: it is part of the commit."""
    await live_call(harness)

    assert [(answer.request, answer.ok) for answer in harness.stage.bus.answers] == [("r-placed", True)]


# --- audio --------------------------------------------------------------------------------------------------------


def audio_of(frame: int, byte: bytes = b"\x01", call: CallId = CALL) -> CallerAudio:
    return CallerAudio(call=call, stream=StreamId("s-1"), first=frame, mulaw=byte * 160)


async def test_audio_reaches_recognition_without_a_message(harness: NodeHarness) -> None:
    """Fifty frames a second per call must not queue behind events: each is fed when it arrives."""
    actor = await live_call(harness)

    harness.activations.hear(audio_of(1))
    harness.activations.hear(audio_of(2, b"\x02"))

    assert actor.actor_inbox.empty()
    assert harness.stage.stt.sessions[0].audio == b"\x01" * 160 + b"\x02" * 160


async def test_audio_of_a_call_that_is_not_here_is_dropped(harness: NodeHarness) -> None:
    """The ingress may send to the old owner for a second after the call was taken over."""
    await live_call(harness)

    harness.activations.hear(audio_of(1, call=CallId("99999999-2222-4333-8444-555555555555")))

    assert harness.stage.stt.sessions[0].audio == b""


async def test_audio_after_the_end_of_an_activation_is_not_fed(harness: NodeHarness) -> None:
    """Another activation may feed a session of its own by now."""
    actor = await live_call(harness)
    await harness.post(HungUp(leg=LEG))
    await harness.ended_with()

    actor.hear(audio_of(1))
    harness.activations.hear(audio_of(1))

    assert harness.stage.stt.sessions[0].audio == b""


async def test_recognition_that_raises_on_audio_ends_only_that_activation(harness: NodeHarness) -> None:
    """The media bus of the node goes on; the sweeper has the call activated again."""
    await live_call(harness)
    harness.stage.stt.sessions[0].feed_failure = RuntimeError("a bug in an adapter")

    harness.activations.hear(audio_of(1))

    assert await harness.ended_with() is ActivationEnd.BROKEN
    assert [lease.call for lease in harness.stage.bus.released] == [CALL]


# --- poison -------------------------------------------------------------------------------------------------------


async def test_a_poisoned_record_is_set_aside_and_the_call_goes_on() -> None:
    """The log is applied past the bad event, which is kept as a dead letter for operators."""
    poison = DtmfReceived(digits="666")
    harness = NodeHarness(Stage(decide=fragile(poison)))
    actor = await live_call(harness)

    await harness.post(DtmfReceived(digits="1"), poison, DtmfReceived(digits="2"))
    await harness.quiet(actor)

    assert harness.call.digits == "12"
    [(seq, event, reason)] = harness.stage.bus.dead_letters
    assert replace(event, at=0.0) == poison
    assert seq == len(harness.stage.bus.calls[CALL].log) - 1
    assert reason == "ZeroDivisionError: a bug"


async def test_a_poisoned_own_event_never_reaches_the_log() -> None:
    """An own event that `decide` cannot process is set aside without a seq."""
    poison = DtmfReceived(digits="666")
    harness = NodeHarness(Stage(decide=fragile(poison)))
    actor = await live_call(harness)
    length = len(harness.stage.bus.calls[CALL].log)

    actor.actor_ref.tell(Own(poison))
    await harness.quiet(actor)

    assert len(harness.stage.bus.calls[CALL].log) == length
    assert harness.stage.bus.dead_letters[0][0] is None


# --- activation and its end ------------------------------------------------------------------------------------------


async def test_a_call_that_is_over_releases_everything(harness: NodeHarness) -> None:
    """Lease, STT session and actor: nothing of an ended call stays in memory."""
    actor = await live_call(harness)

    await harness.post(HungUp(leg=LEG))

    assert await harness.ended_with() is ActivationEnd.OVER
    assert len(harness.activations) == 0
    assert harness.stage.stt.sessions[0].closed
    assert [lease.call for lease in harness.stage.bus.released] == [CALL]
    await eventually(lambda: not actor.actor_ref.is_alive())


async def test_a_stale_owner_stops_at_its_next_commit(harness: NodeHarness) -> None:
    """Fenced: nothing more is sent, and the lease of the new owner is not released."""
    await live_call(harness)
    harness.stage.bus.seize(CALL, NodeId("worker-2"))
    sent = len(harness.stage.bus.sent)

    harness.stage.stt.hear("Who are you?")

    assert await harness.ended_with() is ActivationEnd.FENCED
    assert harness.stage.agent.questions == []
    assert len(harness.stage.bus.sent) == sent
    assert harness.stage.bus.released == []


async def test_a_lost_lease_silences_a_speaking_call_at_once(harness: NodeHarness) -> None:
    """The renewal reports the loss before any commit: the utterance stops where it is."""
    actor = await live_call(harness)
    harness.stage.tts.per_letter = 1000
    harness.stage.agent.scripts.append(["A very long sentence that goes on and on for much longer than the lead."])
    harness.stage.stt.hear("Tell me a story.")
    await eventually(lambda: len(harness.stage.spoken()) > 2000)

    actor.actor_ref.tell(Fence())

    assert await harness.ended_with() is ActivationEnd.FENCED
    assert 2 not in harness.stage.finished()
    assert harness.stage.bus.items(Clear) == []


async def test_a_second_activation_begins_with_reactivated(harness: NodeHarness) -> None:
    """A snapshot means that another activation owned the call: recovery settles its open effects."""
    await live_call(harness)
    bus = harness.stage.bus
    second = NodeHarness(Stage(bus=bus, node="worker-2"))

    second.activate(seize=True)
    await eventually(lambda: second.call.reactivations)

    reactivated = [event for event in bus.calls[CALL].log if isinstance(event, Reactivated)]
    assert [event.epoch for event in reactivated] == [2]
    attach = bus.items(Attach)[-1]
    assert isinstance(attach, Attach)
    assert (attach.epoch, attach.node, attach.stream) == (2, "worker-2", "s-1")


async def test_a_crash_between_commit_and_reply_never_dials_twice(harness: NodeHarness) -> None:
    """The next owner does not know the outcome of the dial: it asks the carrier."""
    harness.stage.carrier.gates["dial"] = asyncio.Event()
    await harness.post(PLACED)
    harness.activate()
    await eventually(lambda: harness.stage.carrier.did("dial"))

    second = NodeHarness(Stage(bus=harness.stage.bus, node="worker-2"))
    second.stage.carrier.outcomes["find"].append(LegReport(status=LegStatus.ALIVE, leg=LEG))
    actor = second.activate(seize=True)
    await eventually(lambda: second.stage.carrier.did("find"))
    await second.quiet(actor)
    harness.stage.carrier.gates["dial"].set()

    assert await harness.ended_with() is ActivationEnd.FENCED
    assert second.stage.carrier.did("dial") == 0
    assert second.call.leg == LEG


async def test_a_reply_lost_in_a_crash_is_spoken_by_the_next_owner(harness: NodeHarness) -> None:
    """The caller still waits for the reply: the next owner asks the agent again."""
    await live_call(harness)
    harness.stage.agent.scripts.append([asyncio.Event()])
    harness.stage.stt.hear("What time is it?")
    await eventually(lambda: harness.stage.agent.questions)

    second = NodeHarness(Stage(bus=harness.stage.bus, node="worker-2"))
    second.stage.agent.scripts.append(["It is noon."])
    second.activate(seize=True)
    await eventually(lambda: 2 in second.stage.finished())

    assert second.stage.spoken().endswith(b"It is noon.")
    assert second.stage.agent.questions[0].history[-1].text == "What time is it?"


async def test_a_log_that_begins_no_call_is_released(harness: NodeHarness) -> None:
    """An event of a call that was never placed gives no state, so the activation ends."""
    await harness.post(DtmfReceived(digits="1"))

    harness.activate()

    assert await harness.ended_with() is ActivationEnd.UNKNOWN
    assert harness.stage.bus.commits == []


async def test_a_call_is_handed_over_between_turns(harness: NodeHarness) -> None:
    """Neither party speaks and no reply is due: release at once, and ring so that another node activates the call."""
    actor = await live_call(harness)

    actor.actor_ref.tell(HandOver())

    assert await harness.ended_with() is ActivationEnd.HANDED_OVER
    assert harness.stage.bus.rung == [CALL]
    assert harness.stage.bus.calls[CALL].owner is None
    assert harness.stage.bus.items(Clear) == []


async def test_a_hand_over_waits_for_the_end_of_the_turn(harness: NodeHarness) -> None:
    """The reply is asked for, spoken and heard before the call is released."""
    actor = await live_call(harness)
    may_reply = asyncio.Event()
    harness.stage.agent.scripts.append([may_reply, "Here it is."])
    harness.stage.stt.hear("Where is it?")
    await eventually(lambda: harness.stage.agent.questions)

    actor.actor_ref.tell(HandOver())
    await asyncio.sleep(0)
    assert harness.ended == []
    may_reply.set()
    await eventually(lambda: 2 in harness.stage.finished())
    assert harness.ended == []
    await harness.post(PlaybackDone(utterance=2, heard_ms=900, total_ms=900, complete=True))

    assert await harness.ended_with() is ActivationEnd.HANDED_OVER


async def test_c3_a_long_reply_is_handed_over_between_two_sentences(harness: NodeHarness) -> None:
    """When a turn takes too long, the sentence is spoken to its end; the next owner says those that follow."""
    actor = await live_call(harness, hand_over_timeout_s=0.01)
    may_begin = harness.stage.tts.gates["Once upon a time."] = asyncio.Event()
    harness.stage.agent.scripts.append(["Once upon a time. ", "There was a king. "])
    harness.stage.stt.hear("Tell me a tale")
    await eventually(lambda: len(harness.call.utterances) == 2)
    await harness.quiet_but_speaking(actor)

    actor.actor_ref.tell(HandOver())
    await asyncio.sleep(0.1)
    assert harness.ended == []
    may_begin.set()
    await eventually(lambda: harness.stage.finished() == [1, 2])
    await harness.post(PlaybackBegan(utterance=2))
    assert harness.ended == []
    await harness.post(PlaybackDone(utterance=2, heard_ms=900, total_ms=900, complete=True))

    assert await harness.ended_with() is ActivationEnd.HANDED_OVER
    assert [utterance.text for utterance in harness.call.utterances] == ["There was a king."]
    assert harness.stage.finished() == [1, 2]
    assert harness.stage.bus.items(Attach)[-1].node == NO_OWNER


async def test_c3_the_socket_of_a_dead_ingress_counts_as_closed_where_the_next_is_a_command(
    harness: NodeHarness,
) -> None:
    """Nothing else reports its end. A carrier that connects again by itself brings the next one."""
    actor = await live_call(harness)
    stream = harness.call.stream
    assert stream is not None
    actor.actor_ref.tell(IngressDied(NodeId("ingress-other")))
    actor.actor_ref.tell(IngressDied(stream.ingress))
    await harness.quiet(actor)
    assert harness.call.stream == stream

    commanded = NodeHarness(Stage())
    await commanded.post(replace(PLACED, policy=replace(PLACED.policy, by_command=True)))
    other = commanded.activate()
    await eventually(lambda: commanded.stage.carrier.did("dial"))
    await commanded.post(Answered(leg=LEG), OPENED)
    await commanded.quiet_but_speaking(other)
    other.actor_ref.tell(IngressDied(stream.ingress))
    await eventually(lambda: commanded.call.stream is None)


async def test_a_hand_over_waits_only_until_its_timeout(harness: NodeHarness) -> None:
    """After the timeout the call is released in the middle of a turn; the next owner continues the turn."""
    await harness.post(PLACED)
    actor = harness.activate(hand_over_timeout_s=0.01)
    harness.stage.carrier.gates["dial"] = asyncio.Event()
    await eventually(lambda: harness.stage.carrier.did("dial"))

    actor.actor_ref.tell(HandOver())

    assert await harness.ended_with() is ActivationEnd.HANDED_OVER
    assert harness.stage.bus.rung == [CALL]


async def test_c7_the_journal_says_that_a_call_was_handed_over(harness: NodeHarness) -> None:
    """The next owner reports how the last one ended, and a quiet caller hears nothing."""
    actor = await live_call(harness)
    actor.actor_ref.tell(HandOver())
    await harness.ended_with()
    said = len(harness.stage.spoken())

    second = NodeHarness(Stage(bus=harness.stage.bus, node="worker-2"))
    second.activate()
    await eventually(lambda: second.call.reactivations)

    (event,) = [event for event in harness.stage.bus.calls[CALL].log if isinstance(event, Reactivated)]
    assert event.cause is Takeover.HANDED_OVER
    assert Timer.UNHEARD not in second.call.timers
    assert len(harness.stage.spoken()) == said


async def test_a_record_that_arrives_during_the_release_is_not_lost(harness: NodeHarness) -> None:
    """A record that arrives after the last step is folded by the next owner."""
    actor = await live_call(harness)
    bus = harness.stage.bus
    actor.actor_ref.tell(HandOver())
    await eventually(lambda: actor._closing is not None)

    await harness.post(EndRequested(request=RequestId("r-end")))
    await harness.ended_with()
    second = NodeHarness(Stage(bus=bus, node="worker-2"))
    second.activate()

    await eventually(lambda: second.stage.carrier.did("hang_up"))


# --- commands -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [CarrierRejected("no", code="21211"), CarrierUnreachable("no route")])
async def test_a_refused_dial_ends_the_call_with_the_carriers_words(harness: NodeHarness, failure: Exception) -> None:
    """Whether the carrier refused or was not reached: it is certain that there is no leg."""
    harness.stage.carrier.outcomes["dial"].append(failure)
    await harness.post(PLACED)
    harness.activate()

    assert await harness.ended_with() is ActivationEnd.OVER
    assert harness.call.phase is Phase.FAILED
    assert str(failure).split(": ")[-1] in harness.call.detail


async def test_c6_a_worker_that_comes_too_late_does_not_dial(harness: NodeHarness) -> None:
    """An hour later the callee expects no call, and the client was answered that there is none."""
    await harness.post(PLACED)
    harness.stage.clock.at += 30.1
    harness.activate()

    assert await harness.ended_with() is ActivationEnd.OVER
    assert harness.stage.carrier.ledger == []
    assert (harness.call.phase, harness.call.detail) == (
        Phase.FAILED,
        "not dialled: no worker took the call in time",
    )
    (answer,) = harness.stage.bus.answers
    assert (answer.request, answer.ok) == (PLACED.request, False)


async def test_c6_a_worker_that_comes_in_time_dials(harness: NodeHarness) -> None:
    """The limit is the call's own: here a minute, as configured when it was placed."""
    await harness.post(replace(PLACED, policy=CallPolicy(dial_within_s=60.0)))
    harness.stage.clock.at += 59.9
    harness.activate()
    await eventually(lambda: harness.stage.carrier.did("dial"))


async def test_c6_an_outage_between_decision_and_dial_counts_too(harness: NodeHarness) -> None:
    """The decision was in time; the claim was answered only after the limit."""
    harness.stage.bus.before_commit = lambda: setattr(harness.stage.clock, "at", harness.stage.clock.at + 31.0)
    await harness.post(PLACED)
    harness.activate()

    assert await harness.ended_with() is ActivationEnd.OVER
    assert harness.stage.carrier.ledger == []


@pytest.mark.parametrize("failure", [CarrierSilent("reset"), RuntimeError("a bug in an adapter")])
async def test_a_dial_without_an_answer_is_asked_about(harness: NodeHarness, failure: Exception) -> None:
    """The phone may be ringing: it must not be dialled again."""
    harness.stage.carrier.outcomes["dial"].append(failure)
    harness.stage.carrier.outcomes["find"].append(LegReport(status=LegStatus.ALIVE, leg=LEG))
    await harness.post(PLACED)
    actor = harness.activate()

    await eventually(lambda: harness.stage.carrier.did("find"))
    await harness.quiet(actor)

    assert harness.stage.carrier.did("dial") == 1
    assert harness.call.leg == LEG


async def test_a_hang_up_is_claimed_again_after_a_crash(harness: NodeHarness) -> None:
    """The claim of a repeatable command holds for one epoch: the next owner hangs up too."""
    await live_call(harness)
    harness.stage.carrier.gates["hang_up"] = asyncio.Event()
    await harness.post(EndRequested(request=RequestId("r-end")))
    await eventually(lambda: harness.stage.carrier.did("hang_up"))

    second = NodeHarness(Stage(bus=harness.stage.bus, node="worker-2"))
    second.activate(seize=True)

    await eventually(lambda: second.ended)
    assert second.stage.carrier.did("hang_up") == 1
    assert second.call.phase is Phase.HANGUP_BOT


async def test_keys_are_pressed_once_and_the_request_is_resolved(harness: NodeHarness) -> None:
    """Sent at most once, and the API client gets the outcome."""
    actor = await live_call(harness)

    await harness.post(DigitsRequested(request=RequestId("r-keys"), digits="42#"))
    await eventually(lambda: harness.stage.carrier.did("send_digits"))
    await harness.quiet(actor)

    assert harness.stage.carrier.ledger[-1] == ("send_digits", LEG, "42#")
    assert harness.stage.bus.answers[-1].ok


async def test_a_node_whose_leases_are_not_renewed_sends_no_command(harness: NodeHarness) -> None:
    """Cut off from Redis for three seconds, a worker must assume that another node owns its calls."""
    actor = await live_call(harness)
    harness.stage.monotonic = 3.5

    await harness.post(EndRequested(request=RequestId("r-end")))
    await eventually(lambda: actor._lanes.commanding)
    await asyncio.sleep(0)
    assert harness.stage.carrier.did("hang_up") == 0

    harness.stage.lease_guard.renewed(harness.stage.lease_guard.now())
    assert await harness.ended_with() is ActivationEnd.OVER
    assert harness.stage.carrier.did("hang_up") == 1


async def test_a_call_whose_carrier_is_not_configured_fails_with_that_reason(harness: NodeHarness) -> None:
    """On a worker without that carrier's account the call fails instead of waiting."""
    await harness.post(replace(PLACED, carrier="plivo", policy=CallPolicy()))
    harness.activate()

    assert await harness.ended_with() is ActivationEnd.OVER
    assert "not configured" in harness.call.detail


async def test_the_greeting_is_sent_to_the_ingress_under_this_epoch(harness: NodeHarness) -> None:
    """The ingress drops audio of an older epoch."""
    await live_call(harness)

    plays = [item for item in harness.stage.bus.items(Play) if isinstance(item, Play)]
    assert {(play.call, play.epoch) for play in plays} == {(CALL, 1)}
    assert harness.stage.spoken() == b"Hello there."


def test_the_in_memory_log_numbers_its_records() -> None:
    """From one, without gaps, as the log in Redis does."""
    bus = InMemoryBus(Stage().clock)
    assert [record.seq for record in bus.put(CALL, DtmfReceived(digits="1"), DtmfReceived(digits="2"))] == [1, 2]
    assert isinstance(bus.put(CALL, DtmfReceived(digits="3"))[0], Record)

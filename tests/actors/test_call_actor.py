"""One activation: gather, fold, commit, and only then act; and let go when it must."""

import asyncio
from dataclasses import replace

import pytest

from actors.call_actor import CallActor, Ending, Fence, HandOver, Nudged, Own, Wake
from actors.context import Decide
from actors.directory import Activation, Directory
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
)
from voicecall.call.ids import E164, CallId, LegId, NodeId, RequestId, StreamId
from voicecall.call.state import Call, Phase
from voicecall.errors import CarrierRejected, CarrierSilent, CarrierUnreachable
from voicecall.ports import Attach, Clear, Lease, LegReport, Play, Record

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


class Office:
    """One node with its directory, where activations come and go as `workers/node.py` makes them."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.directory = Directory()
        self.ended: list[Ending] = []
        stage.bus.nudge = self.directory.nudge

    def activate(self, *, seize: bool = False, patience_s: float = 5.0) -> CallActor:
        bus, node = self.stage.bus, self.stage.node
        assert seize or bus.calls[CALL].owner is None
        ingest = bus.seize(CALL, node)

        def ended(_lease: Lease, ending: Ending, _state: Call | None) -> None:
            self.ended.append(ending)
            self.directory.remove(ingest.lease)

        ref = CallActor.start(self.stage.context, ingest, ended, patience_s=patience_s)
        actor = ref._actor_weakref()
        assert actor is not None
        self.directory.add(Activation(ingest.lease, ref))
        return actor

    async def post(self, *events: Event) -> None:
        await self.stage.bus.post(CALL, events)

    @property
    def call(self) -> Call:
        call = self.stage.bus.calls[CALL].snapshot
        assert call is not None
        return call

    async def quiet(self, actor: CallActor) -> None:
        """Until nothing waits, nothing is being written, and no lane is busy."""
        await eventually(
            lambda: (
                actor.actor_inbox.empty() and actor._step is None and not actor._buffer.waiting and actor._lanes.idle
            )
        )

    async def gone(self) -> Ending:
        await eventually(lambda: self.ended)
        return self.ended[-1]


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def office(stage: Stage) -> Office:
    return Office(stage)


async def live_call(office: Office) -> CallActor:
    """A call that was answered, whose greeting was heard, and that listens now."""
    await office.post(PLACED)
    actor = office.activate()
    await eventually(lambda: office.stage.carrier.did("dial"))
    await office.quiet(actor)
    await office.post(Ringing(leg=LEG), Answered(leg=LEG), OPENED)
    await eventually(lambda: office.stage.finished() == [1])
    await office.post(PlaybackBegan(utterance=1))
    await office.post(PlaybackDone(utterance=1, heard_ms=900, total_ms=900, complete=True))
    await office.quiet(actor)
    assert office.call.phase is Phase.LISTENING
    return actor


def fragile(event: Event) -> Decide:
    """The real machine, but for one event that kills it."""

    def broken(call: Call | None, happened: Event, call_id: CallId) -> tuple[Call | None, tuple[Effect, ...]]:
        if replace(happened, at=0.0) == event:
            raise ZeroDivisionError("a bug")
        return decide(call, happened, call_id)

    return broken


# --- the step -----------------------------------------------------------------------------------------------------


async def test_a_placed_call_is_committed_before_it_is_dialled(office: Office) -> None:
    """An effect is executed only after the commit that contains it."""
    seen: list[int] = []
    office.stage.bus.before_commit = lambda: seen.append(office.stage.carrier.did("dial"))
    await office.post(PLACED)

    actor = office.activate()
    await eventually(lambda: office.stage.carrier.did("dial"))
    await office.quiet(actor)

    assert seen == [0]
    assert office.call.leg == LEG
    assert [event.name for event in office.stage.bus.calls[CALL].log] == ["Placed", "Dialled"]


async def test_everything_that_waits_goes_in_with_one_commit(office: Office) -> None:
    """While a commit is in flight mail gathers; a busy call costs fewer round trips, not more."""
    actor = await live_call(office)
    before = len(office.stage.bus.commits)

    for digit in "12345678":
        await office.post(DtmfReceived(digits=digit))
    await office.quiet(actor)

    assert office.call.digits == "12345678"
    assert len(office.stage.bus.commits) - before <= 2


async def test_a_lost_nudge_is_read_from_the_log(office: Office) -> None:
    """Pub/sub may lose anything; a gap in the seqs is never folded over."""
    actor = await live_call(office)
    office.stage.bus.put(CALL, DtmfReceived(digits="1"))

    await office.post(DtmfReceived(digits="2"))
    await office.quiet(actor)

    assert office.call.digits == "12"


async def test_a_wake_reads_what_nobody_told_about(office: Office) -> None:
    """After a lost subscription every actor re-reads."""
    actor = await live_call(office)
    office.stage.bus.put(CALL, DtmfReceived(digits="9"))

    office.directory.tell_all(Wake())
    await office.quiet(actor)

    assert office.call.digits == "9"


async def test_a_nudge_heard_twice_is_folded_once(office: Office) -> None:
    """A nudge is a hint: what is applied already is dropped."""
    actor = await live_call(office)
    records = office.stage.bus.put(CALL, DtmfReceived(digits="7"))

    actor.actor_ref.tell(Nudged(records))
    await office.quiet(actor)
    actor.actor_ref.tell(Nudged(records))
    await office.quiet(actor)

    assert office.call.digits == "7"


async def test_a_log_that_grew_meanwhile_makes_us_decide_again(office: Office) -> None:
    """The order of the log is the order of the decisions: the tentative state is thrown away, effects and all."""
    actor = await live_call(office)
    office.stage.bus.before_commit = lambda: office.stage.bus.put(CALL, HungUp(leg=LEG, reason=EndReason.HANGUP_USER))

    office.stage.ears.hear("Are you there?")
    await office.gone()

    log = office.stage.bus.calls[CALL].log
    assert [event.name for event in log[-2:]] == ["HungUp", "Heard"]
    assert office.stage.agent.questions == []
    assert office.call.phase is Phase.HANGUP_USER
    assert not actor.actor_ref.is_alive()


async def test_a_commit_whose_answer_was_lost_happens_once(office: Office) -> None:
    """The same step is repeated until Redis answers; its effects run once, and only then."""
    actor = await live_call(office)
    office.stage.bus.drop_replies = 2

    office.stage.ears.hear("Once only.")
    await eventually(lambda: office.stage.finished() == [1, 2])
    await office.quiet(actor)

    log = [event.name for event in office.stage.bus.calls[CALL].log]
    assert log.count("Heard") == 1
    assert len(office.stage.agent.questions) == 1


async def test_while_redis_is_away_effects_wait_and_nothing_is_lost(office: Office) -> None:
    """The tentative work is kept and committed when Redis is back."""
    actor = await live_call(office)
    office.stage.bus.down = True

    office.stage.ears.hear("Hello?")
    await eventually(lambda: actor._step is not None)
    await asyncio.sleep(0)
    assert office.stage.agent.questions == []

    office.stage.bus.down = False
    await eventually(lambda: office.stage.finished() == [1, 2])
    assert office.stage.agent.questions[0].history[-1].text == "Hello?"


async def test_own_events_carry_the_time_they_happened_at(office: Office) -> None:
    """`at` is Redis's clock at the moment of the fact, in microseconds as the log keeps them."""
    actor = await live_call(office)
    office.stage.clock.at = 1234.56789012

    office.stage.ears.hear("Now.")
    await office.quiet(actor)

    heard = next(e for e in office.stage.bus.calls[CALL].log if type(e).__name__ == "Heard")
    assert heard.at == 1234.56789


async def test_answers_for_local_callers_travel_with_the_commit(office: Office) -> None:
    """A `Resolve` never runs: it is part of what is written."""
    await live_call(office)

    assert [(answer.request, answer.ok) for answer in office.stage.bus.answers] == [("r-placed", True)]


# --- poison -------------------------------------------------------------------------------------------------------


async def test_a_poisoned_record_is_set_aside_and_the_call_goes_on() -> None:
    """One bad event costs that event: the log is applied past it, and it is kept for people to look at."""
    poison = DtmfReceived(digits="666")
    office = Office(Stage(decide=fragile(poison)))
    actor = await live_call(office)

    await office.post(DtmfReceived(digits="1"), poison, DtmfReceived(digits="2"))
    await office.quiet(actor)

    assert office.call.digits == "12"
    [(seq, event, reason)] = office.stage.bus.letters
    assert replace(event, at=0.0) == poison
    assert seq == len(office.stage.bus.calls[CALL].log) - 1
    assert reason == "ZeroDivisionError: a bug"


async def test_a_poisoned_event_of_our_own_never_reaches_the_log() -> None:
    """What nobody can fold need not be written."""
    poison = DtmfReceived(digits="666")
    office = Office(Stage(decide=fragile(poison)))
    actor = await live_call(office)
    length = len(office.stage.bus.calls[CALL].log)

    actor.actor_ref.tell(Own(poison))
    await office.quiet(actor)

    assert len(office.stage.bus.calls[CALL].log) == length
    assert office.stage.bus.letters[0][0] is None


# --- ends and beginnings ------------------------------------------------------------------------------------------


async def test_a_call_that_is_over_lets_go_of_everything(office: Office) -> None:
    """Lease, ears and actor: nothing of an ended call stays in memory."""
    actor = await live_call(office)

    await office.post(HungUp(leg=LEG))

    assert await office.gone() is Ending.OVER
    assert len(office.directory) == 0
    assert office.stage.ears.sessions[0].closed
    assert [lease.call for lease in office.stage.bus.released] == [CALL]
    await eventually(lambda: not actor.actor_ref.is_alive())


async def test_a_stale_owner_stops_at_its_next_commit(office: Office) -> None:
    """Fenced: nothing more leaves, and the lease that is not ours is not released."""
    await live_call(office)
    office.stage.bus.seize(CALL, NodeId("worker-2"))
    sent = len(office.stage.bus.sent)

    office.stage.ears.hear("Who are you?")

    assert await office.gone() is Ending.FENCED
    assert office.stage.agent.questions == []
    assert len(office.stage.bus.sent) == sent
    assert office.stage.bus.released == []


async def test_a_lost_lease_silences_a_speaking_call_at_once(office: Office) -> None:
    """The renewal tells before any commit could: the sentence that is being spoken stops where it is."""
    actor = await live_call(office)
    office.stage.voice.per_letter = 1000
    office.stage.agent.scripts.append(["A very long sentence that goes on and on for much longer than the lead."])
    office.stage.ears.hear("Tell me a story.")
    await eventually(lambda: len(office.stage.spoken()) > 2000)

    actor.actor_ref.tell(Fence())

    assert await office.gone() is Ending.FENCED
    assert 2 not in office.stage.finished()
    assert office.stage.bus.items(Clear) == []


async def test_a_second_activation_begins_with_reactivated(office: Office) -> None:
    """A snapshot means that somebody owned the call before: recovery settles what that one left open."""
    await live_call(office)
    bus = office.stage.bus
    second = Office(Stage(bus=bus, node="worker-2"))

    second.activate(seize=True)
    await eventually(lambda: second.call.reactivations)

    reactivated = [event for event in bus.calls[CALL].log if isinstance(event, Reactivated)]
    assert [event.epoch for event in reactivated] == [2]
    attach = bus.items(Attach)[-1]
    assert isinstance(attach, Attach)
    assert (attach.epoch, attach.node, attach.stream) == (2, "worker-2", "s-1")


async def test_a_crash_between_commit_and_reply_never_dials_twice(office: Office) -> None:
    """The dial's outcome is unknown to the next owner: it asks the carrier."""
    office.stage.carrier.gates["dial"] = asyncio.Event()
    await office.post(PLACED)
    office.activate()
    await eventually(lambda: office.stage.carrier.did("dial"))

    second = Office(Stage(bus=office.stage.bus, node="worker-2"))
    second.stage.carrier.outcomes["find"].append(LegReport(status=LegStatus.ALIVE, leg=LEG))
    actor = second.activate(seize=True)
    await eventually(lambda: second.stage.carrier.did("find"))
    await second.quiet(actor)
    office.stage.carrier.gates["dial"].set()

    assert await office.gone() is Ending.FENCED
    assert second.stage.carrier.did("dial") == 0
    assert second.call.leg == LEG


async def test_a_reply_cut_off_by_a_crash_is_said_by_the_next_owner(office: Office) -> None:
    """The caller waits for an answer; who gives it is none of their business."""
    await live_call(office)
    office.stage.agent.scripts.append([asyncio.Event()])
    office.stage.ears.hear("What time is it?")
    await eventually(lambda: office.stage.agent.questions)

    second = Office(Stage(bus=office.stage.bus, node="worker-2"))
    second.stage.agent.scripts.append(["It is noon."])
    second.activate(seize=True)
    await eventually(lambda: 2 in second.stage.finished())

    assert second.stage.spoken().endswith(b"It is noon.")
    assert second.stage.agent.questions[0].history[-1].text == "What time is it?"


async def test_a_log_that_begins_nothing_is_let_go(office: Office) -> None:
    """News of a call nobody placed: no state can be made of it, so no activation stays."""
    await office.post(DtmfReceived(digits="1"))

    office.activate()

    assert await office.gone() is Ending.UNKNOWN
    assert office.stage.bus.commits == []


async def test_a_call_is_handed_over_between_turns(office: Office) -> None:
    """Nobody speaks and no reply is due: leave at once, release, and ring so that another node comes."""
    actor = await live_call(office)

    actor.actor_ref.tell(HandOver())

    assert await office.gone() is Ending.HANDED_OVER
    assert office.stage.bus.rung == [CALL]
    assert office.stage.bus.calls[CALL].owner is None
    assert office.stage.bus.items(Clear) == []


async def test_a_hand_over_waits_for_the_end_of_the_turn(office: Office) -> None:
    """The reply is found, spoken and heard before the call changes hands."""
    actor = await live_call(office)
    found = asyncio.Event()
    office.stage.agent.scripts.append([found, "Here it is."])
    office.stage.ears.hear("Where is it?")
    await eventually(lambda: office.stage.agent.questions)

    actor.actor_ref.tell(HandOver())
    await asyncio.sleep(0)
    assert office.ended == []
    found.set()
    await eventually(lambda: 2 in office.stage.finished())
    assert office.ended == []
    await office.post(PlaybackDone(utterance=2, heard_ms=900, total_ms=900, complete=True))

    assert await office.gone() is Ending.HANDED_OVER


async def test_a_hand_over_does_not_wait_for_ever(office: Office) -> None:
    """Past its patience the node leaves in the middle of a turn; the next owner takes the turn up."""
    await office.post(PLACED)
    actor = office.activate(patience_s=0.01)
    office.stage.carrier.gates["dial"] = asyncio.Event()
    await eventually(lambda: office.stage.carrier.did("dial"))

    actor.actor_ref.tell(HandOver())

    assert await office.gone() is Ending.HANDED_OVER
    assert office.stage.bus.rung == [CALL]


async def test_mail_that_comes_while_leaving_is_not_forgotten(office: Office) -> None:
    """A record that arrives after the last step wakes the next owner."""
    actor = await live_call(office)
    bus = office.stage.bus
    actor.actor_ref.tell(HandOver())
    await eventually(lambda: actor._closing is not None)

    await office.post(EndRequested(request=RequestId("r-end")))
    await office.gone()
    second = Office(Stage(bus=bus, node="worker-2"))
    second.activate()

    await eventually(lambda: second.stage.carrier.did("hang_up"))


# --- commands -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [CarrierRejected("no", code="21211"), CarrierUnreachable("no route")])
async def test_a_refused_dial_ends_the_call_with_the_carriers_words(office: Office, failure: Exception) -> None:
    """Whether it said no or never got the request: no leg exists, and that is certain."""
    office.stage.carrier.outcomes["dial"].append(failure)
    await office.post(PLACED)
    office.activate()

    assert await office.gone() is Ending.OVER
    assert office.call.phase is Phase.FAILED
    assert str(failure).split(": ")[-1] in office.call.detail


@pytest.mark.parametrize("failure", [CarrierSilent("reset"), RuntimeError("a bug in an adapter")])
async def test_a_dial_without_an_answer_is_asked_about(office: Office, failure: Exception) -> None:
    """Whoever does not know whether the phone rings must not ring it again."""
    office.stage.carrier.outcomes["dial"].append(failure)
    office.stage.carrier.outcomes["find"].append(LegReport(status=LegStatus.ALIVE, leg=LEG))
    await office.post(PLACED)
    actor = office.activate()

    await eventually(lambda: office.stage.carrier.did("find"))
    await office.quiet(actor)

    assert office.stage.carrier.did("dial") == 1
    assert office.call.leg == LEG


async def test_a_hang_up_passes_the_gate_again_after_a_crash(office: Office) -> None:
    """The claim of a harmless command binds one epoch only: the next owner hangs up too."""
    await live_call(office)
    office.stage.carrier.gates["hang_up"] = asyncio.Event()
    await office.post(EndRequested(request=RequestId("r-end")))
    await eventually(lambda: office.stage.carrier.did("hang_up"))

    second = Office(Stage(bus=office.stage.bus, node="worker-2"))
    second.activate(seize=True)

    await eventually(lambda: second.ended)
    assert second.stage.carrier.did("hang_up") == 1
    assert second.call.phase is Phase.HANGUP_BOT


async def test_keys_are_pressed_once_and_the_caller_is_told(office: Office) -> None:
    """Sent at most once, and the local caller learns the outcome."""
    actor = await live_call(office)

    await office.post(DigitsRequested(request=RequestId("r-keys"), digits="42#"))
    await eventually(lambda: office.stage.carrier.did("send_digits"))
    await office.quiet(actor)

    assert office.stage.carrier.ledger[-1] == ("send_digits", LEG, "42#")
    assert office.stage.bus.answers[-1].ok


async def test_a_node_that_lost_its_pulse_commands_nothing(office: Office) -> None:
    """Cut off from Redis for three seconds, a worker must assume that somebody else owns its calls."""
    actor = await live_call(office)
    office.stage.monotonic = 3.5

    await office.post(EndRequested(request=RequestId("r-end")))
    await eventually(lambda: actor._lanes.commanding)
    await asyncio.sleep(0)
    assert office.stage.carrier.did("hang_up") == 0

    office.stage.lease_guard.beat(office.stage.lease_guard.now())
    assert await office.gone() is Ending.OVER
    assert office.stage.carrier.did("hang_up") == 1


async def test_a_call_whose_carrier_is_not_configured_fails_with_that_reason(office: Office) -> None:
    """A worker without that carrier's credentials must say so, not hang."""
    await office.post(replace(PLACED, carrier="plivo", policy=CallPolicy()))
    office.activate()

    assert await office.gone() is Ending.OVER
    assert "not configured" in office.call.detail


async def test_the_greeting_goes_to_the_door_under_this_epoch(office: Office) -> None:
    """The epoch travels with every outgoing thing."""
    await live_call(office)

    plays = [item for item in office.stage.bus.items(Play) if isinstance(item, Play)]
    assert {(play.call, play.epoch) for play in plays} == {(CALL, 1)}
    assert office.stage.spoken() == b"Hello there."


def test_records_are_what_the_bus_says() -> None:
    """The in-memory twin numbers a log from one, without gaps."""
    bus = InMemoryBus(Stage().clock)
    assert [record.seq for record in bus.put(CALL, DtmfReceived(digits="1"), DtmfReceived(digits="2"))] == [1, 2]
    assert isinstance(bus.put(CALL, DtmfReceived(digits="3"))[0], Record)

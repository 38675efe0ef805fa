"""Properties that hold for every history of events."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.call.story import CALL, INGRESS, LEG, Story, arrived, placed, stream_opened
from voicecall import wire
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.decide import decide
from voicecall.call.ids import EffectId, Epoch, RequestId, StreamId
from voicecall.call.policy import CallPolicy, Endpointing, ToolPolicy, TransferTarget, TurnPolicy
from voicecall.call.state import Call, Phase

_TEXT = st.sampled_from(["yes", "no", "what time is it", "hm "])
_TURN = st.integers(0, 4)
_NO = st.integers(0, 6)
_REQUEST = st.sampled_from([RequestId(x) for x in ("r1", "r2", "r3")])
_EFFECT = st.integers(1, 12).map(lambda n: EffectId(f"{CALL}.{n}"))
_MS = st.integers(0, 4000)
_SILENT_MS = st.sampled_from([None, 0, 100, 800])
_COMPLETE = st.none() | st.sampled_from([0.1, 0.9])
_TOOLS = ToolPolicy(
    offered=("*",),
    unproven=("*",),
    idempotent=("order",),
    transfers=(TransferTarget(name="office", number="+15554440001"),),
)
_PROMPTS = CallPolicy(turns=TurnPolicy(silence_s=12.0, endpointing=Endpointing.DYNAMIC), tools=_TOOLS)
_ARGUMENTS = (
    '{"farewell": "Bye."}',
    '{"to": "office"}',
    '{"name": "n", "value": 1}',
    '{"digits": "1w2"}',
    '{"question": "When?"}',
    "{",
)
_CALL = st.builds(
    e.ToolRequest,
    id=st.sampled_from(["a", ""]),
    name=st.sampled_from(["end_call", "note", "send_dtmf", "ask_owner", "transfer_call", "order", "book"]),
    arguments=st.sampled_from(_ARGUMENTS),
)

ANYTHING: st.SearchStrategy[e.Event] = st.one_of(
    st.builds(placed, mode=st.just(e.Mode.CONVERSATION), policy=st.sampled_from([None, _PROMPTS])),
    st.builds(arrived, greeting=st.just("Good day"), policy=st.sampled_from([None, _PROMPTS])),
    st.builds(e.Dialled, leg=st.just(LEG)),
    st.builds(e.DialRefused, code=st.just("1"), message=st.just("no")),
    st.builds(e.DialLost),
    st.builds(e.Ringing, leg=st.just(LEG)),
    st.builds(e.Answered, leg=st.just(LEG), by=st.sampled_from([None, None, *e.AnsweredBy])),
    st.builds(e.GreetingEnded, leg=st.just(LEG)),
    st.builds(e.HungUp, leg=st.just(LEG), reason=st.sampled_from(e.EndReason)),
    st.builds(e.LegSeen, status=st.sampled_from(e.LegStatus), leg=st.sampled_from([None, LEG])),
    st.builds(
        e.StreamOpened,
        stream=st.sampled_from([StreamId("MZ1"), StreamId("MZ2")]),
        ingress=st.just(INGRESS),
        leg=st.just(LEG),
        pauses=st.booleans(),
    ),
    st.builds(e.StreamClosed, stream=st.sampled_from([StreamId("MZ1"), StreamId("MZ2")])),
    st.builds(e.SpeechStarted, above_noise=st.none() | st.booleans()),
    st.builds(e.SpeechStopped, silent_ms=_SILENT_MS, turn_complete=_COMPLETE),
    st.builds(
        e.Heard,
        text=_TEXT | st.sampled_from(["", "...", "mhm"]),
        final=st.booleans(),
        turn_token=st.none() | _REQUEST,
        silent_ms=_SILENT_MS,
        turn_complete=_COMPLETE,
    ),
    st.builds(e.SttFailed, reason=st.just("x")),
    st.builds(e.SttLost),
    st.builds(e.SttRecovered),
    st.builds(e.DtmfReceived, digits=st.sampled_from("5#")),
    st.builds(e.PlaybackBegan, utterance=_NO),
    st.builds(e.PlaybackDone, utterance=_NO, heard_ms=_MS, total_ms=st.none() | _MS, complete=st.booleans()),
    st.builds(e.SpeechFailed, utterance=_NO, reason=st.just("x")),
    st.builds(e.AgentSaid, turn=_TURN, text=_TEXT),
    st.builds(e.AgentDone, turn=_TURN),
    st.builds(e.AgentDone, turn=_TURN, calls=st.lists(_CALL, min_size=1, max_size=3).map(tuple)),
    st.builds(e.AgentFailed, turn=_TURN, reason=st.just("x")),
    st.builds(e.SpeakRequested, request=_REQUEST, text=_TEXT),
    st.builds(e.ContinueRequested, request=_REQUEST, text=_TEXT),
    st.builds(e.DigitsRequested, request=_REQUEST, digits=st.just("1")),
    st.builds(e.EndRequested, request=_REQUEST),
    st.builds(e.CommandDone, effect=_EFFECT),
    st.builds(e.CommandDone, effect=_EFFECT, result=_TEXT, request=st.none() | _REQUEST),
    st.builds(e.CommandFailed, effect=_EFFECT, reason=st.just("x"), retryable=st.booleans()),
    st.builds(e.TimerFired, timer=st.sampled_from(e.Timer)),
    st.builds(e.Reactivated, epoch=st.just(Epoch(2)), cause=st.sampled_from(e.Takeover)),
)

HISTORY = st.lists(st.tuples(ANYTHING, st.sampled_from([0.01, 1.0, 20.0, 400.0])), max_size=40)


def folded(history: list[tuple[e.Event, float]], start: e.Event) -> Story:
    story = Story().fold(start)
    for event, after in history:
        story.fold(event, after=after)
    return story


@given(HISTORY, st.booleans())
@settings(max_examples=400, deadline=None)
def test_an_ended_call_requests_nothing_more(history: list[tuple[e.Event, float]], inbound: bool) -> None:
    """An ended call only answers API requests, and stays as it ended."""
    story = Story().fold(arrived() if inbound else placed())
    for event, after in history:
        was_over = story.live.is_over
        phase = story.live.phase
        story.fold(event, after=after)
        if was_over:
            assert all(isinstance(effect, f.Resolve) for effect in story.asked)
            assert story.live.phase is phase
            assert story.live.timers == {}
            assert story.live.pending == {}


@given(HISTORY, st.booleans())
@settings(max_examples=400, deadline=None)
def test_no_history_dials_twice(history: list[tuple[e.Event, float]], inbound: bool) -> None:
    story = folded(history, arrived() if inbound else placed())
    assert len(story.effects(f.Dial)) == (0 if inbound else 1)


@given(HISTORY)
@settings(max_examples=300, deadline=None)
def test_every_snapshot_survives_the_wire(history: list[tuple[e.Event, float]]) -> None:
    story = folded(history, placed())
    assert wire.unpack_call(wire.pack_call(story.live)) == story.live
    for event, _ in history:
        assert wire.unpack_event(wire.pack_event(event)) == event


_TWICE = st.one_of(
    st.builds(e.Ringing, leg=st.just(LEG)),
    st.builds(e.Answered, leg=st.just(LEG)),
    st.builds(e.HungUp, leg=st.just(LEG)),
    st.builds(e.Dialled, leg=st.just(LEG)),
    st.builds(e.StreamOpened, stream=st.just(StreamId("MZ1")), ingress=st.just(INGRESS), leg=st.just(LEG)),
    st.builds(e.StreamClosed, stream=st.just(StreamId("MZ1"))),
    st.builds(e.PlaybackBegan, utterance=_NO),
    st.builds(e.PlaybackDone, utterance=_NO, heard_ms=_MS, total_ms=_MS, complete=st.booleans()),
    st.builds(placed, mode=st.just(e.Mode.CONVERSATION)),
    st.builds(arrived, greeting=st.just("Good day")),
)


def settled(call: Call) -> Call:
    """The call without its counters and clocks."""
    return replace(
        call,
        ignored=0,
        last_event_at=0.0,
        leg_state=replace(call.leg_state, last_signal_at=0.0),
        timers=dict.fromkeys(call.timers, 0.0),
    )


@given(HISTORY, _TWICE)
@settings(max_examples=400, deadline=None)
def test_a_repeated_event_changes_nothing(history: list[tuple[e.Event, float]], event: e.Event) -> None:
    """Carriers and ingresses repeat events; the second time is only counted."""
    story = folded(history, arrived()).fold(event)
    once = settled(story.live)
    story.fold(event)
    assert settled(story.live) == once
    assert story.asked == ()


TRUE_OUTBOUND = [
    e.Ringing(leg=LEG),
    e.Answered(leg=LEG),
    e.HungUp(leg=LEG, reason=e.EndReason.COMPLETED),
]


@given(st.permutations(TRUE_OUTBOUND * 3), st.integers(0, 9))
@settings(max_examples=300, deadline=None)
def test_any_order_and_multiplicity_of_one_calls_webhooks_ends_in_one_state(
    webhooks: list[e.Event], dialled_at: int
) -> None:
    """Wherever the reply to the dial falls among them (guarantee P18)."""
    events = [*webhooks[:dialled_at], e.Dialled(leg=LEG), *webhooks[dialled_at:]]
    story = Story().fold(placed(), *events)
    assert story.live.phase is Phase.COMPLETED
    assert story.live.leg == LEG
    assert len(story.effects(f.Dial)) == 1
    assert story.effects(f.HangUp) == []


@given(st.permutations([arrived(), *TRUE_OUTBOUND[:2], TRUE_OUTBOUND[2], stream_opened(), arrived()]))
@settings(max_examples=300, deadline=None)
def test_an_inbound_calls_events_may_overtake_its_arrival(webhooks: list[e.Event]) -> None:
    story = Story().fold(*webhooks)
    assert story.live.phase is Phase.COMPLETED
    assert story.live.from_ == "+15550003333"


@given(HISTORY, st.booleans())
@settings(max_examples=500, deadline=None)
def test_a_crash_after_any_event_never_dials_twice_and_leaves_nothing_unsettled(
    history: list[tuple[e.Event, float]], inbound: bool
) -> None:
    """The new owner knows only the snapshot: it settles every pending effect."""
    story = folded(history, arrived() if inbound else placed())
    before = dict(story.live.pending)
    snapshot = wire.unpack_call(wire.pack_call(story.live))
    after, asked = decide(snapshot, e.Reactivated(at=story.now + 1, epoch=Epoch(2)), CALL)
    assert after is not None
    assert not any(isinstance(effect, f.Dial) for effect in asked)
    if after.is_over:
        return
    for effect in before.values():
        assert effect.id not in after.pending or (isinstance(effect, f.Speak) and after.stream is None)
    assert all(not isinstance(effect, f.Dial) for effect in after.pending.values())
    if any(isinstance(effect, f.HangUp) for effect in before.values()):
        assert any(isinstance(effect, f.HangUp) for effect in asked)
    if snapshot.reply_due and snapshot.ending is None:
        assert any(isinstance(effect, f.AskAgent) for effect in asked)


@given(HISTORY)
@settings(max_examples=500, deadline=None)
def test_a_reply_to_an_older_turn_is_never_spoken(history: list[tuple[e.Event, float]]) -> None:
    """Whatever the order: an `AgentSaid` of another turn than the newest requests no speech."""
    story = Story().fold(arrived())
    for event, after in history:
        turn = story.live.turn
        story.fold(event, after=after)
        if isinstance(event, e.AgentSaid) and event.turn != turn:
            assert not any(isinstance(effect, f.Speak) for effect in story.asked)


@given(HISTORY)
@settings(max_examples=500, deadline=None)
def test_a_live_call_always_has_a_timer(history: list[tuple[e.Event, float]]) -> None:
    """Nothing waits forever."""
    story = folded(history, arrived(policy=_PROMPTS))
    if not story.live.is_over:
        speech = story.live.floor.speech
        if story.live.ending is None and (story.live.floor.held is not None or speech is not None):
            assert {e.Timer.TURN, e.Timer.UNHEARD} & set(story.live.timers)
        if story.live.playback.paused:
            assert speech is not None
            assert speech.unsure
            assert {e.Timer.CONFIRM, e.Timer.RESUME, e.Timer.UNHEARD} & set(story.live.timers)
        if story.live.dtmf.typed and story.live.ending is None:
            assert e.Timer.TYPED in story.live.timers
        assert e.Timer.MAX_DURATION in story.live.timers or story.live.ending is not None
        if story.live.reply_due:
            assert e.Timer.REPLY in story.live.timers
        if story.live.is_speaking and story.live.has_voice and story.live.ending is None:
            assert e.Timer.PLAYBACK in story.live.timers
        if story.live.ending is not None and story.live.leg is not None:
            assert e.Timer.RETRY_HANGUP in story.live.timers or any(
                isinstance(x, f.HangUp) for x in story.live.pending.values()
            )


@given(HISTORY)
@settings(max_examples=300, deadline=None)
def test_an_effects_id_is_never_used_twice(history: list[tuple[e.Event, float]]) -> None:
    ids = [effect.id for effect in folded(history, placed()).everything]
    assert len(ids) == len(set(ids))

"""The leg: begun, dialled, answered, ended; once, and with every request answered."""

from dataclasses import replace

import pytest

from tests.call.story import CALL, DIAL_REQUEST, LEG, STREAM, Story, arrived, inbound, outbound, placed, stream_opened
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.decide import ROUTES, TIMERS
from voicecall.call.ids import Epoch, LegId, RequestId, StreamId
from voicecall.call.state import Phase

R1, R2 = RequestId("r1"), RequestId("r2")


def test_every_event_has_a_rule_or_begins_a_call() -> None:
    births = {e.Placed, e.Arrived, e.CallRejected}
    assert set(ROUTES) | births == set(e.EVENTS.values())
    assert set(TIMERS) == set(e.Timer)


def test_a_placed_call_dials_once_with_the_carriers_own_time_limit() -> None:
    """The carrier ends the call by itself 30 s after our maximum (guarantee P5)."""
    story = Story().fold(placed(policy=e.CallPolicy(max_duration_s=300)))
    (dial,) = story.asked
    assert isinstance(dial, f.Dial)
    assert dial.time_limit_s == 330
    assert dial.id == f"{CALL}.1"


def test_a_provisional_leg_id_is_replaced_by_the_legs_own() -> None:
    """Plivo answers a dial with a request id; hanging that up would leave the leg alive."""
    leg = LegId("real")
    story = Story().fold(placed(), e.Dialled(leg=LEG, provisional=True), e.Ringing(leg=leg), e.EndRequested(request=R1))
    (hangup,) = story.effects(f.HangUp)
    assert isinstance(hangup, f.HangUp)
    assert hangup.leg == leg
    late = Story().fold(placed(), e.Ringing(leg=leg), e.Dialled(leg=LEG, provisional=True))
    assert late.live.leg == leg


def test_a_lost_dial_found_in_the_carriers_queue_gets_the_legs_own_id() -> None:
    """Plivo's queue lists requests; the webhooks that follow name the leg, and are not of another call."""
    leg = LegId("real")
    found = e.LegSeen(status=e.LegStatus.ALIVE, leg=LEG, provisional=True)
    story = Story().fold(placed(), e.DialLost(), found, e.Ringing(leg=leg), e.Answered(leg=leg))
    assert (story.live.leg, story.live.phase) == (leg, Phase.ANSWERED)
    story.fold(e.HungUp(leg=LegId("third")))
    assert (story.live.is_over, story.live.ignored) == (False, 1)


def test_a_provisional_id_that_a_webhook_repeats_is_the_legs_own() -> None:
    """From then on no event may rename the leg; a look-up under that id confirms nothing."""
    seen = e.LegSeen(status=e.LegStatus.ALIVE, leg=LEG, provisional=True)
    story = Story().fold(placed(), e.Dialled(leg=LEG, provisional=True), seen)
    assert story.live.leg_state.provisional
    story.fold(e.Answered(leg=LEG), e.HungUp(leg=LegId("other")))
    assert (story.live.leg, story.live.is_over) == (LEG, False)


@pytest.mark.parametrize("provisional", [False, True])
@pytest.mark.parametrize(
    "fact",
    [
        e.Heard(text="one two three", leg=LegId("other")),
        e.Heard(text="one two three", turn_token="asked", leg=LegId("other")),
        e.DtmfReceived(digits="123", leg=LegId("other")),
        e.PlaybackDone(utterance=1, heard_ms=0, total_ms=None, complete=True, leg=LegId("other")),
    ],
)
def test_an_event_of_another_leg_is_ignored_and_counted(fact: e.Event, *, provisional: bool) -> None:
    """A signed callback of one call with another call's id in its URL changes neither (attack 23)."""
    story = Story().fold(placed(policy=e.CallPolicy(streaming=False)), e.Dialled(leg=LEG, provisional=provisional))
    if not provisional:
        story.fold(e.Answered(leg=LEG), e.ContinueRequested(request=RequestId("asked"), text="Your PIN?"))
    before = story.live
    story.fold(fact)
    assert story.live == replace(before, ignored=before.ignored + 1, last_event_at=story.now)


def test_an_event_of_this_leg_counts() -> None:
    story = Story().fold(placed(policy=e.CallPolicy(streaming=False)), e.Dialled(leg=LEG), e.Answered(leg=LEG))
    story.fold(e.PlaybackDone(utterance=1, heard_ms=0, total_ms=None, complete=True, leg=LEG))
    story.fold(e.Heard(text="one two", leg=LEG), e.DtmfReceived(digits="3", leg=LEG))
    assert (story.live.transcript[-1].text, story.live.digits, story.live.ignored) == ("one two", "3", 0)


def test_a_second_placed_event_changes_nothing() -> None:
    story = Story().fold(placed(), placed())
    assert len(story.effects(f.Dial)) == 1


def test_the_placing_request_is_answered_when_the_carrier_takes_the_dial() -> None:
    story = Story().fold(placed(), e.Dialled(leg=LEG))
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert (answer.request, answer.ok) == (DIAL_REQUEST, True)


def test_a_refused_dial_ends_the_call_with_the_carriers_own_message() -> None:
    story = Story().fold(placed(), e.DialRefused(code="21211", message="Invalid 'To' number"))
    assert story.live.phase is Phase.FAILED
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert answer.text == "21211: Invalid 'To' number"


def test_a_dial_with_a_lost_reply_is_looked_for_and_never_repeated() -> None:
    story = Story().fold(placed(), e.DialLost(detail="reset"))
    assert [type(x) for x in story.everything] == [f.Dial, f.FindLeg]
    story.fold(e.LegSeen(status=e.LegStatus.ALIVE, leg=LEG))
    assert story.live.leg == LEG
    assert len(story.effects(f.Dial)) == 1


def test_the_first_webhook_names_the_leg_of_a_lost_dial() -> None:
    story = Story().fold(placed(), e.DialLost(), e.Ringing(leg=LEG))
    assert story.live.leg == LEG
    assert story.live.phase is Phase.RINGING
    assert not story.live.pending


def test_a_lost_dial_the_carrier_never_had_fails_after_several_queries() -> None:
    """A carrier's list may lag: one query that finds nothing proves nothing."""
    story = Story().fold(placed(), e.DialLost())
    looks = 0
    while not story.live.is_over:
        story.fold(e.LegSeen(status=e.LegStatus.ABSENT))
        looks += 1
        if not story.live.is_over:
            story.fold(e.TimerFired(timer=e.Timer.LOOK_UP), after=2.1)
    assert looks > 1
    assert story.live.phase is Phase.FAILED


def _searched(story: Story, *, seconds: float, pause: float = 2.1) -> float:
    """Query after query without a usable answer, for at most so long; the seconds until the call was over."""
    began = story.now
    while not story.live.is_over and story.now < began + seconds:
        story.fold(e.LegSeen(status=e.LegStatus.UNKNOWN), after=1.0)
        if not story.live.is_over:
            story.fold(e.TimerFired(timer=e.Timer.LOOK_UP), after=pause)
    return story.now - began


def test_a30_a_lost_dial_that_no_list_decides_frees_its_place_when_it_can_no_longer_ring() -> None:
    """Its webhooks would have named the call by then (Plivo's lists unreadable or longer than a page; Telnyx's)."""
    story = Story().fold(placed(), e.DialLost(detail="reset"))
    assert 40 < _searched(story, seconds=200) < 50
    assert (story.live.phase, story.live.detail) == (Phase.FAILED, "reset")
    assert story.effects(f.Dial) == [story.everything[0]]
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert not answer.ok


def test_a30_a_longer_ring_timeout_is_waited_for() -> None:
    """The callee's phone may still ring."""
    story = Story().fold(placed(policy=e.CallPolicy(ring_timeout_s=120.0)), e.DialLost())
    _searched(story, seconds=100)
    assert not story.live.is_over
    story.fold(e.Ringing(leg=LEG))
    assert (story.live.phase, story.live.leg) == (Phase.RINGING, LEG)


def test_a30_ending_a_call_whose_dial_is_lost_waits_a_few_queries_only() -> None:
    """Asked during a query, as its answer is slow; every request that waits is answered."""
    story = Story().fold(placed(), e.DialLost(), e.EndRequested(request=RequestId("end")))
    assert not story.live.is_over
    assert _searched(story, seconds=100) < 15
    assert story.live.phase is Phase.HANGUP_BOT
    assert (RequestId("end"), True) in [(result.request, result.ok) for result in story.live.results]


def test_a30_a_leg_that_is_known_is_not_given_up_by_queries_without_an_answer() -> None:
    """Only a search can be in vain."""
    story = Story().fold(placed(), e.DialLost(), e.Ringing(leg=LEG))
    _searched(story, seconds=200, pause=35.0)
    assert not story.live.is_over


def test_an_error_of_the_carrier_never_ends_a_call() -> None:
    story = inbound()
    for _ in range(50):
        story.fold(e.TimerFired(timer=e.Timer.LOOK_UP), after=400)
        story.fold(e.LegSeen(status=e.LegStatus.UNKNOWN))
    assert not story.live.is_over


def test_a_leg_the_carrier_does_not_know_any_more_is_over() -> None:
    story = inbound().fold(e.LegSeen(status=e.LegStatus.ABSENT, leg=LEG))
    assert story.live.phase is Phase.COMPLETED


def test_a_search_that_a_webhook_overtook_ends_nothing() -> None:
    """It ran while the call moved from the carrier's queue to its line, and reports after `Ringing`."""
    story = Story().fold(placed(), e.DialLost(), e.Ringing(leg=LEG), e.LegSeen(status=e.LegStatus.ABSENT))
    assert (story.live.phase, story.live.leg) == (Phase.RINGING, LEG)
    story.fold(e.LegSeen(status=e.LegStatus.ABSENT, leg=LEG))
    assert story.live.phase is Phase.FAILED


def test_only_a_leg_without_events_is_looked_up() -> None:
    story = inbound().fold(e.DtmfReceived(digits="1"), after=20)
    story.fold(e.TimerFired(timer=e.Timer.LOOK_UP), after=15)
    assert not story.effects(f.LookUp)
    story.fold(e.TimerFired(timer=e.Timer.LOOK_UP), after=16)
    assert len(story.effects(f.LookUp)) == 1


@pytest.mark.parametrize("late", [e.Ringing(leg=LEG), e.Answered(leg=LEG)])
def test_a_call_never_moves_backwards(late: e.Event) -> None:
    story = inbound()
    phase = story.live.phase
    story.fold(late)
    assert story.live.phase is phase


def test_several_end_requests_share_one_hangup() -> None:
    story = outbound().fold(e.EndRequested(request=R1), e.EndRequested(request=R2))
    (hangup,) = story.effects(f.HangUp)
    story.fold(e.CommandDone(effect=hangup.id))
    assert story.live.phase is Phase.HANGUP_BOT
    assert {x.request: x.ok for x in story.asked if isinstance(x, f.Resolve)} == {R1: True, R2: True}


def test_ending_a_call_while_its_dial_is_in_flight_hangs_up_as_soon_as_there_is_a_leg() -> None:
    story = Story().fold(placed(), e.EndRequested(request=R1))
    assert not story.effects(f.HangUp)
    story.fold(e.Dialled(leg=LEG))
    assert len(story.effects(f.HangUp)) == 1


def test_ending_an_ended_call_is_success() -> None:
    story = outbound().fold(e.HungUp(leg=LEG), e.EndRequested(request=R1))
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert answer.ok


def test_a_failing_hangup_is_reported_and_retried_without_limit() -> None:
    """A live leg costs money: the hang-up is repeated, and the call is not reported as over."""
    story = outbound().fold(e.EndRequested(request=R1))
    for _ in range(6):
        hangup = story.effects(f.HangUp)[-1]
        story.fold(e.CommandFailed(effect=hangup.id, reason="503", retryable=True))
        story.fold(e.TimerFired(timer=e.Timer.RETRY_HANGUP), after=31)
    assert not story.live.is_over
    assert len(story.effects(f.HangUp)) == 7
    refusals = [x for x in story.effects(f.Resolve) if x.request == R1]
    assert [x.ok for x in refusals] == [False]


def test_a_call_that_lasts_too_long_is_hung_up_as_timeout() -> None:
    story = inbound().fold(e.TimerFired(timer=e.Timer.MAX_DURATION), after=301)
    (hangup,) = story.effects(f.HangUp)
    story.fold(e.CommandDone(effect=hangup.id))
    assert story.live.phase is Phase.TIMEOUT


@pytest.mark.parametrize("began", [True, False])
def test_a_request_whose_speech_is_cut_by_a_hang_up_is_answered_at_once(began: bool) -> None:
    """The report of the ingress and the carrier's confirmation race each other: waiting would make it random."""
    story = inbound().fold(e.SpeakRequested(request=R1, text="A long story."))
    if began:
        story.fold(e.PlaybackBegan(utterance=1))
    story.fold(e.TimerFired(timer=e.Timer.MAX_DURATION), after=301)
    (answer,) = story.effects(f.Resolve)
    assert isinstance(answer, f.Resolve)
    assert (answer.ok, answer.text) == ((True, "interrupted") if began else (False, "Call ended: timeout"))
    story.fold(e.CommandDone(effect=story.effects(f.HangUp)[-1].id))
    assert len(story.effects(f.Resolve)) == 1


def test_an_unanswered_call_has_a_maximum_duration_too() -> None:
    story = Story().fold(placed(), e.Dialled(leg=LEG))
    assert e.Timer.MAX_DURATION in story.live.timers
    story.fold(e.TimerFired(timer=e.Timer.MAX_DURATION), after=600)
    assert len(story.effects(f.HangUp)) == 1


def test_a_dial_without_outcome_ends_at_the_maximum_duration() -> None:
    """Else it would count against `maxConcurrentCalls` forever."""
    story = Story().fold(placed()).fold(e.TimerFired(timer=e.Timer.MAX_DURATION), after=600)
    assert story.live.phase is Phase.TIMEOUT


def test_a_timer_that_was_moved_is_ignored() -> None:
    story = inbound().fold(e.TimerFired(timer=e.Timer.MAX_DURATION), after=1)
    assert not story.effects(f.HangUp)


def test_only_unanswered_calls_become_stale() -> None:
    """A live conversation is never ended as stale (guarantee P20)."""
    policy = e.CallPolicy(stale_after_s=120)
    unanswered = Story().fold(placed(policy=policy), e.Dialled(leg=LEG))
    unanswered.fold(e.TimerFired(timer=e.Timer.STALE), after=121)
    assert len(unanswered.effects(f.HangUp)) == 1
    live = Story().fold(arrived(policy=policy), stream_opened())
    assert e.Timer.STALE not in live.live.timers
    live.fold(e.TimerFired(timer=e.Timer.STALE), after=121)
    assert not live.effects(f.HangUp)


def test_a_call_whose_stream_does_not_come_back_is_ended() -> None:
    """A silent call costs money. (One whose stream never came is spoken to by the carrier: `test_native`.)"""
    story = inbound().fold(e.StreamClosed(stream=STREAM)).fold(e.TimerFired(timer=e.Timer.RECONNECT), after=11)
    assert len(story.effects(f.HangUp)) == 1
    assert story.live.detail == "the media stream was lost"


def commanded() -> Story:
    """A connected call of a carrier that opens streams by command."""
    policy = e.CallPolicy(by_command=True)
    return Story().fold(placed(policy=policy), e.Dialled(leg=LEG), e.Answered(leg=LEG), stream_opened())


def test_c3_a_stream_closed_for_a_restart_is_requested_again_when_the_ingress_is_back() -> None:
    """At once it would be refused by the ingress that closes it."""
    story = commanded().fold(e.StreamClosed(stream=STREAM, resume_after_s=1.0))
    assert not [x for x in story.asked if isinstance(x, f.OpenStream | f.LookUp)]
    story.fold(e.TimerFired(timer=e.Timer.LOOK_UP), after=1.01)
    assert [type(x) for x in story.asked] == [f.LookUp]
    story.fold(e.LegSeen(status=e.LegStatus.ALIVE))
    assert [type(x) for x in story.asked] == [f.OpenStream]


def test_c3_a_call_waits_half_a_minute_for_the_only_ingress() -> None:
    """The carriers try as long. A socket that is lost for another reason is waited for as long as the policy says."""
    story = inbound().fold(e.StreamClosed(stream=STREAM, resume_after_s=1.0))
    story.fold(e.TimerFired(timer=e.Timer.RECONNECT), after=29.0)
    assert story.effects(f.HangUp) == []
    story.fold(e.TimerFired(timer=e.Timer.RECONNECT), after=30.1)
    assert len(story.effects(f.HangUp)) == 1


def test_c3_a_stream_that_does_not_open_is_requested_until_it_does() -> None:
    """The next ingress takes longer than usual: the call is not given up before its time to reconnect is over."""
    story = commanded().fold(e.StreamClosed(stream=STREAM, resume_after_s=1.0))
    for attempt in range(1, 4):
        story.fold(e.TimerFired(timer=e.Timer.LOOK_UP), after=2.01).fold(e.LegSeen(status=e.LegStatus.ALIVE))
        (opening,) = [x for x in story.asked if isinstance(x, f.OpenStream)]
        story.fold(e.CommandDone(effect=opening.id))
        assert len(story.effects(f.OpenStream)) == attempt + 1
    story.fold(stream_opened(StreamId("MZ2")))
    assert story.live.stream is not None
    assert e.Timer.RECONNECT not in story.live.timers


def test_c3_a_caller_who_hung_up_during_the_restart_is_not_connected_again() -> None:
    """The closed socket may as well have been theirs: the carrier is queried before the stream is requested."""
    story = commanded().fold(e.StreamClosed(stream=STREAM, resume_after_s=1.0))
    story.fold(e.TimerFired(timer=e.Timer.LOOK_UP), after=1.01).fold(e.LegSeen(status=e.LegStatus.ENDED))
    assert story.live.is_over
    assert len(story.effects(f.OpenStream)) == 1


def test_c3_a_carrier_that_comes_back_by_itself_needs_no_command() -> None:
    """Twilio and Plivo follow the instruction that the ingress gave."""
    story = inbound().fold(e.StreamClosed(stream=STREAM, resume_after_s=1.0), e.LegSeen(status=e.LegStatus.ALIVE))
    story.fold(e.TimerFired(timer=e.Timer.LOOK_UP), after=2.01).fold(e.LegSeen(status=e.LegStatus.ALIVE))
    assert story.effects(f.OpenStream) == []


def test_an_event_of_another_leg_does_not_move_this_call() -> None:
    story = inbound().fold(e.HungUp(leg=LegId("CA" + "9" * 32)))
    assert not story.live.is_over
    assert story.live.ignored == 1


def test_a_refused_caller_is_over_as_the_call_begins() -> None:
    story = Story().fold(e.CallRejected(carrier="twilio", leg=LEG, from_="+1", to="+2", reason="inbound-policy"))
    assert story.live.phase is Phase.HANGUP_BOT
    assert story.live.detail == "inbound-policy"
    assert story.asked == ()


@pytest.mark.parametrize(
    ("event", "phase"), [(e.Answered(leg=LEG), Phase.HANGUP_BOT), (e.HungUp(leg=LEG), Phase.COMPLETED)]
)
def test_an_event_that_overtakes_a_rejection_does_not_change_it(event: e.Event, phase: Phase) -> None:
    """Else a rejected call would count as live until it is looked up."""
    story = Story().fold(event, e.CallRejected(carrier="twilio", leg=LEG, from_="+1", to="+2", reason="inbound-policy"))
    assert story.live.phase is phase
    assert (story.live.from_, story.live.detail) == ("+1", "inbound-policy")
    assert story.live.timers == {}
    assert story.everything == []


def test_an_end_that_overtakes_the_arrival_stays_the_end() -> None:
    story = Story().fold(e.HungUp(leg=LEG), arrived())
    assert story.live.phase is Phase.COMPLETED
    assert story.live.from_ == "+15550003333"
    assert story.everything == []


def test_digits_are_sent_once_and_their_request_answered() -> None:
    story = inbound().fold(e.DigitsRequested(request=R1, digits="12#"))
    (press,) = story.effects(f.SendDigits)
    story.fold(e.CommandDone(effect=press.id))
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert answer.ok


LATE = [e.Ringing(leg=LEG), e.Answered(leg=LEG)]


@pytest.mark.parametrize("late", LATE)
def test_b3_a_late_report_of_an_unknown_leg_begins_a_call_that_ends_by_itself(late: e.Event) -> None:
    """Redis has lost its call, or the report is a replay: nothing is said, heard, asked or commanded."""
    story = Story().fold(late, e.Answered(leg=LEG), stream_opened(), e.SpeechStarted(), e.Heard(text="hello", leg=LEG))
    story.fold(e.DtmfReceived(digits="1", leg=LEG), e.Answered(leg=LEG, by=e.AnsweredBy.MACHINE))
    assert (story.everything, story.live.transcript, story.live.stream) == ([], (), None)
    assert list(story.live.timers) == [e.Timer.MAX_DURATION]
    story.fold(e.TimerFired(timer=e.Timer.MAX_DURATION), after=31)
    assert (story.live.phase, story.live.detail) == (Phase.TIMEOUT, "a leg was reported that no known call has")
    assert story.everything == []


@pytest.mark.parametrize("late", LATE)
def test_b3_such_a_call_can_be_ended_and_says_nothing_for_anyone(late: e.Event) -> None:
    """There is no carrier to command: it is over at once, and the request is answered."""
    story = Story().fold(late, e.SpeakRequested(request=R1, text="Hi"), e.EndRequested(request=R2))
    answers = [(answer.request, answer.ok, answer.text) for answer in story.live.results]
    assert answers == [(R1, False, "Call not connected"), (R2, True, "")]
    assert (story.live.phase, story.effects(f.HangUp)) == (Phase.HANGUP_BOT, [])


def test_b3_an_arrival_that_was_overtaken_goes_on_as_usual() -> None:
    """The deadline is that of an unknown leg only; a stream is awaited from the arrival on."""
    story = Story().fold(e.Answered(leg=LEG), arrived("Hello"))
    assert story.live.timers[e.Timer.MAX_DURATION] > story.now + 200
    assert e.Timer.RECONNECT in story.live.timers
    story.fold(stream_opened())
    assert [effect.text for effect in story.everything if isinstance(effect, f.Speak)] == ["Hello"]


def test_b3_a_new_owner_of_such_a_call_changes_nothing() -> None:
    """The worker that took it up died: the deadline stands."""
    story = Story().fold(e.Ringing(leg=LEG), e.Reactivated(epoch=Epoch(2)))
    assert (story.everything, list(story.live.timers)) == ([], [e.Timer.MAX_DURATION])


TO_CONFIRM = replace(arrived("Hello"), to_confirm=True)


def _asked_for(story: Story) -> int:
    return len(story.effects(f.LookUp))


def test_b10_an_arrival_whose_signature_never_expires_is_confirmed_with_the_carrier() -> None:
    """A stream is open and the caller speaks, and still the carrier is asked; once it confirms, as seldom as ever."""
    story = Story().fold(TO_CONFIRM, stream_opened(), e.SpeechStarted())
    story.fold(e.TimerFired(timer=e.Timer.LOOK_UP), after=1.1)
    assert _asked_for(story) == 1
    story.fold(e.LegSeen(status=e.LegStatus.ALIVE, leg=LEG), e.SpeechStopped())
    assert story.live.timers[e.Timer.LOOK_UP] > story.now + 20
    story.fold(e.SpeechStarted(), after=25).fold(e.TimerFired(timer=e.Timer.LOOK_UP), after=40)
    assert (_asked_for(story), story.live.is_over) == (2, False)


@pytest.mark.parametrize("status", [e.LegStatus.ENDED, e.LegStatus.ABSENT])
def test_b10_a_captured_arrival_that_is_not_remembered_any_more_ends_at_once(status: e.LegStatus) -> None:
    """Its leg is long over, or the carrier has forgotten it: the stream that it opened is closed."""
    story = Story().fold(TO_CONFIRM, stream_opened()).fold(e.TimerFired(timer=e.Timer.LOOK_UP), after=1.1)
    story.fold(e.LegSeen(status=status, leg=LEG))
    assert (story.live.is_over, story.live.stream) == (True, None)


def test_b10_a_carrier_that_does_not_answer_costs_no_caller() -> None:
    """Queried again, later; a real caller talks on."""
    story = Story().fold(TO_CONFIRM, stream_opened())
    for _ in range(3):
        story.fold(e.TimerFired(timer=e.Timer.LOOK_UP), after=301).fold(e.LegSeen(status=e.LegStatus.UNKNOWN, leg=LEG))
        story.fold(e.SpeechStarted())
    assert (_asked_for(story), story.live.is_over, story.live.leg_state.unconfirmed) == (3, False, True)


def test_b10_an_arrival_that_a_report_overtook_is_confirmed_too() -> None:
    story = Story().fold(e.Answered(leg=LEG), TO_CONFIRM, stream_opened())
    story.fold(e.TimerFired(timer=e.Timer.LOOK_UP), after=2.1)
    assert _asked_for(story) == 1


def test_b10_an_arrival_whose_signature_expires_needs_no_query() -> None:
    """Telnyx's webhooks are refused by their age."""
    story = Story().fold(arrived("Hello"), stream_opened()).fold(e.TimerFired(timer=e.Timer.LOOK_UP), after=1.1)
    assert _asked_for(story) == 0

"""The leg: born, dialled, answered, ended; once, and with everybody told."""

from dataclasses import replace

import pytest

from tests.call.story import CALL, DIAL_REQUEST, LEG, Story, arrived, inbound, outbound, placed, stream_opened
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.decide import ROUTES, TIMERS
from voicecall.call.ids import LegId, RequestId
from voicecall.call.state import Phase

R1, R2 = RequestId("r1"), RequestId("r2")


def test_every_event_has_a_rule_or_is_a_birth() -> None:
    births = {e.Placed, e.Arrived, e.CallRejected}
    assert set(ROUTES) | births == set(e.EVENTS.values())
    assert set(TIMERS) == set(e.Timer)


def test_a_placed_call_dials_once_with_the_carriers_own_cap() -> None:
    """The carrier ends the call by itself half a minute after we should have (P5)."""
    story = Story().tell(placed(policy=e.CallPolicy(max_duration_s=300)))
    (dial,) = story.asked
    assert isinstance(dial, f.Dial)
    assert dial.time_limit_s == 330
    assert dial.id == f"{CALL}.1"


def test_a_name_that_is_only_of_our_request_gives_way_to_the_legs_own() -> None:
    """Plivo answers a dial with a request id; hanging that up would leave the call alive."""
    leg = LegId("real")
    story = Story().tell(placed(), e.Dialled(leg=LEG, provisional=True), e.Ringing(leg=leg), e.EndRequested(request=R1))
    (hangup,) = story.effects(f.HangUp)
    assert isinstance(hangup, f.HangUp)
    assert hangup.leg == leg
    late = Story().tell(placed(), e.Ringing(leg=leg), e.Dialled(leg=LEG, provisional=True))
    assert late.live.leg == leg


def test_a_lost_dial_found_in_the_carriers_queue_goes_on_under_the_legs_own_name() -> None:
    """Plivo's queue lists requests; the webhooks that follow name the leg, and are not news of another call."""
    leg = LegId("real")
    found = e.LegSeen(status=e.LegStatus.ALIVE, leg=LEG, provisional=True)
    story = Story().tell(placed(), e.DialLost(), found, e.Ringing(leg=leg), e.Answered(leg=leg))
    assert (story.live.leg, story.live.phase) == (leg, Phase.ANSWERED)
    story.tell(e.HungUp(leg=LegId("third")))
    assert (story.live.is_over, story.live.ignored) == (False, 1)


def test_a_name_of_our_request_that_a_webhook_repeats_is_the_legs_own() -> None:
    """From then on nothing else may rename the leg; looking it up under that name confirms nothing."""
    seen = e.LegSeen(status=e.LegStatus.ALIVE, leg=LEG, provisional=True)
    story = Story().tell(placed(), e.Dialled(leg=LEG, provisional=True), seen)
    assert story.live.leg_state.provisional
    story.tell(e.Answered(leg=LEG), e.HungUp(leg=LegId("other")))
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
def test_what_another_leg_said_or_heard_is_ignored_and_counted(fact: e.Event, *, provisional: bool) -> None:
    """A signed callback of one call with another call's id in its URL is delivered to neither (attack 23)."""
    story = Story().tell(placed(policy=e.CallPolicy(streaming=False)), e.Dialled(leg=LEG, provisional=provisional))
    if not provisional:
        story.tell(e.Answered(leg=LEG), e.ContinueRequested(request=RequestId("asked"), text="Your PIN?"))
    before = story.live
    story.tell(fact)
    assert story.live == replace(before, ignored=before.ignored + 1, last_event_at=story.now)


def test_what_this_leg_said_is_heard() -> None:
    story = Story().tell(placed(policy=e.CallPolicy(streaming=False)), e.Dialled(leg=LEG), e.Answered(leg=LEG))
    story.tell(e.PlaybackDone(utterance=1, heard_ms=0, total_ms=None, complete=True, leg=LEG))
    story.tell(e.Heard(text="one two", leg=LEG), e.DtmfReceived(digits="3", leg=LEG))
    assert (story.live.transcript[-1].text, story.live.digits, story.live.ignored) == ("one two", "3", 0)


def test_a_second_placing_of_one_call_changes_nothing() -> None:
    story = Story().tell(placed(), placed())
    assert len(story.effects(f.Dial)) == 1


def test_whoever_placed_the_call_learns_that_the_carrier_took_it() -> None:
    story = Story().tell(placed(), e.Dialled(leg=LEG))
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert (answer.request, answer.ok) == (DIAL_REQUEST, True)


def test_a_refused_dial_ends_the_call_with_the_carriers_own_words() -> None:
    story = Story().tell(placed(), e.DialRefused(code="21211", message="Invalid 'To' number"))
    assert story.live.phase is Phase.FAILED
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert answer.text == "21211: Invalid 'To' number"


def test_a_dial_with_a_lost_reply_is_asked_about_and_never_repeated() -> None:
    story = Story().tell(placed(), e.DialLost(detail="reset"))
    assert [type(x) for x in story.everything] == [f.Dial, f.FindLeg]
    story.tell(e.LegSeen(status=e.LegStatus.ALIVE, leg=LEG))
    assert story.live.leg == LEG
    assert len(story.effects(f.Dial)) == 1


def test_the_first_webhook_names_the_leg_of_a_lost_dial() -> None:
    story = Story().tell(placed(), e.DialLost(), e.Ringing(leg=LEG))
    assert story.live.leg == LEG
    assert story.live.phase is Phase.RINGING
    assert not story.live.pending


def test_a_lost_dial_the_carrier_never_had_fails_after_several_looks() -> None:
    """A carrier's list may lag: one look that finds nothing proves nothing."""
    story = Story().tell(placed(), e.DialLost())
    looks = 0
    while not story.live.is_over:
        story.tell(e.LegSeen(status=e.LegStatus.ABSENT))
        looks += 1
        if not story.live.is_over:
            story.tell(e.TimerFired(timer=e.Timer.LOOK_UP), after=2.1)
    assert looks > 1
    assert story.live.phase is Phase.FAILED


def test_trouble_at_the_carrier_never_ends_a_call() -> None:
    story = inbound()
    for _ in range(50):
        story.tell(e.TimerFired(timer=e.Timer.LOOK_UP), after=400)
        story.tell(e.LegSeen(status=e.LegStatus.UNKNOWN))
    assert not story.live.is_over


def test_a_leg_the_carrier_does_not_know_any_more_is_over() -> None:
    story = inbound().tell(e.LegSeen(status=e.LegStatus.ABSENT, leg=LEG))
    assert story.live.phase is Phase.COMPLETED


def test_a_search_that_a_webhook_overtook_ends_nothing() -> None:
    """It looked while the call moved from the carrier's queue to its line, and reports after the phone rang."""
    story = Story().tell(placed(), e.DialLost(), e.Ringing(leg=LEG), e.LegSeen(status=e.LegStatus.ABSENT))
    assert (story.live.phase, story.live.leg) == (Phase.RINGING, LEG)
    story.tell(e.LegSeen(status=e.LegStatus.ABSENT, leg=LEG))
    assert story.live.phase is Phase.FAILED


def test_a_quiet_leg_is_looked_up_and_a_lively_one_is_not() -> None:
    story = inbound().tell(e.DtmfReceived(digits="1"), after=20)
    story.tell(e.TimerFired(timer=e.Timer.LOOK_UP), after=15)
    assert not story.effects(f.LookUp)
    story.tell(e.TimerFired(timer=e.Timer.LOOK_UP), after=16)
    assert len(story.effects(f.LookUp)) == 1


@pytest.mark.parametrize("late", [e.Ringing(leg=LEG), e.Answered(leg=LEG)])
def test_a_call_never_moves_backwards(late: e.Event) -> None:
    story = inbound()
    phase = story.live.phase
    story.tell(late)
    assert story.live.phase is phase


def test_an_ending_is_one_hangup_shared_by_all_who_asked() -> None:
    story = outbound().tell(e.EndRequested(request=R1), e.EndRequested(request=R2))
    (hangup,) = story.effects(f.HangUp)
    story.tell(e.CommandDone(effect=hangup.id))
    assert story.live.phase is Phase.HANGUP_BOT
    assert {x.request: x.ok for x in story.asked if isinstance(x, f.Resolve)} == {R1: True, R2: True}


def test_ending_a_call_while_its_dial_is_in_flight_hangs_up_as_soon_as_there_is_a_leg() -> None:
    story = Story().tell(placed(), e.EndRequested(request=R1))
    assert not story.effects(f.HangUp)
    story.tell(e.Dialled(leg=LEG))
    assert len(story.effects(f.HangUp)) == 1


def test_ending_an_ended_call_is_success() -> None:
    story = outbound().tell(e.HungUp(leg=LEG), e.EndRequested(request=R1))
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert answer.ok


def test_a_failing_hangup_is_told_to_its_caller_and_tried_for_as_long_as_it_takes() -> None:
    """A live leg costs money: we never stop trying, and never claim that it is over."""
    story = outbound().tell(e.EndRequested(request=R1))
    for _ in range(6):
        hangup = story.effects(f.HangUp)[-1]
        story.tell(e.CommandFailed(effect=hangup.id, reason="503", retryable=True))
        story.tell(e.TimerFired(timer=e.Timer.RETRY_HANGUP), after=31)
    assert not story.live.is_over
    assert len(story.effects(f.HangUp)) == 7
    refusals = [x for x in story.effects(f.Resolve) if x.request == R1]
    assert [x.ok for x in refusals] == [False]


def test_a_call_that_lasts_too_long_is_hung_up_as_timeout() -> None:
    story = inbound().tell(e.TimerFired(timer=e.Timer.MAX_DURATION), after=301)
    (hangup,) = story.effects(f.HangUp)
    story.tell(e.CommandDone(effect=hangup.id))
    assert story.live.phase is Phase.TIMEOUT


@pytest.mark.parametrize("began", [True, False])
def test_who_waits_for_words_that_we_cut_by_hanging_up_is_told_at_once(began: bool) -> None:
    """Else the answer were a matter of luck: the door's report and the carrier's agreement race each other."""
    story = inbound().tell(e.SpeakRequested(request=R1, text="A long story."))
    if began:
        story.tell(e.PlaybackBegan(utterance=1))
    story.tell(e.TimerFired(timer=e.Timer.MAX_DURATION), after=301)
    (answer,) = story.effects(f.Resolve)
    assert isinstance(answer, f.Resolve)
    assert (answer.ok, answer.text) == ((True, "interrupted") if began else (False, "Call ended: timeout"))
    story.tell(e.CommandDone(effect=story.effects(f.HangUp)[-1].id))
    assert len(story.effects(f.Resolve)) == 1


def test_a_call_that_is_never_answered_has_a_maximum_too() -> None:
    story = Story().tell(placed(), e.Dialled(leg=LEG))
    assert e.Timer.MAX_DURATION in story.live.timers
    story.tell(e.TimerFired(timer=e.Timer.MAX_DURATION), after=600)
    assert len(story.effects(f.HangUp)) == 1


def test_a_dial_that_never_came_back_is_over_at_the_maximum() -> None:
    """Nothing is left to block `maxConcurrentCalls` for ever (13.11)."""
    story = Story().tell(placed()).tell(e.TimerFired(timer=e.Timer.MAX_DURATION), after=600)
    assert story.live.phase is Phase.TIMEOUT


def test_an_alarm_that_was_moved_is_old_news() -> None:
    story = inbound().tell(e.TimerFired(timer=e.Timer.MAX_DURATION), after=1)
    assert not story.effects(f.HangUp)


def test_the_reaper_takes_only_calls_that_nobody_answered() -> None:
    """A live talk was once reaped at 123 s because a field was empty (P20)."""
    policy = e.CallPolicy(stale_after_s=120)
    unanswered = Story().tell(placed(policy=policy), e.Dialled(leg=LEG))
    unanswered.tell(e.TimerFired(timer=e.Timer.STALE), after=121)
    assert len(unanswered.effects(f.HangUp)) == 1
    live = Story().tell(arrived(policy=policy), stream_opened())
    assert e.Timer.STALE not in live.live.timers
    live.tell(e.TimerFired(timer=e.Timer.STALE), after=121)
    assert not live.effects(f.HangUp)


def test_an_answered_call_without_a_stream_is_looked_at_and_then_ended() -> None:
    """A silent call costs money and trust."""
    story = Story().tell(placed(), e.Dialled(leg=LEG), e.Answered(leg=LEG))
    story.tell(e.TimerFired(timer=e.Timer.RECONNECT), after=16)
    assert len(story.effects(f.HangUp)) == 1


def test_news_of_another_leg_is_not_about_this_call() -> None:
    story = inbound().tell(e.HungUp(leg=LegId("CA" + "9" * 32)))
    assert not story.live.is_over
    assert story.live.ignored == 1


def test_a_refused_caller_is_over_as_the_call_begins() -> None:
    story = Story().tell(e.CallRejected(carrier="twilio", leg=LEG, from_="+1", to="+2", reason="inbound-policy"))
    assert story.live.phase is Phase.HANGUP_BOT
    assert story.live.detail == "inbound-policy"
    assert story.asked == ()


@pytest.mark.parametrize(
    ("news", "phase"), [(e.Answered(leg=LEG), Phase.HANGUP_BOT), (e.HungUp(leg=LEG), Phase.COMPLETED)]
)
def test_news_that_overtakes_a_refusal_changes_nothing_about_it(news: e.Event, phase: Phase) -> None:
    """Else a refused caller would keep a place until somebody looks."""
    story = Story().tell(news, e.CallRejected(carrier="twilio", leg=LEG, from_="+1", to="+2", reason="inbound-policy"))
    assert story.live.phase is phase
    assert (story.live.from_, story.live.detail) == ("+1", "inbound-policy")
    assert story.live.timers == {}
    assert story.everything == []


def test_an_end_that_overtakes_the_arrival_stays_the_end() -> None:
    story = Story().tell(e.HungUp(leg=LEG), arrived())
    assert story.live.phase is Phase.COMPLETED
    assert story.live.from_ == "+15550003333"
    assert story.everything == []


def test_keys_are_pressed_once_and_their_caller_told() -> None:
    story = inbound().tell(e.DigitsRequested(request=R1, digits="12#"))
    (press,) = story.effects(f.SendDigits)
    story.tell(e.CommandDone(effect=press.id))
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert answer.ok

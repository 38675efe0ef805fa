"""Fail-over: each pending effect has one rule (`recovery.RECOVERY`)."""

from tests.call.story import CALL, LEG, Story, inbound, outbound, placed
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.ids import EffectId, Epoch, RequestId
from voicecall.call.phrases import ENGLISH

TAKEN_OVER = e.Reactivated(epoch=Epoch(2))
HANDED_OVER = e.Reactivated(epoch=Epoch(2), cause=e.Takeover.HANDED_OVER)
OWNER_DIED = e.Reactivated(epoch=Epoch(2), cause=e.Takeover.DIED)
UNHEARD = e.TimerFired(timer=e.Timer.UNHEARD)


def spoken(story: Story) -> list[str]:
    return [effect.text for effect in story.effects(f.Speak)]


def test_a_pending_dial_is_looked_for() -> None:
    """A restart must not call a person a second time (guarantee P20)."""
    story = Story().fold(placed(), TAKEN_OVER)
    assert [type(x) for x in story.asked] == [f.FindLeg]


def test_a_pending_hangup_is_sent_again() -> None:
    story = outbound().fold(e.EndRequested(request=RequestId("r")), TAKEN_OVER)
    assert [type(x) for x in story.asked] == [f.HangUp]


def test_pending_digits_are_not_sent_again() -> None:
    story = inbound().fold(e.DigitsRequested(request=RequestId("r"), digits="1"), TAKEN_OVER)
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert not answer.ok


def test_a_pending_question_is_put_to_the_agent_again() -> None:
    story = inbound().fold(e.Heard(text="hm"), TAKEN_OVER)
    (ask,) = story.asked
    assert isinstance(ask, f.AskAgent)
    assert (ask.turn, ask.said) == (1, ())


def test_a_pending_reply_goes_on_after_what_was_said() -> None:
    story = inbound().fold(e.Heard(text="hm"), e.AgentSaid(turn=1, text="First."), e.PlaybackBegan(utterance=1))
    story.fold(TAKEN_OVER)
    (ask,) = story.effects(f.AskAgent)[1:]
    assert ask.said == ("First.", ENGLISH.cut_off, "First.")
    assert [x.text for x in story.asked if isinstance(x, f.Speak)] == [ENGLISH.cut_off, "First."]


def test_an_utterance_that_had_not_begun_is_said_again_without_apology() -> None:
    story = inbound().fold(e.SpeakRequested(request=RequestId("r"), text="News!"), TAKEN_OVER)
    assert [x.text for x in story.asked if isinstance(x, f.Speak)] == ["News!"]
    assert [line.text for line in story.live.transcript] == ["News!"]
    story.fold(e.PlaybackDone(utterance=2, heard_ms=9, total_ms=9, complete=True))
    assert [x.ok for x in story.asked if isinstance(x, f.Resolve)] == [True]


def test_c3_a_sentence_that_is_heard_while_the_call_is_handed_over_goes_on() -> None:
    """Its audio is at the ingress: only what had not begun is said by the next owner, and the rest if it was cut."""
    first = e.PlaybackBegan(utterance=1)
    for heard_ms, complete, rest in ((1000, True, []), (500, False, ["upon a time."])):
        story = inbound().fold(e.Heard(text="hm"), e.AgentSaid(turn=1, text="Once upon a time."), first)
        story.fold(e.AgentSaid(turn=1, text="There was a king."), e.AgentDone(turn=1), HANDED_OVER)
        assert [x.text for x in story.asked if isinstance(x, f.Speak)] == ["There was a king."]
        story.fold(
            e.PlaybackDone(utterance=1, heard_ms=heard_ms, total_ms=1000, complete=complete, for_restart=not complete)
        )
        assert [x.text for x in story.asked if isinstance(x, f.Speak)][: len(rest)] == rest
        assert ENGLISH.cut_off not in spoken(story)


def test_the_ingress_may_still_report_how_much_of_the_old_utterance_was_heard() -> None:
    story = inbound().fold(e.SpeakRequested(request=RequestId("r"), text="Good news!"), e.PlaybackBegan(utterance=1))
    story.fold(TAKEN_OVER, e.PlaybackDone(utterance=1, heard_ms=400, total_ms=1000, complete=False))
    assert story.live.transcript[0].text == "Good"


def test_a_caller_whose_transcript_was_lost_is_asked_to_repeat() -> None:
    """Its lease ran out while audio was still sent to it: the caller would wait in silence."""
    story = inbound().fold(TAKEN_OVER).fold(e.TimerFired(timer=e.Timer.UNHEARD), after=6.1)
    assert [x.text for x in story.asked if isinstance(x, f.Speak)] == [ENGLISH.not_caught]


def test_a_caller_who_speaks_after_the_takeover_is_heard() -> None:
    story = inbound().fold(TAKEN_OVER, e.Heard(text="hello"))
    assert e.Timer.UNHEARD not in story.live.timers
    assert not story.live.floor.interrupted


def test_c7_a_quiet_caller_notices_nothing_of_a_hand_over() -> None:
    """A planned hand-over loses no sound, so there is nothing to repeat, however many follow each other."""
    story = inbound()
    for epoch in (2, 3, 4):
        story.fold(e.Reactivated(epoch=Epoch(epoch), cause=e.Takeover.HANDED_OVER)).fold(UNHEARD, after=31.0)
    assert spoken(story) == []
    assert e.Timer.UNHEARD not in story.live.timers


def test_c7_a_quiet_caller_notices_nothing_when_the_owner_died() -> None:
    """The ingress kept what was said since, and nothing had been begun before."""
    story = inbound().fold(OWNER_DIED).fold(UNHEARD, after=31.0)
    assert spoken(story) == []


def test_c7_a_caller_in_the_middle_of_a_sentence_is_asked_to_repeat() -> None:
    """The beginning was in the last owner's recognition: it is lost, whether the owner died or could not wait."""
    for takeover in (OWNER_DIED, HANDED_OVER):
        story = inbound().fold(e.SpeechStarted(), takeover).fold(UNHEARD, after=6.1)
        assert spoken(story) == [ENGLISH.not_caught]


def test_c7_a_sentence_that_was_already_answered_is_not_asked_for_again() -> None:
    """Its transcript came before the owner died: the reply goes on, and no repetition is asked for."""
    story = inbound().fold(e.SpeechStarted(), e.Heard(text="hm"), OWNER_DIED)
    assert [type(x) for x in story.asked] == [f.AskAgent]
    assert e.Timer.UNHEARD not in story.live.timers


def test_a_call_without_pending_effects_requests_nothing() -> None:
    story = inbound().fold(TAKEN_OVER)
    assert story.asked == ()
    assert story.live.reactivations == 1
    assert story.live.leg == LEG


def test_the_effects_of_the_new_owner_have_new_ids() -> None:
    story = Story().fold(placed(), TAKEN_OVER)
    assert story.asked[0].id == EffectId(f"{CALL}.2")

"""Who picked up: people are spoken to as ever, and machines hear nothing but a message after their beep."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.call.story import INGRESS, LEG, Story, arrived, placed, stream_opened
from tests.call.test_properties import HISTORY, settled, told
from voicecall import wire
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.ids import EffectId, Epoch, RequestId, StreamId
from voicecall.call.requests import NO_PERSON
from voicecall.call.state import Phase

LEAVE = e.CallPolicy(on_machine=e.OnMachine.LEAVE_MESSAGE)
HANG_UP = e.CallPolicy(on_machine=e.OnMachine.HANGUP)
NOTICE = "Your table is ready."
MACHINE = e.Answered(leg=LEG, by=e.AnsweredBy.MACHINE)
HUMAN = e.Answered(leg=LEG, by=e.AnsweredBy.HUMAN)
FAX = e.Answered(leg=LEG, by=e.AnsweredBy.FAX)
BEEP = e.GreetingEnded(leg=LEG)


def called(policy: e.CallPolicy = LEAVE, mode: e.Mode = e.Mode.NOTIFY, message: str = NOTICE) -> Story:
    """Somebody or something has picked up; the first words are with the voice."""
    return Story().tell(placed(mode, message, policy), e.Dialled(leg=LEG), e.Answered(leg=LEG), stream_opened())


def spoken(story: Story) -> list[str]:
    """What was given to the voice since the story began."""
    return [effect.text for effect in story.everything if isinstance(effect, f.Speak)]


def played(story: Story, no: int) -> Story:
    return story.tell(
        e.PlaybackBegan(utterance=no), e.PlaybackDone(utterance=no, heard_ms=900, total_ms=900, complete=True)
    )


# --- asking


def test_the_carrier_is_asked_only_where_it_is_wanted() -> None:
    """The dial carries it, because the carrier must know before anybody picks up."""
    (plain,) = Story().tell(placed()).effects(f.Dial)
    (asked,) = Story().tell(placed(policy=LEAVE)).effects(f.Dial)
    assert isinstance(plain, f.Dial)
    assert isinstance(asked, f.Dial)
    assert (plain.on_machine, asked.on_machine) == (None, e.OnMachine.LEAVE_MESSAGE)


def test_without_detection_a_verdict_is_only_recorded() -> None:
    """A carrier may tell unasked; nobody wanted it to change the call."""
    story = called(e.CallPolicy()).tell(MACHINE, BEEP)
    assert story.live.answered_by is e.AnsweredBy.MACHINE
    assert spoken(story) == [NOTICE]
    assert story.effects(f.HangUp) == []


def test_a_caller_is_never_suspected() -> None:
    """Detection is for calls of ours: whoever calls us wants to talk."""
    story = Story().tell(arrived(policy=LEAVE), stream_opened(), MACHINE, BEEP)
    assert story.live.phase is Phase.SPEAKING
    assert e.Timer.AMD not in story.live.timers
    assert story.effects(f.HangUp) == []


# --- people


@pytest.mark.parametrize("policy", [LEAVE, HANG_UP])
def test_a_person_is_spoken_to_at_once(policy: e.CallPolicy) -> None:
    """Nobody waits for the verdict: the first words go out with the stream."""
    assert spoken(called(policy)) == [NOTICE]


def test_a_person_has_the_conversation_they_always_had() -> None:
    """The verdict of a person is no event of the conversation."""
    story = called(mode=e.Mode.CONVERSATION, message="Hello").tell(HUMAN)
    played(story, 1).tell(e.Heard(text="what time is it"))
    assert story.live.turn == 1
    assert len(story.effects(f.AskAgent)) == 1
    assert story.effects(f.StopSpeaking) == []


def test_a_notice_that_was_heard_stays_for_the_verdict() -> None:
    """It may have talked into a greeting: only a person has heard it."""
    story = played(called(), 1)
    assert e.Timer.NOTIFY_HANGUP not in story.live.timers
    story.tell(HUMAN)
    assert story.live.timers[e.Timer.NOTIFY_HANGUP] == pytest.approx(story.now + 3.0)


def test_no_verdict_within_the_carriers_limit_is_a_person() -> None:
    """A notice leaves then; nothing is said twice."""
    story = played(called(), 1)
    due = story.live.timers[e.Timer.AMD]
    story.tell(e.TimerFired(timer=e.Timer.AMD, at=due))
    story.now = due
    assert story.live.timers[e.Timer.NOTIFY_HANGUP] == pytest.approx(due + 3.0)
    assert spoken(story) == [NOTICE]


def test_a_person_who_talks_when_the_verdict_comes_is_not_left() -> None:
    """The hang-up after a notice is for people who listen."""
    story = played(called(), 1).tell(e.SpeechStarted(), HUMAN)
    assert e.Timer.NOTIFY_HANGUP not in story.live.timers


# --- machines, on hangup


@pytest.mark.parametrize("result", [MACHINE, FAX, BEEP])
@pytest.mark.parametrize("mode", list(e.Mode))
def test_a_machine_is_hung_up_on_at_once(result: e.Event, mode: e.Mode) -> None:
    """What is being said is stopped, and the record says why the call is over."""
    story = called(HANG_UP, mode).tell(result)
    assert [type(effect) for effect in story.asked] == [f.StopSpeaking, f.HangUp]
    story.tell(e.HungUp(leg=LEG))
    assert (story.live.end_reason, story.live.phase) == (e.EndReason.VOICEMAIL, Phase.VOICEMAIL)
    assert story.live.detail == f"answered by a {'fax' if result is FAX else 'machine'}"


@pytest.mark.parametrize("streaming", [True, False])
def test_nothing_is_said_to_a_machine_that_is_known_from_the_start(streaming: bool) -> None:
    """A verdict that comes with the answer comes before the first words."""
    policy = replace(HANG_UP, streaming=streaming)
    story = Story().tell(placed(e.Mode.NOTIFY, NOTICE, policy), e.Dialled(leg=LEG), MACHINE, stream_opened())
    assert spoken(story) == []
    assert len(story.effects(f.HangUp)) == 1


# --- machines, on leave-message


@pytest.mark.parametrize("mode", list(e.Mode))
def test_a_machine_hears_the_message_once_and_after_its_beep(mode: e.Mode) -> None:
    """Stopped at the verdict, silent through the greeting, whole after it; then we leave like a notice."""
    story = called(mode=mode).tell(e.PlaybackBegan(utterance=1), MACHINE)
    assert [type(effect) for effect in story.asked] == [f.StopSpeaking]
    story.tell(e.PlaybackDone(utterance=1, heard_ms=400, total_ms=None, complete=False))
    story.tell(e.Heard(text="please leave a message"), e.SpeechStarted(), after=5.0)
    assert spoken(story) == [NOTICE]
    story.tell(BEEP)
    assert spoken(story) == [NOTICE, NOTICE]
    played(story, 2)
    story.tell(e.TimerFired(timer=e.Timer.NOTIFY_HANGUP), after=3.0)
    assert len(story.effects(f.HangUp)) == 1
    assert (story.live.ending, story.live.detail) == (e.EndReason.HANGUP_BOT, "left a message on a machine")
    assert story.effects(f.AskAgent) == []


def test_a_machine_that_is_known_from_the_start_hears_nothing_before_its_beep() -> None:
    """Neither at the answer nor at the stream."""
    story = Story().tell(placed(e.Mode.NOTIFY, NOTICE, LEAVE), e.Dialled(leg=LEG), MACHINE, stream_opened())
    assert spoken(story) == []
    assert e.Timer.NOTIFY_HANGUP not in story.live.timers
    assert spoken(story.tell(BEEP)) == [NOTICE]


def test_a_beep_before_the_stream_is_not_lost() -> None:
    """The message waits for a way to the ear."""
    story = Story().tell(placed(e.Mode.NOTIFY, NOTICE, LEAVE), e.Dialled(leg=LEG), MACHINE, BEEP)
    assert spoken(story) == []
    assert spoken(story.tell(stream_opened())) == [NOTICE]


def test_the_beep_alone_is_a_verdict() -> None:
    """One carrier tells both in one word, another may lose the first."""
    story = called().tell(BEEP)
    assert [type(effect) for effect in story.asked] == [f.StopSpeaking, f.Speak]
    assert story.live.answered_by is e.AnsweredBy.MACHINE


def test_what_is_left_may_be_other_than_what_is_said() -> None:
    """`voicemail.message`: "press one now" is nothing to say to a machine."""
    story = called(replace(LEAVE, machine_message="Please call us back.")).tell(MACHINE, BEEP)
    assert spoken(story) == [NOTICE, "Please call us back."]


@pytest.mark.parametrize(("result", "message"), [(FAX, NOTICE), (MACHINE, "")])
def test_there_may_be_nobody_or_nothing_to_leave_a_message(result: e.Event, message: str) -> None:
    """A fax records nothing, and without words there is nothing to record."""
    story = called(message=message, mode=e.Mode.CONVERSATION).tell(result)
    assert story.live.ending is e.EndReason.VOICEMAIL


def test_a_machine_does_not_interrupt_its_message() -> None:
    """Whatever it plays or echoes: the message is left whole."""
    story = called().tell(MACHINE, BEEP, e.PlaybackBegan(utterance=2), e.SpeechStarted(), e.Heard(text="beep"))
    assert len(story.effects(f.StopSpeaking)) == 1
    assert [utterance.text for utterance in story.live.utterances if not utterance.cut] == [NOTICE]


def test_a_greeting_without_end_is_not_waited_for_for_ever() -> None:
    """The carrier's word of the beep may be lost: a message late is better than none."""
    story = called().tell(MACHINE)
    story.tell(e.TimerFired(timer=e.Timer.GREETING, at=story.live.timers[e.Timer.GREETING]))
    assert spoken(story) == [NOTICE, NOTICE]


def test_a_call_that_is_being_ended_leaves_no_message() -> None:
    """An operator who ends it during the greeting has the last word, even if the carrier is slow to hang up."""
    story = called().tell(MACHINE)
    due = story.live.timers[e.Timer.GREETING]
    story.tell(e.EndRequested(request=RequestId("e")), BEEP, e.TimerFired(timer=e.Timer.GREETING, at=due))
    assert spoken(story) == [NOTICE]
    assert not {e.Timer.GREETING, e.Timer.AMD} & story.live.timers.keys()


def test_where_no_carrier_tells_of_the_beep_silence_does() -> None:
    """Sounds put the end of the greeting off; two and a half quiet seconds are its end."""
    story = called(replace(LEAVE, reports_beep=False)).tell(e.SpeechStarted(), MACHINE)
    assert story.live.timers[e.Timer.GREETING] > story.now + 30
    story.tell(e.SpeechStopped())
    assert story.live.timers[e.Timer.GREETING] == pytest.approx(story.now + 2.5)
    story.tell(e.SpeechStarted())
    assert story.live.timers[e.Timer.GREETING] > story.now + 30
    story.tell(e.SpeechStopped())
    story.tell(e.TimerFired(timer=e.Timer.GREETING), after=2.6)
    assert spoken(story) == [NOTICE, NOTICE]


def test_a_quiet_machine_without_a_beep_is_spoken_to_soon() -> None:
    """Its greeting was over before the verdict came."""
    story = called(replace(LEAVE, reports_beep=False)).tell(e.SpeechStarted(), e.SpeechStopped(), MACHINE)
    assert story.live.timers[e.Timer.GREETING] == pytest.approx(story.now + 2.5)


def test_the_carriers_own_voice_is_silenced_and_hears_the_greeting_out() -> None:
    """Without a stream only the carrier can fall silent, and only it hears the beep."""
    policy = replace(LEAVE, streaming=False)
    story = Story().tell(placed(e.Mode.NOTIFY, NOTICE, policy), e.Dialled(leg=LEG), e.Answered(leg=LEG), MACHINE)
    (hears,) = story.effects(f.AwaitBeep)
    assert isinstance(hears, f.AwaitBeep)
    assert hears.leg == LEG
    story.tell(e.CommandDone(effect=hears.id), BEEP)
    assert spoken(story) == [NOTICE, NOTICE]
    assert not any(isinstance(effect, f.AwaitBeep) for effect in story.live.pending.values())


def test_a_carrier_that_will_not_hear_the_greeting_out_ends_no_call() -> None:
    """The greeting's own alarm stands: the message comes late."""
    policy = replace(LEAVE, streaming=False)
    story = Story().tell(placed(e.Mode.NOTIFY, NOTICE, policy), e.Dialled(leg=LEG), e.Answered(leg=LEG), MACHINE)
    story.tell(e.CommandFailed(effect=EffectId(story.effects(f.AwaitBeep)[0].id), reason="no", retryable=False))
    assert e.Timer.GREETING in story.live.timers
    assert story.live.ending is None


# --- local callers, repetitions, crashes


def test_nobody_talks_with_a_machine() -> None:
    """Who waits for its words is told at once; who wants to say something too, for the message is to stay whole."""
    story = called(mode=e.Mode.CONVERSATION)
    played(story, 1).tell(e.ContinueRequested(request=RequestId("c"), text="Yes or no?"), MACHINE)
    story.tell(e.SpeakRequested(request=RequestId("s"), text="Hello?"))
    story.tell(e.ContinueRequested(request=RequestId("d"), text="Well?"))
    refused = {answer.request: answer.text for answer in story.live.results if not answer.ok}
    assert refused == dict.fromkeys((RequestId("c"), RequestId("s"), RequestId("d")), NO_PERSON)


def test_an_agent_who_was_thinking_is_told_to_stop() -> None:
    """It may have taken the greeting for a question."""
    story = called(mode=e.Mode.CONVERSATION)
    played(story, 1).tell(e.Heard(text="you have reached"), MACHINE)
    assert any(isinstance(effect, f.DropAgent) for effect in story.asked)
    story.tell(e.AgentSaid(turn=1, text="Whom?"), e.AgentDone(turn=1))
    assert spoken(story) == [NOTICE]


@given(st.lists(st.sampled_from([MACHINE, BEEP, HUMAN, FAX]), max_size=12), st.integers(0, 6))
@settings(max_examples=200, deadline=None)
def test_repeated_and_revised_verdicts_change_nothing(noise: list[e.Event], at: int) -> None:
    """Carriers repeat and reorder: after the first verdict and the beep there is one message, whatever comes."""
    story = called().tell(MACHINE, *noise[:at], BEEP, *noise[at:])
    assert spoken(story) == [NOTICE, NOTICE]
    assert story.live.answered_by is e.AnsweredBy.MACHINE


@given(HISTORY, st.sampled_from([MACHINE, BEEP, HUMAN, FAX]), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_verdict_told_twice_is_told_once(
    history: list[tuple[e.Event, float]], result: e.Event, streaming: bool
) -> None:
    """After any history: the second time asks for nothing."""
    story = told(history, placed(policy=replace(LEAVE, streaming=streaming))).tell(result)
    once = settled(story.live)
    story.tell(result)
    assert settled(story.live) == once
    assert story.asked == ()


@given(HISTORY, st.booleans(), st.sampled_from([LEAVE, HANG_UP]))
@settings(max_examples=400, deadline=None)
def test_no_history_lets_an_agent_talk_with_a_machine(
    history: list[tuple[e.Event, float]], streaming: bool, policy: e.CallPolicy
) -> None:
    """Nor says anything before the beep, nor waits for it without an alarm; and it all survives the snapshot."""
    story = Story().tell(placed(policy=replace(policy, streaming=streaming)))
    for event, after in history:
        was_machine, was_due = story.live.is_machine, story.live.amd.awaiting_beep
        story.tell(event, after=after)
        if was_machine:
            assert not any(isinstance(effect, f.AskAgent) for effect in story.asked)
        if was_due and story.live.amd.awaiting_beep:
            assert not any(isinstance(effect, f.Speak) for effect in story.asked)
        if story.live.amd.awaiting_beep:
            assert e.Timer.GREETING in story.live.timers
    assert wire.unpack_call(wire.pack_call(story.live)) == story.live


def test_a_takeover_during_the_greeting_still_says_nothing_before_the_beep() -> None:
    """The new owner knows from the snapshot what it waits for, and asks the carrier's ears again."""
    policy = replace(LEAVE, streaming=False)
    story = Story().tell(placed(e.Mode.NOTIFY, NOTICE, policy), e.Dialled(leg=LEG), e.Answered(leg=LEG), MACHINE)
    story.tell(e.Reactivated(epoch=Epoch(2)))
    assert [type(effect) for effect in story.asked] == [f.AwaitBeep]
    assert spoken(story.tell(BEEP)) == [NOTICE, NOTICE]


def test_a_stream_that_breaks_under_the_message_leaves_it_again() -> None:
    """Cut by us, not by the machine: it is marked and said whole."""
    story = called().tell(MACHINE, BEEP, e.PlaybackBegan(utterance=2))
    story.tell(e.StreamClosed(stream=stream_opened().stream))
    story.tell(e.StreamOpened(stream=StreamId("MZ2"), ingress=INGRESS, leg=LEG))
    assert spoken(story)[-1] == NOTICE

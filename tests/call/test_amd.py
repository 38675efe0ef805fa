"""AMD: a person is spoken to as without it, a machine gets nothing but a message after its beep."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.call.story import INGRESS, LEG, Story, arrived, placed, stream_opened
from tests.call.test_properties import HISTORY, folded, settled
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
    """The leg was answered; the opening text is being spoken."""
    return Story().fold(placed(mode, message, policy), e.Dialled(leg=LEG), e.Answered(leg=LEG), stream_opened())


def spoken(story: Story) -> list[str]:
    """Every text that was spoken."""
    return [effect.text for effect in story.everything if isinstance(effect, f.Speak)]


def played(story: Story, no: int) -> Story:
    return story.fold(
        e.PlaybackBegan(utterance=no), e.PlaybackDone(utterance=no, heard_ms=900, total_ms=900, complete=True)
    )


# --- asking


def test_amd_is_requested_only_where_it_is_configured() -> None:
    """The dial carries it, because the carrier must know before the leg is answered."""
    (plain,) = Story().fold(placed()).effects(f.Dial)
    (asked,) = Story().fold(placed(policy=LEAVE)).effects(f.Dial)
    assert isinstance(plain, f.Dial)
    assert isinstance(asked, f.Dial)
    assert (plain.on_machine, asked.on_machine) == (None, e.OnMachine.LEAVE_MESSAGE)


def test_without_amd_a_result_is_only_recorded() -> None:
    """A carrier may report one unasked; it must not change the call."""
    story = called(e.CallPolicy()).fold(MACHINE, BEEP)
    assert story.live.answered_by is e.AnsweredBy.MACHINE
    assert spoken(story) == [NOTICE]
    assert story.effects(f.HangUp) == []


def test_an_inbound_caller_is_never_taken_for_a_machine() -> None:
    """AMD is for outbound calls only."""
    story = Story().fold(arrived(policy=LEAVE), stream_opened(), MACHINE, BEEP)
    assert story.live.phase is Phase.SPEAKING
    assert e.Timer.AMD not in story.live.timers
    assert story.effects(f.HangUp) == []


# --- people


@pytest.mark.parametrize("policy", [LEAVE, HANG_UP])
def test_a_person_is_spoken_to_at_once(policy: e.CallPolicy) -> None:
    """The result is not awaited: the opening text is spoken as soon as the stream is open."""
    assert spoken(called(policy)) == [NOTICE]


def test_the_result_of_a_person_changes_nothing() -> None:
    """The conversation goes on as without AMD."""
    story = called(mode=e.Mode.CONVERSATION, message="Hello").fold(HUMAN)
    played(story, 1).fold(e.Heard(text="what time is it"))
    assert story.live.turn == 1
    assert len(story.effects(f.AskAgent)) == 1
    assert story.effects(f.StopSpeaking) == []


def test_a_notice_that_was_heard_waits_for_the_result() -> None:
    """It may have been said into a greeting: only a person has heard it."""
    story = played(called(), 1)
    assert e.Timer.NOTIFY_HANGUP not in story.live.timers
    story.fold(HUMAN)
    assert story.live.timers[e.Timer.NOTIFY_HANGUP] == pytest.approx(story.now + 3.0)


def test_no_result_within_the_carriers_limit_is_a_person() -> None:
    """A notice ends then; nothing is said twice."""
    story = played(called(), 1)
    due = story.live.timers[e.Timer.AMD]
    story.fold(e.TimerFired(timer=e.Timer.AMD, at=due))
    story.now = due
    assert story.live.timers[e.Timer.NOTIFY_HANGUP] == pytest.approx(due + 3.0)
    assert spoken(story) == [NOTICE]


def test_a_person_who_talks_when_the_result_comes_is_not_hung_up_on() -> None:
    """The hang-up after a notice is for a silent line."""
    story = played(called(), 1).fold(e.SpeechStarted(), HUMAN)
    assert e.Timer.NOTIFY_HANGUP not in story.live.timers


# --- machines, on hangup


@pytest.mark.parametrize("result", [MACHINE, FAX, BEEP])
@pytest.mark.parametrize("mode", list(e.Mode))
def test_a_machine_is_hung_up_on_at_once(result: e.Event, mode: e.Mode) -> None:
    """Speech is cut, and the record shows why the call is over."""
    story = called(HANG_UP, mode).fold(result)
    assert [type(effect) for effect in story.asked] == [f.StopSpeaking, f.HangUp]
    story.fold(e.HungUp(leg=LEG))
    assert (story.live.end_reason, story.live.phase) == (e.EndReason.VOICEMAIL, Phase.VOICEMAIL)
    assert story.live.detail == f"answered by a {'fax' if result is FAX else 'machine'}"


@pytest.mark.parametrize("streaming", [True, False])
def test_nothing_is_said_to_a_machine_that_is_known_from_the_start(streaming: bool) -> None:
    """A result that comes with the answer comes before the opening text."""
    policy = replace(HANG_UP, streaming=streaming)
    story = Story().fold(placed(e.Mode.NOTIFY, NOTICE, policy), e.Dialled(leg=LEG), MACHINE, stream_opened())
    assert spoken(story) == []
    assert len(story.effects(f.HangUp)) == 1


# --- machines, on leave-message


@pytest.mark.parametrize("mode", list(e.Mode))
def test_a_machine_gets_the_message_once_and_after_its_beep(mode: e.Mode) -> None:
    """Cut at the result, silent during the greeting, in full after it; then the call ends like a notice."""
    story = called(mode=mode).fold(e.PlaybackBegan(utterance=1), MACHINE)
    assert [type(effect) for effect in story.asked] == [f.StopSpeaking]
    story.fold(e.PlaybackDone(utterance=1, heard_ms=400, total_ms=None, complete=False))
    story.fold(e.Heard(text="please leave a message"), e.SpeechStarted(), after=5.0)
    assert spoken(story) == [NOTICE]
    story.fold(BEEP)
    assert spoken(story) == [NOTICE, NOTICE]
    played(story, 2)
    story.fold(e.TimerFired(timer=e.Timer.NOTIFY_HANGUP), after=3.0)
    assert len(story.effects(f.HangUp)) == 1
    assert (story.live.ending, story.live.detail) == (e.EndReason.HANGUP_BOT, "left a message on a machine")
    assert story.effects(f.AskAgent) == []


def test_a_machine_that_is_known_from_the_start_gets_nothing_before_its_beep() -> None:
    """Neither at the answer nor when the stream opens."""
    story = Story().fold(placed(e.Mode.NOTIFY, NOTICE, LEAVE), e.Dialled(leg=LEG), MACHINE, stream_opened())
    assert spoken(story) == []
    assert e.Timer.NOTIFY_HANGUP not in story.live.timers
    assert spoken(story.fold(BEEP)) == [NOTICE]


def test_a_beep_before_the_stream_is_not_lost() -> None:
    """The message waits for the stream."""
    story = Story().fold(placed(e.Mode.NOTIFY, NOTICE, LEAVE), e.Dialled(leg=LEG), MACHINE, BEEP)
    assert spoken(story) == []
    assert spoken(story.fold(stream_opened())) == [NOTICE]


def test_the_beep_alone_is_a_result() -> None:
    """One carrier reports both at once, another may lose the first."""
    story = called().fold(BEEP)
    assert [type(effect) for effect in story.asked] == [f.StopSpeaking, f.Speak]
    assert story.live.answered_by is e.AnsweredBy.MACHINE


def test_the_voicemail_message_may_differ_from_the_notice() -> None:
    """`voicemail.message`: a notice may hold "press one now", which is useless on a machine."""
    story = called(replace(LEAVE, machine_message="Please call us back.")).fold(MACHINE, BEEP)
    assert spoken(story) == [NOTICE, "Please call us back."]


@pytest.mark.parametrize(("result", "message"), [(FAX, NOTICE), (MACHINE, "")])
def test_a_fax_or_an_empty_message_is_hung_up_on(result: e.Event, message: str) -> None:
    """A fax records nothing, and without a message there is nothing to record."""
    story = called(message=message, mode=e.Mode.CONVERSATION).fold(result)
    assert story.live.ending is e.EndReason.VOICEMAIL


def test_a_machine_does_not_interrupt_its_message() -> None:
    """Whatever it plays or echoes: the message is left in full."""
    story = called().fold(MACHINE, BEEP, e.PlaybackBegan(utterance=2), e.SpeechStarted(), e.Heard(text="beep"))
    assert len(story.effects(f.StopSpeaking)) == 1
    assert [utterance.text for utterance in story.live.utterances if not utterance.cut] == [NOTICE]


def test_a_greeting_without_end_is_not_awaited_forever() -> None:
    """The report of the beep may be lost: a late message is better than none."""
    story = called().fold(MACHINE)
    story.fold(e.TimerFired(timer=e.Timer.GREETING, at=story.live.timers[e.Timer.GREETING]))
    assert spoken(story) == [NOTICE, NOTICE]


def test_a_call_that_is_being_ended_leaves_no_message() -> None:
    """Ended by a request during the greeting, even if the carrier is slow to hang up."""
    story = called().fold(MACHINE)
    due = story.live.timers[e.Timer.GREETING]
    story.fold(e.EndRequested(request=RequestId("e")), BEEP, e.TimerFired(timer=e.Timer.GREETING, at=due))
    assert spoken(story) == [NOTICE]
    assert not {e.Timer.GREETING, e.Timer.AMD} & story.live.timers.keys()


def test_where_no_beep_is_reported_silence_ends_the_greeting() -> None:
    """Sounds delay the end of the greeting; 2.5 s of silence are its end."""
    story = called(replace(LEAVE, reports_beep=False)).fold(e.SpeechStarted(), MACHINE)
    assert story.live.timers[e.Timer.GREETING] > story.now + 30
    story.fold(e.SpeechStopped())
    assert story.live.timers[e.Timer.GREETING] == pytest.approx(story.now + 2.5)
    story.fold(e.SpeechStarted())
    assert story.live.timers[e.Timer.GREETING] > story.now + 30
    story.fold(e.SpeechStopped())
    story.fold(e.TimerFired(timer=e.Timer.GREETING), after=2.6)
    assert spoken(story) == [NOTICE, NOTICE]


def test_a_silent_machine_without_a_beep_gets_the_message_soon() -> None:
    """Its greeting was over before the result came."""
    story = called(replace(LEAVE, reports_beep=False)).fold(e.SpeechStarted(), e.SpeechStopped(), MACHINE)
    assert story.live.timers[e.Timer.GREETING] == pytest.approx(story.now + 2.5)


def test_the_carriers_own_voice_stops_and_awaits_the_beep() -> None:
    """Without a stream only the carrier can stop speaking, and only it detects the beep."""
    policy = replace(LEAVE, streaming=False)
    story = Story().fold(placed(e.Mode.NOTIFY, NOTICE, policy), e.Dialled(leg=LEG), e.Answered(leg=LEG), MACHINE)
    (hears,) = story.effects(f.AwaitBeep)
    assert isinstance(hears, f.AwaitBeep)
    assert hears.leg == LEG
    story.fold(e.CommandDone(effect=hears.id), BEEP)
    assert spoken(story) == [NOTICE, NOTICE]
    assert not any(isinstance(effect, f.AwaitBeep) for effect in story.live.pending.values())


def test_a_failed_await_beep_does_not_end_the_call() -> None:
    """The greeting's timer is armed: the message comes late."""
    policy = replace(LEAVE, streaming=False)
    story = Story().fold(placed(e.Mode.NOTIFY, NOTICE, policy), e.Dialled(leg=LEG), e.Answered(leg=LEG), MACHINE)
    story.fold(e.CommandFailed(effect=EffectId(story.effects(f.AwaitBeep)[0].id), reason="no", retryable=False))
    assert e.Timer.GREETING in story.live.timers
    assert story.live.ending is None


# --- API requests, repetitions, crashes


def test_requests_are_refused_on_a_machine() -> None:
    """A pending `continue` is refused at once, and so are later requests: the message must stay complete."""
    story = called(mode=e.Mode.CONVERSATION)
    played(story, 1).fold(e.ContinueRequested(request=RequestId("c"), text="Yes or no?"), MACHINE)
    story.fold(e.SpeakRequested(request=RequestId("s"), text="Hello?"))
    story.fold(e.ContinueRequested(request=RequestId("d"), text="Well?"))
    refused = {answer.request: answer.text for answer in story.live.results if not answer.ok}
    assert refused == dict.fromkeys((RequestId("c"), RequestId("s"), RequestId("d")), NO_PERSON)


def test_a_pending_reply_is_cancelled_for_a_machine() -> None:
    """The greeting may have been taken for a question."""
    story = called(mode=e.Mode.CONVERSATION)
    played(story, 1).fold(e.Heard(text="you have reached"), MACHINE)
    assert any(isinstance(effect, f.DropAgent) for effect in story.asked)
    story.fold(e.AgentSaid(turn=1, text="Whom?"), e.AgentDone(turn=1))
    assert spoken(story) == [NOTICE]


@given(st.lists(st.sampled_from([MACHINE, BEEP, HUMAN, FAX]), max_size=12), st.integers(0, 6))
@settings(max_examples=200, deadline=None)
def test_repeated_and_revised_results_change_nothing(noise: list[e.Event], at: int) -> None:
    """Carriers repeat and reorder: after the first result and the beep there is one message, whatever comes."""
    story = called().fold(MACHINE, *noise[:at], BEEP, *noise[at:])
    assert spoken(story) == [NOTICE, NOTICE]
    assert story.live.answered_by is e.AnsweredBy.MACHINE


@given(HISTORY, st.sampled_from([MACHINE, BEEP, HUMAN, FAX]), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_result_reported_twice_counts_once(
    history: list[tuple[e.Event, float]], result: e.Event, streaming: bool
) -> None:
    """After any history: the second time requests nothing."""
    story = folded(history, placed(policy=replace(LEAVE, streaming=streaming))).fold(result)
    once = settled(story.live)
    story.fold(result)
    assert settled(story.live) == once
    assert story.asked == ()


@given(HISTORY, st.booleans(), st.sampled_from([LEAVE, HANG_UP]))
@settings(max_examples=400, deadline=None)
def test_no_history_lets_the_agent_reply_to_a_machine(
    history: list[tuple[e.Event, float]], streaming: bool, policy: e.CallPolicy
) -> None:
    """Nor says anything before the beep, nor waits for it without a timer; and the snapshot keeps it all."""
    story = Story().fold(placed(policy=replace(policy, streaming=streaming)))
    for event, after in history:
        was_machine, was_awaiting = story.live.is_machine, story.live.amd.awaiting_beep
        story.fold(event, after=after)
        if was_machine:
            assert not any(isinstance(effect, f.AskAgent) for effect in story.asked)
        if was_awaiting and story.live.amd.awaiting_beep:
            assert not any(isinstance(effect, f.Speak) for effect in story.asked)
        if story.live.amd.awaiting_beep:
            assert e.Timer.GREETING in story.live.timers
    assert wire.unpack_call(wire.pack_call(story.live)) == story.live


def test_a_takeover_during_the_greeting_still_says_nothing_before_the_beep() -> None:
    """The new owner knows from the snapshot what it waits for, and requests `AwaitBeep` again."""
    policy = replace(LEAVE, streaming=False)
    story = Story().fold(placed(e.Mode.NOTIFY, NOTICE, policy), e.Dialled(leg=LEG), e.Answered(leg=LEG), MACHINE)
    story.fold(e.Reactivated(epoch=Epoch(2)))
    assert [type(effect) for effect in story.asked] == [f.AwaitBeep]
    assert spoken(story.fold(BEEP)) == [NOTICE, NOTICE]


def test_a_stream_that_breaks_under_the_message_leaves_it_again() -> None:
    """Cut by a fault, not by the machine: it is repeated in full, with an apology."""
    story = called().fold(MACHINE, BEEP, e.PlaybackBegan(utterance=2))
    story.fold(e.StreamClosed(stream=stream_opened().stream))
    story.fold(e.StreamOpened(stream=StreamId("MZ2"), ingress=INGRESS, leg=LEG))
    assert spoken(story)[-1] == NOTICE

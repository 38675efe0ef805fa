"""Sounds that do not stand out from the noise of the line: they stop nothing and keep nothing open; words do."""

import pytest

from tests.call.story import INGRESS, LEG, STREAM, Story, arrived
from voicecall import wire
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.ids import RequestId
from voicecall.call.policy import CallPolicy, TurnPolicy

OPENED = e.StreamOpened(stream=STREAM, ingress=INGRESS, leg=LEG, pauses=True)
NOISE = e.SpeechStarted(above_noise=False)
CONFIRM, RESUME = e.TimerFired(timer=e.Timer.CONFIRM), e.TimerFired(timer=e.Timer.RESUME)
SILENCE, FILLER = e.TimerFired(timer=e.Timer.SILENCE), e.TimerFired(timer=e.Timer.FILLER)
HALTS = (f.PauseSpeaking, f.ResumeSpeaking, f.StopSpeaking, f.DropAgent)


def connected(policy: TurnPolicy | None = None, *, pauses: bool = True) -> Story:
    opened = e.StreamOpened(stream=STREAM, ingress=INGRESS, leg=LEG, pauses=pauses)
    return Story().fold(arrived("", CallPolicy(turns=policy or TurnPolicy())), opened)


def in_reply(policy: TurnPolicy | None = None, *, pauses: bool = True) -> Story:
    story = connected(policy, pauses=pauses).fold(e.Heard(text="a story please"))
    story.fold(e.AgentSaid(turn=1, text="Once upon a time."), e.AgentSaid(turn=1, text="There was a king."))
    return story.fold(e.PlaybackBegan(utterance=1)).fold(e.AgentSaid(turn=1, text="He had a daughter."), after=1.0)


def halts(story: Story) -> list[str]:
    return [effect.name for effect in story.everything if isinstance(effect, HALTS)]


POLICIES = [TurnPolicy(), TurnPolicy(min_speech_s=0.0), TurnPolicy(min_words=2)]


@pytest.mark.parametrize("pauses", [True, False])
@pytest.mark.parametrize("policy", POLICIES, ids=["normal", "at once", "words"])
def test_a_noise_however_long_neither_pauses_nor_interrupts(policy: TurnPolicy, pauses: bool) -> None:
    story = in_reply(policy, pauses=pauses).fold(NOISE)
    assert e.Timer.CONFIRM not in story.live.timers
    story.fold(CONFIRM, after=2.0).fold(e.SpeechStopped(silent_ms=800), after=5.0)
    story.fold(e.Heard(text="", silent_ms=900))
    assert halts(story) == []
    assert (story.live.floor.speech, story.live.reply_due) == (None, True)


def test_words_in_a_noise_interrupt() -> None:
    """With the first of a partial transcript, or with the final one."""
    story = in_reply().fold(NOISE, e.Heard(text="no wait", final=False))
    assert halts(story) == ["StopSpeaking", "DropAgent"]
    story = in_reply().fold(NOISE, e.SpeechStopped(silent_ms=300), e.Heard(text="stop that", silent_ms=500))
    assert (halts(story), story.live.turn) == (["StopSpeaking", "DropAgent"], 2)


def test_words_of_a_caller_who_speaks_again_end_the_noise() -> None:
    """It is forgotten, and what they go on with is a sound of its own."""
    story = in_reply().fold(NOISE, e.Heard(text="stop that", silent_ms=0))
    assert (story.live.floor.speech, halts(story)) == (None, ["StopSpeaking", "DropAgent"])


def test_a_louder_sound_in_a_noise_pauses() -> None:
    """The caller speaks up: from here on it counts like any other sound."""
    story = in_reply().fold(NOISE).fold(e.SpeechStarted(above_noise=True), after=3.0)
    assert halts(story) == ["PauseSpeaking"]
    assert story.live.timers[e.Timer.CONFIRM] == pytest.approx(story.now + 0.5)
    story.fold(CONFIRM, after=0.5)
    assert halts(story) == ["PauseSpeaking", "StopSpeaking", "DropAgent"]


def test_a_noise_without_an_end_is_forgotten() -> None:
    story = in_reply().fold(NOISE, e.SpeechStopped(silent_ms=300)).fold(RESUME, after=1.5)
    assert (story.live.floor.speech, halts(story)) == (None, [])
    story = in_reply().fold(NOISE).fold(e.TimerFired(timer=e.Timer.UNHEARD), after=30.0)
    assert (story.live.floor.speech, halts(story)) == (None, [])


def test_a_noise_does_not_keep_a_turn_open() -> None:
    story = connected().fold(e.SpeechStarted(), e.Heard(text="what time is it", silent_ms=100))
    due = story.live.timers[e.Timer.TURN]
    story.fold(NOISE, after=0.05)
    assert story.live.timers[e.Timer.TURN] == due
    story.fold(e.TimerFired(timer=e.Timer.TURN), after=0.2)
    assert [effect.turn for effect in story.everything if isinstance(effect, f.AskAgent)] == [1]


def test_a_noise_while_an_api_client_speaks_does_not_keep_the_turn_open_either() -> None:
    """Nor when its timer for words has run out, or when it is over."""
    story = connected().fold(e.SpeechStarted(), e.Heard(text="by the way", silent_ms=100))
    story.fold(e.SpeakRequested(request=RequestId("r1"), text="A long announcement.")).fold(NOISE, after=0.05)
    assert story.live.floor.speech is None
    story.fold(e.SpeechStopped(), e.TimerFired(timer=e.Timer.TURN), after=0.1)
    assert [effect.turn for effect in story.everything if isinstance(effect, f.AskAgent)] == [1]


def test_a_noise_keeps_neither_the_filler_nor_the_prompt_back() -> None:
    """The caller is not speaking."""
    story = connected().fold(e.Heard(text="hello")).fold(NOISE).fold(FILLER, after=4.0)
    assert len(story.effects(f.Speak)) == 1
    story = connected(TurnPolicy(silence_s=12.0)).fold(e.Heard(text="hi"), e.AgentSaid(turn=1, text="Yes?"))
    story.fold(e.AgentDone(turn=1), e.PlaybackBegan(utterance=1))
    story.fold(e.PlaybackDone(utterance=1, heard_ms=9, total_ms=9, complete=True), NOISE)
    assert e.Timer.SILENCE in story.live.timers


def test_a_sound_that_was_listened_to_already_stays_what_it_was() -> None:
    """A noise begins while a cough is waited for."""
    story = in_reply().fold(e.SpeechStarted(), e.SpeechStopped(silent_ms=120))
    before = story.live.floor.speech
    assert story.fold(NOISE).live.floor.speech == before


@pytest.mark.parametrize("above", [True, None])
def test_a_sound_above_the_noise_or_on_a_quiet_line_counts(above: bool | None) -> None:
    assert halts(in_reply().fold(e.SpeechStarted(above_noise=above))) == ["PauseSpeaking"]


def test_a_noise_that_is_listened_to_is_in_the_snapshot() -> None:
    story = in_reply().fold(NOISE)
    assert wire.unpack_call(wire.pack_call(story.live)) == story.live


# --- our own echo -------------------------------------------------------------------------------------------------


def test_the_echo_of_speech_that_goes_on_after_a_pause_does_not_pause_it_again() -> None:
    """The line was silent for as long as the pause; with every echo a pause, it would never end."""
    story = in_reply().fold(e.SpeechStarted(), e.SpeechStopped(silent_ms=120), e.Heard(text=""))
    assert halts(story) == ["PauseSpeaking", "ResumeSpeaking"]
    story.fold(e.SpeechStarted(), after=0.2)
    assert halts(story) == ["PauseSpeaking", "ResumeSpeaking"]
    assert story.live.timers[e.Timer.CONFIRM] == pytest.approx(story.now - 0.2 + 0.3 + 0.3)
    story.fold(e.SpeechStopped(silent_ms=120), e.Heard(text=""), after=0.2).fold(e.SpeechStarted(), after=1.0)
    assert halts(story)[2:] == ["PauseSpeaking"]


def test_a_pause_before_anything_was_heard_begins_no_echo() -> None:
    """The guard begins with the sound."""
    story = connected().fold(e.Heard(text="hello?"), e.SpeechStarted(), e.SpeechStopped(), e.Heard(text=""))
    assert story.live.playback.sounding_since is None


@pytest.mark.parametrize("sentence", [2, 3])
def test_a_later_sentence_behind_a_silence_has_its_echo(sentence: int) -> None:
    """The agent was slow to go on. Behind a sentence that still plays there is no guard: the line carries our voice."""
    story = in_reply().fold(e.AgentSaid(turn=1, text="She had a ball."))
    for no in range(1, sentence):
        story.fold(e.PlaybackBegan(utterance=no))
        story.fold(e.PlaybackDone(utterance=no, heard_ms=900, total_ms=900, complete=True), after=1.0)
    story.fold(e.PlaybackBegan(utterance=sentence), after=1.0).fold(e.SpeechStarted(), after=0.2)
    assert halts(story) == []
    assert e.Timer.CONFIRM in story.live.timers


def test_speech_that_was_cut_is_no_sound_any_more() -> None:
    """The report of what was heard of it comes late; the reply that follows has its echo all the same."""
    story = in_reply().fold(e.SpeechStarted()).fold(CONFIRM, after=0.3)
    story.fold(e.SpeechStopped(), e.Heard(text="that is enough", silent_ms=900))
    story.fold(e.AgentSaid(turn=2, text="As you like."))
    last = story.live.utterances[-1].no
    assert any(utterance.cut for utterance in story.live.utterances)
    story.fold(e.PlaybackBegan(utterance=last)).fold(e.SpeechStarted(), after=0.2)
    assert halts(story)[-1] == "DropAgent"

# ruff: noqa: RUF001  letters of several scripts
"""Whether a sound of the caller takes the floor: a pause, then a cut or the rest of what was being said."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.call.story import INGRESS, LEG, STREAM, Story, arrived
from voicecall import wire
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.backchannels import BACKCHANNELS, has_words, is_backchannel, word_count
from voicecall.call.ids import Epoch, RequestId, StreamId
from voicecall.call.phrases import ENGLISH
from voicecall.call.policy import CallPolicy, TurnPolicy
from voicecall.call.state import Party, Phase

R1 = RequestId("r1")
OPENED = e.StreamOpened(stream=STREAM, ingress=INGRESS, leg=LEG, pauses=True)
CONFIRM, RESUME = e.TimerFired(timer=e.Timer.CONFIRM), e.TimerFired(timer=e.Timer.RESUME)
NOTHING_HEARD = e.Heard(text="")


def connected(policy: TurnPolicy | None = None) -> Story:
    """A caller on an ingress that can pause; nothing has been said."""
    return Story().fold(arrived("", CallPolicy(turns=policy or TurnPolicy())), OPENED)


def in_reply(policy: TurnPolicy | None = None) -> Story:
    """The caller asked; the first sentence of the reply has been playing for a second, the second is queued."""
    story = connected(policy).fold(e.Heard(text="a story please"))
    story.fold(e.AgentSaid(turn=1, text="Once upon a time."), e.AgentSaid(turn=1, text="There was a king."))
    return story.fold(e.PlaybackBegan(utterance=1)).fold(e.AgentSaid(turn=1, text="He had a daughter."), after=1.0)


def asked(story: Story) -> list[type[f.Effect]]:
    return [type(effect) for effect in story.asked]


def spoken(story: Story) -> list[str]:
    return [effect.text for effect in story.everything if isinstance(effect, f.Speak)]


def halts(story: Story) -> list[str]:
    kinds = (f.PauseSpeaking, f.ResumeSpeaking, f.StopSpeaking, f.DropAgent)
    return [effect.name for effect in story.everything if isinstance(effect, kinds)]


# --- a false alarm ------------------------------------------------------------------------------------------------


def test_a16_a_sound_without_words_pauses_and_the_answer_goes_on() -> None:
    """Nothing is cut, cancelled or apologised for, and the record is the same as without the sound."""
    story = in_reply()
    before = story.live.transcript, story.live.utterances
    story.fold(e.SpeechStarted())
    assert asked(story) == [f.PauseSpeaking]
    story.fold(e.SpeechStopped(silent_ms=120), NOTHING_HEARD)
    assert asked(story) == [f.ResumeSpeaking]
    assert (story.live.transcript, story.live.utterances) == before
    assert (story.live.reply_due, story.live.caller_is_speaking, story.live.phase) == (True, False, Phase.SPEAKING)
    assert ENGLISH.not_caught not in spoken(story)


def test_a16_a_sound_without_a_transcript_is_forgotten_in_time() -> None:
    """Also where the recogniser never reports it."""
    story = in_reply().fold(e.SpeechStarted(), e.SpeechStopped(silent_ms=120))
    assert story.live.timers[e.Timer.RESUME] == pytest.approx(story.now - 0.12 + 1.5, abs=0.05)
    story.fold(RESUME, after=1.5)
    assert asked(story) == [f.ResumeSpeaking]
    assert e.Timer.UNHEARD not in story.live.timers


def test_what_the_agent_says_during_a_pause_waits_behind_it() -> None:
    """The reply is not cancelled: it goes on while it is listened to."""
    story = in_reply().fold(e.SpeechStarted())
    story.fold(e.AgentSaid(turn=1, text="She had a ball."), e.AgentDone(turn=1), e.SpeechStopped(), after=0.05)
    story.fold(NOTHING_HEARD)
    assert halts(story) == ["PauseSpeaking", "ResumeSpeaking"]
    assert spoken(story)[-1] == "She had a ball."
    assert story.live.stats.completed_turns == 1


def test_a_sound_while_the_agent_thinks_cancels_nothing() -> None:
    """Its first sentence must not begin while the caller may be speaking."""
    story = connected().fold(e.Heard(text="hello?"), e.SpeechStarted())
    assert asked(story) == [f.PauseSpeaking]
    story.fold(e.SpeechStopped(), NOTHING_HEARD)
    assert len(story.effects(f.AskAgent)) == 1
    assert story.live.reply_due


@pytest.mark.parametrize("text", ["Mhm.", "uh-huh", "Okay, okay.", "…", "嗯。", "Ага", "हम्म"])
def test_a_backchannel_does_not_take_the_floor(text: str) -> None:
    story = in_reply().fold(e.SpeechStarted(), e.SpeechStopped(), e.Heard(text=text, silent_ms=900))
    assert halts(story) == ["PauseSpeaking", "ResumeSpeaking"]
    assert story.live.turn == 1


def test_after_a_question_mhm_is_an_answer() -> None:
    """Even when the end of the question has not been heard yet."""
    story = connected().fold(e.Heard(text="a table"), e.AgentSaid(turn=1, text="At eight, shall I book it?"))
    story.fold(e.PlaybackBegan(utterance=1)).fold(e.SpeechStarted(), after=1.0)
    story.fold(e.Heard(text="mhm", silent_ms=900))
    assert story.live.turn == 2


def test_where_an_api_client_asked_mhm_answers_it() -> None:
    story = connected().fold(e.ContinueRequested(request=R1, text="Tell me when you are ready."))
    story.fold(e.PlaybackBegan(utterance=1)).fold(e.SpeechStarted(), after=1.0).fold(e.Heard(text="mhm"))
    assert [effect.text for effect in story.asked if isinstance(effect, f.Resolve)] == ["mhm"]


# --- an interruption ----------------------------------------------------------------------------------------------


def test_a_sound_that_lasts_is_an_interruption() -> None:
    """After 300 ms, certain at 500, the speech is cut, the reply cancelled, and only what was heard recorded."""
    story = in_reply().fold(e.SpeechStarted())
    assert story.live.timers[e.Timer.CONFIRM] == pytest.approx(story.now + 0.5)
    story.fold(CONFIRM, after=0.5)
    assert asked(story) == [f.StopSpeaking, f.DropAgent]
    story.fold(e.PlaybackDone(utterance=1, heard_ms=500, total_ms=1000, complete=False))
    assert [line.text for line in story.live.transcript] == ["a story please", "Once upo"]
    story.fold(e.SpeechStopped(), e.Heard(text="that is enough", silent_ms=900))
    assert [effect.turn for effect in story.asked if isinstance(effect, f.AskAgent)] == [2]


def test_a_sound_that_ends_just_before_is_no_interruption() -> None:
    """Of 280 ms: its end is reported 120 ms after it, when a timer of 300 ms would have fired."""
    story = in_reply().fold(e.SpeechStarted()).fold(CONFIRM, after=0.3)
    assert asked(story) == []
    story.fold(e.SpeechStopped(silent_ms=120), after=0.1)
    story.fold(e.Heard(text="ach so", silent_ms=300), after=0.2)
    assert halts(story) == ["PauseSpeaking", "ResumeSpeaking"]


def test_words_interrupt_however_short_they_were() -> None:
    story = in_reply().fold(e.SpeechStarted(), e.SpeechStopped(), e.Heard(text="stop", silent_ms=900))
    assert halts(story) == ["PauseSpeaking", "StopSpeaking", "DropAgent"]
    assert (story.live.turn, story.live.playback.paused) == (2, False)


def test_the_first_words_of_a_partial_transcript_interrupt_at_once() -> None:
    """A recogniser that reports them is faster than the time."""
    story = in_reply().fold(e.SpeechStarted(), e.Heard(text="mhm", final=False))
    assert asked(story) == []
    story.fold(e.Heard(text="no wait", final=False))
    assert asked(story) == [f.StopSpeaking, f.DropAgent]


def test_pieces_of_a_sound_add_up() -> None:
    """The gaps between syllables are not counted, and do not begin it anew."""
    story = in_reply().fold(e.SpeechStarted()).fold(e.SpeechStopped(), after=0.2)
    story.fold(e.SpeechStarted())
    assert story.live.timers[e.Timer.CONFIRM] == pytest.approx(story.now + 0.3)
    assert e.Timer.RESUME not in story.live.timers
    story.fold(CONFIRM, after=0.3)
    assert asked(story) == [f.StopSpeaking, f.DropAgent]


def test_the_end_of_a_long_sound_may_come_before_the_timer() -> None:
    story = in_reply().fold(e.SpeechStarted()).fold(e.SpeechStopped(silent_ms=120), after=0.5)
    assert asked(story) == [f.StopSpeaking, f.DropAgent]


def test_an_early_timer_confirms_nothing() -> None:
    story = in_reply().fold(e.SpeechStarted()).fold(CONFIRM, after=0.1)
    assert asked(story) == []


def test_a16_a_long_noise_was_cut_and_the_rest_is_said_all_the_same() -> None:
    """From the word that was cut, with what was queued; and the agent goes on after what it said."""
    story = in_reply().fold(e.SpeechStarted()).fold(CONFIRM, after=0.5)
    before = len(spoken(story))
    story.fold(e.PlaybackDone(utterance=1, heard_ms=500, total_ms=1000, complete=False))
    story.fold(e.SpeechStopped(), e.Heard(text="", silent_ms=900))
    assert spoken(story)[before:] == ["upon a time.", "There was a king.", "He had a daughter."]
    (ask,) = [effect for effect in story.asked if isinstance(effect, f.AskAgent)]
    assert (ask.turn, ask.said[-1]) == (1, "He had a daughter.")
    assert ENGLISH.not_caught not in spoken(story)


def test_the_rest_waits_for_the_report_of_what_was_heard() -> None:
    """A transcript may be faster than the ingress: without the report the sentence would be said anew."""
    story = in_reply().fold(e.SpeechStarted()).fold(CONFIRM, after=0.5)
    before = len(spoken(story))
    story.fold(e.SpeechStopped(), e.Heard(text="", silent_ms=900))
    assert spoken(story)[before:] == []
    story.fold(e.PlaybackDone(utterance=1, heard_ms=500, total_ms=1000, complete=False))
    assert spoken(story)[before:] == ["upon a time.", "There was a king.", "He had a daughter."]
    assert not story.live.playback.goes_on


def test_words_in_the_meantime_cost_the_rest() -> None:
    story = in_reply().fold(e.SpeechStarted()).fold(CONFIRM, after=0.5)
    story.fold(e.SpeechStopped(), e.Heard(text="", silent_ms=900))
    before = len(spoken(story))
    story.fold(e.Heard(text="that is enough", silent_ms=900))
    story.fold(e.PlaybackDone(utterance=1, heard_ms=500, total_ms=1000, complete=False))
    assert spoken(story)[before:] == []


def test_what_an_earlier_interruption_cut_is_never_said_later() -> None:
    """Its transcript was lost and the caller asked again; a noise in the next turn is of that turn alone."""
    story = in_reply().fold(e.SpeechStarted()).fold(CONFIRM, after=0.5).fold(e.SpeechStopped())
    story.fold(e.PlaybackDone(utterance=1, heard_ms=500, total_ms=1000, complete=False))
    story.fold(e.TimerFired(timer=e.Timer.UNHEARD), after=5.1)
    said = len(spoken(story))
    story.fold(e.PlaybackBegan(utterance=4), e.PlaybackDone(utterance=4, heard_ms=9, total_ms=9, complete=True))
    story.fold(e.SpeechStarted()).fold(e.SpeechStopped(), NOTHING_HEARD, after=0.6)
    assert spoken(story)[said:] == []


def test_a_long_noise_before_the_reply_asks_the_agent_again() -> None:
    story = connected().fold(e.Heard(text="hello?"), e.SpeechStarted()).fold(CONFIRM, after=0.3)
    story.fold(e.SpeechStopped(), NOTHING_HEARD)
    assert [effect.turn for effect in story.everything if isinstance(effect, f.AskAgent)] == [1, 1]


def test_speech_whose_transcript_never_comes_is_asked_for_again() -> None:
    """It lasted, so it was no noise; the recogniser lost it."""
    story = in_reply().fold(e.SpeechStarted()).fold(CONFIRM, after=0.5).fold(e.SpeechStopped())
    story.fold(e.PlaybackDone(utterance=1, heard_ms=500, total_ms=1000, complete=False))
    story.fold(e.TimerFired(timer=e.Timer.UNHEARD), after=5.1)
    assert spoken(story)[-1] == ENGLISH.not_caught


def test_a_noise_in_a_silent_call_is_answered_with_nothing() -> None:
    story = connected().fold(e.SpeechStarted(), e.SpeechStopped(), NOTHING_HEARD)
    assert (story.everything, story.live.caller_is_speaking) == ([], False)


# --- where playback is not paused ---------------------------------------------------------------------------------


def test_our_own_echo_does_not_pause_us() -> None:
    """A sound that begins within 300 ms of our own audio plays on, and interrupts only when it lasts."""
    story = connected().fold(e.Heard(text="hm?"), e.AgentSaid(turn=1, text="Once upon a time."))
    story.fold(e.PlaybackBegan(utterance=1)).fold(e.SpeechStarted(), after=0.2)
    assert asked(story) == []
    assert story.live.timers[e.Timer.CONFIRM] == pytest.approx(story.now - 0.2 + 0.3 + 0.3)
    story.fold(e.SpeechStopped(), NOTHING_HEARD)
    assert halts(story) == []
    story.fold(e.SpeechStarted(), after=1.0)
    assert asked(story) == [f.PauseSpeaking]


def test_the_second_sentence_of_a_reply_has_no_echo_guard() -> None:
    """The line has carried our voice for long by then."""
    story = in_reply().fold(e.PlaybackBegan(utterance=2)).fold(e.SpeechStarted(), after=0.1)
    assert asked(story) == [f.PauseSpeaking]


def test_in_a_noisy_place_only_words_interrupt() -> None:
    """A short noise does not even pause; a long one pauses for a moment, and speech goes on through it."""
    noisy = TurnPolicy(min_speech_s=0.6, min_words=2)
    story = in_reply(noisy).fold(e.SpeechStarted())
    assert asked(story) == []
    story.fold(CONFIRM, after=0.6)
    assert asked(story) == [f.PauseSpeaking]
    story.fold(RESUME, after=1.5)
    assert asked(story) == [f.ResumeSpeaking]
    story.fold(e.SpeechStopped(), e.Heard(text="hello", silent_ms=900))
    assert story.live.turn == 1
    story.fold(e.SpeechStarted(), e.Heard(text="please stop", silent_ms=900))
    assert (story.live.turn, halts(story)[-2:]) == (2, ["StopSpeaking", "DropAgent"])


def test_without_a_shortest_speech_every_sound_cuts() -> None:
    story = in_reply(TurnPolicy(min_speech_s=0.0)).fold(e.SpeechStarted())
    assert asked(story) == [f.StopSpeaking, f.DropAgent]


def test_an_ingress_of_an_earlier_build_is_not_asked_to_pause() -> None:
    """It would take no bundle with a pause in it. What is cut is said after all when there were no words."""
    story = in_reply().fold(e.StreamOpened(stream=StreamId("MZ2"), ingress=INGRESS, leg=LEG))
    story.fold(e.PlaybackBegan(utterance=5)).fold(e.SpeechStarted(), after=1.0)
    assert asked(story) == [f.StopSpeaking, f.DropAgent]
    story.fold(e.PlaybackDone(utterance=5, heard_ms=500, total_ms=1000, complete=False), NOTHING_HEARD)
    assert "upon a time." in spoken(story)
    assert halts(story)[-2:] == ["StopSpeaking", "DropAgent"]


def test_where_the_carrier_speaks_nothing_changes() -> None:
    """It listens itself, and reports words alone."""
    native = CallPolicy(streaming=False)
    story = Story().fold(arrived("Hi", native), e.Answered(leg=LEG), e.PlaybackBegan(utterance=1), e.SpeechStarted())
    assert asked(story) == [f.StopSpeaking]


def test_a_goodbye_is_not_interrupted_even_by_a_sound_before_it() -> None:
    """Recognition fails for good while it is listened to."""
    story = in_reply().fold(e.SpeechStarted(), e.SttFailed(reason="x"))
    assert spoken(story)[-1] == ENGLISH.stt_failed
    story.fold(CONFIRM, after=0.3)
    assert (asked(story), story.live.is_protected, story.live.playback.paused) == ([], True, False)


# --- fail-over ----------------------------------------------------------------------------------------------------


def test_a_worker_that_dies_during_a_pause_leaves_a_call_that_speaks() -> None:
    """The snapshot knows of the pause; the new owner repeats what had begun, and waits for nothing."""
    story = in_reply().fold(e.SpeechStarted())
    story.call = wire.unpack_call(wire.pack_call(story.live))
    story.fold(e.Reactivated(epoch=Epoch(2), cause=e.Takeover.DIED))
    assert f.ResumeSpeaking in asked(story)
    assert [effect.text for effect in story.asked if isinstance(effect, f.Speak)][:2] == [
        ENGLISH.cut_off,
        "Once upon a time.",
    ]
    assert not {e.Timer.CONFIRM, e.Timer.RESUME} & set(story.live.timers)
    assert (story.live.playback.paused, story.live.floor.speech) == (False, None)


def test_a_socket_lost_during_a_pause_leaves_a_call_that_speaks() -> None:
    story = in_reply().fold(e.SpeechStarted(), e.StreamClosed(stream=STREAM))
    assert f.ResumeSpeaking in asked(story)
    story.fold(e.StreamOpened(stream=StreamId("MZ2"), ingress=INGRESS, leg=LEG, pauses=True))
    assert ENGLISH.cut_off in [effect.text for effect in story.asked if isinstance(effect, f.Speak)]


def test_a_hang_up_during_a_pause_ends_it() -> None:
    story = in_reply().fold(e.SpeechStarted(), e.EndRequested(request=R1))
    assert f.StopSpeaking in asked(story)
    assert not story.live.playback.paused
    assert not {e.Timer.CONFIRM, e.Timer.RESUME, e.Timer.UNHEARD} & set(story.live.timers)


_SOUNDS = st.one_of(
    st.just(e.SpeechStarted()),
    st.builds(e.SpeechStopped, silent_ms=st.sampled_from([None, 0, 120, 800])),
    st.builds(
        e.Heard,
        text=st.sampled_from(["", "...", "mhm", "stop", "please go on"]),
        final=st.booleans(),
        silent_ms=st.sampled_from([None, 0, 200, 800]),
    ),
    st.builds(e.TimerFired, timer=st.sampled_from([e.Timer.CONFIRM, e.Timer.RESUME, e.Timer.UNHEARD, e.Timer.TURN])),
    st.builds(e.AgentSaid, turn=st.integers(1, 3), text=st.just("And so on.")),
    st.builds(e.AgentDone, turn=st.integers(1, 3)),
    st.builds(e.PlaybackBegan, utterance=st.integers(1, 6)),
    st.builds(
        e.PlaybackDone,
        utterance=st.integers(1, 6),
        heard_ms=st.integers(0, 900),
        total_ms=st.just(900),
        complete=st.booleans(),
    ),
    st.builds(e.Reactivated, epoch=st.just(Epoch(2))),
    st.builds(e.SttLost),
    st.builds(e.SpeakRequested, request=st.just(R1), text=st.just("One more thing.")),
)


@given(
    st.lists(st.tuples(_SOUNDS, st.sampled_from([0.02, 0.15, 0.4, 2.0, 6.0])), max_size=30),
    st.sampled_from([TurnPolicy(), TurnPolicy(min_words=2), TurnPolicy(echo_guard_s=3.0)]),
)
@settings(max_examples=150, deadline=None)
def test_a_pause_always_ends_and_effects_alternate(history: list[tuple[e.Event, float]], policy: TurnPolicy) -> None:
    """Whatever the order: who is paused has a timer that ends it, and each pause has one end."""
    story = in_reply(policy)
    for event, after in history:
        story.fold(event, after=after)
        call = story.live
        unsure = call.floor.speech is not None and call.floor.speech.unsure
        assert not call.playback.paused or unsure
        assert not unsure or {e.Timer.CONFIRM, e.Timer.RESUME, e.Timer.UNHEARD} & set(call.timers)
    assert wire.unpack_call(wire.pack_call(story.live)) == story.live
    for _ in range(40):  # time alone brings it to rest
        due = [(at, timer) for timer, at in story.live.timers.items() if timer in _OF_SOUNDS]
        if not due:
            break
        at, timer = min(due)
        story.fold(e.TimerFired(timer=timer, at=max(at, story.now)))
        story.now = max(at, story.now)
    assert not story.live.playback.paused
    paused = False
    for effect in story.everything:
        if isinstance(effect, f.PauseSpeaking):
            assert not paused
            paused = True
        elif isinstance(effect, f.ResumeSpeaking):
            assert paused
            paused = False
        elif isinstance(effect, f.StopSpeaking):
            paused = False
    assert not paused


_OF_SOUNDS = (e.Timer.CONFIRM, e.Timer.RESUME, e.Timer.UNHEARD, e.Timer.TURN)


# --- what is a word -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " ", "...", "—", "?!", "♪ ♪", "_"])
def test_punctuation_has_no_words(text: str) -> None:
    assert not has_words(text)


@pytest.mark.parametrize("text", ["no", "はい", "ठीक है।", "12", "d'accord?", "โอเค"])
def test_words_of_every_script_are_words(text: str) -> None:
    assert has_words(text)
    assert word_count(text) >= 1


def test_every_listed_backchannel_is_recognised_and_no_assent_or_refusal_is() -> None:
    for language, known in BACKCHANNELS.items():
        for text in known:
            assert is_backchannel(f"{text.capitalize()}."), (language, text)
    for text in ("yes", "no", "stop", "ja", "nein", "sí", "non", "да", "нет", "okay stop", "はい", "不"):
        assert not is_backchannel(text)


def test_a_backchannel_is_not_lost_from_the_floor_of_a_silent_bot() -> None:
    """When the bot has said all it had to say, "okay" is what the caller says."""
    story = connected().fold(e.SpeechStarted(), e.Heard(text="okay", silent_ms=900))
    assert [(line.speaker, line.text) for line in story.live.transcript] == [(Party.USER, "okay")]
    assert len(story.effects(f.AskAgent)) == 1


# --- our own echo -------------------------------------------------------------------------------------------------


def echoed(text: str, *, ended_after: float) -> Story:
    """A reply begins, the line returns its beginning, and recognition writes that down."""
    story = connected().fold(e.Heard(text="a story please"))
    story.fold(e.AgentSaid(turn=1, text="Once upon a time."), e.AgentDone(turn=1)).fold(e.PlaybackBegan(utterance=1))
    story.fold(e.SpeechStarted(), after=0.1).fold(e.SpeechStopped(silent_ms=120), after=ended_after + 0.02)
    return story.fold(e.Heard(text=text, silent_ms=400), after=0.28)


def test_the_first_words_of_a_reply_that_come_back_are_no_turn() -> None:
    story = echoed("Once up", ended_after=0.3)
    assert (story.live.turn, halts(story)) == (1, [])
    assert [line.text for line in story.live.transcript] == ["a story please", "Once upon a time."]


def test_other_words_and_words_that_come_later_are_the_callers() -> None:
    """Who repeats the beginning of a reply needs longer than an echo."""
    assert echoed("stop", ended_after=0.3).live.turn == 2
    assert echoed("Once up", ended_after=1.2).live.turn == 2


# --- a turn without a transcript ----------------------------------------------------------------------------------


def in_silence_after(sound_s: float) -> Story:
    """The bot has spoken, the caller made a sound of this length, and recognition owes its transcript."""
    story = Story().fold(arrived("Hello.", CallPolicy()), OPENED, e.PlaybackBegan(utterance=1))
    story.fold(e.PlaybackDone(utterance=1, heard_ms=400, total_ms=400, complete=True))
    story.fold(e.SpeechStarted(), after=0.5).fold(e.SpeechStopped(silent_ms=200), after=sound_s + 0.2)
    return story.fold(e.TimerFired(timer=e.Timer.UNHEARD), after=5.0)


def test_a_turn_that_was_never_transcribed_is_asked_for_again() -> None:
    """The caller speaks while it is for them to speak, and waits: silence would be our answer."""
    story = in_silence_after(1.2)
    assert spoken(story)[-1] == ENGLISH.not_caught
    assert story.live.floor.speech is None


def test_a_short_sound_without_a_transcript_is_not_asked_for() -> None:
    assert spoken(in_silence_after(0.15)) == ["Hello."]


# --- how much was heard -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("greeting_ms", "heard"), [(1500, "Once upon"), (3000, "Once"), (100, "Once upo")], ids=str)
def test_of_a_text_whose_audio_is_not_complete_the_voices_own_speed_tells_what_was_heard(
    greeting_ms: int, heard: str
) -> None:
    """30 letters of the greeting took so long; from a few letters nothing is learnt, and 65 ms is a letter's time."""
    greeting = "Good day, how can I help you?!" if greeting_ms > 100 else "Hello."
    story = Story().fold(arrived(greeting, CallPolicy()), OPENED, e.PlaybackBegan(utterance=1))
    story.fold(e.PlaybackDone(utterance=1, heard_ms=greeting_ms, total_ms=greeting_ms, complete=True))
    story.fold(e.Heard(text="a story please"), e.AgentSaid(turn=1, text="Once upon a time there was a king."))
    story.fold(e.PlaybackBegan(utterance=2)).fold(e.Heard(text="that is enough"), after=0.5)
    story.fold(e.PlaybackDone(utterance=2, heard_ms=520, total_ms=None, complete=False))
    assert [line.text for line in story.live.transcript if line.turn == 1] == [heard]

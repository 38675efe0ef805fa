"""Who has the floor: turns, interruptions, waiting callers, and apologies instead of silence."""

from tests.call.story import LEG, STREAM, Story, arrived, inbound, outbound, stream_opened
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call import phrases
from voicecall.call.ids import Epoch, LegId, RequestId, StreamId
from voicecall.call.state import Phase, Speaker

R1, R2 = RequestId("r1"), RequestId("r2")


def played(no: int, *, total_ms: int = 1000) -> tuple[e.Event, ...]:
    return e.PlaybackBegan(utterance=no), e.PlaybackDone(
        utterance=no, heard_ms=total_ms, total_ms=total_ms, complete=True
    )


def spoken(story: Story) -> list[str]:
    return [effect.text for effect in story.effects(f.Speak)]


def lines(story: Story) -> list[tuple[Speaker, str]]:
    return [(line.speaker, line.text) for line in story.live.transcript]


def in_reply() -> Story:
    """The caller asked; the first sentence of the reply is playing, the second waits for it."""
    story = inbound().tell(e.Heard(text="tell me a story"))
    story.tell(e.AgentSaid(turn=1, text="Once upon a time."), e.AgentSaid(turn=1, text="There was a king."))
    return story.tell(e.PlaybackBegan(utterance=1))


def test_the_greeting_waits_for_the_stream() -> None:
    story = Story().tell(arrived("Good day"))
    assert spoken(story) == []
    story.tell(stream_opened())
    assert spoken(story) == ["Good day"]


def test_the_callers_words_start_a_turn() -> None:
    story = inbound().tell(e.SpeechStarted(), e.SpeechStopped(), e.Heard(text="what time is it"))
    (ask,) = story.effects(f.AskAgent)
    assert ask.turn == 1
    assert lines(story) == [(Speaker.USER, "what time is it")]


def test_sentences_are_spoken_as_they_are_found() -> None:
    story = in_reply()
    assert spoken(story) == ["Once upon a time.", "There was a king."]
    assert story.live.phase is Phase.SPEAKING


def test_a_caller_who_interrupts_gets_the_floor() -> None:
    """Barge-in silences the agent before anything else is said, and the agent stops looking for words."""
    story = in_reply().tell(e.SpeechStarted())
    assert [type(x) for x in story.asked] == [f.StopSpeaking, f.DropAgent]
    story.tell(e.AgentSaid(turn=1, text="He had a daughter."))
    assert story.asked == ()


def test_the_transcript_keeps_only_what_was_heard() -> None:
    story = in_reply().tell(e.SpeechStarted())
    story.tell(e.PlaybackDone(utterance=1, heard_ms=500, total_ms=1000, complete=False))
    assert lines(story) == [(Speaker.USER, "tell me a story"), (Speaker.BOT, "Once upo")]


def test_a_reply_to_an_older_turn_is_never_spoken() -> None:
    story = inbound().tell(e.Heard(text="one"), e.Heard(text="two"))
    story.tell(e.AgentSaid(turn=1, text="Late."))
    assert spoken(story) == []
    story.tell(e.AgentSaid(turn=2, text="Right."))
    assert spoken(story) == ["Right."]


def test_a_noise_that_interrupts_before_the_reply_gives_the_question_back_to_the_agent() -> None:
    story = inbound().tell(e.Heard(text="hello?"), e.SpeechStarted(), e.SpeechStopped())
    story.tell(e.TimerFired(timer=e.Timer.UNHEARD), after=6)
    assert [x.turn for x in story.effects(f.AskAgent)] == [1, 1]


def test_a_noise_that_interrupts_a_reply_is_asked_about() -> None:
    story = in_reply().tell(e.SpeechStarted(), e.SpeechStopped())
    story.tell(e.PlaybackDone(utterance=1, heard_ms=500, total_ms=1000, complete=False))
    story.tell(e.TimerFired(timer=e.Timer.UNHEARD), after=6)
    assert spoken(story)[-1] == phrases.NOT_CAUGHT


def test_hello_does_not_interrupt_an_outbound_greeting() -> None:
    story = outbound().tell(e.PlaybackBegan(utterance=1), e.SpeechStarted(), e.Heard(text="hello?"))
    assert story.effects(f.StopSpeaking) == []
    assert story.effects(f.AskAgent) == []


def test_a_notice_hangs_up_when_its_audio_has_ended_not_before() -> None:
    story = outbound(e.Mode.NOTIFY, "Dinner is ready")
    assert e.Timer.NOTIFY_HANGUP not in story.live.timers
    story.tell(*played(1))
    assert story.live.timers[e.Timer.NOTIFY_HANGUP] == story.now + 3.0
    story.tell(e.TimerFired(timer=e.Timer.NOTIFY_HANGUP), after=3.1)
    assert len(story.effects(f.HangUp)) == 1
    assert spoken(story) == ["Dinner is ready"]


def test_a_notice_asks_no_agent() -> None:
    story = outbound(e.Mode.NOTIFY, "Dinner is ready").tell(*played(1), e.Heard(text="thanks"))
    assert story.effects(f.AskAgent) == []
    assert story.live.transcript[-1].text == "thanks"


def test_a_slow_agent_is_filled_in_for_once() -> None:
    story = inbound().tell(e.Heard(text="hm"))
    story.tell(e.TimerFired(timer=e.Timer.FILLER), after=4.1)
    assert spoken(story) == [phrases.FILLER]
    story.tell(e.TimerFired(timer=e.Timer.FILLER), after=4.1)
    assert spoken(story) == [phrases.FILLER]


def test_an_agent_that_is_too_late_is_apologised_for() -> None:
    story = inbound().tell(e.Heard(text="hm")).tell(e.TimerFired(timer=e.Timer.REPLY), after=30.1)
    assert spoken(story)[-1] == phrases.AGENT_FAILED
    assert story.effects(f.DropAgent)


def test_two_failures_in_a_row_end_in_a_goodbye() -> None:
    story = inbound()
    for turn in (1, 2):
        story.tell(e.Heard(text="hm"), e.AgentFailed(turn=turn, reason="500"))
        if turn == 1:
            story.tell(*played(1))
    assert spoken(story)[-1] == phrases.GOODBYE
    story.tell(e.SpeechStarted())
    assert story.effects(f.StopSpeaking) == []
    story.tell(*played(2))
    assert len(story.effects(f.HangUp)) == 1


def test_a_voice_that_fails_is_apologised_for_in_a_recorded_one() -> None:
    story = inbound().tell(e.Heard(text="hm"), e.AgentSaid(turn=1, text="Well."))
    story.tell(e.SpeechFailed(utterance=1, reason="429"))
    apology = story.effects(f.Speak)[-1]
    assert (apology.text, apology.or_clip) == (phrases.VOICE_FAILED, True)
    assert lines(story)[-1] == (Speaker.BOT, phrases.VOICE_FAILED)


def test_deaf_ears_are_confessed_and_the_call_ends() -> None:
    story = inbound().tell(e.SttFailed(reason="connect"))
    assert spoken(story) == [phrases.STT_FAILED]
    story.tell(*played(1))
    assert len(story.effects(f.HangUp)) == 1


def test_who_talks_to_deaf_ears_is_told_once_and_again_when_they_hear() -> None:
    """Recognition broke off in mid-call; the call goes on."""
    story = inbound().tell(e.SttLost(), e.SttLost())
    assert spoken(story) == [phrases.STT_LOST]
    story.tell(*played(1), e.SttRecovered(), e.SttRecovered())
    assert spoken(story) == [phrases.STT_LOST, phrases.STT_RECOVERED]
    story.tell(e.SpeechStarted(), e.Heard(text="hm"))
    assert len(story.effects(f.AskAgent)) == 1
    assert story.effects(f.HangUp) == []


def test_a_sound_cuts_nothing_while_no_words_can_follow() -> None:
    """Where our own detector listens, it hears what nobody can transcribe: the caller must hear why."""
    story = inbound().tell(e.SttLost(), e.SpeechStarted())
    assert story.effects(f.StopSpeaking) == []
    story.tell(e.SttRecovered(), e.SpeechStarted())
    assert len(story.effects(f.StopSpeaking)) == 1


def test_deaf_ears_are_not_excused_twice() -> None:
    """Who was speaking when they broke off is told why, and not asked to say it again into the void."""
    story = inbound().tell(e.Heard(text="hm"), e.SpeechStarted(), e.SttLost(), e.SpeechStopped())
    before = spoken(story)
    story.tell(e.TimerFired(timer=e.Timer.UNHEARD), after=5.1)
    assert phrases.NOT_CAUGHT not in spoken(story)
    assert before[-1] == phrases.STT_LOST


def test_a_notice_needs_no_ears() -> None:
    assert spoken(outbound(e.Mode.NOTIFY).tell(e.SttLost(), e.SttRecovered())) == ["Hello there"]


def test_the_next_owner_hears_with_ears_of_its_own() -> None:
    """It cannot say when the last one's would have come back."""
    story = inbound().tell(e.SttLost(), *played(1), e.Reactivated(epoch=Epoch(2)))
    story.tell(e.SpeechStarted(), e.SpeechStopped(), e.TimerFired(timer=e.Timer.UNHEARD), after=6.1)
    assert spoken(story)[-1] == phrases.NOT_CAUGHT


def test_continue_returns_the_callers_next_words() -> None:
    story = inbound().tell(e.ContinueRequested(request=R1, text="What is your name?"), *played(1))
    story.tell(e.SpeechStarted(), e.Heard(text="Ada"))
    (answer,) = [x for x in story.asked if isinstance(x, f.Resolve)]
    assert (answer.request, answer.ok, answer.text) == (R1, True, "Ada")
    assert story.effects(f.AskAgent) == []
    assert story.live.stats.last_listen_wait_ms is not None


def test_only_one_continue_waits_at_a_time() -> None:
    story = inbound().tell(e.ContinueRequested(request=R1, text="One?"), e.ContinueRequested(request=R2, text="Two?"))
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert (answer.request, answer.text) == (R2, "Already waiting for transcript")


def test_words_begun_before_the_question_are_no_answer_to_it() -> None:
    story = inbound().tell(e.SpeechStarted(), e.ContinueRequested(request=R1, text="Name?"), e.Heard(text="by the way"))
    assert story.live.pending_continue is not None
    assert story.effects(f.AskAgent) == []


def test_a_stale_callback_is_neither_an_answer_nor_recorded() -> None:
    """Its token is of another turn (behaviour 5.8)."""
    story = inbound().tell(e.ContinueRequested(request=R1, text="Name?"), e.Heard(text="old", turn_token="other"))
    assert story.live.pending_continue is not None
    assert all(line.text != "old" for line in story.live.transcript)
    story.tell(e.Heard(text="new", turn_token=R1))
    assert story.live.pending_continue is None


def test_a_caller_who_says_nothing_times_the_question_out_and_stays_connected() -> None:
    story = inbound().tell(e.ContinueRequested(request=R1, text="Name?"), *played(1))
    story.tell(e.TimerFired(timer=e.Timer.TRANSCRIPT), after=180.1)
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert answer.text == "Timed out waiting for transcript after 180000ms"
    assert not story.live.is_over


def test_a_prompt_that_cannot_be_spoken_fails_its_continue() -> None:
    """The original went on to listen to a question nobody had heard."""
    story = inbound().tell(e.ContinueRequested(request=R1, text="Name?"), e.SpeechFailed(utterance=1, reason="500"))
    assert [x.ok for x in story.asked if isinstance(x, f.Resolve)] == [False]
    assert story.live.pending_continue is None


def test_speak_is_answered_when_it_was_heard() -> None:
    story = inbound().tell(e.SpeakRequested(request=R1, text="News!"))
    assert [x for x in story.effects(f.Resolve) if x.request == R1] == []
    story.tell(*played(1))
    assert [x.ok for x in story.asked if isinstance(x, f.Resolve)] == [True]


def test_nobody_speaks_on_a_call_that_is_not_connected() -> None:
    story = Story().tell(arrived(), e.SpeakRequested(request=R1, text="News!"))
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert answer.text == "Call not connected"


def test_a_lost_socket_asks_the_carrier_and_the_next_one_carries_on() -> None:
    story = in_reply().tell(e.StreamClosed(stream=STREAM))
    assert len(story.effects(f.LookUp)) == 1
    before = len(spoken(story))
    story.tell(e.LegSeen(status=e.LegStatus.ALIVE), stream_opened(StreamId("MZ2")))
    assert spoken(story)[before:] == [phrases.CUT_OFF, "Once upon a time.", "There was a king."]


def test_the_end_of_an_old_socket_does_not_unregister_the_new_one() -> None:
    story = inbound().tell(stream_opened(StreamId("MZ2")), e.StreamClosed(stream=STREAM))
    assert story.live.stream is not None
    assert story.live.stream.id == "MZ2"


def test_a_socket_that_never_comes_back_ends_the_call() -> None:
    story = inbound().tell(e.StreamClosed(stream=STREAM))
    story.tell(e.TimerFired(timer=e.Timer.RECONNECT), after=10.1)
    assert len(story.effects(f.HangUp)) == 1


def test_an_utterance_cut_by_a_fault_of_ours_goes_on_where_it_was_cut() -> None:
    """Marked as a repetition, from the word that was cut, ahead of what was queued behind it."""
    story = in_reply()
    before = len(spoken(story))
    story.tell(e.PlaybackDone(utterance=1, heard_ms=500, total_ms=1000, complete=False))
    assert spoken(story)[before:] == [phrases.CUT_OFF, "upon a time.", "There was a king."]


def test_lost_reports_of_the_door_do_not_leave_the_floor_with_nobody() -> None:
    story = in_reply().tell(e.AgentDone(turn=1))
    story.tell(e.TimerFired(timer=e.Timer.PLAYBACK), after=60)
    assert story.live.phase is Phase.LISTENING
    assert story.live.utterances == ()


def test_turn_latency_is_from_the_callers_last_word_to_our_first_sound() -> None:
    story = inbound().tell(e.Heard(text="hm"), e.AgentSaid(turn=1, text="Well."))
    story.tell(e.PlaybackBegan(utterance=1), after=0.25)
    assert story.live.stats.last_turn_latency_ms == 350


def test_keys_the_caller_presses_are_kept() -> None:
    assert inbound().tell(e.DtmfReceived(digits="4"), e.DtmfReceived(digits="2")).live.digits == "42"


def test_a_stream_of_another_leg_is_not_ours() -> None:
    story = Story().tell(arrived())
    story.tell(e.StreamOpened(stream=STREAM, ingress=stream_opened().ingress, leg=LegId("CA" + "9" * 32)))
    assert story.live.stream is None
    assert story.live.leg == LEG

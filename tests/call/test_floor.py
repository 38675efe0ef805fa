"""Turn taking: turns, interruptions, `continue`, and apologies instead of silence."""

from dataclasses import replace

from tests.call.story import LEG, STREAM, Story, arrived, inbound, outbound, placed, stream_opened
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.ids import Epoch, LegId, RequestId, StreamId
from voicecall.call.phrases import ENGLISH
from voicecall.call.policy import OnMachine
from voicecall.call.state import Party, Phase

R1, R2 = RequestId("r1"), RequestId("r2")


def played(no: int, *, total_ms: int = 1000) -> tuple[e.Event, ...]:
    return e.PlaybackBegan(utterance=no), e.PlaybackDone(
        utterance=no, heard_ms=total_ms, total_ms=total_ms, complete=True
    )


def spoken(story: Story) -> list[str]:
    return [effect.text for effect in story.effects(f.Speak)]


def lines(story: Story) -> list[tuple[Party, str]]:
    return [(line.speaker, line.text) for line in story.live.transcript]


def in_reply() -> Story:
    """The caller asked; the first sentence of the reply is playing, the second is queued."""
    story = inbound().fold(e.Heard(text="a story please"))
    story.fold(e.AgentSaid(turn=1, text="Once upon a time."), e.AgentSaid(turn=1, text="There was a king."))
    return story.fold(e.PlaybackBegan(utterance=1))


def test_the_greeting_waits_for_the_stream() -> None:
    story = Story().fold(arrived("Good day"))
    assert spoken(story) == []
    story.fold(stream_opened())
    assert spoken(story) == ["Good day"]


def test_a_transcript_starts_a_turn() -> None:
    story = inbound().fold(e.SpeechStarted(), e.SpeechStopped(), e.Heard(text="what time is it"))
    (ask,) = story.effects(f.AskAgent)
    assert ask.turn == 1
    assert lines(story) == [(Party.USER, "what time is it")]


def test_sentences_are_spoken_as_they_come() -> None:
    story = in_reply()
    assert spoken(story) == ["Once upon a time.", "There was a king."]
    assert story.live.phase is Phase.SPEAKING


def test_a_caller_who_interrupts_gets_the_floor() -> None:
    """Barge-in cuts the speech before anything else is said, and cancels the agent's reply."""
    story = in_reply().fold(e.SpeechStarted())
    assert [type(x) for x in story.asked] == [f.StopSpeaking, f.DropAgent]
    story.fold(e.AgentSaid(turn=1, text="He had a daughter."))
    assert story.asked == ()


def test_the_transcript_keeps_only_what_was_heard() -> None:
    story = in_reply().fold(e.SpeechStarted())
    story.fold(e.PlaybackDone(utterance=1, heard_ms=500, total_ms=1000, complete=False))
    assert lines(story) == [(Party.USER, "a story please"), (Party.BOT, "Once upo")]


def test_a_reply_to_an_older_turn_is_never_spoken() -> None:
    story = inbound().fold(e.Heard(text="one"), e.Heard(text="two"))
    story.fold(e.AgentSaid(turn=1, text="Late."))
    assert spoken(story) == []
    story.fold(e.AgentSaid(turn=2, text="Right."))
    assert spoken(story) == ["Right."]


def test_a_noise_before_the_reply_asks_the_agent_again() -> None:
    story = inbound().fold(e.Heard(text="hello?"), e.SpeechStarted(), e.SpeechStopped())
    story.fold(e.TimerFired(timer=e.Timer.UNHEARD), after=6)
    assert [x.turn for x in story.effects(f.AskAgent)] == [1, 1]


def test_a_noise_that_interrupts_a_reply_is_followed_by_not_caught() -> None:
    story = in_reply().fold(e.SpeechStarted(), e.SpeechStopped())
    story.fold(e.PlaybackDone(utterance=1, heard_ms=500, total_ms=1000, complete=False))
    story.fold(e.TimerFired(timer=e.Timer.UNHEARD), after=6)
    assert spoken(story)[-1] == ENGLISH.not_caught


def test_hello_does_not_interrupt_an_outbound_greeting() -> None:
    story = outbound().fold(e.PlaybackBegan(utterance=1), e.SpeechStarted(), e.Heard(text="hello?"))
    assert story.effects(f.StopSpeaking) == []
    assert story.effects(f.AskAgent) == []


def test_a_notice_hangs_up_only_after_its_audio_has_ended() -> None:
    story = outbound(e.Mode.NOTIFY, "Dinner is ready")
    assert e.Timer.NOTIFY_HANGUP not in story.live.timers
    story.fold(*played(1))
    assert story.live.timers[e.Timer.NOTIFY_HANGUP] == story.now + 3.0
    story.fold(e.TimerFired(timer=e.Timer.NOTIFY_HANGUP), after=3.1)
    assert len(story.effects(f.HangUp)) == 1
    assert spoken(story) == ["Dinner is ready"]


def test_a_notice_asks_no_agent() -> None:
    story = outbound(e.Mode.NOTIFY, "Dinner is ready").fold(*played(1), e.Heard(text="thanks"))
    assert story.effects(f.AskAgent) == []
    assert story.live.transcript[-1].text == "thanks"


def test_a_slow_agent_is_covered_by_one_filler() -> None:
    story = inbound().fold(e.Heard(text="hm"))
    story.fold(e.TimerFired(timer=e.Timer.FILLER), after=4.1)
    assert spoken(story) == [ENGLISH.fillers[0]]
    story.fold(e.TimerFired(timer=e.Timer.FILLER), after=4.1)
    assert spoken(story) == [ENGLISH.fillers[0]]


def test_a_late_agent_is_followed_by_an_apology() -> None:
    story = inbound().fold(e.Heard(text="hm")).fold(e.TimerFired(timer=e.Timer.REPLY), after=30.1)
    assert spoken(story)[-1] == ENGLISH.agent_failed
    assert story.effects(f.DropAgent)


def test_two_failures_in_a_row_end_in_a_goodbye() -> None:
    story = inbound()
    for turn in (1, 2):
        story.fold(e.Heard(text="hm"), e.AgentFailed(turn=turn, reason="500"))
        if turn == 1:
            story.fold(*played(1))
    assert spoken(story)[-1] == ENGLISH.goodbye
    story.fold(e.SpeechStarted())
    assert story.effects(f.StopSpeaking) == []
    story.fold(*played(2))
    assert len(story.effects(f.HangUp)) == 1


def test_failed_synthesis_is_followed_by_an_apology_with_a_recorded_clip() -> None:
    story = inbound().fold(e.Heard(text="hm"), e.AgentSaid(turn=1, text="Well."))
    story.fold(e.SpeechFailed(utterance=1, reason="429"))
    apology = story.effects(f.Speak)[-1]
    assert (apology.text, apology.or_clip) == (ENGLISH.voice_failed, True)
    assert lines(story)[-1] == (Party.BOT, ENGLISH.voice_failed)


def test_failed_stt_is_followed_by_an_apology_and_a_hang_up() -> None:
    story = inbound().fold(e.SttFailed(reason="connect"))
    assert spoken(story) == [ENGLISH.stt_failed]
    story.fold(*played(1))
    assert len(story.effects(f.HangUp)) == 1


def test_the_caller_is_informed_once_of_lost_stt_and_again_when_it_recovers() -> None:
    """Speech recognition broke off during the call; the call goes on."""
    story = inbound().fold(e.SttLost(), e.SttLost())
    assert spoken(story) == [ENGLISH.stt_lost]
    story.fold(*played(1), e.SttRecovered(), e.SttRecovered())
    assert spoken(story) == [ENGLISH.stt_lost, ENGLISH.stt_recovered]
    story.fold(e.SpeechStarted(), e.Heard(text="hello"))
    assert len(story.effects(f.AskAgent)) == 1
    assert story.effects(f.HangUp) == []


def test_a_sound_cuts_nothing_while_stt_is_down() -> None:
    """A local voice detector still reports speech that cannot be transcribed: the apology must be heard."""
    story = inbound().fold(e.SttLost(), e.SpeechStarted())
    assert story.effects(f.StopSpeaking) == []
    story.fold(e.SttRecovered(), e.SpeechStarted())
    assert len(story.effects(f.StopSpeaking)) == 1


def test_a_caller_who_was_speaking_when_stt_was_lost_gets_one_apology() -> None:
    """They are informed, and not asked to repeat what would not be transcribed either."""
    story = inbound().fold(e.Heard(text="hm"), e.SpeechStarted(), e.SttLost(), e.SpeechStopped())
    before = spoken(story)
    story.fold(e.TimerFired(timer=e.Timer.UNHEARD), after=5.1)
    assert ENGLISH.not_caught not in spoken(story)
    assert before[-1] == ENGLISH.stt_lost


def test_a_notice_needs_no_stt() -> None:
    assert spoken(outbound(e.Mode.NOTIFY).fold(e.SttLost(), e.SttRecovered())) == ["Hello there"]


def test_the_next_owner_opens_stt_anew() -> None:
    """It does not know whether the last owner's session would have recovered."""
    story = inbound().fold(e.SttLost(), *played(1), e.Reactivated(epoch=Epoch(2)))
    story.fold(e.SpeechStarted(), e.SpeechStopped(), e.TimerFired(timer=e.Timer.UNHEARD), after=6.1)
    assert spoken(story)[-1] == ENGLISH.not_caught


def test_continue_returns_the_callers_next_utterance() -> None:
    story = inbound().fold(e.ContinueRequested(request=R1, text="What is your name?"), *played(1))
    story.fold(e.SpeechStarted(), e.Heard(text="Ada"))
    (answer,) = [x for x in story.asked if isinstance(x, f.Resolve)]
    assert (answer.request, answer.ok, answer.text) == (R1, True, "Ada")
    assert story.effects(f.AskAgent) == []
    assert story.live.stats.last_listen_wait_ms is not None


def test_c11_the_callers_time_to_answer_a_continue_is_not_ours() -> None:
    """A caller who thinks for eight seconds is not a slow system."""
    story = inbound().fold(e.ContinueRequested(request=R1, text="What is your name?"), *played(1))
    story.fold(e.SpeechStarted(), after=8.0).fold(e.Heard(text="Ada"))
    stats = story.live.stats
    assert (stats.last_turn_latency_ms, stats.last_listen_wait_ms, stats.completed_turns) == (None, 8100, 1)


def test_c11_our_time_after_a_continue_ends_with_what_is_said_next() -> None:
    """From the transcript to the next question, or to whatever else the API client says."""
    for event in (e.ContinueRequested(request=R2, text="And yours?"), e.SpeakRequested(request=R2, text="Thank you.")):
        story = inbound().fold(e.ContinueRequested(request=R1, text="Name?"), *played(1), e.Heard(text="Ada"))
        story.fold(event, after=1.5).fold(e.PlaybackBegan(utterance=2), after=0.25)
        assert story.live.stats.last_turn_latency_ms == 1750


def test_c11_what_is_said_without_an_utterance_before_is_no_reply() -> None:
    """Nor is the second of two things said in a row."""
    story = inbound().fold(e.SpeakRequested(request=R1, text="Hello."), *played(1))
    assert story.live.stats.last_turn_latency_ms is None
    story.fold(
        e.Heard(text="Yes?"), e.AgentFailed(turn=1, reason="x"), *played(2), e.SpeakRequested(request=R2, text="A.")
    )
    story.fold(e.PlaybackBegan(utterance=3))
    assert story.live.stats.last_turn_latency_ms is None


def test_only_one_continue_waits_at_a_time() -> None:
    story = inbound().fold(e.ContinueRequested(request=R1, text="One?"), e.ContinueRequested(request=R2, text="Two?"))
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert (answer.request, answer.text) == (R2, "Already waiting for transcript")


def test_speech_begun_before_the_question_does_not_answer_it() -> None:
    story = inbound().fold(e.SpeechStarted(), e.ContinueRequested(request=R1, text="Name?"), e.Heard(text="by the way"))
    assert story.live.pending_continue is not None
    assert story.effects(f.AskAgent) == []


def test_a_stale_callback_is_neither_an_answer_nor_recorded() -> None:
    """Its token is of another turn."""
    story = inbound().fold(e.ContinueRequested(request=R1, text="Name?"), e.Heard(text="old", turn_token="other"))
    assert story.live.pending_continue is not None
    assert all(line.text != "old" for line in story.live.transcript)
    story.fold(e.Heard(text="new", turn_token=R1))
    assert story.live.pending_continue is None


def test_a_caller_who_says_nothing_times_the_question_out_and_stays_connected() -> None:
    story = inbound().fold(e.ContinueRequested(request=R1, text="Name?"), *played(1))
    story.fold(e.TimerFired(timer=e.Timer.TRANSCRIPT), after=180.1)
    (answer,) = story.asked
    assert isinstance(answer, f.Resolve)
    assert answer.text == "Timed out waiting for transcript after 180000ms"
    assert not story.live.is_over


def test_a_prompt_that_cannot_be_spoken_fails_its_continue() -> None:
    """Else the call would wait for the answer to a question that was never heard."""
    story = inbound().fold(e.ContinueRequested(request=R1, text="Name?"), e.SpeechFailed(utterance=1, reason="500"))
    assert [x.ok for x in story.asked if isinstance(x, f.Resolve)] == [False]
    assert story.live.pending_continue is None


def test_speak_is_answered_when_it_was_heard() -> None:
    story = inbound().fold(e.SpeakRequested(request=R1, text="News!"))
    assert [x for x in story.effects(f.Resolve) if x.request == R1] == []
    story.fold(*played(1))
    assert [x.ok for x in story.asked if isinstance(x, f.Resolve)] == [True]


def answers(story: Story, *requests: RequestId) -> list[tuple[bool, str]]:
    return [(x.ok, x.text) for x in story.effects(f.Resolve) if x.request in (requests or (R1, R2))]


def test_c4_a_continue_while_it_rings_is_asked_behind_the_opening_text() -> None:
    """A program that places a call and asks at once would otherwise be refused: people answer later."""
    story = Story().fold(placed(), e.Dialled(leg=LEG), e.Ringing(leg=LEG))
    story.fold(e.ContinueRequested(request=R1, text="For two?"))
    assert (answers(story), spoken(story)) == ([], [])
    story.fold(e.Answered(leg=LEG), stream_opened())
    assert spoken(story) == ["Hello there", "For two?"]
    story.fold(*played(1), *played(2), e.SpeechStarted(), e.Heard(text="Yes, at eight"))
    assert answers(story) == [(True, "Yes, at eight")]


def test_c4_a_stale_callback_is_not_heard_while_a_continue_waits() -> None:
    """Its token names a turn of before; without a token it is the caller's own speech."""
    story = Story().fold(arrived("Good day"), e.Answered(leg=LEG), e.ContinueRequested(request=R1, text="For two?"))
    assert [waiting.request for waiting in story.live.waiting] == [R1]
    story.fold(e.Heard(text="12345", turn_token="stale", leg=LEG))
    assert all(entry.text != "12345" for entry in story.live.transcript)
    assert [waiting.request for waiting in story.live.waiting] == [R1]


def test_c4_a_speak_while_it_rings_is_answered_when_it_was_heard() -> None:
    story = Story().fold(arrived("Good day"), e.SpeakRequested(request=R1, text="News!"))
    assert answers(story) == []
    story.fold(stream_opened())
    assert spoken(story) == ["Good day", "News!"]
    story.fold(*played(1), *played(2))
    assert answers(story) == [(True, "")]


def test_c4_requests_keep_their_order() -> None:
    """Also one that comes after the answer and before the opening text can be said."""
    story = Story().fold(placed(), e.Dialled(leg=LEG), e.SpeakRequested(request=R1, text="First."), e.Answered(leg=LEG))
    story.fold(e.ContinueRequested(request=R2, text="Second?"), stream_opened())
    assert spoken(story) == ["Hello there", "First.", "Second?"]


def test_c4_a_call_that_is_never_answered_ends_the_wait() -> None:
    story = Story().fold(placed(), e.Dialled(leg=LEG), e.Ringing(leg=LEG))
    story.fold(e.SpeakRequested(request=R1, text="News!"), e.ContinueRequested(request=R2, text="Well?"))
    story.fold(e.HungUp(leg=LEG, reason=e.EndReason.NO_ANSWER))
    assert answers(story) == [(False, "Call ended: no-answer")] * 2
    assert story.live.waiting == ()


def test_c4_ending_the_call_while_it_rings_answers_what_waits() -> None:
    story = Story().fold(placed(), e.Dialled(leg=LEG), e.SpeakRequested(request=R1, text="News!"))
    story.fold(e.EndRequested(request=R2))
    assert answers(story, R1) == [(False, "Call ended: hangup-bot")]


def test_c4_an_answering_machine_is_asked_nothing() -> None:
    policy = e.CallPolicy(on_machine=OnMachine.HANGUP)
    story = Story().fold(placed(policy=policy), e.Dialled(leg=LEG), e.ContinueRequested(request=R1, text="For two?"))
    story.fold(e.Answered(leg=LEG, by=e.AnsweredBy.MACHINE))
    assert answers(story) == [(False, "An answering machine answered")]


def test_c4_a_second_continue_is_refused_while_one_waits_for_the_answer() -> None:
    story = Story().fold(placed(), e.ContinueRequested(request=R1, text="One?"))
    story.fold(e.ContinueRequested(request=R2, text="Two?"))
    assert answers(story) == [(False, "Already waiting for transcript")]


def test_c4_few_requests_wait_for_the_answer() -> None:
    """The snapshot stays small, whatever a client sends."""
    story = Story().fold(placed(), *(e.SpeakRequested(request=RequestId(f"s{n}"), text="x") for n in range(9)))
    assert len(story.live.waiting) == 8
    assert answers(story, RequestId("s8")) == [(False, "Too many requests wait for the answer")]


def test_c4_opening_digits_come_before_what_waits() -> None:
    event = replace(placed(), opening_digits="1")
    story = Story().fold(event, e.Dialled(leg=LEG), e.SpeakRequested(request=R1, text="News!"), stream_opened())
    assert spoken(story) == []
    story.fold(e.TimerFired(timer=e.Timer.OPENING), after=5.0)
    assert spoken(story) == ["Hello there", "News!"]


def test_a_lost_socket_queries_the_carrier_and_the_next_one_goes_on() -> None:
    story = in_reply().fold(e.StreamClosed(stream=STREAM))
    assert len(story.effects(f.LookUp)) == 1
    before = len(spoken(story))
    story.fold(e.LegSeen(status=e.LegStatus.ALIVE), stream_opened(StreamId("MZ2")))
    assert spoken(story)[before:] == [ENGLISH.cut_off, "Once upon a time.", "There was a king."]


def test_the_end_of_an_old_socket_does_not_unregister_the_new_one() -> None:
    story = inbound().fold(stream_opened(StreamId("MZ2")), e.StreamClosed(stream=STREAM))
    assert story.live.stream is not None
    assert story.live.stream.id == "MZ2"


def test_a_socket_that_never_comes_back_ends_the_call() -> None:
    story = inbound().fold(e.StreamClosed(stream=STREAM))
    story.fold(e.TimerFired(timer=e.Timer.RECONNECT), after=10.1)
    assert len(story.effects(f.HangUp)) == 1


def test_an_utterance_cut_by_a_fault_goes_on_where_it_was_cut() -> None:
    """With an apology, from the word that was cut, ahead of what was queued behind it."""
    story = in_reply()
    before = len(spoken(story))
    story.fold(e.PlaybackDone(utterance=1, heard_ms=500, total_ms=1000, complete=False))
    assert spoken(story)[before:] == [ENGLISH.cut_off, "upon a time.", "There was a king."]


def test_c3_an_utterance_cut_by_a_restart_goes_on_without_an_apology() -> None:
    """The socket is closed after it was cut: what was not heard is said on the next one."""
    story = in_reply()
    cut = e.PlaybackDone(utterance=1, heard_ms=500, total_ms=1000, complete=False, for_restart=True)
    story.fold(cut, e.StreamClosed(stream=STREAM))
    before = len(spoken(story))
    story.fold(stream_opened(StreamId("MZ2")))
    assert spoken(story)[before:] == ["upon a time.", "There was a king."]
    assert ENGLISH.cut_off not in [line.text for line in story.live.transcript]


def test_lost_playback_reports_do_not_silence_the_call() -> None:
    story = in_reply().fold(e.AgentDone(turn=1))
    story.fold(e.TimerFired(timer=e.Timer.PLAYBACK), after=60)
    assert story.live.phase is Phase.LISTENING
    assert story.live.utterances == ()


def test_turn_latency_is_from_the_transcript_to_the_first_frame_of_the_reply() -> None:
    story = inbound().fold(e.Heard(text="hm"), e.AgentSaid(turn=1, text="Well."))
    story.fold(e.PlaybackBegan(utterance=1), after=0.25)
    assert story.live.stats.last_turn_latency_ms == 350


def test_received_digits_are_kept() -> None:
    assert inbound().fold(e.DtmfReceived(digits="4"), e.DtmfReceived(digits="2")).live.digits == "42"


def test_a_stream_of_another_leg_is_ignored() -> None:
    story = Story().fold(arrived())
    story.fold(e.StreamOpened(stream=STREAM, ingress=stream_opened().ingress, leg=LegId("CA" + "9" * 32)))
    assert story.live.stream is None
    assert story.live.leg == LEG


WRITTEN = '<think>be kind</think>**Hello** \U0001f600, see https://example.com/a?b [[tts:voice=x]]<break time="1s"/>now'
SAID = "Hello , see example.com now"


def test_a2_every_text_of_a_client_is_cleaned_and_the_transcript_holds_what_is_said() -> None:
    """Speak, continue, and the message of an outbound call."""
    story = outbound(message=WRITTEN).fold(*played(1))
    story.fold(e.SpeakRequested(request=R1, text=WRITTEN), *played(2))
    story.fold(e.ContinueRequested(request=R2, text=WRITTEN), *played(3))
    assert spoken(story) == [SAID] * 3
    assert lines(story) == [(Party.BOT, SAID)] * 3


def test_a2_a_greeting_is_cleaned() -> None:
    assert spoken(Story().fold(arrived(WRITTEN), stream_opened())) == [SAID]


def test_a2_a_text_of_which_nothing_is_said_is_refused() -> None:
    story = inbound().fold(
        e.SpeakRequested(request=R1, text="\U0001f600"), e.ContinueRequested(request=R2, text="<think>hm</think>")
    )
    assert [(answer.request, answer.ok) for answer in story.effects(f.Resolve)] == [(R1, False), (R2, False)]
    assert spoken(story) == []
    assert story.live.pending_continue is None


def test_a2_what_is_repeated_is_not_cleaned_again() -> None:
    """An escaped mark is text, however often it is said."""
    story = inbound().fold(
        e.SpeakRequested(request=R1, text=r"press \*\*star\*\* twice"), stream_opened(StreamId("MZ2"))
    )
    assert spoken(story) == ["press **star** twice"] * 2


def test_a4_a_turn_without_words_is_a_failure_and_ends_in_an_apology() -> None:
    story = inbound().fold(e.Heard(text="hm"), e.AgentDone(turn=1))
    assert spoken(story) == [ENGLISH.agent_failed]
    assert story.live.floor.failures == 1
    assert story.live.stats.completed_turns == 0
    assert not story.live.reply_due


def test_a4_two_turns_without_words_end_the_call_with_a_goodbye() -> None:
    story = inbound().fold(e.Heard(text="hm"), e.AgentDone(turn=1), *played(1), e.Heard(text="hello?"))
    story.fold(e.AgentDone(turn=2))
    assert spoken(story) == [ENGLISH.agent_failed, ENGLISH.goodbye]
    story.fold(*played(2))
    assert len(story.effects(f.HangUp)) == 1


def test_a4_a_filler_is_no_reply() -> None:
    story = inbound().fold(e.Heard(text="hm"))
    story.fold(e.TimerFired(timer=e.Timer.FILLER), after=4.1).fold(e.AgentDone(turn=1))
    assert spoken(story) == [ENGLISH.fillers[0], ENGLISH.agent_failed]


def test_a4_a_reply_that_waits_for_the_way_to_the_caller_is_one() -> None:
    """Its sentences are queued while the socket is away."""
    story = inbound().fold(e.Heard(text="hm"), e.StreamClosed(stream=STREAM), e.AgentSaid(turn=1, text="Well."))
    story.fold(e.AgentDone(turn=1))
    assert story.live.floor.failures == 0
    assert story.live.stats.completed_turns == 1

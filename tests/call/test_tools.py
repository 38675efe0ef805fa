"""The agent's tools: what it may call, what becomes of each call, and when it is asked again."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.call.story import INGRESS, LEG, STREAM, Story, arrived
from voicecall import wire
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call import tools
from voicecall.call.ids import Epoch, RequestId
from voicecall.call.phrases import ENGLISH
from voicecall.call.policy import CallPolicy, ToolPolicy, TransferTarget
from voicecall.call.state import ToolOutcome, ToolUse
from voicecall.call.step import Step

pytestmark = pytest.mark.quick

ALL = ToolPolicy(offered=("end_call", "note", "send_dtmf", "ask_owner", "order", "shop__*"), unproven=("*",))
ASKED = e.Heard(text="a table for two")
OPENED = e.StreamOpened(stream=STREAM, ingress=INGRESS, leg=LEG, pauses=True)


def connected(policy: ToolPolicy = ALL, **more: Any) -> Story:
    return Story().fold(arrived("", CallPolicy(tools=policy, **more)), OPENED)


def called(*calls: tuple[str, Any], turn: int = 1, wrote: str = "") -> e.AgentDone:
    """The agent ends its answer with these calls."""
    requests = (
        e.ToolRequest(id=f"id{n}", name=name, arguments=args if isinstance(args, str) else json.dumps(args))
        for n, (name, args) in enumerate(calls, start=1)
    )
    return e.AgentDone(turn=turn, calls=tuple(requests), wrote=wrote)


def uses(story: Story) -> list[ToolUse]:
    return list(story.live.tools.uses)


def outcomes(story: Story) -> list[tuple[str, ToolOutcome]]:
    return [(use.name, use.outcome) for use in uses(story)]


def asked(story: Story) -> int:
    return len(story.effects(f.AskAgent))


def runs(story: Story) -> list[f.RunTool]:
    return [effect for effect in story.everything if isinstance(effect, f.RunTool)]


def spoken(story: Story) -> list[str]:
    return [effect.text for effect in story.everything if isinstance(effect, f.Speak)]


def played(no: int) -> tuple[e.Event, ...]:
    return e.PlaybackBegan(utterance=no), e.PlaybackDone(utterance=no, heard_ms=900, total_ms=900, complete=True)


# --- the operator's own tools -------------------------------------------------------------------------------------


def test_a_tool_runs_and_the_agent_is_asked_again_with_its_result() -> None:
    story = connected().fold(ASKED, called(("order", {"for": 2})))
    (run,) = runs(story)
    assert (run.called, run.arguments, run.id in story.live.pending) == ("order", '{"for": 2}', True)
    assert asked(story) == 1
    story.fold(e.CommandDone(effect=run.id, result="Booked."))
    assert (outcomes(story), uses(story)[0].result) == ([("order", ToolOutcome.DONE)], "Booked.")
    assert asked(story) == 2
    story.fold(e.AgentSaid(turn=1, text="It is booked."), e.AgentDone(turn=1))
    assert spoken(story) == ["It is booked."]
    assert not story.live.reply_due


def test_two_tools_at_once_are_one_step() -> None:
    """The agent is asked again when both have their results, in whatever order these come."""
    story = connected().fold(ASKED, called(("order", {}), ("shop__find", {})))
    first, second = runs(story)
    story.fold(e.CommandDone(effect=second.id, result="Found."))
    assert asked(story) == 1
    story.fold(e.CommandFailed(effect=first.id, reason="status 500", retryable=False))
    assert [use.outcome for use in uses(story)] == [ToolOutcome.FAILED, ToolOutcome.DONE]
    assert asked(story) == 2


def test_only_the_first_outcome_of_a_call_counts() -> None:
    story = connected().fold(ASKED, called(("order", {})))
    (run,) = runs(story)
    story.fold(e.CommandDone(effect=run.id, result="one"), e.CommandDone(effect=run.id, result="two"))
    assert (uses(story)[0].result, asked(story)) == ("one", 2)


def test_a_filler_is_said_while_a_tool_is_slow_and_again_later() -> None:
    story = connected().fold(ASKED, called(("order", {})))
    assert story.live.timers[e.Timer.FILLER] == pytest.approx(story.now + 1.5)
    story.fold(e.TimerFired(timer=e.Timer.FILLER), after=1.5)
    assert spoken(story) == [ENGLISH.fillers[0]]
    assert story.live.timers[e.Timer.FILLER] == pytest.approx(story.now + 10.0)
    story.fold(*played(1)).fold(e.TimerFired(timer=e.Timer.FILLER), after=10.0)
    assert spoken(story) == list(ENGLISH.fillers[:2])


def test_a_slow_tool_is_not_a_late_reply() -> None:
    """A tool has a time limit of its own: the limit of the reply is of the agent alone."""
    story = connected().fold(ASKED, called(("order", {})))
    assert e.Timer.REPLY not in story.live.timers
    (run,) = runs(story)
    assert e.Timer.REPLY in story.fold(e.CommandDone(effect=run.id, result="")).live.timers


def test_steps_in_a_row_are_limited() -> None:
    """Behind the last one no tool is offered, and an agent that calls one all the same has failed."""
    story = connected().fold(ASKED)
    for number in range(3):
        assert tools.offered(story.live, 1)
        story.fold(called(("order", {"n": number})))
        story.fold(e.CommandDone(effect=runs(story)[-1].id, result="more"))
    assert (asked(story), tools.offered(story.live, 1)) == (4, ())
    story.fold(called(("order", {})))
    assert len(runs(story)) == 3
    assert spoken(story) == [ENGLISH.agent_failed]
    assert tools.offered(story.live, 2), "the next turn may call tools again"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("{", "no valid JSON"),
        ("[1]", "no JSON object"),
        ("x" * 17_000, "over 16000 characters"),
        ('{"a":' * 3000, "no valid JSON"),
    ],
)
def test_arguments_that_are_no_json_object_are_refused_to_the_model(arguments: str, reason: str) -> None:
    story = connected().fold(ASKED, called(("order", arguments)))
    assert (runs(story), outcomes(story)) == ([], [("order", ToolOutcome.REFUSED)])
    assert reason in uses(story)[0].result
    assert asked(story) == 2


@pytest.mark.parametrize("name", ["orders", "shop_find", "transfer", "", "note ", "END_CALL"])
def test_a_tool_that_is_not_offered_does_not_run(name: str) -> None:
    story = connected().fold(ASKED, called((name, {})))
    assert (runs(story), [use.outcome for use in uses(story)]) == ([], [ToolOutcome.REFUSED])


def test_a_huge_result_is_bounded() -> None:
    story = connected().fold(ASKED, called(("order", {})))
    story.fold(e.CommandDone(effect=runs(story)[0].id, result="x" * 1_000_000))
    assert len(uses(story)[0].result) < 4100
    assert uses(story)[0].result.endswith("[cut off: 1000000 characters]")
    assert len(wire.pack_call(story.live)) < 20_000


def test_what_is_kept_of_a_long_call_is_bounded() -> None:
    story = connected()
    for turn in range(1, 60):
        story.fold(e.Heard(text=f"question {turn}"), called(("order", {}), turn=turn))
        story.fold(e.CommandDone(effect=runs(story)[-1].id, result="x" * 4000))
        story.fold(e.AgentSaid(turn=turn, text="Yes."), *played(turn), e.AgentDone(turn=turn))
    assert [use.no for use in uses(story)] == list(range(36, 60))
    assert len(wire.pack_call(story.live)) < 200_000


def test_a_caller_who_goes_on_is_answered_and_the_result_is_kept() -> None:
    """The tool is not cancelled, because it may have acted; its result goes with the next question."""
    story = connected().fold(ASKED, called(("order", {})))
    (run,) = runs(story)
    story.fold(e.Heard(text="and a cake"))
    assert (story.live.turn, asked(story), run.id in story.live.pending) == (2, 2, True)
    story.fold(e.CommandDone(effect=run.id, result="Booked."))
    assert (asked(story), outcomes(story)) == (2, [("order", ToolOutcome.DONE)])


def test_the_call_ends_while_a_tool_runs() -> None:
    story = connected().fold(ASKED, called(("order", {})), e.HungUp(leg=LEG))
    assert (story.live.pending, outcomes(story)) == ({}, [("order", ToolOutcome.UNKNOWN)])


# --- fail-over ----------------------------------------------------------------------------------------------------


def test_a_tool_that_was_asked_for_is_never_called_twice() -> None:
    """After a crash its outcome is unknown, and the agent learns that."""
    story = connected().fold(ASKED, called(("order", {})))
    story.fold(e.Reactivated(epoch=Epoch(2)))
    assert len(runs(story)) == 1
    assert outcomes(story) == [("order", ToolOutcome.UNKNOWN)]
    assert "may have been carried out" in uses(story)[0].result
    assert asked(story) == 2


def test_one_that_is_declared_idempotent_is_called_again_with_the_same_key() -> None:
    policy = ToolPolicy(offered=("order",), unproven=("order",), idempotent=("order",))
    story = connected(policy).fold(ASKED, called(("order", {}))).fold(e.Reactivated(epoch=Epoch(2)))
    first, second = runs(story)
    assert (first.key, first.arguments) == (second.key, second.arguments)
    assert first.id != second.id
    assert asked(story) == 1
    story.fold(e.CommandDone(effect=second.id, result="Booked."))
    assert (asked(story), uses(story)[0].result) == (2, "Booked.")


def test_a_result_that_is_in_the_log_is_not_lost_with_the_worker() -> None:
    story = connected().fold(ASKED, called(("order", {})))
    story.fold(e.CommandDone(effect=runs(story)[0].id, result="Booked."), e.Reactivated(epoch=Epoch(2)))
    assert (outcomes(story), asked(story)) == ([("order", ToolOutcome.DONE)], 3)


def test_a_snapshot_with_tools_is_read_by_an_earlier_build() -> None:
    """What it does not know stands in fields that it ignores."""
    story = connected().fold(ASKED, called(("order", {}), ("ask_owner", {"question": "Eight or nine?"})))
    packed = wire.pack_call(story.live)
    assert wire.unpack_call(packed) == story.live
    assert [name for name, _ in wire.unpack(packed)[2]["pending"]] == ["Speak"]
    for event in (called(("note", {})), e.CommandDone(effect=runs(story)[0].id, result="x")):
        assert wire.unpack_event(wire.pack_event(event)) == event


# --- end_call -----------------------------------------------------------------------------------------------------


def test_the_call_is_hung_up_when_the_farewell_was_heard() -> None:
    story = connected().fold(ASKED, called(("end_call", {"farewell": "Goodbye!"})))
    assert spoken(story) == ["Goodbye!"]
    assert not story.effects(f.HangUp)
    assert story.fold(*played(1)).effects(f.HangUp)
    assert asked(story) == 1


def test_a_farewell_that_was_said_is_not_repeated() -> None:
    story = connected().fold(ASKED, e.AgentSaid(turn=1, text="See you at eight."))
    story.fold(called(("end_call", {"farewell": "Goodbye!"}), wrote="See you at eight."))
    assert spoken(story) == ["See you at eight."]
    story.fold(e.PlaybackBegan(utterance=1), e.SpeechStarted(), e.Heard(text="bye"))
    assert not story.effects(f.StopSpeaking), "the farewell is heard to its end"
    story.fold(e.PlaybackDone(utterance=1, heard_ms=900, total_ms=900, complete=True))
    assert story.effects(f.HangUp)


def test_a_model_that_slips_does_not_end_the_call_before_the_caller_said_anything() -> None:
    story = connected()
    use = ToolUse(no=1, turn=0, round=1, after=0, id="", name="end_call", arguments="{}", asked_at=0.0)
    with pytest.raises(Exception, match="has not said anything yet"):
        tools.BUILT_IN["end_call"](Step(story.live, story.now), use, {})


def test_the_call_does_not_end_while_another_tool_runs() -> None:
    story = connected().fold(ASKED, called(("order", {}), ("end_call", {"farewell": "Goodbye!"})))
    assert [use.outcome for use in uses(story)] == [ToolOutcome.OPEN, ToolOutcome.REFUSED]
    assert spoken(story) == []
    story.fold(e.CommandDone(effect=runs(story)[0].id, result="Booked."))
    assert asked(story) == 2


def test_a_note_and_a_farewell_go_together() -> None:
    story = connected().fold(ASKED, called(("note", {"name": "n", "value": "v"}), ("end_call", {"farewell": "Bye!"})))
    assert (spoken(story), story.live.playback.hangup_after) == (["Bye!"], e.EndReason.HANGUP_BOT)


def test_the_carrier_s_own_voice_says_the_farewell() -> None:
    story = Story().fold(arrived("", CallPolicy(streaming=False, tools=ALL)), e.Answered(leg=LEG))
    story.fold(ASKED, called(("end_call", {"farewell": "Goodbye!"})))
    assert spoken(story)[-1] == "Goodbye!"
    assert story.fold(*played(story.live.playback.made)).effects(f.HangUp)


# --- note ---------------------------------------------------------------------------------------------------------


def test_notes_are_kept_and_the_newest_of_a_name_counts() -> None:
    story = connected().fold(
        ASKED, called(("note", {"name": "people", "value": 2}), ("note", {"name": "people", "value": 3}))
    )
    assert [(note.name, note.value) for note in story.live.tools.notes] == [("people", "3")]
    assert asked(story) == 2


@pytest.mark.parametrize(
    "arguments", [{}, {"name": "n"}, {"name": "", "value": "v"}, {"name": "n", "value": "x" * 1001}]
)
def test_a_note_without_sense_is_refused(arguments: dict[str, str]) -> None:
    story = connected().fold(ASKED, called(("note", arguments)))
    assert (story.live.tools.notes, outcomes(story)) == ((), [("note", ToolOutcome.REFUSED)])


def test_notes_are_bounded() -> None:
    story = connected(ToolPolicy(offered=("note",), max_steps=10)).fold(ASKED)
    for step in range(5):
        story.fold(called(*(("note", {"name": f"{step}.{n}", "value": "v"}) for n in range(8))))
    assert len(story.live.tools.notes) == 32


# --- send_dtmf ----------------------------------------------------------------------------------------------------


def test_keys_are_sent_by_the_carrier_where_its_command_leaves_the_stream_alone() -> None:
    story = connected().fold(ASKED, called(("send_dtmf", {"digits": "1w2#"})))
    (send,) = story.effects(f.SendDigits)
    assert isinstance(send, f.SendDigits)
    assert send.digits == "1w2#"
    story.fold(e.CommandDone(effect=send.id))
    assert (outcomes(story), asked(story)) == ([("send_dtmf", ToolOutcome.DONE)], 2)


def test_keys_are_tones_in_the_stream_where_the_command_would_cut_it() -> None:
    story = connected(digits_replace_media=True).fold(ASKED, called(("send_dtmf", {"digits": "12"})))
    assert not story.effects(f.SendDigits)
    (speak,) = story.effects(f.Speak)
    assert isinstance(speak, f.Speak)
    assert (speak.tones, speak.text) == ("12", "")
    story.fold(e.PlaybackBegan(utterance=1), e.SpeechStarted(), e.Heard(text="for sales press one"))
    assert not story.effects(f.StopSpeaking), "the menu talks on, and does not interrupt the keys"
    story.fold(e.PlaybackDone(utterance=1, heard_ms=400, total_ms=400, complete=True))
    assert (outcomes(story), asked(story)) == ([("send_dtmf", ToolOutcome.DONE)], 2)
    assert all(line.text for line in story.live.transcript)


def test_keys_that_a_crash_left_unknown_are_not_pressed_again() -> None:
    story = connected(digits_replace_media=True).fold(ASKED, called(("send_dtmf", {"digits": "12"})))
    story.fold(e.PlaybackBegan(utterance=1), e.Reactivated(epoch=Epoch(2)))
    assert len([x for x in story.everything if isinstance(x, f.Speak) and x.tones]) == 1
    assert outcomes(story) == [("send_dtmf", ToolOutcome.UNKNOWN)]


def test_tones_are_not_repeated_on_another_stream() -> None:
    story = connected(digits_replace_media=True).fold(ASKED, called(("send_dtmf", {"digits": "12"})))
    story.fold(e.PlaybackBegan(utterance=1), e.StreamClosed(stream=STREAM), OPENED)
    assert len([x for x in story.everything if isinstance(x, f.Speak) and x.tones]) == 1
    assert outcomes(story) == [("send_dtmf", ToolOutcome.UNKNOWN)]


@pytest.mark.parametrize("digits", ["", "x", "1 2", "1" * 33, "١٢", "+4930"])
def test_what_is_no_key_is_refused(digits: str) -> None:
    story = connected().fold(ASKED, called(("send_dtmf", {"digits": digits})))
    assert (story.effects(f.SendDigits), outcomes(story)) == ([], [("send_dtmf", ToolOutcome.REFUSED)])


# --- ask_owner ----------------------------------------------------------------------------------------------------


def asking() -> tuple[Story, f.AskOwner]:
    story = connected().fold(ASKED, called(("ask_owner", {"question": "Eight or nine?"})))
    question = story.live.owner_question
    assert question is not None
    return story, question


def test_the_caller_hears_that_the_owner_is_asked_and_the_answer_goes_to_the_agent() -> None:
    story, question = asking()
    assert (spoken(story), question.question) == ([ENGLISH.asking_owner], "Eight or nine?")
    story.fold(*played(1), e.CommandDone(effect=question.id, result="Nine.", request=RequestId("r1")))
    assert [(x.ok, x.text) for x in story.everything if isinstance(x, f.Resolve)] == [(True, "")]
    assert (story.live.owner_question, uses(story)[0].result, asked(story)) == (None, "Nine.", 2)


def test_an_owner_who_does_not_answer_is_waited_for_no_longer() -> None:
    story, _ = asking()
    assert story.live.timers[e.Timer.OWNER] == pytest.approx(story.now + 60.0)
    story.fold(*played(1)).fold(e.TimerFired(timer=e.Timer.OWNER), after=60.0)
    assert (outcomes(story), asked(story)) == ([("ask_owner", ToolOutcome.FAILED)], 2)


def test_an_answer_that_comes_too_late_is_refused() -> None:
    story, question = asking()
    story.fold(*played(1)).fold(e.TimerFired(timer=e.Timer.OWNER), after=60.0)
    story.fold(e.CommandDone(effect=question.id, result="Nine.", request=RequestId("r1")))
    refused = [x for x in story.everything if isinstance(x, f.Resolve)]
    assert [(x.ok, x.text) for x in refused] == [(False, "no question waits for this answer")]


def test_the_agent_speaks_up_with_an_answer_that_comes_after_the_caller_spoke_on() -> None:
    """The caller waits for it, although it is the answer to an earlier turn."""
    story, question = asking()
    story.fold(*played(1), e.Heard(text="take your time"))
    story.fold(e.AgentSaid(turn=2, text="Thank you."), e.AgentDone(turn=2), *played(2))
    assert asked(story) == 2
    story.fold(e.CommandDone(effect=question.id, result="Nine."))
    assert asked(story) == 3
    story.fold(e.AgentSaid(turn=2, text="Nine it is."), e.AgentDone(turn=2), *played(3))
    assert (spoken(story)[-1], asked(story)) == ("Nine it is.", 3)


def test_the_question_outlives_the_worker() -> None:
    story, question = asking()
    story.fold(*played(1), e.Reactivated(epoch=Epoch(2)))
    assert (story.live.owner_question, asked(story)) == (question, 1)
    story.fold(e.CommandDone(effect=question.id, result="Nine."))
    assert asked(story) == 2


def test_one_question_waits_at_a_time() -> None:
    story = connected().fold(ASKED, called(("ask_owner", {"question": "One?"}), ("ask_owner", {"question": "Two?"})))
    assert [use.outcome for use in uses(story)] == [ToolOutcome.OPEN, ToolOutcome.REFUSED]


# --- who may what -------------------------------------------------------------------------------------------------


def test_an_unproven_caller_reaches_only_what_is_allowed_to_them() -> None:
    """By default a caller whose number nobody vouches for gets nothing done by saying who they are."""
    policy = ToolPolicy(offered=("end_call", "note", "order", "shop__*"))
    story = connected(policy).fold(ASKED)
    assert tools.offered(story.live, 1) == ("end_call", "note")
    story.fold(called(("order", {}), ("shop__pay", {})))
    assert (runs(story), [use.outcome for use in uses(story)]) == ([], [ToolOutcome.REFUSED] * 2)


def test_a_proven_caller_reaches_everything() -> None:
    policy = CallPolicy(tools=ToolPolicy(offered=("order",)))
    story = Story().fold(replace(arrived("", policy), verified=True), OPENED, ASKED, called(("order", {})))
    assert len(runs(story)) == 1


@pytest.mark.parametrize(
    ("names", "only", "expected"),
    [
        (("a", "b"), ("b", "c"), ("b",)),
        (("a", "shop__*"), ("shop__*",), ("shop__*",)),
        (("a", "shop__*"), ("shop__find",), ("shop__find",)),
        (("a", "shop__*"), ("*",), ("a", "shop__*")),
        (("a",), (), ()),
    ],
)
def test_a_restriction_offers_what_both_allow(
    names: tuple[str, ...], only: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert tools.restricted(names, only) == expected


def test_a_call_without_tools_is_as_before() -> None:
    story = Story().fold(arrived("", CallPolicy()), OPENED, ASKED, called(("note", {"name": "n", "value": "v"})))
    assert (story.live.tools.notes, [use.outcome for use in uses(story)]) == ((), [ToolOutcome.REFUSED])


# --- the latency record -------------------------------------------------------------------------------------------


def test_the_time_of_tools_is_a_span_of_the_wait() -> None:
    story = connected().fold(e.SpeechStarted(), e.SpeechStopped(), e.Heard(text="a table", silent_ms=300))
    story.fold(called(("order", {})), after=0.5)
    story.fold(e.CommandDone(effect=runs(story)[0].id, result="Booked."), after=2.0)
    story.fold(e.AgentSaid(turn=1, text="Booked.", first_text_ms=400, connect_ms=50), after=0.4)
    story.fold(e.PlaybackBegan(utterance=1, synthesis_ms=100, queued_ms=0))
    spans, stats = story.live.stats.last_turn_spans, story.live.stats
    assert (spans["tool"], spans["agent_first_token"]) == (2000, 900)
    assert stats.last_turn_tools == ("order",)
    assert sum(spans.values()) == pytest.approx(3100, abs=2), "the spans are the whole wait, each moment once"


# --- transfer_call ------------------------------------------------------------------------------------------------

PEOPLE = ToolPolicy(
    offered=("transfer_call",), unproven=("*",), transfers=(TransferTarget(name="office", number="+15554440001"),)
)
TO_OFFICE = called(("transfer_call", {"to": "office"}), wrote="I am connecting you.")


def transferring() -> tuple[Story, f.Transfer]:
    """The caller has heard whom they are connected with, and the carrier has the order."""
    story = connected(PEOPLE).fold(ASKED, e.AgentSaid(turn=1, text="I am connecting you."), TO_OFFICE)
    assert not story.effects(f.Transfer), "the caller hears it to its end first"
    story.fold(*played(1))
    (order,) = story.effects(f.Transfer)
    assert isinstance(order, f.Transfer)
    return story, order


def test_a_caller_is_handed_over_when_they_have_heard_it() -> None:
    story, order = transferring()
    assert (order.to, order.from_, order.leg, order.ring_timeout_s) == ("+15554440001", "+15550001111", LEG, 30.0)
    story.fold(e.StreamClosed(stream=STREAM))
    assert e.Timer.RECONNECT not in story.live.timers, "the stream ends because the carrier connects them"
    assert not story.live.has_voice
    story.fold(e.CommandDone(effect=order.id, leg=LEG, result="they have spoken"), after=120.0)
    assert (story.live.ending, story.live.detail) == (e.EndReason.COMPLETED, "transferred to office")
    assert outcomes(story) == [("transfer_call", ToolOutcome.DONE)]


def test_a_caller_who_hangs_up_while_they_speak_ends_the_call() -> None:
    story, _ = transferring()
    story.fold(e.StreamClosed(stream=STREAM), e.HungUp(leg=LEG), after=60.0)
    assert (story.live.is_over, story.live.pending) == (True, {})


@pytest.mark.parametrize("reason", ["busy", "no answer", "failed", "canceled"])
def test_when_no_one_takes_the_call_the_agent_goes_on_with_the_caller(reason: str) -> None:
    story, order = transferring()
    story.fold(e.StreamClosed(stream=STREAM))
    story.fold(e.CommandFailed(effect=order.id, leg=LEG, reason=reason, retryable=False), after=30.0)
    assert e.Timer.RECONNECT in story.live.timers
    story.fold(OPENED)
    assert ([use.outcome for use in uses(story)], uses(story)[0].result) == ([ToolOutcome.FAILED], reason)
    story.fold(e.AgentSaid(turn=1, text="No one answers."), e.AgentDone(turn=1))
    assert (spoken(story)[-1], asked(story)) == ("No one answers.", 2)


def test_a_caller_who_goes_on_speaking_is_not_handed_over() -> None:
    story = connected(PEOPLE).fold(ASKED, e.AgentSaid(turn=1, text="I am connecting you."), TO_OFFICE)
    story.fold(e.PlaybackBegan(utterance=1), e.SpeechStarted(), e.Heard(text="no wait"))
    story.fold(e.PlaybackDone(utterance=1, heard_ms=300, total_ms=900, complete=False))
    assert (story.effects(f.Transfer), outcomes(story)) == ([], [("transfer_call", ToolOutcome.FAILED)])
    assert asked(story) == 2


def test_no_number_is_called_that_is_not_configured() -> None:
    """Whatever the caller or a tool says: the model names a person, and never a number."""
    for to in ("+4930123456", "Office", ""):
        story = connected(PEOPLE).fold(ASKED, called(("transfer_call", {"to": to, "number": "+4930123456"})))
        assert (story.effects(f.Transfer), outcomes(story)) == ([], [("transfer_call", ToolOutcome.REFUSED)])


def test_a_transfer_outlives_the_worker_and_is_never_ordered_twice() -> None:
    """A new owner requests it under the id of the first order: its claim shows whether that was sent."""
    story, order = transferring()
    story.fold(e.StreamClosed(stream=STREAM), e.Reactivated(epoch=Epoch(2)))
    assert {effect.id for effect in story.effects(f.Transfer)} == {order.id}
    story.fold(e.CommandDone(effect=order.id, leg=LEG), after=60.0)
    assert story.live.ending is e.EndReason.COMPLETED


def test_an_order_that_the_carrier_never_got_is_waited_for_no_longer() -> None:
    """The stream is still open: it has not begun. Without a stream they may be speaking."""
    story, _ = transferring()
    story.fold(e.TimerFired(timer=e.Timer.TRANSFER), after=50.0)
    assert (outcomes(story), asked(story)) == ([("transfer_call", ToolOutcome.FAILED)], 2)
    story, _ = transferring()
    story.fold(e.StreamClosed(stream=STREAM)).fold(e.TimerFired(timer=e.Timer.TRANSFER), after=50.0)
    assert (story.live.is_transferring, story.live.is_ending) == (True, False)

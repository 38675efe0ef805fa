"""Steering: an operator's hints reach the agent unheard and in order, and a question comes back answered."""

from typing import Any

import pytest

from actors.questions import question_of
from tests.call.story import LEG, Story, inbound, outbound, placed
from tests.call.test_floor import played, spoken
from voicecall.agents.prompt import instructions_of, messages_of
from voicecall.call import effects as f
from voicecall.call import events as e
from voicecall.call.ids import Epoch, RequestId
from voicecall.ports import Hint
from voicecall.wire import pack_call, pack_event, unpack_call, unpack_event


def guide(text: str, request: str = "g1") -> e.SpeakRequested:
    return e.SpeakRequested(request=RequestId(request), text="", guidance=text)


def ask(text: str = "their name?", request: str = "q1") -> e.SpeakRequested:
    return e.SpeakRequested(request=RequestId(request), text="", guidance=text, asks=True)


def answers(story: Story) -> dict[str, tuple[bool, str]]:
    resolved = [effect for effect in story.everything if isinstance(effect, f.Resolve)]
    return {each.request: (each.ok, each.text) for each in resolved}


def hints(story: Story) -> tuple[Hint, ...]:
    """Those of the newest request to the agent."""
    newest = [effect for effect in story.everything if isinstance(effect, f.AskAgent)][-1]
    return question_of(story.live, newest).hints


def asked(story: Story) -> int:
    return len(story.effects(f.AskAgent))


def test_a_hint_is_accepted_at_once_and_joins_the_next_reply() -> None:
    """The caller hears nothing of it."""
    story = inbound().fold(guide("offer ten  percent"))
    assert answers(story) == {"g1": (True, "")}
    assert (asked(story), spoken(story), story.live.transcript) == (0, [], ())
    story.fold(e.Heard(text="how much is it"))
    assert hints(story) == (Hint(text="offer ten percent", is_new=True),)


def test_hints_stay_known_in_order_and_are_new_once() -> None:
    story = inbound().fold(guide("first"), e.Heard(text="hello"), guide("second", "g2"))
    assert [(hint.text, hint.is_new) for hint in hints(story)] == [("first", True), ("second", True)]
    story.fold(e.AgentSaid(turn=1, text="Hi."), e.AgentDone(turn=1), *played(1), e.Heard(text="go on"))
    assert [(hint.text, hint.is_new) for hint in hints(story)] == [("first", False), ("second", True)]
    story.fold(e.AgentSaid(turn=2, text="Yes."), e.AgentDone(turn=2), *played(2), e.Heard(text="and"))
    assert [(hint.text, hint.is_new) for hint in hints(story)] == [("first", False), ("second", False)]


def test_the_newest_few_hints_are_kept() -> None:
    story = inbound().fold(*(guide(f"hint {number}", f"g{number}") for number in range(40)), e.Heard(text="hello"))
    assert [hint.text for hint in hints(story)] == [f"hint {number}" for number in range(24, 40)]


def test_a_question_is_asked_at_once_when_no_one_speaks_and_its_answer_comes_back() -> None:
    """The caller's answer is also a turn, which the agent replies to."""
    story = inbound().fold(e.Heard(text="hello"), e.AgentSaid(turn=1, text="Hi."), e.AgentDone(turn=1), *played(1))
    story.fold(ask())
    assert asked(story) == 2
    assert hints(story) == (Hint(text="their name?", asks=True, is_new=True),)
    newest = story.effects(f.AskAgent)[-1]
    assert isinstance(newest, f.AskAgent)
    assert [line.text for line in question_of(story.live, newest).history] == ["hello", "Hi."]
    story.fold(e.AgentSaid(turn=2, text="And your name?"), e.AgentDone(turn=2), *played(2))
    assert "q1" not in answers(story)
    story.fold(e.Heard(text="Anna"))
    assert answers(story)["q1"] == (True, "Anna")
    assert asked(story) == 3
    assert e.Timer.TRANSCRIPT not in story.live.timers


def test_a_question_waits_while_either_party_speaks() -> None:
    """It joins the reply to what the caller says, or comes when the bot has finished."""
    story = inbound().fold(e.SpeechStarted(), ask())
    assert asked(story) == 0
    story.fold(e.Heard(text="hello"))
    assert asked(story) == 1
    assert hints(story)[0].asks

    story = inbound("Good morning.").fold(ask())
    assert asked(story) == 0
    story.fold(*played(1))
    assert asked(story) == 1


def test_a_question_of_which_nothing_was_heard_is_asked_again() -> None:
    """The caller spoke before it began: what they said is no answer to it."""
    story = inbound().fold(ask(), e.SpeechStarted(), e.Heard(text="wait a moment"))
    assert answers(story) == {}
    assert hints(story) == (Hint(text="their name?", asks=True, is_new=True),)
    story.fold(e.AgentSaid(turn=2, text="Your name?"), e.AgentDone(turn=2), *played(1), e.Heard(text="Anna"))
    assert answers(story) == {"q1": (True, "Anna")}


def test_a_question_without_an_answer_ends_in_time_or_with_the_call() -> None:
    story = inbound().fold(ask(), e.AgentSaid(turn=1, text="Name?"), e.AgentDone(turn=1), *played(1))
    due = story.live.timers[e.Timer.TRANSCRIPT]
    story.fold(e.TimerFired(timer=e.Timer.TRANSCRIPT, at=due))
    assert answers(story) == {"q1": (False, "Timed out waiting for the answer")}
    story.fold(ask("again", "q2"), e.HungUp(leg=LEG, reason=e.EndReason.HANGUP_USER))
    assert answers(story)["q2"] == (False, "Call ended: hangup-user")
    assert story.live.steering.question is None


def test_one_answer_is_waited_for_at_a_time() -> None:
    """A question and a `continue` both want what the caller says next."""
    story = inbound().fold(ask(), ask("another", "q2"), e.ContinueRequested(request=RequestId("c1"), text="Who?"))
    assert answers(story) == {
        "q2": (False, "Already waiting for transcript"),
        "c1": (False, "Already waiting for transcript"),
    }
    story = inbound().fold(e.ContinueRequested(request=RequestId("c1"), text="Who?"), ask())
    assert answers(story) == {"q1": (False, "Already waiting for transcript")}


def test_a_hint_before_the_answer_waits_for_the_first_reply() -> None:
    story = Story().fold(placed(), guide("be brief"))
    assert answers(story)["g1"] == (True, "")
    assert outbound().fold(ask()).effects(f.AskAgent) == []  # the opening text is being said


@pytest.mark.parametrize(
    ("story", "why"),
    [
        (outbound(e.Mode.NOTIFY), "No agent takes part in this call: it only says its message"),
        (inbound().fold(e.EndRequested(request=RequestId("end"))), "Call has ended"),
        (inbound().fold(e.HungUp(leg=LEG)), "Call has ended"),
    ],
)
def test_where_no_agent_will_speak_it_is_refused(story: Story, why: str) -> None:
    story.fold(guide("hurry"), ask())
    assert {request: answers(story)[request] for request in ("g1", "q1")} == {"g1": (False, why), "q1": (False, why)}


def test_a_take_over_keeps_hints_and_the_question() -> None:
    """The new owner asks the agent again, with the same hints."""
    story = inbound().fold(guide("be kind"), ask())
    before = hints(story)
    story.call = unpack_call(pack_call(story.live))
    story.fold(e.Reactivated(epoch=Epoch(2)))
    assert asked(story) == 2
    assert hints(story) == before
    story.fold(e.AgentSaid(turn=1, text="Name?"), e.AgentDone(turn=1), *played(1), e.Heard(text="Anna"))
    assert answers(story)["q1"] == (True, "Anna")


def test_what_is_said_at_once_takes_the_place_of_the_reply() -> None:
    """Playback is cut, the agent's reply is cancelled; without it, the text comes behind what is being said."""
    talking: list[e.Event] = [
        e.Heard(text="a story"),
        e.AgentSaid(turn=1, text="There was a king."),
        e.PlaybackBegan(utterance=1),
    ]
    story = inbound().fold(*talking, e.SpeakRequested(request=RequestId("s"), text="Stop.", interrupts=True))
    kinds = [type(effect) for effect in story.asked]
    assert kinds == [f.StopSpeaking, f.DropAgent, f.Speak]
    polite = inbound().fold(*talking, e.SpeakRequested(request=RequestId("s"), text="One more thing."))
    assert [type(effect) for effect in polite.asked] == [f.Speak]


def test_an_earlier_build_finds_nothing_to_say_and_refuses() -> None:
    """It ignores the fields that it does not know: what is for the agent alone is never spoken."""
    event = unpack_event(pack_event(guide("the caller must not hear this")))
    assert isinstance(event, e.SpeakRequested)
    assert event.text == ""
    as_read = e.SpeakRequested(request=event.request, text=event.text)
    story = inbound().fold(as_read)
    assert answers(story) == {"g1": (False, "the message has nothing to say")}
    assert spoken(story) == []


def test_the_prompt_says_what_is_new_last_and_the_rest_among_the_instructions() -> None:
    """Marked as the operator's; a host, which gets no messages, finds both in its instructions."""
    story = inbound().fold(guide("be brief"), e.Heard(text="hello"), e.AgentSaid(turn=1, text="Hi."))
    story.fold(e.AgentDone(turn=1), *played(1), ask("what is your name?"))
    newest = story.effects(f.AskAgent)[-1]
    assert isinstance(newest, f.AskAgent)
    question = question_of(story.live, newest)
    messages: list[dict[str, Any]] = messages_of(question, None)
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "system"]
    assert messages[0]["content"].endswith("whom the other person does not hear, instructed you, in order:\n- be brief")
    assert "- Ask the other person, in your own words: what is your name?" in messages[-1]["content"]
    whole = instructions_of(question, "You are kind.", going_on=True)
    assert whole.index("- be brief") < whole.index("what is your name?")

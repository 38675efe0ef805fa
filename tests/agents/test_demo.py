"""The demo's restaurant: the same words get the same answer, also when recognition mishears some of them."""

import asyncio
from contextlib import aclosing

import pytest

from voicecall.agents.demo import DemoAgent
from voicecall.agents.restaurant import answers
from voicecall.call.ids import CallId
from voicecall.call.state import Party
from voicecall.ports import EndCall, Question, TurnText

CALL = CallId("5b0a3d3e-6a52-4d3b-9c7e-2f1f6f1d7c11")


def last(*said: str) -> str:
    """The answer to the last of the caller's utterances."""
    return " ".join(answers(said)[-1].sentences)


def asked(*said: str, heard: tuple[str, ...] = ()) -> Question:
    history = tuple(TurnText(speaker=Party.USER, text=text) for text in said)
    return Question(call=CALL, turn=len(said), caller="+15550001", session_key="", history=history, said=heard)


async def reply_to(question: Question) -> list[str | EndCall]:
    return [piece async for piece in DemoAgent(word_s=0, thinking_s=0).reply(question)]


@pytest.mark.parametrize("text", ["What are your opening hours on Sunday?", "when do you close", "Are you open?"])
def test_opening_hours(text: str) -> None:
    assert last(text).startswith("We are open every day from noon to ten")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (("I'd like to book a table.",), "For how many people?"),
        (("A table please.", "We are four."), "A table for four, gladly. At what time?"),
        (("A table please.", "For for."), "A table for four, gladly. At what time?"),
        (("A table please.", "For four.", "At half past seven."), "A table for four at half past seven"),
        (("A table please.", "For four.", "7.30."), "A table for four at 7:30"),
        (("A table please.", "For four.", "730."), "A table for four at 7:30"),
        (("A table please.", "Two.", "Eight."), "A table for two at 8 o'clock"),
        (("Book a table for two at seven thirty.",), "A table for two at 7:30"),
        (("Book a table for two at 730 tonight.", "My name is Ada."), "Thank you, Ada. Your table for two at 7:30"),
    ],
)
def test_a_table_is_booked_with_what_was_said(said: tuple[str, ...], answer: str) -> None:
    assert answer in last(*said)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (("Two pizzas and a salad.",), "two pizzas and one salad"),
        (("Can I order two large pieces and a green salad? Please.",), "two pizzas and one salad"),
        (("I want to order.", "A soup."), "one soup"),
        (("One soup.", "And two pizzas.", "No."), "Then that is one soup and two pizzas, ready in twenty minutes."),
        (("One soup.", "That's all."), "Then that is one soup, ready"),
        (("What is on the menu?",), "chocolate cake"),
    ],
)
def test_an_order_is_taken(said: tuple[str, ...], answer: str) -> None:
    assert answer in last(*said)


@pytest.mark.parametrize("said", [("Goodbye.",), ("Bye bye!",), ("That is all.",), ("Open?", "No, thank you.")])
def test_a_goodbye_ends_the_call(said: tuple[str, ...]) -> None:
    answer = answers(said)[-1]
    assert answer.ends_call
    assert answer.sentences[-1] == "Goodbye!"


@pytest.mark.parametrize("text", ["", "…", "Now", "asdf qwer", "你好", "x" * 5000])
def test_what_is_not_understood_is_asked_again(text: str) -> None:
    """In other words the second time; and the call never ends for that."""
    once, twice = answers([text, text])
    assert once.sentences != twice.sentences
    assert not once.ends_call


def test_a_question_that_was_not_answered_is_asked_again() -> None:
    assert last("A table please.", "blurb blurb").endswith("How many people will you be?")


def test_other_topics_may_come_in_between() -> None:
    assert last("A table please.", "When do you close?").startswith("We are open")


async def test_the_reply_comes_word_by_word_and_hangs_up_behind_the_last() -> None:
    *words, end = await reply_to(asked("Goodbye."))
    assert "".join(map(str, words)) == "Thank you for calling the Harbour Kitchen. Goodbye! "
    assert end == EndCall()


async def test_a_reply_goes_on_behind_what_was_heard() -> None:
    """Another worker took the call over in its middle."""
    pieces = await reply_to(asked("Goodbye.", heard=("Thank you for calling the Harbour Kitchen.",)))
    assert pieces == ["Goodbye! ", EndCall()]


async def test_a_question_to_the_kitchen_takes_its_time() -> None:
    """Longer than a filler waits."""
    async with aclosing(DemoAgent(word_s=0, thinking_s=3600).reply(asked("Are there nuts in the soup?"))) as pieces:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(pieces), 0.05)


async def test_without_a_word_of_the_caller_there_is_nothing_to_say() -> None:
    assert await reply_to(asked()) == []

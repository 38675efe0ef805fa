"""The judge finds each thing that can be wrong with a conversation, and nothing wrong with a good one."""

from dataclasses import replace

import pytest

from simulators.tones import Ended
from tests.conversations.judge import Evidence, Said, complaints, waits_of
from tests.conversations.script import GREETING, Clip, Conversation, Cut, Expected, Resumed, Whole

pytestmark = pytest.mark.quick

STORY = "Once upon a time there was a king."
TALK = Conversation(
    name="a talk",
    system="alone",
    steps=(),
    heard=(Whole(GREETING), Whole(STORY), Whole("Well.")),
    turns=("a story", "and then"),
)


def sentence(text: str, start_ms: int, end_ms: int, *, complete: bool = True) -> Ended:
    return Ended(text, complete, start_ms, end_ms, closed=complete)


GOOD = Evidence(
    heard=(sentence(GREETING, 0, 560), sentence(STORY, 2300, 3700), sentence("Well.", 5000, 5240)),
    said=(Said("a story", 1600, 1900), Said("and then", 4300, 4700)),
    sounds=(*range(0, 560, 20), *range(2300, 3700, 20), *range(5000, 5240, 20)),
    clips=0,
    bot=(GREETING, STORY, "Well."),
    user=("a story", "and then"),
    clears=0,
    over_ms=6000,
)


def kinds(found: Evidence, talk: Conversation = TALK) -> list[str]:
    return [complaint.kind for complaint in complaints(talk, found)]


def heard_as(*heard: Ended) -> Evidence:
    return replace(GOOD, heard=(GOOD.heard[0], *heard, GOOD.heard[2]))


def expecting(item: Expected) -> Conversation:
    return replace(TALK, heard=(Whole(GREETING), item, Whole("Well.")))


CUT = sentence("Once upon a ti", 2300, 2900, complete=False)


def test_a_good_conversation_has_no_complaint() -> None:
    assert kinds(GOOD) == []
    assert waits_of(TALK, GOOD) == [("a story", 400), ("and then", 300)]


def test_a_turn_that_nothing_follows_is_silent() -> None:
    silent = replace(GOOD, sounds=tuple(at for at in GOOD.sounds if at < 4000))
    assert kinds(silent) == ["silent turn"]
    assert waits_of(TALK, silent)[-1] == ("and then", None)


def test_an_answer_may_be_late() -> None:
    assert kinds(GOOD, replace(TALK, within_ms=350)) == ["late"]


def test_a_reply_that_nobody_interrupted_and_that_stops_is_a_false_cut() -> None:
    assert kinds(heard_as(CUT))[0] == "false cut"


def test_a_reply_that_goes_on_to_its_end_is_a_missed_cut() -> None:
    assert kinds(GOOD, expecting(Cut(STORY))) == ["missed cut"]
    assert kinds(GOOD, expecting(Resumed(STORY))) == ["missed cut"]


def test_a_bot_that_speaks_on_over_the_caller_is_a_missed_cut() -> None:
    over = replace(GOOD, said=(GOOD.said[0], Said("and then", 2400, 4700)))
    assert kinds(over) == ["missed cut"]


def test_a_reply_may_be_expected_to_be_cut() -> None:
    cut = replace(heard_as(CUT), bot=(GREETING, "Once upon a", "Well."))
    assert kinds(cut, expecting(Cut(STORY))) == []
    assert kinds(replace(cut, bot=GOOD.bot), expecting(Cut(STORY)))[0] == "record"


def test_the_rest_follows_from_the_word_that_was_cut() -> None:
    rest = sentence("time there was a king.", 3100, 4000)
    resumed = replace(heard_as(CUT, rest), bot=(GREETING, "Once upon a ti", "time there was a king.", "Well."))
    assert kinds(resumed, expecting(Resumed(STORY))) == []
    later = replace(rest, text="there was a king.")
    assert "words" in kinds(heard_as(CUT, later), expecting(Resumed(STORY)))
    assert "words" in kinds(heard_as(CUT, replace(rest, text=STORY)), expecting(Resumed(STORY)))


@pytest.mark.parametrize(
    "heard",
    [(), (sentence("Another story.", 2300, 3000),), (GOOD.heard[1], GOOD.heard[1])],
    ids=["none", "other", "twice"],
)
def test_other_words_than_expected_are_noticed(heard: tuple[Ended, ...]) -> None:
    assert "words" in kinds(heard_as(*heard))


def test_the_recorded_apology_is_counted() -> None:
    talk = replace(TALK, heard=(Whole(GREETING), Clip(), Whole("Well.")))
    found = replace(heard_as(), clips=1, bot=(GREETING, Clip().text, "Well."))
    assert kinds(found, talk) == []
    assert kinds(replace(found, clips=0), talk) == ["words"]


def test_the_record_is_what_was_heard_and_said() -> None:
    assert kinds(replace(GOOD, bot=(GREETING, STORY))) == ["record"]
    assert kinds(replace(GOOD, bot=(*GOOD.bot, "Never said."))) == ["record"]
    assert kinds(replace(GOOD, user=("a story",))) == ["record"]


def test_what_is_said_with_a_breath_between_is_one_turn() -> None:
    asked = replace(GOOD, said=(Said("a", 1400, 1500), Said("story", 1700, 1900), GOOD.said[1]))
    assert [words for words, _ in waits_of(TALK, asked)] == ["story", "and then"]


def test_playback_must_have_paused_where_the_script_says_so() -> None:
    assert kinds(GOOD, replace(TALK, pauses=1)) == ["pause"]

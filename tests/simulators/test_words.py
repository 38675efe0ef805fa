"""Comparing what was said with what a small recognition model makes of it."""

import pytest

from simulators.demo.judge import Judge
from simulators.words import are_alike, ends_alike, error_rate, normalised, phrase_in

STORY = "Your order holds two items, both are in stock."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("We're open 9 to 8!", "were open nine to eight"),
        ("At 7:30, or 730.", "at seven thirty or seven thirty"),
        ("It's 2026.", "its 2026"),
        ("", ""),
    ],
)
def test_case_punctuation_and_digits_do_not_count(text: str, words: str) -> None:
    assert " ".join(normalised(text)) == words


@pytest.mark.parametrize(
    ("said", "heard", "rate"),
    [
        ("a b c d", "a b c d", 0),
        ("a b c d", "a x c d", 0.25),
        ("a b c d", "a c d", 0.25),
        ("a b", "a b c d", 1),
        ("a", "", 1),
    ],
)
def test_the_error_rate_counts_words_that_differ(said: str, heard: str, rate: float) -> None:
    assert error_rate(said.split(), heard.split()) == rate


def test_one_word_in_four_may_be_misheard_and_no_more() -> None:
    assert are_alike("can i order two pizzas and a salad", "Can I order two pieces and a ballad?")
    assert not are_alike("your table is ready now", "Your cable is steady, no.")
    assert not are_alike("your table for two is ready", "")


def test_a_phrase_is_heard_to_the_word() -> None:
    assert phrase_in("nine to eight", "We are open from 9 to 8.")
    assert not phrase_in("nine to eight", "We are open from 9 to 80.")


def test_the_end_of_a_sentence_that_was_cut_is_found() -> None:
    assert ends_alike("Your order holds two items, b", "Certainly, your order holds two items.")
    assert not ends_alike("Your order holds two items, b", "Certainly, your order holds two items, both are in stock.")


def cut(*heard: str, lines: tuple[str, ...], real: bool) -> str:
    return Judge(real=real).cut(STORY, lines, [{"text": text, "complete": text.endswith(".")} for text in heard])


def test_real_voices_are_judged_by_words_and_tones_to_the_letter() -> None:
    said, heard = "Your table for two is ready.", ["Your table, for 2, is ready"]
    assert (Judge(real=True).same(said, heard), Judge(real=False).same(said, heard)) == (True, False)
    assert Judge(real=False).same(said, [said])
    assert not Judge(real=True).same(said, ["Your table for two is ready.", "Your table for two is ready."])


def test_a_cut_is_one_where_the_transcript_and_the_ear_agree() -> None:
    assert cut("Your order holds two items.", lines=("Your order holds two items, b",), real=True)
    assert not cut(STORY, lines=("Your order holds two items, b",), real=True)
    assert not cut("Your order holds two items.", lines=(STORY,), real=True)
    assert cut("Your order holds two items, bot", lines=("Your order holds two items, b",), real=False)
    assert not cut("Your order", lines=("Your order holds two items, b",), real=False)

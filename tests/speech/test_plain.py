"""Markup is removed, words stay, and cuts make no difference."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicecall.speech.plain import PlainText


def plain(text: str) -> str:
    reader = PlainText()
    return reader.feed(text) + reader.flush()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**Yes**, *really* and __truly__ and ~~no~~", "Yes, really and truly and no"),
        ("# Title\n## Sub title", "Title\nSub title"),
        ("- one\n* two\n+ three\n• four", "one\ntwo\nthree\nfour"),
        ("> quoted\n> > twice", "quoted\ntwice"),
        ("a\n---\nb\n***\nc", "a\n\nb\n\nc"),
        ("`code` and ``more``", "code and more"),
        ("before ```py\nprint('no')\n``` after", "before \nafter"),
        ("before ```never closed", "before \n"),
        ("see [the docs](https://example.com/a_(b)?c) now", "see the docs now"),
        ("![a cat](cat.png) and wow!", "a cat and wow!"),
        ("[laughs] array[0]", "laughs array0"),
        ("[[tts:voice=nova]]Hello[[/tts]] there", "Hello there"),
        ("[[" + "x" * 300, "x" * 300),
        ("2 * 3 = 6, 2*3, snake_case, ~5 and -5", "2 * 3 = 6, 2*3, snake_case, ~5 and -5"),
        ("- 5 degrees\n-5 degrees\n#1 hit", "5 degrees\n-5 degrees\n#1 hit"),
        (r"\*not emphasis\* and C:\dir", "*not emphasis* and C:\\dir"),
        ("bell\a, bidi\u202e, zero\u200bwidth, \ud800surrogate, tab\tend", "bell, bidi, zerowidth, surrogate, tab end"),
        ("Great \U0001f600\u2764\ufe0f!", "Great !"),
        ("25 °C, naïve, Straße, 你好, ٣", "25 °C, naïve, Straße, 你好, ٣"),
    ],
)
def test_marks_become_what_a_person_would_say(written: str, said: str) -> None:
    """The table of marks and what becomes of them."""
    assert plain(written) == said


_pieces = st.text(st.sampled_from("*_~`#->[]()!\\ \n.,abc12é\a"), max_size=12)


@settings(deadline=None)  # a property, not a time
@given(st.lists(_pieces))
def test_where_a_model_cuts_its_reply_makes_no_difference(pieces: list[str]) -> None:
    """Tokens end anywhere, also inside a mark."""
    reader = PlainText()
    assert "".join(map(reader.feed, pieces)) + reader.flush() == plain("".join(pieces))


@settings(deadline=None)  # a property, not a time
@given(st.text(st.sampled_from(string.ascii_letters + string.digits + " ,.?!:;'\"\n*_#->")))
def test_no_letter_or_digit_is_lost_to_a_mark(text: str) -> None:
    """Emphasis, headings and lists never remove words; only code, directives and link targets are removed."""
    assert [c for c in plain(text) if c.isalnum()] == [c for c in text if c.isalnum()]


@settings(deadline=None)  # a property, not a time
@given(st.text())
def test_whatever_is_written_the_result_can_be_sent_to_a_voice(text: str) -> None:
    """No control character and no lone surrogate: what remains is valid UTF-8."""
    said = plain(text)
    said.encode()
    assert not any(ord(char) < 32 and char != "\n" for char in said)

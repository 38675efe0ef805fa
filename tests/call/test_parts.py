"""Parts of a long prompt: none is longer than the carrier takes, and nothing of the text is lost."""

from xml.sax.saxutils import escape

from hypothesis import given
from hypothesis import strategies as st

from voicecall.call.parts import parts_of


def test_a_text_that_fits_is_one_part() -> None:
    assert parts_of("Hello there.", 12) == ("Hello there.",)
    assert parts_of("Hello there.", 0) == ("Hello there.",)
    assert parts_of("", 10) == ("",)


def test_it_is_cut_after_a_sentence_a_clause_or_a_word() -> None:
    assert parts_of("One two. Three four five", 14) == ("One two.", "Three four", "five")
    assert parts_of("One two, three four five", 14) == ("One two,", "three four", "five")
    assert parts_of("a" * 25, 10) == ("a" * 10, "a" * 10, "a" * 5)


def test_other_scripts_have_ends_of_their_own() -> None:
    assert parts_of("はい。そうです。ありがとう。", 8) == ("はい。そうです。", "ありがとう。")
    assert parts_of("यह एक है। वह दो है।", 12) == ("यह एक है।", "वह दो है।")


def test_markup_counts_as_it_is_written_in_a_document() -> None:
    assert parts_of("&&&&", 10) == ("&&", "&&")


@given(text=st.text(st.sampled_from("ab .,!?&<\n😀é"), max_size=400), longest=st.integers(5, 60))
def test_nothing_is_lost_and_nothing_is_too_long(text: str, longest: int) -> None:
    parts = parts_of(text, longest)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(len(escape(part)) <= longest for part in parts if part != text)

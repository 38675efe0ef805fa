"""A transcript agrees with its text, or it does not: tolerant of how things are read, and of nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicecall.speech.tts.read_aloud import ReadAloud


def agrees(text: str, transcript: str, *, size: int = 5) -> bool:
    """Fed in deltas of `size` characters."""
    compared = ReadAloud(text)
    pieces = [transcript[at : at + size] for at in range(0, len(transcript), size)]
    return all(compared.feed(piece) for piece in pieces) and compared.is_complete()


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("text", "transcript"),
    [
        ("Hello, how are you?", "hello how are you"),
        ("Please check-in at the café.", "Please check in at the cafe."),
        ("Your table is booked for 7:30 pm.", "Your table is booked for seven thirty p.m."),
        ("It costs twenty dollars.", "It costs $20."),
        ("It costs $1,250.50.", "It costs one thousand two hundred fifty dollars and fifty cents."),
        ("Call +1 555 0100.", "Call plus one, five five five, oh one hundred."),
        ("Dr. Smith is 10 km away.", "Doctor Smith is ten kilometers away."),
        ("See example.com for more.", "See example dot com for more."),
        ("Open 9\u201317, Mon. to Fri.", "Open nine to seventeen, Monday to Fri."),
        ("Das kostet 20 €, z.B. heute.", "Das kostet zwanzig Euro, z.B. heute."),
        ("こんにちは、お元気ですか。", "こんにちは お元気ですか"),
        ("नमस्ते, आप कैसे हैं?", "नमस्ते आप कैसे हैं"),
        ("Room 5.", "Room five."),
    ],
)
def test_what_is_read_as_people_read_it_agrees(text: str, transcript: str, size: int) -> None:
    assert agrees(text, transcript, size=size)


@pytest.mark.parametrize(
    ("text", "transcript"),
    [
        ("What time is it?", "It is three o'clock."),
        ("Hello.", "Sure! Hello."),
        ("Hello there, how are you?", "Hello there."),
        ("Good morning.", "Good morning. How can I help you?"),
        ("Yes.", "No."),
        ("I can not come.", "I can come."),
        ("We open at 5 tomorrow.", "We open at noon, I think, but you had better call us."),
        ("Good morning.", "Guten Morgen."),
        ("Please hold the line.", ""),
        ("It costs twenty dollars.", "It costs $20, which is cheap."),
    ],
)
def test_another_wording_does_not(text: str, transcript: str) -> None:
    assert not agrees(text, transcript)


def test_a_difference_is_noticed_where_it_begins() -> None:
    """Before the audio that says it: the transcript comes first."""
    compared = ReadAloud("What time is it now?")
    assert compared.feed("What time ")
    assert not compared.feed("would ")


@given(st.text(alphabet=st.characters(categories=("L", "N", "P", "S", "Z")), max_size=60))
def test_every_text_agrees_with_itself(text: str) -> None:
    """Whatever is in it, and however it is cut."""
    assert agrees(text, text)

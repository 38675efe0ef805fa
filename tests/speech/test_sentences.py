"""Where a reply is cut: at the ends of sentences, early, and without losing a word."""

# ruff: noqa: RUF001  letters of other scripts are meant as they are

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicecall.speech.sentences import LONGEST, Sentences


def cut(*pieces: str) -> list[str]:
    sentences = Sentences()
    return [sentence for piece in pieces for sentence in sentences.feed(piece)] + sentences.flush()


@pytest.mark.parametrize(
    "sentences",
    [
        ["Hello there!", "How are you?", "I am fine."],
        ["What?!", "No way!!", "Yes."],
        ["It costs $3.14.", "Version 2.0 is out.", "See example.com for more."],
        ["Dr. Smith met Mr. Jones.", "They left."],
        ["We open at 9 a.m. and close at 5 p.m.", "Come by."],
        ["Bring pens, paper etc.", "That is all."],
        ["Bring pens, e.g. blue ones.", "Or i.e. black."],
        ["J. R. Smith lives in the U.S. today.", "He is 40."],
        ["So do I.", "Really."],
        ["Take No. 5 please.", "The answer is no.", "Sorry."],
        ["Well... maybe.", "Wait…", "Then go on…", "Done."],
        ['"What?" he asked.', '"Go home."', "(He did.)", "Good."],
        ["it is all in lower case.", "is that a problem?", "no."],
        ["你好。", "再见。", "好的"],
        ["No mark at the end"],
    ],
)
def test_prose_is_cut_where_people_pause(sentences: list[str]) -> None:
    """Each row is one text and the sentences in it."""
    separator = "" if "。" in sentences[0] else " "
    assert cut(separator.join(sentences)) == sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["आपका स्वागत है।", "मैं आपकी क्या सहायता करूँ?", "बताइए।"],
        ["আপনি কেমন আছেন?", "আমি ভালো আছি।", "ধন্যবাদ।"],
        ["هل تريدون حجز طاولة؟", "نعم، بالتأكيد.", "شكرًا"],
        ["آپ کیسے ہیں؟", "میں ٹھیک ہوں۔", "شکریہ۔"],
        ["Բարեւ ձեզ։", "Ինչպես եք։"],
        ["ሰላም።", "እንዴት ነዎት፧"],
        ["សួស្តី។", "អរគុណ។"],
        ["«Хорошо!»", "Приходите в 9."],
        ["好的！", "请问几点？", "「八点。」", "谢谢。"],
        ["はい、承知しました。", "何名様ですか？"],
    ],
)
@pytest.mark.parametrize("joint", [" ", ""])
def test_a15_sentences_of_every_script_end_where_they_end(sentences: list[str], joint: str) -> None:
    """With and without a space between them, where the script's own mark is between them."""
    if not joint and any(sentence[-1] in ".!?»" for sentence in sentences[:-1]):
        joint = " "
    assert cut(joint.join(sentences)) == sentences


def test_a15_a_hindi_sentence_leaves_with_the_first_character_of_the_next() -> None:
    assert Sentences("hi").feed("आपकी मेज़ तैयार है। क") == ["आपकी मेज़ तैयार है।"]


def test_a15_thai_has_no_full_stop_and_leaves_at_a_space() -> None:
    reply = "ร้านของเราเปิดทุกวันตั้งแต่เก้าโมงเช้าถึงสี่ทุ่ม คุณต้องการจองโต๊ะสำหรับกี่คน กรุณาแจ้งเวลาที่ต้องการด้วย"
    pieces = cut(reply)
    assert pieces[0] == "ร้านของเราเปิดทุกวันตั้งแต่เก้าโมงเช้าถึงสี่ทุ่ม"
    assert " ".join(pieces) == reply


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("de", ["Wir sehen uns am 3. Mai um 8 Uhr.", "Bringen Sie z. B. Wein mit.", "Dr. Weiß kommt auch."]),
        ("de-AT", ["Das kostet ca. 20 Euro inkl. Trinkgeld.", "Passt das?"]),
        ("fr", ["Le menu coûte env. 30 euros, p.ex. le midi.", "D'accord ?"]),
        ("es", ["La Sra. García vive en la Avda. de la Paz.", "¿Algo más?"]),
        ("pl", ["Spotkanie jest 3. maja przy ul. Długiej.", "Do zobaczenia."]),
        ("ru", ["Это стоит 300 руб. в час, т.е. недорого.", "Хорошо?"]),
        ("tr", ["Toplantı 3. katta, Sn. Kaya bekliyor.", "Tamam mı?"]),
        ("nl", ["Dhr. De Vries komt bijv. morgen.", "Goed?"]),
    ],
)
def test_abbreviations_and_ordinals_of_the_language_end_no_sentence(language: str, sentences: list[str]) -> None:
    reader = Sentences(language)
    assert reader.feed(" ".join(sentences)) + reader.flush() == sentences


@pytest.mark.parametrize(
    ("written", "sentences"),
    [
        ("1. First\n2. Second\n", ["1. First", "2. Second"]),
        ("Options:\n- **tea**\n- coffee\n\nWhich one?", ["Options:", "tea", "coffee", "Which one?"]),
        ("# Hours\nNine to five.", ["Hours", "Nine to five."]),
        ("Run this: ```sh\nrm -rf .\n``` Good?", ["Run this:", "Good?"]),
        ("... Hello. - ", ["... Hello."]),
        ("?!", []),
        ("", []),
        (" \n \t\n", []),
    ],
)
def test_written_forms_become_spoken_ones(written: str, sentences: list[str]) -> None:
    """Lists, headings, code, and marks without words."""
    assert cut(written) == sentences


def test_a_sentence_leaves_with_the_first_character_of_the_next() -> None:
    """Nothing waits for the second sentence to end: this is the time to the first audio."""
    sentences = Sentences()
    assert sentences.feed("Good morning.") == []
    assert sentences.feed(" H") == ["Good morning."]


def test_a_line_end_needs_no_further_proof() -> None:
    """A list item without a full stop is spoken as its line ends."""
    assert Sentences().feed("one thing\n") == ["one thing"]


def test_a_decimal_point_at_the_end_of_a_token_waits() -> None:
    """Models cut numbers at the point."""
    assert cut("It is 3.", "14 metres.", " Long.") == ["It is 3.14 metres.", "Long."]


def test_a_long_first_sentence_begins_at_its_comma() -> None:
    """The first piece has at most 120 characters, if there is a clause end."""
    long = (
        "When you arrive at the station in the morning, please walk to the main exit and "
        + "straight on " * 9
        + "home."
    )
    assert cut(long)[0] == "When you arrive at the station in the morning,"


def test_a_long_later_sentence_keeps_its_commas() -> None:
    """Only the first piece is urgent; others sound better whole."""
    long = (
        "When you arrive at the station in the morning, please walk to the main exit and then straight on to "
        + "x" * 90
    )
    assert cut(f"Sure. {long}.") == ["Sure.", f"{long}."]


def test_a_run_without_an_end_is_cut_at_commas_then_spaces_then_anywhere() -> None:
    """So that speech begins, and no piece is too long for a voice."""
    words = "word " * 200
    assert all(len(piece) <= LONGEST and piece.endswith("word") for piece in cut(words))
    assert cut("a" * 700) == ["a" * 300, "a" * 300, "a" * 100]
    assert all(piece.endswith(",") for piece in cut("one two three, " * 60))


_prose = st.text(st.sampled_from("abcXYZ 019.,;:?!…'\"()\n-éß。你"))


@settings(deadline=None)  # a property, not a time
@given(st.lists(_prose))
def test_no_word_is_lost_repeated_or_moved(pieces: list[str]) -> None:
    """Letters and digits come out once each and in order."""
    said = "".join(cut(*pieces))
    assert [c for c in said if c.isalnum()] == [c for c in "".join(pieces) if c.isalnum()]


@settings(deadline=None)  # a property, not a time
@given(st.lists(_prose), st.integers(1, 400))
def test_cuts_between_pieces_make_no_difference(pieces: list[str], times: int) -> None:
    """One character at a time or all at once: the same sentences. Repetition makes long runs."""
    text = ("".join(pieces) * times)[:1000]
    assert cut(*text) == cut(text) == cut(*(text[at : at + 7] for at in range(0, len(text), 7)))


@settings(deadline=None)  # a property, not a time
@given(st.text(), st.integers(1, 50))
def test_every_sentence_can_be_spoken(text: str, times: int) -> None:
    """Not empty, not too long, something to pronounce, no line ends inside."""
    for sentence in cut((text * times)[:3000]):
        assert 0 < len(sentence) <= LONGEST
        assert sentence == sentence.strip()
        assert "\n" not in sentence
        assert any(char.isalnum() for char in sentence)

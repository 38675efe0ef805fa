"""Phone numbers as people write them: what is removed, and what is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicecall.call.ids import parse_e164
from voicecall.call.numbers import NotANumber, read_number, why_no_number


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no digits"),
        (" +\u200e ", "no digits"),
        ("15550001234", "begin with +"),
        ("0015550001234", "begin with +"),
        ("+0555", "no country's code begins with 0"),
        ("+1", "1 digits"),
        ("+" + "1" * 16, "16 digits"),
        ("+1+5550001234", "after the first digit"),
        ("+1555ANNA", '"A"'),
        ("+15550001234x7", '"x"'),
        ("+15550001234\r", "U+000D"),
        ("+1-555-000-1234;ext=7", '";", which begins an extension'),
        ("tel:+1-555-000-1234", 'begins with "tel:"'),
        (" TEL://+15550001234", 'begins with "TEL:"'),
        ("+1 555 000 1234 ext. 7", '"e", which begins an extension'),
        ("sip:+15550001234@a", 'begins with "sip:"'),
        ("+1555\u0660001234", "U+0660 ARABIC-INDIC DIGIT ZERO"),
        ("\u260e +15550001234", "U+260E BLACK TELEPHONE"),
        ("+39 (0) 91 6661111", '"(0)"'),
        ("+44 (\u200b0)20 7183 8750", '"(0)"'),
    ],
    ids=ascii,
)
def test_a18_a_refusal_names_what_is_wrong(text: str, why: str) -> None:
    """A number may look perfect and hold a character that cannot be seen."""
    with pytest.raises(NotANumber, match=r".") as refused:
        read_number(text)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "".join(chr(ord(char) + 0xFEE0) for char in "+1(555)000-1234"),
        "+1\uff15\uff15\uff150001234",
        "(+1) 555\u2011000\u20121234",
        "\ufeff\u2066+1 555\u3000000\u200b1234\u2069",
    ],
    ids=ascii,
)
def test_a18_what_has_no_meaning_is_removed(text: str) -> None:
    assert read_number(text) == "+15550001234"


@given(st.text(max_size=30))
def test_a18_every_text_is_a_number_or_refused_in_one_line(text: str) -> None:
    """Nothing else is raised; the reason can be printed, and does not repeat the text."""
    try:
        number, why = read_number(text), ""
    except NotANumber as refused:
        number, why = None, str(refused)
    assert why.isprintable()
    assert len(why) < 160
    assert number is None or parse_e164(number) == number


@given(st.from_regex(r"\A\+[1-9][0-9]{1,14}\Z"), st.lists(st.sampled_from(" -.()/\u202a\u00a0\u2011\t"), max_size=5))
def test_a18_separators_change_no_number(number: str, between: list[str]) -> None:
    """Wherever they stand, unless they make a bracket around a single 0."""
    written = number[:3] + "".join(between) + number[3:]
    if "(0)" not in written:
        assert read_number(written) == number
    assert (parse_e164(written) is None) is bool(between)
    if between:
        assert why_no_number(written)

"""Markup is removed, words stay, and cuts make no difference."""

import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicecall.text.plain import PlainText


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


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("| City | Temp |\n|------|-----:|\n| Oslo | 4 |\n| Rome | 18 |", "City, Temp\n\nOslo, 4\nRome, 18"),
        ("City | Temp\n--- | :---:\nOslo | 4", "City, Temp\n\nOslo, 4"),
        ("+---+---+\n| a | b |\n+===+===+", "\na, b\n"),
        ("yes|no || maybe", "yes, no, maybe"),
        ("|  | x |\n| -5 | **y** |", "x\n-5, y"),
        ("Title\n=====\nText = text", "Title\n\nText = text"),
        ("<b>Yes</b>, <I>really</I><br/>and <span class='x'>truly</span>", "Yes, really\nand truly"),
        ('Wait<break time="1s"/>now. <speak><prosody rate="slow">Slow</prosody></speak>', "Wait now. Slow"),
        ("<table><tr><td>Oslo</td><td>4</td></tr></table>", "\n\nOslo, 4\n\n"),
        ("<!-- a > b -->Hi<script>alert('x < y')</script><style>p {}</style>!", "Hi!"),
        ("Tom &amp; Ann &lt;b&gt; caf&eacute; &#39;x&#39;&nbsp;&#x41;", "Tom & Ann <b> café 'x' A"),
        ("AT&T, Q&A, R&D; 5 < 6 and 7 > 3, a<b, x <y and z", "AT&T, Q&A, R&D; 5 < 6 and 7 > 3, a<b, x <y and z"),
        ("I <3 you & me", "I <3 you & me"),
        ("see https://www.example.com/a/b?c=d#e.", "see example.com."),
        ("(https://example.com:8080/a_(b)) and http://user@Example.org!", "(example.com) and Example.org!"),
        ("HTTPS://example.com/a or Sip://example.org/x?y: yes", "HTTPS example.com or Sip example.org: yes"),
        ("<https://example.com/x> or www.example.org/y, now", "example.com  or example.org, now"),
        ("[https://example.com/a](https://example.com/a) [b](https://c.d)", "example.com b"),
        (
            "**https://example.com/x** mailto:ann@example.com?subject=x tel:+15550001",
            "example.com ann@example.com +15550001",
        ),
        ("http, www and mail are what they were: httpd, wwww.", "http, www and mail are what they were: httpd, wwww."),
        ("\U0001f468\u200d\U0001f469 ok \u2b50\u231a 1\ufe0f\u20e3 \U0001f1e9\U0001f1ea क्\u200dष", " ok  1  क्\u200dष"),
        ("[[reply_to_current]] Hello [[tts:text]]there[[/tts:text]]", "Hello there"),
    ],
)
def test_a14_markup_of_every_kind_becomes_words(written: str, said: str) -> None:
    """Tables, HTML, SSML, entities, addresses and emoji."""
    assert plain(written).strip(" ") == said.strip(" ")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("It is noon.[^1]\n\n[^1]: By the clock.", "It is noon.\n\nBy the clock."),
        ("[^1] noon[^note]: yes", "noon: yes"),
        ("It is noon.[1][2] Rome[3], array[0], press [1].", "It is noon. Rome, array0, press 1."),
        ("See [the docs][1] and [docs][].\n\n[1]: https://example.com 'T'\n[docs]: www.a.b", "See the docs and docs."),
        ("[laughs]: hello\n[a](https://b.c) [1]", "laughs: hello\na 1"),
        ("It is noon【4:0†notes.pdf】. \ue200cite\ue202turn0search0\ue201【重要】", "It is noon. 【重要】"),
        ("- [ ] milk\n1. [x] eggs [x]", "milk\n1. eggs x"),
        (
            r"The square is \(x^2\), so \[ a = b \] and $$c$$ or $d + e$ hold.",
            "The square is x^2, so  a = b  and c or d + e hold.",
        ),
        (r"\frac{1}{2} of \text{it} is \boxed{42}, 3 \times 4 \leq \sqrt{x}", "1/2 of it is 42, 3 \u00d7 4 ≤ √x"),
        (
            "It costs $5 or $6, US$ 7; $HOME and $PATH, C:\\to\\dir",
            "It costs $5 or $6, US$ 7; $HOME and $PATH, C:\\to\\dir",
        ),
        ("Tom &amp;amp; Ann &amp;#39;x&amp;#39; &amp;amp;amp;", "Tom & Ann 'x' &"),
        ("~~~ py\ncode\n~~~\nDone, ~~no~~ ~5.", "Done, no ~5."),
        ("==marked== and a == b, x==y\n==again==", "marked and a == b, x==y\nagain"),
        ("\x1b[1;31mred\x1b[0m alert", "red alert"),
        ("<https://example.com/a|the label> here", "the label here"),
        ("Term\n: meaning\na\\\nb", "Term\nmeaning\na\nb"),
        ("<speak><![CDATA[Hi <b>there</b>]]></speak>", "Hi there"),
        (
            'Call <say-as interpret-as="telephone">555</say-as><phoneme ph="x">now</phoneme><mark name="a"/>!',
            "Call 555now !",
        ),
        ("\U0001f3f3\ufe0f\u200d\U0001f308 a \U0001f469\U0001f3fd\u200d\U0001f680 b 1\ufe0f\u20e3", "a  b 1"),
        ("See [Mercury](https://en.wikipedia.org/wiki/Mercury_(planet) 'a (b)') now", "See Mercury now"),
    ],
)
def test_a14_notation_of_every_kind_becomes_words(written: str, said: str) -> None:
    """Footnotes, citations, reference links, task boxes, formulas, double escapes, terminal colours."""
    assert plain(written).strip() == said


_notes = st.text(st.sampled_from("[]^:1x \n$\\{}(【†】-.&;"), max_size=12)
_whole_notes = st.sampled_from(
    ["[^1]", "[1]: https://a", "\\frac{1}{2}", "\\times", "- [ ] ", "<![CDATA[", "]]>", "&amp;", "~~~"]
)


@settings(deadline=None)  # a property, not a time
@given(st.lists(_notes | _whole_notes, max_size=8))
def test_a14_where_notation_is_cut_makes_no_difference(pieces: list[str]) -> None:
    reader = PlainText()
    assert "".join(map(reader.feed, pieces)) + reader.flush() == plain("".join(pieces))


_markup = st.text(st.sampled_from("<>/&;|:-= \n.habp'\"!htps:/w@[](*`"), max_size=15)
_whole = st.sampled_from(
    ["<br>", "&amp;", "https://", "www.a.b", "|---|", "<!--", "-->", "<script>", "</script>", "<b x='"]
)


@settings(deadline=None)  # a property, not a time
@given(st.lists(_markup | _whole, max_size=10))
def test_a14_where_markup_is_cut_makes_no_difference(pieces: list[str]) -> None:
    reader = PlainText()
    assert "".join(map(reader.feed, pieces)) + reader.flush() == plain("".join(pieces))


@pytest.mark.parametrize(
    "text",
    [
        *("<" * 50_000, "|" * 50_000, "&" * 50_000, "https://" * 6_000, "<b " * 20_000, "[" * 9),
        *("[^" * 20_000, "[a" * 20_000, "$a" * 20_000, "\\frac{" * 8_000, "【" * 50_000, "[1]: https://" * 4_000),
    ],
)
def test_a14_marks_without_end_cost_little(text: str) -> None:
    """Linear: a reply of marks does not stop the event loop."""
    started = time.perf_counter()
    plain(text)
    assert time.perf_counter() - started < 5

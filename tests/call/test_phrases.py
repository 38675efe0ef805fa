"""What the bot says by itself, in every language."""

from dataclasses import fields

import pytest

from voicecall.call.phrases import LANGUAGES, Phrases, base_language, phrases_in
from voicecall.text.speakable import speakable

pytestmark = pytest.mark.quick

WANTED = [
    *["en", "de", "fr", "es", "it", "pt", "nl", "pl", "ru", "uk"],
    *["tr", "ar", "hi", "vi", "th", "id", "uz", "zh", "ja", "ko"],
]


def test_every_language_has_every_phrase_and_no_two_share_one() -> None:
    assert list(LANGUAGES) == WANTED
    said = [text for phrases in LANGUAGES.values() for text in texts(phrases)]
    assert len(said) == len(set(said))


@pytest.mark.parametrize("language", WANTED)
def test_a_phrase_is_spoken_as_it_is_written(language: str) -> None:
    assert all(speakable(text) == text for text in texts(LANGUAGES[language]))
    assert len(LANGUAGES[language].fillers) >= 2


@pytest.mark.parametrize(
    ("tag", "base"),
    [("de-CH", "de"), ("pt_BR", "pt"), ("ZH-Hant-TW", "zh"), ("sv-SE", "en"), ("", "en"), ("auto", "en")],
)
def test_a_tag_without_phrases_of_its_own_speaks_english(tag: str, base: str) -> None:
    assert base_language(tag) == base


def test_phrases_of_the_operator_replace_the_built_in_ones() -> None:
    own = phrases_in("ja-JP", {"not_caught": ("もう一度どうぞ。",), "fillers": ("はい。",)})
    assert (own.not_caught, own.fillers, own.goodbye) == ("もう一度どうぞ。", ("はい。",), LANGUAGES["ja"].goodbye)


def texts(phrases: Phrases) -> list[str]:
    values = [getattr(phrases, field.name) for field in fields(phrases)]
    return [text for value in values for text in (value if isinstance(value, tuple) else (value,))]

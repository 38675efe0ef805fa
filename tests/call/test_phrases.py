"""What the bot says by itself, in every language."""

from dataclasses import fields

import pytest

from tests.call.story import Story, arrived, stream_opened
from voicecall.call.effects import Speak
from voicecall.call.events import AgentFailed, Heard
from voicecall.call.phrases import LANGUAGES, Phrases, base_language, phrases_in
from voicecall.call.policy import CallPolicy
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


def fail_to_answer(language: str, heard: Heard) -> str:
    """What the bot says when the agent has no answer to `heard`."""
    policy = CallPolicy(language=language)
    story = Story().fold(arrived("", policy), stream_opened(), heard, AgentFailed(turn=1, reason="500"))
    return [effect for effect in story.asked if isinstance(effect, Speak)][-1].text


def test_a20_the_bot_speaks_the_configured_language() -> None:
    assert fail_to_answer("de-AT", Heard(text="Hallo?")) == LANGUAGES["de"].agent_failed


def test_a20_with_auto_the_bot_speaks_as_the_caller_was_heard_to() -> None:
    assert fail_to_answer("auto", Heard(text="もしもし", language="ja")) == LANGUAGES["ja"].agent_failed
    assert fail_to_answer("auto", Heard(text="hello?")) == LANGUAGES["en"].agent_failed
    assert fail_to_answer("fr", Heard(text="hello?", language="en")) == LANGUAGES["fr"].agent_failed

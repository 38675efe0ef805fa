"""Conversations in which the model is slow, silent, dripping, busy, broken or without words."""

from collections.abc import Mapping
from typing import Any, Final

from tests.conversations.script import (
    GREETING,
    HELLO,
    Conversation,
    Expected,
    Line,
    Whole,
    asks,
    hangs_up,
    hears,
    says,
)
from voicecall.call.phrases import ENGLISH, LANGUAGES

__all__ = ["MODELS"]

_AGAIN: Final = asks("never mind then", "All right")
_ALL_RIGHT: Final = Whole("All right then.")
_SORRY: Final = Whole(ENGLISH.agent_failed)
_GOODBYE: Final = Whole(ENGLISH.goodbye)
_FILLERS: Final = tuple(Whole(text) for text in ENGLISH.fillers)


def _model(
    name: str, words: str, reply: str | Mapping[str, Any], *heard: Expected, answer: str, **more: Any
) -> Conversation:
    """The caller asks something at which the model fails, then something else, which it answers."""
    return Conversation(
        name=f"model {name}",
        system="alone",
        steps=(hears(GREETING), *asks(words, answer), *_AGAIN, hangs_up()),
        heard=(Whole(GREETING), *heard, _ALL_RIGHT),
        turns=(words, "never mind then"),
        replies={words: reply},
        is_bad_day=True,
        **more,
    )


def _model_for_good(name: str, words: str, reply: Mapping[str, Any], *heard: Expected, **more: Any) -> Conversation:
    """The model fails twice in a row: the bot says goodbye."""
    return Conversation(
        name=f"model {name}",
        system="alone",
        steps=(hears(GREETING), *asks(words, "say that again"), says(words)),
        heard=(Whole(GREETING), *heard),
        turns=(words, words),
        replies={words: reply},
        ends="bot",
        is_bad_day=True,
        **more,
    )


_SLOW: Final = "The slow answer is twelve."
_DRIPS: Final = "This answer comes word by word from the well."

MODEL: Final = (
    _model("slow", "a slow matter", {"reply": _SLOW, "delay_ms": 3500}, _FILLERS[0], Whole(_SLOW), answer="twelve"),
    _model(
        "dripping",
        "a dripping matter",
        {"reply": _DRIPS, "per_token_ms": 350},
        _FILLERS[0],
        Whole(_DRIPS),
        answer="the well",
    ),
    _model(
        "breaks off",
        "a broken matter",
        {"reply": "It is a long. Story about a broken thing.", "cut_after_tokens": 5},
        Whole("It is a long."),
        _SORRY,
        answer="say that again",
    ),
    _model(
        "cut before a word",
        "an abrupt matter",
        {"reply": "The abrupt answer.", "cut_after_tokens": 0, "times": 1},
        Whole("You said: an abrupt matter."),
        answer="abrupt matter",
    ),
    _model(
        "busy",
        "a busy matter",
        {"status": 429, "retry_after_s": 1, "times": 1},
        Whole("You said: a busy matter."),
        answer="a busy matter",
    ),
    _model("refuses the key", "a locked matter", {"status": 401}, _SORRY, answer="say that again", is_short=True),
    _model("empty", "an empty matter", {"reply": ""}, _SORRY, answer="say that again", is_short=True),
    _model("filtered", "a filtered matter", {"reply": "", "finish": "content_filter"}, _SORRY, answer="say that again"),
    _model(
        "filtered in mid-reply",
        "half a matter",
        {"reply": "The first half.", "finish": "content_filter"},
        Whole("The first half."),
        answer="first half",
    ),
    _model(
        "declines",
        "a naughty matter",
        {"refusal": "I cannot help with that."},
        Whole("I cannot help with that."),
        answer="help with that",
    ),
    _model_for_good(
        "silent",
        "a silent matter",
        {"reply": "too late", "delay_ms": 60_000},
        _FILLERS[0],
        _SORRY,
        _FILLERS[1],
        _GOODBYE,
        is_short=True,
    ),
    _model_for_good("failing", "a failing matter", {"status": 500}, _SORRY, _GOODBYE),
    Conversation(
        name="model slow twice",
        system="alone",
        steps=(
            hears(GREETING),
            *asks("one slow thing", "thing one"),
            *asks("two slow things", "thing two"),
            hangs_up(),
        ),
        heard=(Whole(GREETING), _FILLERS[0], Whole("Here is thing one."), _FILLERS[1], Whole("Here is thing two.")),
        turns=("one slow thing", "two slow things"),
        replies={
            "one slow thing": {"reply": "Here is thing one.", "delay_ms": 3500},
            "two slow things": {"reply": "Here is thing two.", "delay_ms": 3500},
        },
        is_bad_day=True,
    ),
)


def _in(language: str, words: str) -> Conversation:
    """The model fails, and the apology is in the caller's language."""
    return Conversation(
        name=f"apology in {language}",
        system="alone",
        line=Line(language=language),
        steps=(hears("help you"), says(words), {"wait_quiet_ms": 600, "within_ms": 15_000}, *_AGAIN, hangs_up()),
        heard=(Whole(HELLO), Whole(LANGUAGES[language].agent_failed), _ALL_RIGHT),
        turns=(words, "never mind then"),
        replies={words: {"status": 500}},
        is_bad_day=True,
        is_short=language == "ja",
    )


APOLOGIES: Final = (
    _in("de", "eine schwierige Frage"),
    _in("ja", "難しい質問"),
    _in("ar", "سؤال صعب"),
    _in("es", "una pregunta difícil"),
)


def _relieved(name: str, reply: Mapping[str, Any], *heard: str) -> Conversation:
    """The next model answers within the turn. A line has a model of its own: one that failed is passed over."""
    words = f"a matter {name}"
    heard = heard or (f"You said: {words}.",)
    return Conversation(
        name=f"model {name}, relieved",
        system="together",
        line=Line(model=name.replace(" ", "-")),
        steps=(hears("help you"), *asks(words, heard[-1].partition(" ")[2][-14:-1]), *_AGAIN, hangs_up()),
        heard=(Whole(HELLO), *map(Whole, heard), _ALL_RIGHT),
        turns=(words, "never mind then"),
        replies={words: {"model": name.replace(" ", "-"), **reply}},
        is_bad_day=True,
    )


RELIEVED: Final = (
    _relieved("hung", {"reply": "too late", "delay_ms": 60_000}),
    _relieved("stalled", {"reply": "never", "stall_after_tokens": 0}),
    _relieved("rushed", {"status": 429, "retry_after_s": 30}),
    _relieved("unlocked", {"status": 401}),
    _relieved("down", {"status": 503}),
    _relieved("wordless", {"reply": ""}),
    _relieved("withheld", {"reply": "", "finish": "content_filter"}),
    _relieved("declined", {"refusal": "I cannot help with that."}),
    _relieved("cut at once", {"reply": "The abrupt answer.", "cut_after_tokens": 0}),
)


MODELS: Final = (*MODEL, *APOLOGIES, *RELIEVED)

"""Conversations in which speech recognition fails, and callers beside them all who must not feel it."""

from collections.abc import Mapping
from typing import Any, Final

from tests.conversations.script import (
    GREETING,
    HELLO,
    Conversation,
    Expected,
    Fault,
    Line,
    Step,
    Whole,
    asks,
    fault,
    hangs_up,
    hears,
    says,
)
from voicecall.call.phrases import ENGLISH

__all__ = ["BYSTANDERS", "RECOGNITION"]

_AGAIN: Final = asks("never mind then", "All right")
_ALL_RIGHT: Final = Whole("All right then.")


def _recognition(
    name: str, words: str, *heard: Expected, faults: tuple[Fault, ...], system: str, **more: Any
) -> Conversation:
    """Recognition fails at these words, which are answered all the same unless `heard` says otherwise."""
    given = {"turns": (words, "never mind then"), **more}
    return Conversation(
        name=f"recognition {name}",
        system=system,
        steps=(
            hears("help you" if "line" in more else GREETING),
            says(words),
            {"wait_quiet_ms": 900, "within_ms": 20_000},
            *_AGAIN,
            hangs_up(),
        ),
        heard=(Whole(HELLO if "line" in more else GREETING), *(heard or (Whole("It is raining."),)), _ALL_RIGHT),
        faults=faults,
        is_bad_day=True,
        **given,
    )


def _recognition_alone(
    name: str, words: str, *heard: Expected, where: str, more: Mapping[str, Any] | None = None, **do: Any
) -> Conversation:
    failing = (fault("openai", where, words[:30], times=1, **do),)
    return _recognition(name, words, *heard, faults=failing, system="alone", **(more or {}))


RECOGNITION_ALONE: Final = (
    _recognition_alone("slow", "the weather slowly", where="transcript", delay_ms=1000),
    _recognition_alone("twice", "the weather twice", where="transcript", duplicate=True),
    _recognition_alone("garbled", "the weather garbled", where="words", garbage=True),
    _recognition_alone("breaks off", "the weather when the line breaks off", where="words", drop=True),
    _recognition_alone(
        "silent",
        "the weather in silence",
        Whole(ENGLISH.not_caught),
        where="transcript",
        hang=True,
        more={"turns": ("never mind then",), "within_ms": 9000},
    ),
    _recognition_alone(
        "fails",
        "the weather failing",
        Whole(ENGLISH.not_caught),
        where="transcript",
        failed=True,
        more={"turns": ("never mind then",), "within_ms": 9000},
    ),
)


def _relieved(
    name: str, language: str, words: str, *faults: Fault, system: str = "together", **more: Any
) -> Conversation:
    """Another service hears the same words. The language gives the line recognition of its own."""
    more = {"within_ms": 5000, **more}
    return _recognition(name, words, faults=faults, system=system, line=Line(language=language), **more)


RELIEVED: Final = (
    _relieved(
        "busy",
        "it",
        "the weather in a rush",
        fault("deepgram", "listen", "=it", status=429, retry_after_s=30),
        system="busy",  # with every call
    ),
    _relieved("hanging", "pt", "the weather unanswered", fault("deepgram", "listen", "=pt", hang=True)),
    _relieved(
        "refused twice",
        "fr",
        "the weather at the third",
        fault("deepgram", "listen", "=fr", status=401),
        fault("elevenlabs", "listen", "=fr", status=503),
        system="refused",  # a key that is refused is refused to every call
    ),
    _relieved("falls silent", "en-GB", "the weather when muted", fault("deepgram", "words", "when mut", mute=True)),
    _relieved(
        "breaks off in mid-turn", "en-AU", "the weather all broken up", fault("deepgram", "words", "all bro", drop=True)
    ),
    _relieved(
        "garbles", "en-NZ", "the weather in garbage", fault("deepgram", "words", "in gar", times=1, garbage=True)
    ),
    _relieved(
        "owes a transcript", "pl", "the weather unwritten", fault("deepgram", "transcript", "unwritten", hang=True)
    ),
    _relieved(
        "never ends a turn",
        "en-IE",
        "the weather without an end",
        fault("deepgram", "words", "without an", endless=True),
        within_ms=12_000,  # Flux itself may wait five seconds
    ),
    _relieved("is slow", "en-IN", "the weather late", fault("deepgram", "transcript", "weather late", delay_ms=1000)),
)

RECOGNITION: Final = (*RECOGNITION_ALONE, *RELIEVED)


def _bystander(number: int, system: str) -> Conversation:
    """Does not feel any of it: every answer as soon as ever."""
    steps: tuple[Step, ...] = ()
    for _ in range(4):
        steps += (*asks("how is the weather", "raining"), *asks("and tomorrow", "snow"))
    replies = (Whole("It is raining."), Whole("It will snow.")) * 4
    return Conversation(
        name=f"bystander {number} {system}",
        system=system,
        steps=(hears(GREETING), *steps, hangs_up()),
        heard=(Whole(GREETING), *replies),
        turns=("how is the weather", "and tomorrow") * 4,
    )


BYSTANDERS: Final = tuple(_bystander(number, system) for system in ("alone", "together") for number in (1, 2))

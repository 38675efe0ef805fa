"""Conversations in which the carrier hears and speaks, over a socket that carries text."""

from dataclasses import replace
from typing import Final

from tests.conversations.script import (
    GREETING,
    HELLO,
    Conversation,
    Cut,
    Line,
    Whole,
    asks,
    breaks_in,
    hangs_up,
    hears,
    presses,
    says,
    waits,
)
from tests.conversations.systems import REPLIES
from tests.conversations.turns import WEATHER
from voicecall.call.phrases import ENGLISH

__all__ = ["RELAYED"]

STORY: Final = REPLIES["story"]

_ON_TWILIO: Final = (
    Conversation(
        name="relay: two questions",
        system="relay",
        steps=(hears(GREETING), *asks("how is the weather", "raining"), *asks("and tomorrow", "snow"), hangs_up()),
        heard=(Whole(GREETING), Whole(WEATHER), Whole("It will snow.")),
        turns=("how is the weather", "and tomorrow"),
    ),
    Conversation(
        name="relay: inbound",
        system="relay",
        line=Line(),
        steps=(hears("help you"), *asks("how is the weather", "raining"), hangs_up()),
        heard=(Whole(HELLO), Whole(WEATHER)),
        turns=("how is the weather",),
    ),
    Conversation(
        name="relay: interruption",
        system="relay",
        steps=(
            hears(GREETING),
            says("a story please"),
            breaks_in("that is enough", after=30),
            hears("As you like"),
            hangs_up(),
        ),
        heard=(Whole(GREETING), Cut(STORY), Whole("As you like.")),
        turns=("a story please", "that is enough"),
    ),
    Conversation(
        name="relay: long reply",
        system="relay",
        steps=(hears(GREETING), says("a story please"), hears("into the well"), hangs_up()),
        heard=(Whole(GREETING), Whole(STORY)),
        turns=("a story please",),
    ),
    Conversation(
        name="relay: keys with hash",
        system="relay",
        steps=(hears(GREETING), presses("42#"), hears("Forty-two"), hangs_up()),
        heard=(Whole(GREETING), Whole("Forty-two it is.")),
        turns=("the caller pressed 42#",),
        replies={"pressed 42#": "Forty-two it is."},
    ),
    Conversation(
        name="relay: words answer a question",
        system="relay",
        question="Which colour?",
        answer="light blue",
        steps=(hears("Which colour"), says("light blue"), waits(1500), hangs_up()),
        heard=(Whole(GREETING), Whole("Which colour?")),
        turns=("light blue",),
        asides=("light blue",),  # it is the API client's turn
    ),
    Conversation(
        name="relay: silence",
        system="relay",
        steps=(),
        heard=(Whole(GREETING), Whole(ENGLISH.still_there), Whole(ENGLISH.silence_goodbye)),
        ends="bot",
    ),
)


def _on_telnyx(talk: Conversation) -> Conversation:
    """That carrier does not report what it has played: the clock stands in, which is slower than tone code."""
    steps = (*talk.steps[:-1], waits(4500), talk.steps[-1]) if talk.steps else ()
    return replace(talk, name=talk.name.replace("relay:", "relay of telnyx:"), system="relay of telnyx", steps=steps)


RELAYED: Final = (*_ON_TWILIO, *map(_on_telnyx, _ON_TWILIO))

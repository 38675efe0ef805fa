"""Conversations with a model that hears and speaks: the same rules, and its provider on a bad day."""

from typing import Final

from tests.conversations.script import (
    GREETING,
    Conversation,
    Cut,
    Whole,
    asks,
    breaks_in,
    hangs_up,
    hears,
)
from tests.conversations.systems import REPLIES

__all__ = ["SPEECH_TO_SPEECH"]

STORY: Final = REPLIES["story"]

SPEECH_TO_SPEECH: Final = (
    Conversation(
        name="realtime, two turns",
        system="realtime",
        steps=(
            hears("morning."),
            *asks("how is the weather", "raining."),
            *asks("and tomorrow", "snow."),
            hangs_up(),
        ),
        heard=(Whole(GREETING), Whole("It is raining."), Whole("It will snow.")),
        turns=("how is the weather", "and tomorrow"),
    ),
    Conversation(
        name="realtime, interruption",
        system="realtime",
        steps=(
            hears("morning."),
            *(asks("a story please", "king")[:1]),
            breaks_in("that is enough", after=30),
            hears("As you like."),
            hangs_up(),
        ),
        heard=(Whole(GREETING), Cut(STORY), Whole("As you like.")),
        turns=("a story please", "that is enough"),
    ),
)

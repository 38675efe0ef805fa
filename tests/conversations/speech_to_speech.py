"""Conversations with a model that hears and speaks: those of `turns.py` again, and its provider on a bad day."""

from dataclasses import replace
from typing import Final

from tests.conversations.script import (
    GREETING,
    Conversation,
    Cut,
    Whole,
    asks,
    fault,
    hangs_up,
    hears,
    says,
)
from tests.conversations.turns import TALE, TURNS, WEATHER
from voicecall.call.phrases import ENGLISH

__all__ = ["SPEECH_TO_SPEECH"]

_AS_EVER: Final = tuple(
    replace(talk, name=f"realtime: {talk.name}", system="realtime", is_short=False)
    for talk in TURNS
    if talk.system == "alone" and talk.line is None
)
"""The rules are the same, so what is heard and recorded is the same."""

_REST: Final = "And so it ended."

_ITS_OWN: Final = (
    Conversation(
        name="realtime: the model ends the call",
        system="realtime",
        steps=(hears(GREETING), says("that is all for today")),
        heard=(Whole(GREETING), Whole("Thank you for calling. Goodbye!")),
        turns=("that is all for today",),
        replies={"all for today": {"reply": "Thank you for calling. Goodbye!", "tool_call": {"name": "end_call"}}},
        ends="bot",
    ),
    Conversation(
        name="realtime: closed in mid-reply",
        system="realtime",
        steps=(
            hears(GREETING),
            *asks("the frog tale", "so it ended"),
            *asks("how is the weather", "raining"),
            hangs_up(),
        ),
        heard=(Whole(GREETING), Cut(TALE), Whole(_REST), Whole(WEATHER)),
        turns=("the frog tale", "how is the weather"),
        replies={"frog tale": {"reply": TALE, "times": 1}, "the frog tale": _REST},
        faults=(fault("openai", "reply", "frog tale", times=1, cut_after_bytes=9_600, close_code=1011),),
        is_bad_day=True,
    ),
    Conversation(
        name="realtime: a reply fails",
        system="realtime",
        steps=(hears(GREETING), *asks("the broken question", "twelve"), hangs_up()),
        heard=(Whole(GREETING), Whole("The answer is twelve.")),
        turns=("the broken question",),
        replies={"broken question": "The answer is twelve."},
        faults=(fault("openai", "reply", "broken question", failed=True),),
        is_bad_day=True,
    ),
    Conversation(
        name="realtime: no transcript",
        system="realtime",
        steps=(hears(GREETING), says("the unwritten question"), hears("catch that"), hangs_up()),
        heard=(Whole(GREETING), Whole(ENGLISH.not_caught)),
        asides=("the unwritten question",),
        faults=(fault("openai", "transcript", "unwritten question", failed=True),),
        is_bad_day=True,
    ),
)

SPEECH_TO_SPEECH: Final = (*_AS_EVER, *_ITS_OWN)

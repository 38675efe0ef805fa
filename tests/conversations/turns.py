"""Conversations about who has the floor: interruptions, hesitations, coughs, backchannels, noise, silence, keys."""

from typing import Any, Final

from tests.conversations.script import (
    GREETING,
    HELLO,
    Conversation,
    Cut,
    Expected,
    Line,
    Resumed,
    Step,
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
from voicecall.call.phrases import ENGLISH

__all__ = ["TURNS"]

STORY: Final = REPLIES["story"]
WEATHER: Final = "It is raining."
TALE: Final = (
    "There was a king who had a daughter, and she had a ball of gold, and one day the ball fell into the well, "
    "and a frog brought it back to her. The king said that she had to thank the frog, and she did not want to. "
    "So the frog came to the castle, sat down at the table, and ate from her plate until she had thanked it."
)
PHARMACY: Final = "Good morning, this is the pharmacy calling about the order that you placed last week."

_greeted: Final = hears(GREETING)
_into_the_well: Final = hears("into the well")


def _in_the_story(
    name: str,
    *steps: Step,
    heard: tuple[Expected, ...],
    turns: tuple[str, ...] = (),
    line: Line | None = None,
    system: str = "alone",
    **more: Any,
) -> Conversation:
    """The caller asks for a story, does this in the middle of it, and hangs up."""
    opening = GREETING if line is None else HELLO
    return Conversation(
        name=name,
        system=system,
        line=line,
        steps=(hears(opening.split()[-1]), says("a story please"), *steps, hangs_up()),
        heard=(Whole(opening), *heard),
        turns=("a story please", *turns),
        **more,
    )


def _backchannel(name: str, words: str, *, long: bool = False, **more: Any) -> Conversation:
    """In the middle of a reply; a long one cuts it, and the rest follows from the word that was cut."""
    return _in_the_story(
        name,
        breaks_in(words, after=30),
        _into_the_well,
        heard=(Resumed(STORY) if long else Whole(STORY),),
        asides=(words,),
        pauses=1,
        **more,
    )


INTERRUPTIONS: Final = (
    _in_the_story(
        "interruption",
        breaks_in("that is enough", after=30),
        hears("As you like"),
        heard=(Cut(STORY), Whole("As you like.")),
        turns=("that is enough",),
        pauses=1,
        is_short=True,
    ),
    _in_the_story(
        "interruption at the first word",
        breaks_in("that is enough", after=2),
        hears("As you like"),
        heard=(Cut(STORY), Whole("As you like.")),
        turns=("that is enough",),
    ),
    _in_the_story(
        "interruption near the end",
        breaks_in("that is enough", after=98),
        hears("As you like"),
        heard=(Cut(STORY), Whole("As you like.")),
        turns=("that is enough",),
    ),
    _in_the_story(
        "two interruptions",
        breaks_in("no the other tale", after=20),
        breaks_in("that is enough", after=40),
        hears("As you like"),
        heard=(Cut(STORY), Cut(TALE), Whole("As you like.")),
        turns=("no the other tale", "that is enough"),
        replies={"other tale": TALE},
        pauses=2,
        system="scribe",
    ),
    Conversation(
        name="greeting interrupted",
        system="alone",
        line=Line(),
        steps=(breaks_in("how is the weather", after=10), hears("raining"), hangs_up()),
        heard=(Cut(HELLO), Whole(WEATHER)),
        turns=("how is the weather",),
        pauses=1,
        is_short=True,
    ),
    Conversation(
        name="protected greeting",
        system="alone",
        opening=PHARMACY,
        steps=(
            breaks_in("hello who is there", after=15),
            hears("last week"),
            *asks("the weather", "raining"),
            hangs_up(),
        ),
        heard=(Whole(PHARMACY), Whole(WEATHER)),
        turns=("the weather",),
        asides=("hello who is there",),
    ),
    _in_the_story(
        "interruption of deepgram",
        breaks_in("that is enough", after=30),
        hears("As you like"),
        heard=(Cut(STORY), Whole("As you like.")),
        turns=("that is enough",),
        pauses=1,
        system="together",
    ),
    _in_the_story(
        "interruption by our own detector",
        breaks_in("that is enough", after=30),
        hears("As you like"),
        heard=(Cut(STORY), Whole("As you like.")),
        turns=("that is enough",),
        pauses=1,
        system="whisper",
    ),
)

HESITATIONS: Final = (
    Conversation(
        name="hesitation",
        system="alone",
        steps=(_greeted, says("I would like"), waits(240), *asks("a table for two", "Certainly"), hangs_up()),
        heard=(Whole(GREETING), Whole("Certainly.")),
        turns=("I would like a table for two",),
        is_short=True,
    ),
    Conversation(
        name="two hesitations",
        system="scribe",
        steps=(
            _greeted,
            says("well then"),
            waits(240),
            says("I would like"),
            waits(260),
            *asks("a table for two", "Certainly"),
            hangs_up(),
        ),
        heard=(Whole(GREETING), Whole("Certainly.")),
        turns=("well then I would like a table for two",),
    ),
    Conversation(
        name="double utterance",
        system="alone",
        steps=(
            _greeted,
            says("how is the weather"),
            waits(650),
            *asks("and that of the day after tomorrow", "snow"),
            hangs_up(),
        ),
        heard=(Whole(GREETING), Cut(WEATHER, may_be_nothing=True), Whole("It will snow.")),
        turns=("how is the weather", "and that of the day after tomorrow"),
        replies={"after tomorrow": "It will snow."},
    ),
)

NOISES: Final = (
    _in_the_story(
        "cough", {"noise_ms": 200, "after_chars": 20}, _into_the_well, heard=(Whole(STORY),), pauses=1, is_short=True
    ),
    _in_the_story(
        "two coughs",
        {"noise_ms": 160, "after_chars": 20},
        {"noise_ms": 240, "after_chars": 60},
        _into_the_well,
        heard=(Whole(STORY),),
        pauses=2,
        system="together",
    ),
    _in_the_story("long cough", {"noise_ms": 700, "after_chars": 20}, _into_the_well, heard=(Whole(STORY),), pauses=1),
    _in_the_story(
        "cough by our own detector",
        {"noise_ms": 200, "after_chars": 20},
        _into_the_well,
        heard=(Whole(STORY),),
        pauses=1,
        system="whisper",
    ),
    Conversation(
        name="cough before the reply",
        system="alone",
        steps=(_greeted, says("a question of depth"), waits(600), {"noise_ms": 200}, hears("after some"), hangs_up()),
        heard=(Whole(GREETING), Whole("Here it is after some thought.")),
        turns=("a question of depth",),
        replies={"of depth": {"reply": "Here it is after some thought.", "delay_ms": 1500}},
    ),
    Conversation(
        name="noisy place",
        system="alone",
        steps=(
            {"hiss": 400},
            _greeted,
            *asks("how is the weather", "raining"),
            *asks("and tomorrow", "snow"),
            hangs_up(),
        ),
        heard=(Whole(GREETING), Whole(WEATHER), Whole("It will snow.")),
        turns=("how is the weather", "and tomorrow"),
    ),
    Conversation(
        name="noisy place with our own detector",
        system="whisper",
        steps=({"hiss": 200}, _greeted, *asks("how is the weather", "raining"), hangs_up()),
        heard=(Whole(GREETING), Whole(WEATHER)),
        turns=("how is the weather",),
    ),
    _in_the_story(
        "sound just after our own", {"noise_ms": 240, "after_chars": 2}, _into_the_well, heard=(Whole(STORY),)
    ),
    Conversation(
        name="echo",
        system="alone",
        opening=PHARMACY,
        steps=(
            {"echo_ms": 120, "for_ms": 260, "gain": 0.2},
            hears("last week"),
            *asks("a story please", "into the well"),
            hangs_up(),
        ),
        heard=(Whole(PHARMACY), Whole(STORY)),
        turns=("a story please",),
    ),
)

BACKCHANNELS: Final = (
    _backchannel("mhm", "mhm", is_short=True),
    _backchannel("okay", "okay", system="together"),
    _backchannel("ach so", "ach so", line=Line(language="de")),
    _backchannel("un", "うん", line=Line(language="ja")),
    _backchannel("naruhodo", "なるほど", line=Line(language="ja"), long=True),
    _backchannel("taib", "طيب", line=Line(language="ar")),
    _backchannel("aja", "ajá", line=Line(language="es"), system="scribe"),
    Conversation(
        name="okay is an answer",
        system="alone",
        steps=(_greeted, *asks("a room by the sea", "book it"), *asks("okay", "booked"), hangs_up()),
        heard=(Whole(GREETING), Whole("There is one. Shall I book it?"), Whole("It is booked.")),
        turns=("a room by the sea", "okay"),
        replies={"by the sea": "There is one. Shall I book it?", "^okay": "It is booked."},
    ),
)

_STILL_THERE, _FAREWELL = Whole(ENGLISH.still_there), Whole(ENGLISH.silence_goodbye)

QUIET: Final = (
    Conversation(
        name="two questions",
        system="alone",
        steps=(_greeted, *asks("how is the weather", "raining"), *asks("and tomorrow", "snow"), hangs_up()),
        heard=(Whole(GREETING), Whole(WEATHER), Whole("It will snow.")),
        turns=("how is the weather", "and tomorrow"),
    ),
    Conversation(
        name="long reply",
        system="together",
        steps=(_greeted, *asks("the other tale", "thanked it"), hangs_up()),
        heard=(Whole(GREETING), Whole(TALE)),
        turns=("the other tale",),
        replies={"other tale": TALE},
    ),
    Conversation(
        name="silence",
        system="alone",
        steps=(),
        heard=(Whole(GREETING), _STILL_THERE, _FAREWELL),
        ends="bot",
        is_short=True,
    ),
    Conversation(
        name="silence and back",
        system="whisper",
        steps=(hears("still there"), *asks("how is the weather", "raining"), hangs_up()),
        heard=(Whole(GREETING), _STILL_THERE, Whole(WEATHER)),
        turns=("how is the weather",),
    ),
)

KEYS: Final = (
    Conversation(
        name="keys with hash",
        system="alone",
        steps=(_greeted, presses("42#"), hears("Forty-two"), *asks("how is the weather", "raining"), hangs_up()),
        heard=(Whole(GREETING), Whole("Forty-two it is."), Whole(WEATHER)),
        turns=("the caller pressed 42#", "how is the weather"),
        replies={"pressed 42#": "Forty-two it is."},
        is_short=True,
    ),
    Conversation(
        name="keys with time-out",
        system="scribe",
        steps=(_greeted, presses("7"), hears("Seven"), hangs_up()),
        heard=(Whole(GREETING), Whole("Seven it is.")),
        turns=("the caller pressed 7",),
        replies={"pressed 7": "Seven it is."},
    ),
    Conversation(
        name="keys answer a question",
        system="alone",
        question="Key in your number.",
        answer="the caller pressed 1234#",
        is_short=True,
        steps=(hears("Key in"), presses("1234#"), waits(300), hangs_up()),
        heard=(Whole(GREETING), Whole("Key in your number.")),
        turns=("the caller pressed 1234#",),
    ),
    Conversation(
        name="words answer a question",
        system="together",
        question="Which colour?",
        answer="a light blue",
        steps=(hears("Which colour"), says("a light"), waits(240), says("blue"), waits(1500), hangs_up()),
        heard=(Whole(GREETING), Whole("Which colour?")),
        turns=("a light blue",),
        asides=("a light", "blue"),  # it is the API client's turn
    ),
    _in_the_story(
        "keys cut a reply",
        {"wait_ms": 2200},
        presses("9#"),
        hears("Nine"),
        heard=(Cut(STORY), Whole("Nine it is.")),
        turns=("the caller pressed 9#",),
        replies={"pressed 9#": "Nine it is."},
    ),
)

TURNS: Final = (*INTERRUPTIONS, *HESITATIONS, *NOISES, *BACKCHANNELS, *QUIET, *KEYS)

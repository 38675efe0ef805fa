"""What a conversation is: who says what when, what fails, and what must be heard. Data; knows no system.

A caller's script is a persona of the simulated carriers (`simulators/phone/persona.py`); the functions below make its
steps. What must be heard is a sequence of `Whole`, `Cut`, `Resumed` and `Clip`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from voicecall.call.phrases import DEFAULT_LANGUAGE, LANGUAGES

__all__ = [
    "GREETING",
    "HELLO",
    "Clip",
    "Conversation",
    "Cut",
    "Expected",
    "Fault",
    "Line",
    "Resumed",
    "Step",
    "Whole",
    "asks",
    "breaks_in",
    "fault",
    "hangs_up",
    "hears",
    "presses",
    "says",
    "waits",
]

Step = Mapping[str, Any]

GREETING: Final = "Good morning."  # of an outbound call: never interrupted
HELLO: Final = "Hello! How can I help you today?"  # of an inbound call


@dataclass(frozen=True)
class Whole:
    """The text is heard from its first word to its last, once. A pause in it is none of the caller's business."""

    text: str


@dataclass(frozen=True)
class Cut:
    """A beginning of the text is heard, and no more of it. `may_be_nothing`: not even that."""

    text: str
    may_be_nothing: bool = False


@dataclass(frozen=True)
class Resumed:
    """The text is heard in two pieces: the second begins with the word in which the first was cut."""

    text: str


@dataclass(frozen=True)
class Clip:
    """The recorded apology, which needs no voice. Its text stands for it in the record."""

    language: str = DEFAULT_LANGUAGE

    @property
    def text(self) -> str:
        return LANGUAGES[self.language].voice_failed


Expected = Whole | Cut | Resumed | Clip


@dataclass(frozen=True)
class Fault:
    """A rule of `/_sim/script` of one service ("openai", "deepgram", "elevenlabs"). It must have struck."""

    service: str
    where: str
    do: Mapping[str, Any]
    match: str = ""
    times: int | None = None

    def rule(self, name: str) -> dict[str, Any]:
        """The rule as it is posted, counted under `name`."""
        limited = {} if self.times is None else {"times": self.times}
        return {"where": self.where, "name": name, "match": self.match, "do": dict(self.do), **limited}


@dataclass(frozen=True, kw_only=True)
class Line:
    """A number of ours with settings of its own, which the caller dials. Each conversation has one for itself.

    `voices`: the voice and its fallbacks, as `Stack` names them; each has a breaker of its own. `language`: also gives
    the line speech recognition of its own. `model`: of the agent, with a fallback; it too has a breaker of its own.
    """

    language: str = ""
    voices: tuple[str, ...] = ()
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """`system`: the one that it runs on (`systems.py`). Without `line` the system calls this person.

    `turns`: what the caller said, as the record must have it. `replies`: of the model, by a pattern of the caller's
    words; besides those that all share. `asides`: what the caller utters without wanting an answer. `spoken_over`: the
    bot keeps the floor. `question`: an API client's `continue`, `answer` its result. `pauses`: how often playback must
    have been cleared at least. `within_ms`: from the end of each turn to the first sound of the answer at most.
    `ends`: who hangs up. `owner`: what who placed the call answers to the agent's question. `keys`: what the agent
    presses, as tones. `is_bad_day`: a service fails.
    """

    name: str
    system: str
    steps: tuple[Step, ...]
    heard: tuple[Expected, ...]
    turns: tuple[str, ...] = ()
    line: Line | None = None
    opening: str = GREETING
    replies: Mapping[str, str | Mapping[str, Any]] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    asides: tuple[str, ...] = ()
    question: str = ""
    answer: str = ""
    pauses: int = 0
    within_ms: int = 2500
    ends: str = "caller"
    owner: str = ""
    keys: str = ""
    is_bad_day: bool = False
    is_short: bool = False  # part of `make test`


# --- steps of a caller


def hears(text: str, *, quiet_ms: int = 300) -> Step:
    """Wait until a sentence with this text was heard to its end, and nothing more for a moment."""
    return {"wait_heard": text, "quiet_ms": quiet_ms, "within_ms": 20_000}


def says(text: str) -> Step:
    return {"say": text}


def waits(ms: int) -> Step:
    return {"wait_ms": ms}


def breaks_in(text: str, *, after: int) -> Step:
    """Speak after so many characters were heard."""
    return {"interrupt_after_chars": after, "say": text}


def presses(keys: str) -> Step:
    return {"press": keys}


def hangs_up() -> Step:
    return {"hangup": True}


def asks(words: str, answer: str) -> tuple[Step, ...]:
    """Say something, and listen to the answer."""
    return (says(words), hears(answer))


def fault(service: str, where: str, match: str = "", *, times: int | None = None, **do: Any) -> Fault:
    return Fault(service, where, do, match, times)

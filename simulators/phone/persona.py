"""A persona: the script of a callee, read from JSON. Pure.

The steps before answer (`answer_after_ms`, `busy`, `no_answer`, `failed`, `answered_by`, `verdict_after_ms`,
`codecs`) come first; the others are performed one after the other. A persona whose script has ended stays on the line
in silence.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Beep",
    "CutSocket",
    "Echo",
    "HangUp",
    "Hiss",
    "Interrupt",
    "Noise",
    "Persona",
    "Press",
    "Say",
    "Silence",
    "Step",
    "Wait",
    "WaitHeard",
    "WaitQuiet",
    "read_persona",
]


@dataclass(frozen=True)
class Say:
    """Speak; the next step follows at the end of the text."""

    text: str


@dataclass(frozen=True)
class Wait:
    """Wait."""

    ms: float


@dataclass(frozen=True)
class Silence:
    """Say nothing for so long. The same as Wait, for scripts in which the silence is the subject."""

    ms: float


@dataclass(frozen=True)
class WaitHeard:
    """Listen until an utterance matches, or so many ended; then until the remote party has paused for `quiet_ms`.

    Only utterances that began since this persona last spoke or understood something count. After `within_ms` the step
    times out, which is written into the ledger, and the script continues.
    """

    pattern: re.Pattern[str] | None
    count: int
    quiet_ms: float
    within_ms: float


@dataclass(frozen=True)
class WaitQuiet:
    """Wait until the remote party has spoken since this persona last did, and has been silent for so long."""

    ms: float
    within_ms: float


@dataclass(frozen=True)
class Interrupt:
    """Interrupt: start to speak after so many characters heard."""

    after_chars: int
    text: str
    within_ms: float


@dataclass(frozen=True)
class Noise:
    """A cough: a sound without words, after so many characters heard since this persona last spoke."""

    ms: float
    after_chars: int = 0
    within_ms: float = 30_000


@dataclass(frozen=True)
class Hiss:
    """From now on a noise around the callee, in steps of s16le; speech has 8,000."""

    amplitude: int


@dataclass(frozen=True)
class Echo:
    """From now on the line returns the first `for_ms` of each thing that is heard, `after_ms` later."""

    after_ms: int
    for_ms: int
    gain: float


@dataclass(frozen=True)
class Press:
    """Keypad digits."""

    digits: str


@dataclass(frozen=True)
class Beep:
    """A machine's beep: what is heard after its end is what was recorded."""


@dataclass(frozen=True)
class HangUp:
    """Hang up, `after_chars` characters heard since this persona last spoke or understood something."""

    after_chars: int = 0
    within_ms: float = 30_000


@dataclass(frozen=True)
class CutSocket:
    """Not an act of the callee: the carrier's media socket breaks after so many characters heard."""

    after_chars: int
    within_ms: float


Step = (
    Beep | Say | Wait | Silence | WaitHeard | WaitQuiet | Interrupt | Noise | Hiss | Echo | Press | HangUp | CutSocket
)


@dataclass(frozen=True)
class Persona:
    """One callee: how the phone is answered, or not, and what follows on the line."""

    answer_after_ms: float = 100.0
    refusal: str | None = None
    """The final status instead of an answer: "busy", "no-answer", "failed"."""
    answered_by: str = "human"
    """Who answers: "human", "machine" (or as one carrier says it, "machine_start" …), "fax", "unknown"."""
    verdict_after_ms: float = 200.0
    """How long the carrier's detection, if ordered, takes to find that."""
    codecs: tuple[str, ...] = ("PCMU",)
    """The codecs of the phone, the best one first; for carriers whose media streams may carry the leg's codec."""
    steps: tuple[Step, ...] = ()
    listens: bool = field(default=False)
    """Whether audio is decoded while it is heard: needed by some steps, and by a live timeline."""


def read_persona(script: Sequence[Mapping[str, Any]], *, listens: bool = False) -> Persona:
    """Read a script. Raises ValueError naming the invalid step."""
    person: dict[str, Any] = {}
    steps: list[Step] = []
    for number, step in enumerate(script):
        try:
            if not _before_answer(step, person):
                steps.append(_step(step))
        except (KeyError, TypeError, ValueError, re.error) as error:
            raise ValueError(f"step {number} {dict(step)!r}: {error}") from error
    listens = listens or any(
        isinstance(step, WaitHeard | Interrupt | CutSocket)
        or (isinstance(step, HangUp | Noise) and step.after_chars > 0)
        for step in steps
    )
    return Persona(**person, steps=tuple(steps), listens=listens)


def _before_answer(step: Mapping[str, Any], person: dict[str, Any]) -> bool:
    match dict(step):
        case {"answer_after_ms": ms}:
            person["answer_after_ms"] = float(ms)
        case {"busy": True}:
            person["refusal"] = "busy"
        case {"no_answer": True}:
            person["refusal"] = "no-answer"
        case {"failed": True}:
            person["refusal"] = "failed"
        case {"answered_by": str(who)}:
            person["answered_by"] = who
        case {"verdict_after_ms": ms}:
            person["verdict_after_ms"] = float(ms)
        case {"codecs": [str(), *_] as codecs}:
            person["codecs"] = tuple(codecs)
        case _:
            return False
    return True


def _step(step: Mapping[str, Any]) -> Step:
    within_ms = float(step.get("within_ms", 30_000))
    found = _in_the_middle(step, within_ms) or _in_the_room(step)
    if found is not None:
        return found
    match dict(step):
        case {"say": str(text)}:
            found = Say(text)
        case {"wait_ms": ms}:
            found = Wait(float(ms))
        case {"silence_ms": ms}:
            found = Silence(float(ms))
        case {"wait_heard": str(pattern)}:
            found = WaitHeard(re.compile(pattern, re.IGNORECASE), 0, float(step.get("quiet_ms", 300)), within_ms)
        case {"wait_heard": int(count)}:
            found = WaitHeard(None, count, float(step.get("quiet_ms", 300)), within_ms)
        case {"wait_quiet_ms": ms}:
            found = WaitQuiet(float(ms), within_ms)
        case {"beep": True}:
            found = Beep()
        case {"press": digits}:
            found = Press(str(digits))
        case _:
            raise ValueError("not a step")
    return found


def _in_the_middle(step: Mapping[str, Any], within_ms: float) -> Step | None:
    """The step as one that acts while the remote party speaks; None when it is of another kind."""
    match dict(step):
        case {"interrupt_after_chars": chars, "say": str(text)}:
            return Interrupt(int(chars), text, within_ms)
        case {"noise_ms": ms}:
            return Noise(float(ms), int(step.get("after_chars", 0)), within_ms)
        case {"hangup": True}:
            return HangUp(int(step.get("after_chars", 0)), within_ms)
        case {"cut_socket": True, "after_chars": chars}:
            return CutSocket(int(chars), within_ms)
        case _:
            return None


def _in_the_room(step: Mapping[str, Any]) -> Step | None:
    """The step as one that changes what the phone takes up beside the voice; None when it is of another kind."""
    match dict(step):
        case {"hiss": amplitude}:
            return Hiss(int(amplitude))
        case {"echo_ms": ms}:
            return Echo(int(ms), int(step.get("for_ms", 300)), float(step.get("gain", 0.2)))
        case _:
            return None

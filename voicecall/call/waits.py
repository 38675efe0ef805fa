"""What a turn's wait was made of: contiguous spans from the caller's last sound to the first frame of the reply.

Pure. The rules note the moments of a turn as its events come (`TurnWait`); when the reply is first heard, `spans_of`
cuts the wait at these moments. The spans sum to the wait exactly: a moment that is unknown, or seems to lie before an
earlier one because two clocks differ, gives a span of 0, and its time falls to the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Final

__all__ = ["OWNERS", "Span", "TurnWait", "spans_of"]


class Span(StrEnum):
    """The spans in their order."""

    ENDPOINTING_WAIT = "endpointing_wait"  # until recognition was sure that the caller had stopped
    TRANSCRIPTION = "transcription"  # until the transcript came
    TURN_DECISION = "turn_decision"  # until the turn was over and the agent was asked
    AGENT_FIRST_TOKEN = "agent_first_token"  # noqa: S105  no secret: until the agent's first text
    SENTENCE = "sentence"  # until there was something to speak
    TTS_FIRST_AUDIO = "tts_first_audio"  # until the voice gave its first audio
    TRANSPORT = "transport"  # from the worker to the ingress
    PLAYOUT = "playout"  # behind what was being played


OWNERS: Final[Mapping[Span, str]] = MappingProxyType(
    {
        Span.ENDPOINTING_WAIT: "speech recognition, or `streaming.silenceDurationMs`",
        Span.TRANSCRIPTION: "speech recognition",
        Span.TURN_DECISION: "voicecall, or `turns.minDelayMs`",
        Span.AGENT_FIRST_TOKEN: "the agent",
        Span.SENTENCE: "the agent",
        Span.TTS_FIRST_AUDIO: "the voice",
        Span.TRANSPORT: "voicecall",
        Span.PLAYOUT: "what was said before",
    }
)
"""Who can shorten a span: a service, a setting, or voicecall itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnWait:
    """The moments of the newest turn so far, in epoch seconds; None: not yet, or not known."""

    silent_at: float  # the caller's last sound
    stopped_at: float | None = None
    heard_at: float | None = None
    asked_at: float | None = None
    first_text_at: float | None = None
    saved_ms: int | None = None  # by asking the agent before the turn was over: beside the spans, not one of them


def spans_of(
    wait: TurnWait, *, said_at: float, began_at: float, synthesis_s: float | None, queued_s: float | None
) -> dict[str, int]:
    """The spans in ms, by name. `said_at`: the reply's first sentence was there; `began_at`: it was first heard.

    `synthesis_s`: from then to its first audio; `queued_s`: how long that waited at the ingress. None: not known.
    """
    moments = [
        wait.silent_at,
        wait.stopped_at,
        wait.heard_at,
        wait.asked_at,
        wait.first_text_at,
        said_at,
        None if synthesis_s is None else said_at + synthesis_s,
        None if queued_s is None else began_at - queued_s,
        began_at,
    ]
    ms = _in_order([None if moment is None else round(moment * 1000) for moment in moments])
    return {span.value: later - earlier for span, (earlier, later) in zip(Span, pairwise(ms), strict=True)}


def _in_order(moments: list[int | None]) -> list[int]:
    """Each at least the one before and at most the last; an unknown one is the one before."""
    last = moments[-1] or 0
    ordered: list[int] = []
    for moment in moments:
        before = ordered[-1] if ordered else 0
        ordered.append(before if moment is None else min(max(moment, before), max(last, before)))
    return ordered

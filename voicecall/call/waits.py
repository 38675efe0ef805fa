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

__all__ = ["OWNERS", "REMEDIES", "Owner", "Span", "TurnWait", "ms_by_owner", "spans_of"]


class Span(StrEnum):
    """The spans in their order."""

    ENDPOINTING_WAIT = "endpointing_wait"  # until recognition was sure that the caller had stopped
    TRANSCRIPTION = "transcription"  # until the transcript came
    TURN_DECISION = "turn_decision"  # until the turn was over and the agent was asked
    AGENT_CONNECT = "agent_connect"  # until the agent had the question
    AGENT_FIRST_TOKEN = "agent_first_token"  # noqa: S105  no secret: until the agent's first text, without its tools
    TOOL = "tool"  # what the agent's tools took of that time
    SENTENCE = "sentence"  # until there was something to speak
    TTS_FIRST_AUDIO = "tts_first_audio"  # until the voice gave its first audio
    TRANSPORT = "transport"  # from the worker to the ingress
    PLAYOUT = "playout"  # behind what was being played


class Owner(StrEnum):
    """Whose time a span is."""

    SERVICE = "service"  # recognition, agent, voice, and the way to them
    SETTING = "setting"  # a pause that is waited for
    US = "us"  # voicecall
    CARRIER = "carrier"  # plays in real time


OWNERS: Final[Mapping[Span, Owner]] = MappingProxyType(
    {
        Span.ENDPOINTING_WAIT: Owner.SETTING,
        Span.TRANSCRIPTION: Owner.SERVICE,
        Span.TURN_DECISION: Owner.US,
        Span.AGENT_CONNECT: Owner.SERVICE,
        Span.AGENT_FIRST_TOKEN: Owner.SERVICE,
        Span.TOOL: Owner.SERVICE,
        Span.SENTENCE: Owner.US,
        Span.TTS_FIRST_AUDIO: Owner.SERVICE,
        Span.TRANSPORT: Owner.US,
        Span.PLAYOUT: Owner.CARRIER,
    }
)

REMEDIES: Final[Mapping[Span, str]] = MappingProxyType(
    {
        Span.ENDPOINTING_WAIT: "`streaming.silenceDurationMs`, or another recognition",
        Span.TRANSCRIPTION: "another recognition",
        Span.TURN_DECISION: "`turns.minDelayMs`",
        Span.AGENT_CONNECT: "an agent that is nearer",
        Span.AGENT_FIRST_TOKEN: "a faster model, a shorter prompt",
        Span.TOOL: "a faster tool, or words before it",
        Span.SENTENCE: "replies that begin with a short sentence",
        Span.TTS_FIRST_AUDIO: "another voice",
        Span.TRANSPORT: "workers and Redis with CPU to spare",
        Span.PLAYOUT: "shorter fillers",
    }
)
"""What shortens each span."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnWait:
    """The moments of the newest turn so far, in epoch seconds; None: not yet, or not known.

    `tool_s`: how long the agent's tools ran before it had something to say, ours included; `tools`: their names.
    """

    silent_at: float  # the caller's last sound
    stopped_at: float | None = None
    heard_at: float | None = None
    asked_at: float | None = None
    connected_at: float | None = None
    first_text_at: float | None = None
    saved_ms: int | None = None  # by asking the agent before the turn was over: beside the spans, not one of them
    tool_s: float = 0.0
    tools: tuple[str, ...] = ()
    asked_again_at: float | None = None  # with the results of tools


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
        wait.connected_at,
        None if wait.first_text_at is None else wait.first_text_at - wait.tool_s,
        wait.first_text_at,
        said_at,
        None if synthesis_s is None else said_at + synthesis_s,
        None if queued_s is None else began_at - queued_s,
        began_at,
    ]
    ms = _in_order([None if moment is None else round(moment * 1000) for moment in moments])
    return {span.value: later - earlier for span, (earlier, later) in zip(Span, pairwise(ms), strict=True)}


def ms_by_owner(spans: Mapping[str, int]) -> dict[str, int]:
    """How much of a wait each owner has, in ms. Names of spans that this build does not know count as `service`."""
    sums = dict.fromkeys((owner.value for owner in Owner), 0)
    known = {span.value: owner for span, owner in OWNERS.items()}
    for name, ms in spans.items():
        sums[known.get(name, Owner.SERVICE).value] += ms
    return sums


def _in_order(moments: list[int | None]) -> list[int]:
    """Each at least the one before and at most the last; an unknown one is the one before."""
    last = moments[-1] or 0
    ordered: list[int] = []
    for moment in moments:
        before = ordered[-1] if ordered else 0
        ordered.append(before if moment is None else min(max(moment, before), max(last, before)))
    return ordered

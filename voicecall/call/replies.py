"""What a carrier is answered when it asks for instructions: connect a stream, gather speech, hang up, refuse, nothing.

Pure. The ingress chooses a reply with `answer_voice`; each carrier's codec renders it in its own language. The choice
depends on settings, caller and snapshot alone: no reply waits for a worker.
"""

from dataclasses import dataclass
from typing import Final

from voicecall.call.ids import CallId, numbered_token
from voicecall.call.state import Phase
from voicecall.text.speakable import Speakable

__all__ = [
    "RECONNECTIONS",
    "US_ENGLISH",
    "AwaitGreetingEnd",
    "Connect",
    "Gather",
    "HandOver",
    "Hangup",
    "Hold",
    "NativeVoice",
    "NoOp",
    "Refuse",
    "Relay",
    "Reply",
    "answer_voice",
    "reconnections",
]

RECONNECTIONS: Final = 30
"""How often a carrier connects again by itself before it asks us: the number of the last token of a series."""

_PAIRS: Final = 3  # rounds of two: a rolling restart of several ingresses costs no pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """Open a media stream; when it is lost or refused, open the next one, and at last request `resume_url`.

    A request that no ingress answers ends the call, a stream that no ingress answers does not (guarantee P7): a carrier
    that goes on by itself opens a stream with each token of `rounds`, and pauses for a second between two rounds.
    `relay`: the streams carry text.
    """

    call: CallId
    stream_url: str  # absolute, wss://, without query
    token: str  # single use, bound to the call and its leg; those of `rounds` too
    resume_url: str  # absolute, and different from every earlier URL, so that its signature is new
    rounds: tuple[tuple[str, ...], ...] = ()
    relay: "Relay | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The carrier hears and speaks, and its socket carries text. What is "" is the carrier's default.

    `language`: BCP 47. `more`: further attributes of its own, by name.
    """

    language: str = ""
    voice: str = ""
    voice_provider: str = ""
    recogniser: str = ""
    recogniser_model: str = ""
    hints: str = ""
    interruptible: str = "any"
    more: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The only ingress is restarting: wait for a second, and go on as after the loss of the stream of `connect`."""

    connect: Connect


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Do not answer the call. `reason`: "rejected" or "busy"."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeVoice:
    """How the carrier's own voice speaks and its own recognition listens. `name`: as configured, "" for the default.

    `language`: BCP 47, "" for the carrier's default, which is US English.
    """

    name: str = ""
    language: str = ""


US_ENGLISH: Final = NativeVoice()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather:
    """Say `text` in the carrier's own voice (nothing, if empty) and listen; silence does not end the call.

    The transcript is sent to `heard_url`, silence to `silent_url`; both differ from every earlier URL.
    """

    text: Speakable
    heard_url: str
    silent_url: str
    voice: NativeVoice | None = None  # as configured for the dialled number; None: the general one


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitGreetingEnd:
    """Say nothing until a machine's greeting is over; then request `ended_url`, unlike every earlier URL."""

    ended_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Call `to` and connect it with the leg; when that is over, request `ended_url`, unlike every earlier URL."""

    to: str
    from_: str
    ring_timeout_s: float
    ended_url: str


@dataclass(frozen=True, slots=True)
class Hangup:
    """Hang up: the call is over."""


@dataclass(frozen=True, slots=True)
class NoOp:
    """Acknowledge, and instruct nothing."""


Reply = Connect | Hold | Gather | AwaitGreetingEnd | HandOver | Refuse | Hangup | NoOp


def reconnections(token: str) -> tuple[tuple[str, ...], ...]:
    """The rounds in which a carrier connects again, with the tokens of this series: half a minute in all."""
    pairs = [(2 * place + 1, 2 * place + 2) for place in range(_PAIRS)]
    singles = [(number,) for number in range(2 * _PAIRS + 1, RECONNECTIONS + 1)]
    return tuple(tuple(numbered_token(token, number) for number in numbers) for numbers in (*pairs, *singles))


def answer_voice(phase: Phase | None, way: Connect | Hold | Gather | AwaitGreetingEnd | HandOver | NoOp) -> Reply:
    """The reply to a carrier that asks for instructions for an admitted call.

    `phase` is the snapshot's (None: no worker has folded the call yet); `way` is how this deployment speaks: over a
    stream, by the carrier's own voice, by commands (where no reply is read), how it waits for a machine's beep, or to
    whom the call is transferred.
    """
    return Hangup() if phase is not None and phase.is_over else way

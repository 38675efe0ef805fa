"""What happened: facts about a call, in the past tense.

Pure. Carriers, speech services, agents, timers and local callers all speak to `decide` in these words.
`at` is the Redis server's clock in epoch seconds and the only time `decide` knows; whoever posts an event leaves it
0.0 and the log stamps it. Media never appears here, only facts about it.
"""

from dataclasses import dataclass, field
from typing import Final

from voicecall.call.brief import Brief
from voicecall.call.event import Event
from voicecall.call.ids import E164, EffectId, Epoch, LegId, RequestId
from voicecall.call.sessions import MAIN_AGENT
from voicecall.call.sound import (
    Heard,
    HearingBack,
    HearingFailed,
    HearingLost,
    Keyed,
    PlaybackBegan,
    PlaybackDone,
    SpeechFailed,
    SpeechStarted,
    SpeechStopped,
    StreamClosed,
    StreamOpened,
)
from voicecall.call.terms import AnsweredBy, EndReason, LegStatus, Mode, OnMachine, Terms, Timer

__all__ = [
    "EVENTS",
    "AgentDone",
    "AgentFailed",
    "AgentSaid",
    "Answered",
    "AnsweredBy",
    "Arrived",
    "Billed",
    "CommandDone",
    "CommandFailed",
    "ContinueAsked",
    "DialLost",
    "DialRefused",
    "Dialled",
    "DigitsAsked",
    "EndAsked",
    "EndReason",
    "Event",
    "GreetingEnded",
    "Heard",
    "HearingBack",
    "HearingFailed",
    "HearingLost",
    "HungUp",
    "Keyed",
    "LegSeen",
    "LegStatus",
    "Mode",
    "OnMachine",
    "Placed",
    "PlaybackBegan",
    "PlaybackDone",
    "Reactivated",
    "Ringing",
    "SpeakAsked",
    "SpeechFailed",
    "SpeechStarted",
    "SpeechStopped",
    "StreamClosed",
    "StreamOpened",
    "Terms",
    "Timer",
    "TimerFired",
    "TurnedAway",
]


# --- how a call begins --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed(Event):
    """A local caller asked for an outbound call, and it was admitted.

    `keys` are pressed when somebody has answered. `requester`: the session of whoever wants to hear of this call.
    """

    carrier: str
    from_: E164
    to: E164
    mode: Mode
    message: str = ""
    session_key: str = ""
    agent_id: str = MAIN_AGENT
    requester: str = ""
    keys: str = ""
    brief: Brief | None = None
    request: RequestId
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived(Event):
    """Somebody calls us and the inbound policy let them in. `from_` is what the carrier says: no proof of identity.

    `greeted`: the door's reply picked up and says the greeting already, in the carrier's own voice. `route`: the number
    of ours that was dialled, where one has settings of its own.
    """

    carrier: str
    leg: LegId
    from_: str
    to: str
    greeting: str = ""
    greeted: bool = False
    session_key: str = ""
    agent_id: str = MAIN_AGENT
    route: str = ""
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedAway(Event):
    """Somebody called and was refused in the carrier's own language, before any stream: over as it begins."""

    carrier: str
    leg: LegId
    from_: str
    to: str
    reason: str  # "inbound-policy" or "busy"
    by_command: bool = False  # the refusal is still to be told: the carrier read no answer of ours


# --- the leg ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialled(Event):
    """The carrier took our dial and named the leg (or named it when we asked after a lost reply).

    `provisional`: the name is of the request, not yet of the leg, which webhooks will name (Plivo).
    """

    leg: LegId
    provisional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DialRefused(Event):
    """The carrier said no: no leg exists. `code` and `message` are the carrier's own."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DialLost(Event):
    """We do not know whether the carrier dialled: the reply was lost. Never dial again; ask (reliability P3)."""

    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ringing(Event):
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Event):
    """Somebody picked up. `by`: the carrier's verdict who it is; it may come later, with an `Answered` of its own."""

    leg: LegId
    by: AnsweredBy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GreetingEnded(Event):
    """A machine has played its greeting, to the beep or to its silence: what is said from now on is recorded."""

    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class HungUp(Event):
    """The carrier says the leg is over."""

    leg: LegId | None = None
    reason: EndReason = EndReason.COMPLETED


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed(Event):
    """What the carrier charges for the leg, as far as it told; nothing is decided by it. It may come after the end.

    `price` is the carrier's own decimal number, positive, in `currency` (ISO 4217).
    """

    leg: LegId | None = None
    seconds: int | None = None
    price: str | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegSeen(Event):
    """What the carrier answered to `LookUp` or `FindLeg`. `leg` is set when a lost dial was found.

    `provisional`: as in `Dialled`; what was found in the carrier's queue has no other name yet.
    """

    status: LegStatus
    leg: LegId | None = None
    reason: EndReason | None = None
    provisional: bool = False


# --- the agent ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSaid(Event):
    """One speakable sentence of the reply to `turn`; more may follow until `AgentDone`."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDone(Event):
    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFailed(Event):
    turn: int
    reason: str


# --- local callers ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakAsked(Event):
    request: RequestId
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueAsked(Event):
    """Say this, then wait for the caller's next words. `request` doubles as the turn token (behaviour 5.8)."""

    request: RequestId
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsAsked(Event):
    request: RequestId
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndAsked(Event):
    request: RequestId


# --- our own machinery --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDone(Event):
    """A carrier command other than `Dial` was accepted. `leg`: when a webhook of that leg says so."""

    effect: EffectId
    leg: LegId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFailed(Event):
    """A carrier command other than `Dial` was refused, or its outcome is unknown."""

    effect: EffectId
    reason: str
    retryable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired(Event):
    timer: Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class Reactivated(Event):
    """A new owner took the call up after the last one vanished or handed it over."""

    epoch: Epoch


EVENTS: Final = {cls.__name__: cls for cls in Event.__subclasses__()}
"""Every event by its name on the wire."""

"""What a call asks of the world: requests, in the imperative.

Pure. `decide` returns these; the shell (`actors/`) runs each one only after the commit that contains it, in the order
of its lane, and reports the outcome as an event. An effect whose outcome is still open stands in `Call.pending`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from voicecall.call.ids import E164, EffectId, LegId, RequestId
from voicecall.call.terms import OnMachine

__all__ = [
    "EFFECTS",
    "Answer",
    "AskAgent",
    "Dial",
    "DropAgent",
    "Effect",
    "FindLeg",
    "HangUp",
    "HearOut",
    "Lane",
    "LookUp",
    "OpenStream",
    "Reject",
    "Resolve",
    "SendDigits",
    "Speak",
    "StopSpeaking",
]


class Lane(StrEnum):
    """Effects of one lane run one after the other; lanes do not wait for each other."""

    CONTROL = "control"  # commands to the carrier
    VOICE = "voice"  # synthesis and playback
    AGENT = "agent"  # the search for words
    NOW = "now"  # done at once, never queued


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    id: EffectId
    lane: ClassVar[Lane] = Lane.NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial(Effect):
    """Start the outbound leg. Outcome: `Dialled`, `DialRefused` or `DialLost`."""

    lane: ClassVar[Lane] = Lane.CONTROL
    to: E164
    from_: E164
    ring_timeout_s: float
    time_limit_s: int  # the carrier's own hard cap: our maximum and 30 s (reliability P5)
    on_machine: OnMachine | None = None  # ask the carrier who picks up, because of this; None: do not


@dataclass(frozen=True, slots=True, kw_only=True)
class FindLeg(Effect):
    """Ask the carrier whether a lost dial became a leg. Outcome: `LegSeen`."""

    lane: ClassVar[Lane] = Lane.CONTROL
    to: E164
    from_: E164
    since: float  # epoch seconds: look at legs not older than this


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp(Effect):
    """Ask the carrier how this leg is. Outcome: `LegSeen`."""

    lane: ClassVar[Lane] = Lane.CONTROL
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp(Effect):
    """End the leg. Harmless to repeat. Outcome: `CommandDone` or `CommandFailed`."""

    lane: ClassVar[Lane] = Lane.CONTROL
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Effect):
    """Pick up, where the carrier wants a command for it. Outcome: `CommandDone` or `CommandFailed`, then `Answered`."""

    lane: ClassVar[Lane] = Lane.CONTROL
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject(Effect):
    """Do not pick up, and say why: "rejected" or "busy". The call is over already: nobody waits for the outcome."""

    leg: LegId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStream(Effect):
    """Ask the carrier for a media socket. Outcome: `StreamOpened`, or `CommandFailed`."""

    lane: ClassVar[Lane] = Lane.CONTROL
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class HearOut(Effect):
    """Silence the carrier's own voice, and let the carrier hear a machine's greeting out.

    Harmless to repeat. Outcome: `CommandDone` or `CommandFailed`; then `GreetingEnded`.
    """

    lane: ClassVar[Lane] = Lane.CONTROL
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDigits(Effect):
    """Press keys. Sent at most once. Outcome: `CommandDone` or `CommandFailed`, told to `request`, if anybody asked."""

    lane: ClassVar[Lane] = Lane.CONTROL
    leg: LegId
    digits: str
    request: RequestId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak(Effect):
    """Synthesise and play one utterance. Outcome: `PlaybackDone` (from the door) or `SpeechFailed`.

    `or_clip`: this is already the apology for a voice that failed; should it fail again, play the recorded one.
    Where the carrier speaks for us: `token` is what the caller's answer brings back (behaviour 5.8), and with `listens`
    it waits for that answer.
    """

    lane: ClassVar[Lane] = Lane.VOICE
    utterance: int
    text: str
    or_clip: bool = False
    token: str = ""
    listens: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSpeaking(Effect):
    """Silence at once: drop what is queued for the voice and clear what the carrier buffers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAgent(Effect):
    """Find the words for `turn`. `said`: sentences of this reply the caller already heard, after a crash.

    Outcome: `AgentSaid`…, then `AgentDone` or `AgentFailed`.
    """

    lane: ClassVar[Lane] = Lane.AGENT
    turn: int
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DropAgent(Effect):
    """Stop looking for words for `turn` and earlier: nobody waits for them any more."""

    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve(Effect):
    """Answer a local caller. Travels with the commit, on the feed; never runs."""

    request: RequestId
    ok: bool
    text: str = ""  # the transcript of a `continue`; the reason of a refusal


EFFECTS: Final = {cls.__name__: cls for cls in Effect.__subclasses__()}
"""Every effect by its name on the wire."""

"""What a call asks for: commands, in the imperative.

Pure. `decide` returns these; the shell (`actors/`) runs each only after the commit that contains it, in the order of
its lane, and reports the outcome as an event. An effect whose outcome is still open stands in `Call.pending`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, TypeAlias, get_args

from voicecall.call.ids import E164, EffectId, LegId, RequestId
from voicecall.call.policy import OnMachine
from voicecall.text.speakable import Speakable

__all__ = [
    "EFFECTS",
    "Answer",
    "AskAgent",
    "AskOwner",
    "AwaitBeep",
    "AwaitedEffect",
    "Dial",
    "DropAgent",
    "Effect",
    "EffectLane",
    "FindLeg",
    "HangUp",
    "LookUp",
    "OpenStream",
    "PauseSpeaking",
    "Reject",
    "Resolve",
    "ResumeSpeaking",
    "RunTool",
    "SendDigits",
    "Speak",
    "StopSpeaking",
    "Transfer",
]


class EffectLane(StrEnum):
    """Effects of one lane run one after the other; lanes do not wait for each other."""

    CONTROL = "control"  # commands to the carrier
    VOICE = "voice"  # synthesis and playback
    AGENT = "agent"  # the agent's reply
    TOOLS = "tools"  # the agent's tools: side by side
    NOW = "now"  # done at once, never queued


_NO_ID: Final = EffectId("")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effect:
    """Fields of every effect. `id` is empty until `Step` requests it; `name` is its name in snapshots and journals."""

    name: ClassVar[str]
    lane: ClassVar[EffectLane]
    id: EffectId = _NO_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial(_Effect):
    """Start the outbound leg. Outcome: `Dialled`, `DialRefused` or `DialLost`.

    `time_limit_s`: the carrier's own hard limit of the call's duration. `on_machine` None: no AMD. `before`: epoch
    seconds after which it is not sent any more, and counts as refused; None: no limit.
    """

    name: ClassVar[str] = "Dial"
    lane: ClassVar[EffectLane] = EffectLane.CONTROL
    to: E164
    from_: E164
    ring_timeout_s: float
    time_limit_s: int
    on_machine: OnMachine | None = None
    before: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindLeg(_Effect):
    """Ask the carrier whether a lost dial became a leg. Outcome: `LegSeen`.

    `since`: epoch seconds; legs older than this are not considered.
    """

    name: ClassVar[str] = "FindLeg"
    lane: ClassVar[EffectLane] = EffectLane.CONTROL
    to: E164
    from_: E164
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp(_Effect):
    """Ask the carrier for the state of this leg. Outcome: `LegSeen`."""

    name: ClassVar[str] = "LookUp"
    lane: ClassVar[EffectLane] = EffectLane.CONTROL
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp(_Effect):
    """End the leg. Idempotent. Outcome: `CommandDone` or `CommandFailed`."""

    name: ClassVar[str] = "HangUp"
    lane: ClassVar[EffectLane] = EffectLane.CONTROL
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(_Effect):
    """Answer the leg, where the carrier wants a command for it. Outcome: `CommandDone` or `CommandFailed`."""

    name: ClassVar[str] = "Answer"
    lane: ClassVar[EffectLane] = EffectLane.CONTROL
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject(_Effect):
    """Refuse an inbound leg. `reason`: "rejected" or "busy". The call is over already: no outcome is awaited."""

    name: ClassVar[str] = "Reject"
    lane: ClassVar[EffectLane] = EffectLane.CONTROL
    leg: LegId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStream(_Effect):
    """Ask the carrier for a media socket. Outcome: `StreamOpened`, or `CommandFailed`."""

    name: ClassVar[str] = "OpenStream"
    lane: ClassVar[EffectLane] = EffectLane.CONTROL
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitBeep(_Effect):
    """Stop the carrier's own voice and let it wait for the end of a machine's greeting.

    Idempotent. Outcome: `CommandDone` or `CommandFailed`; then `GreetingEnded`.
    """

    name: ClassVar[str] = "HearOut"
    lane: ClassVar[EffectLane] = EffectLane.CONTROL
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDigits(_Effect):
    """Send DTMF, at most once. Outcome: `CommandDone` or `CommandFailed`; `request`, if there is one, is answered.

    `tool`: the number of the agent's tool call that wants it, here and in every effect below.
    """

    name: ClassVar[str] = "SendDigits"
    lane: ClassVar[EffectLane] = EffectLane.CONTROL
    leg: LegId
    digits: str
    request: RequestId | None = None
    tool: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak(_Effect):
    """Synthesise and play one utterance. Outcome: `PlaybackDone` (from the ingress) or `SpeechFailed`.

    `or_clip`: the text is already the apology for failed synthesis; when that fails too, play the recorded clip.
    `clip`: play it at once, because the voice is known to be silent. `item`: the agent speaks itself, and this is its
    audio; the text may still grow.
    Where the carrier speaks: `token` comes back with the caller's answer, and `listens` makes it wait for one.
    `tones`: keys, played as DTMF in the place of a text.
    """

    name: ClassVar[str] = "Speak"
    lane: ClassVar[EffectLane] = EffectLane.VOICE
    utterance: int
    text: Speakable
    or_clip: bool = False
    clip: bool = False
    item: str = ""
    token: str = ""
    listens: bool = True
    tones: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSpeaking(_Effect):
    """Stop playback at once: drop queued speech and clear the carrier's buffer."""

    name: ClassVar[str] = "StopSpeaking"
    lane: ClassVar[EffectLane] = EffectLane.NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseSpeaking(_Effect):
    """Stop playback at once and keep what was not heard, for `ResumeSpeaking` or `StopSpeaking`."""

    name: ClassVar[str] = "PauseSpeaking"
    lane: ClassVar[EffectLane] = EffectLane.NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeSpeaking(_Effect):
    """Go on with playback at the frame that was heard last."""

    name: ClassVar[str] = "ResumeSpeaking"
    lane: ClassVar[EffectLane] = EffectLane.NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAgent(_Effect):
    """Ask the agent for a reply to `turn`. `said`: sentences of it that the caller has already heard, after a crash.

    Outcome: `AgentSaid`…, then `AgentDone` or `AgentFailed`.
    """

    name: ClassVar[str] = "AskAgent"
    lane: ClassVar[EffectLane] = EffectLane.AGENT
    turn: int
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTool(_Effect):
    """Run a tool of the operator's for the agent. Outcome: `CommandDone` with the result, or `CommandFailed`.

    Sent at most once, unless `idempotent`. `arguments`: a JSON object. `key`: the same for a repetition.
    """

    name: ClassVar[str] = "RunTool"
    lane: ClassVar[EffectLane] = EffectLane.TOOLS
    tool: int
    called: str
    arguments: str
    key: str
    idempotent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOwner(_Effect):
    """A question to who placed the call. Nothing is run: it stands in `pending` until an API client answers it.

    Outcome: `CommandDone` with the answer, or `Timer.OWNER`.
    """

    name: ClassVar[str] = "AskOwner"
    lane: ClassVar[EffectLane] = EffectLane.NOW
    tool: int
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(_Effect):
    """Connect the other party with `to`, at most once; the carrier then calls it, and our side of the leg is silent.

    Outcome: `CommandDone` when they have spoken, `CommandFailed` with the reason when no one took the call. `from_`:
    our number.
    """

    name: ClassVar[str] = "Transfer"
    lane: ClassVar[EffectLane] = EffectLane.CONTROL
    tool: int
    leg: LegId
    to: str
    from_: str
    ring_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DropAgent(_Effect):
    """Cancel the agent's reply to `turn` and to earlier turns."""

    name: ClassVar[str] = "DropAgent"
    lane: ClassVar[EffectLane] = EffectLane.NOW
    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve(_Effect):
    """Answer an API request. Published on the feed with the commit; never run.

    `text`: the transcript of a `continue`, or the reason of a refusal.
    """

    name: ClassVar[str] = "Resolve"
    lane: ClassVar[EffectLane] = EffectLane.NOW
    request: RequestId
    ok: bool
    text: str = ""


AwaitedEffect: TypeAlias = (
    Dial
    | FindLeg
    | LookUp
    | HangUp
    | Answer
    | OpenStream
    | AwaitBeep
    | SendDigits
    | Speak
    | AskAgent
    | RunTool
    | AskOwner
    | Transfer
)
"""Effects whose outcome is reported: they stand in `Call.pending` until it is."""

Effect: TypeAlias = AwaitedEffect | Reject | StopSpeaking | PauseSpeaking | ResumeSpeaking | DropAgent | Resolve
"""Anything a call asks for."""

EFFECTS: Final[dict[str, type[Effect]]] = {cls.name: cls for cls in get_args(Effect)}
"""Every effect class by its name on the wire."""

"""What happened to a call: facts, in the past tense, as `decide` takes them.

Pure. Carriers, speech services, agents, timers and API requests report to the call as these events; the log stores
them. An event's `at` is the Redis server's clock in epoch seconds and the only time `decide` knows; it is 0.0 until
the log stamps it. Audio is never an event, only facts about it.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Final, TypeAlias, get_args

from voicecall.call.brief import CallBrief
from voicecall.call.ids import E164, EffectId, Epoch, LegId, NodeId, RequestId, StreamId
from voicecall.call.policy import CallPolicy, OnMachine
from voicecall.call.sessions import MAIN_AGENT

__all__ = [
    "EVENTS",
    "AgentDone",
    "AgentFailed",
    "AgentSaid",
    "Answered",
    "AnsweredBy",
    "Arrived",
    "Billed",
    "CallPolicy",
    "CallRejected",
    "CommandDone",
    "CommandFailed",
    "ContinueRequested",
    "DialLost",
    "DialRefused",
    "Dialled",
    "DigitsRequested",
    "DtmfReceived",
    "EndReason",
    "EndRequested",
    "Event",
    "Failover",
    "GreetingEnded",
    "Heard",
    "HungUp",
    "LegSeen",
    "LegStatus",
    "Mode",
    "ModelTokens",
    "OnMachine",
    "Placed",
    "PlaybackBegan",
    "PlaybackDone",
    "Reactivated",
    "Ringing",
    "SpeakRequested",
    "SpeechFailed",
    "SpeechStarted",
    "SpeechStopped",
    "StreamClosed",
    "StreamOpened",
    "StreamUnusable",
    "SttFailed",
    "SttLost",
    "SttRecovered",
    "Takeover",
    "Timer",
    "TimerFired",
    "ToolRequest",
]


class Mode(StrEnum):
    """What an outbound call is for: to say something, or to talk."""

    NOTIFY = "notify"
    CONVERSATION = "conversation"


class EndReason(StrEnum):
    """Why a call is over. Each value is also the value of a terminal phase."""

    COMPLETED = "completed"
    HANGUP_USER = "hangup-user"
    HANGUP_BOT = "hangup-bot"
    TIMEOUT = "timeout"
    ERROR = "error"
    FAILED = "failed"
    NO_ANSWER = "no-answer"
    BUSY = "busy"
    VOICEMAIL = "voicemail"


class Takeover(StrEnum):
    """How a call lost its last owner."""

    HANDED_OVER = "handed-over"  # released in order, at a turn's end if one came in time
    DIED = "died"  # its process was gone: the ingress has kept the caller's audio since then
    LAPSED = "lapsed"  # its lease ran out, or it failed: audio was still sent to it


class LegStatus(StrEnum):
    """The state of a leg as the carrier reports it on request."""

    ALIVE = "alive"
    ENDED = "ended"
    ABSENT = "absent"  # the carrier knows no such leg
    UNKNOWN = "unknown"  # no usable answer: a 5xx, garbage, a timeout. Never ends a call.


class AnsweredBy(StrEnum):
    """The carrier's answering-machine detection (AMD) result."""

    HUMAN = "human"
    MACHINE = "machine"
    FAX = "fax"  # a machine that records nothing


class Timer(StrEnum):
    """The timers a call can arm; each fires once. The value is the name in the log."""

    MAX_DURATION = "max-duration"
    STALE = "stale"  # the call was never answered
    NOTIFY_HANGUP = "notify-hangup"  # the pause after a notice
    OPENING = "opening"  # the opening digits have been played: now the opening text
    TRANSCRIPT = "transcript"  # `continue` has waited long enough for the caller
    RECONNECT = "reconnect"  # the media socket is gone and has not come back
    LOOK_UP = "look-up"  # no event of this leg for a while: query the carrier
    FILLER = "filler"  # the agent is slow: say a filler
    REPLY = "reply"  # the agent is too late: apologise
    PLAYBACK = "playback"  # the ingress never reported that playback ended
    UNHEARD = "unheard"  # the caller spoke but no transcript came
    AMD = "verdict"  # no AMD result within the carrier's limit
    GREETING = "greeting"  # the machine's greeting must be over
    RETRY_HANGUP = "retry-hangup"
    DIGITS = "keys"  # queued digits wait for silence, or the carrier has not reported that it sent them
    CONFIRM = "confirm"  # a sound of the caller has lasted long enough to be an interruption
    RESUME = "resume"  # a short sound had no transcript: the bot goes on
    TURN = "turn"  # the caller has been silent long enough: their turn is over
    SILENCE = "silence"  # the caller has said nothing for too long
    TYPED = "typed"  # no further key: what the caller keyed in is complete
    OWNER = "owner"  # who placed the call has not answered the agent's question
    TRANSFER = "transfer"  # the carrier has not begun to transfer the call


@dataclass(frozen=True, slots=True, kw_only=True)
class Failover:
    """One provider took over from another: what follows is by `to`, and would have been by `from_`.

    `service`: stt, tts or agent. `reason`: why not by `from_`, one of `voicecall.errors.FailureKind`; a later build may
    know more of them. It stands in the event of what `to` did first, as an optional field: an earlier build, which sets
    events aside that it does not know, ignores a field.
    """

    service: str
    from_: str
    to: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTokens:
    """What a model's service has counted for one reply: tokens of the prompt and of the reply."""

    prompt: int
    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequest:
    """The agent calls a tool. `arguments`: JSON, as the model wrote it. `id`: the model's own name of this call."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """Fields of every event. `name` is the event's name on the wire, in journals and in the feed."""

    name: ClassVar[str]
    at: float = 0.0


# --- how a call begins --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed(_Event):
    """An API client placed an outbound call, and it was admitted.

    `opening_digits` are sent when the call is answered, before the message. `requester`: session key of the
    conversation that placed the call and receives its summary. `request`: answered when the carrier takes the dial.
    `report_schema`: JSON Schema (as JSON) of what its report is to say; "" for none.
    """

    name: ClassVar[str] = "Placed"
    carrier: str
    from_: E164
    to: E164
    mode: Mode
    message: str = ""
    session_key: str = ""
    agent_id: str = MAIN_AGENT
    requester: str = ""
    opening_digits: str = ""
    brief: CallBrief | None = None
    report_schema: str = ""
    request: RequestId
    policy: CallPolicy = field(default_factory=CallPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived(_Event):
    """An inbound call passed the inbound policy. `from_` is the carrier's caller id: no proof of identity.

    `greeted`: the webhook response answered the call and says the greeting already, in the carrier's voice. `route`:
    the dialled number, where the configuration has an entry for it. `to_confirm`: the carrier's signatures do not
    expire, so the request may be a replay that is not remembered any more; the carrier is asked for the leg.
    `verified`: the caller's carrier vouches for `from_` (STIR/SHAKEN, full attestation).
    """

    name: ClassVar[str] = "Arrived"
    carrier: str
    leg: LegId
    from_: str
    to: str
    greeting: str = ""
    greeted: bool = False
    to_confirm: bool = False
    session_key: str = ""
    agent_id: str = MAIN_AGENT
    route: str = ""
    verified: bool = False
    policy: CallPolicy = field(default_factory=CallPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRejected(_Event):
    """An inbound call was refused by the ingress: over as it begins.

    `by_command`: the carrier ignores webhook responses, so the refusal is still to be sent as a command.
    """

    name: ClassVar[str] = "TurnedAway"
    carrier: str
    leg: LegId
    from_: str
    to: str
    reason: str  # "inbound-policy" or "busy"
    by_command: bool = False


# --- the leg ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialled(_Event):
    """The carrier took the dial and named the leg, in its reply or when queried after a lost one.

    `provisional`: the id is of the request; webhooks will name the leg by another id (Plivo).
    """

    name: ClassVar[str] = "Dialled"
    leg: LegId
    provisional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DialRefused(_Event):
    """The carrier refused the dial: no leg exists. `code` and `message` are the carrier's own."""

    name: ClassVar[str] = "DialRefused"
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DialLost(_Event):
    """The reply to the dial was lost: a leg may or may not exist. Never dialled again (guarantee P3)."""

    name: ClassVar[str] = "DialLost"
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ringing(_Event):
    """The carrier reports that the callee's phone rings."""

    name: ClassVar[str] = "Ringing"
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(_Event):
    """The leg was answered. `by`: the AMD result; it may come later, in a second `Answered`."""

    name: ClassVar[str] = "Answered"
    leg: LegId
    by: AnsweredBy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GreetingEnded(_Event):
    """A machine's greeting is over, by its beep or by silence: it records from now on."""

    name: ClassVar[str] = "GreetingEnded"
    leg: LegId


@dataclass(frozen=True, slots=True, kw_only=True)
class HungUp(_Event):
    """The carrier reports that the leg is over."""

    name: ClassVar[str] = "HungUp"
    leg: LegId | None = None
    reason: EndReason = EndReason.COMPLETED


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed(_Event):
    """What the carrier charges for the leg, as far as reported. Decides nothing; may come after the end.

    `price` is the carrier's own decimal number, positive, in `currency` (ISO 4217). `report`: only in the feed, whose
    readers see a `Reported` with it: the report of the ended call is made. In a field, which an earlier build ignores.
    """

    name: ClassVar[str] = "Billed"
    leg: LegId | None = None
    seconds: int | None = None
    price: str | None = None
    currency: str | None = None
    report: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegSeen(_Event):
    """The carrier's answer to `LookUp` or `FindLeg`. `leg` is set when a lost dial was found.

    `provisional`: as in `Dialled`; a leg found in the carrier's queue has no other id yet.
    """

    name: ClassVar[str] = "LegSeen"
    status: LegStatus
    leg: LegId | None = None
    reason: EndReason | None = None
    provisional: bool = False


# --- the media stream, the caller's speech and digits, and playback -----------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened(_Event):
    """An authenticated media socket carries this call now. `ingress` is the process that holds it.

    `pauses`: that process can pause playback; an ingress of an earlier build can only clear it. `records`: it records
    what it is instructed to.
    """

    name: ClassVar[str] = "StreamOpened"
    stream: StreamId
    ingress: NodeId
    leg: LegId
    pauses: bool = False
    records: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamClosed(_Event):
    """The media socket closed.

    `resume_after_s`: set when the only ingress closed it for a restart; where a command opens the next stream, it is
    sent after so long.
    """

    name: ClassVar[str] = "StreamClosed"
    stream: StreamId
    resume_after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamUnusable(_Event):
    """A media socket came, and its audio cannot be decoded. `reason` names the encoding. It has been closed."""

    name: ClassVar[str] = "StreamUnusable"
    leg: LegId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(_Event):
    """The caller began to make sounds.

    `above_noise`: whether the sound stands out from the noise of the line; None: it is quiet, or was not judged.
    """

    name: ClassVar[str] = "SpeechStarted"
    above_noise: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped(_Event):
    """The caller fell silent; a transcript should follow. `silent_ms`: for how long by now; None: unknown.

    `turn_complete`: how likely the turn is over, 0 to 1, as the turn model judges what was said before this pause; here
    when the judgement came after the transcript, and this reports nothing else. None: not judged.
    """

    name: ClassVar[str] = "SpeechStopped"
    silent_ms: int | None = None
    turn_complete: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard(_Event):
    """A transcript of the caller. `turn_token` comes from the carrier's callback; None for a media stream.

    `language`: BCP 47, where recognition reports one.

    `text` "": the sound had no words. `silent_ms`: for how long the caller has been silent; 0: they speak again; None:
    unknown, the recogniser alone decides that the utterance is over. `turn_complete`: as in `SpeechStopped`.
    `stopped_ms`: how long ago recognition reported that silence; None: not known.
    `failover`: with the first transcript by another service.
    `leg`: the leg the carrier's webhook names; None for a media stream, which is bound to its call. The same holds in
    `DtmfReceived` and `PlaybackDone`.
    """

    name: ClassVar[str] = "Heard"
    text: str
    final: bool = True
    confidence: float | None = None
    turn_token: str | None = None
    leg: LegId | None = None
    language: str = ""
    silent_ms: int | None = None
    turn_complete: float | None = None
    stopped_ms: int | None = None
    failover: Failover | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SttFailed(_Event):
    """Speech recognition failed and will not come back in this activation."""

    name: ClassVar[str] = "HearingFailed"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SttLost(_Event):
    """Speech recognition broke off and did not come back at once. It is still being tried; audio is buffered."""

    name: ClassVar[str] = "HearingLost"


@dataclass(frozen=True, slots=True, kw_only=True)
class SttRecovered(_Event):
    """Speech recognition is back after `SttLost`; transcripts of the buffered audio follow."""

    name: ClassVar[str] = "HearingBack"


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfReceived(_Event):
    """The caller pressed keys."""

    name: ClassVar[str] = "Keyed"
    digits: str
    leg: LegId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackBegan(_Event):
    """The first frame of an utterance was sent to the carrier's socket.

    `synthesis_ms`: how long the voice took to its first audio; `queued_ms`: how long that waited at the ingress. None:
    not measured. `failover`: another voice than the first one speaks it. `spans`, `tools`: only in the feed, where it
    ended the wait for a reply: what that was made of (`waits`), and the agent's tools before it.
    """

    name: ClassVar[str] = "PlaybackBegan"
    utterance: int
    synthesis_ms: int | None = None
    queued_ms: int | None = None
    spans: dict[str, int] | None = None
    tools: tuple[str, ...] | None = None
    failover: Failover | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackDone(_Event):
    """Playback of an utterance ended: complete, or cut.

    `heard_ms` counts what was played, `total_ms` what there was to play (None when synthesis had not finished).
    `utterance` 0: whatever the carrier's own voice was saying. `for_restart`: cut because the ingress is restarted.
    """

    name: ClassVar[str] = "PlaybackDone"
    utterance: int
    heard_ms: int
    total_ms: int | None
    complete: bool
    leg: LegId | None = None
    for_restart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechFailed(_Event):
    """An utterance could not be synthesised or delivered.

    `retryable`: another try may succeed. `hung`: the voice did not answer in time, so the next request would wait as
    long. `clip`: nothing of it was played, and the recorded apology is played in its place, under its number. `sent`:
    some of it was given to the ingress, which reports what was heard of it.
    """

    name: ClassVar[str] = "SpeechFailed"
    utterance: int
    reason: str
    retryable: bool = False
    hung: bool = False
    clip: bool = False
    sent: bool = False


# --- the agent ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSaid(_Event):
    """One sentence of the reply to `turn`; more may follow until `AgentDone`.

    With the first one: `first_text_ms`, how long after it was asked the agent gave its first text; `connect_ms`, how
    long after it was asked it had the question; `tool_ms`, how long its `tools` ran until the sentence: those that ran
    behind the first text count as if before it; `saved_ms`, how much later it would have come if the agent had been
    asked only when the turn was over. None: not known, or it was. `failover`: from this
    sentence on another agent than the first one answers.

    `item`: the agent speaks itself, and this is what it has said so far in the piece of audio of that name; a longer
    text of the same item replaces this one. `audio_ms`: how long that audio is, once it is whole. "": the text is to be
    synthesised.
    """

    name: ClassVar[str] = "AgentSaid"
    turn: int
    text: str
    item: str = ""
    audio_ms: int | None = None
    first_text_ms: int | None = None
    saved_ms: int | None = None
    connect_ms: int | None = None
    tool_ms: int | None = None
    tools: tuple[str, ...] | None = None
    failover: Failover | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDone(_Event):
    """The reply to `turn` is complete. `ends_call`: the agent hangs up when it was heard.

    `calls`: it is not: the agent calls these tools, and goes on with their results. `wrote`: its text before them.
    `tokens`: what it has cost, where the service reports that.
    """

    name: ClassVar[str] = "AgentDone"
    turn: int
    ends_call: bool = False
    calls: tuple[ToolRequest, ...] | None = None
    wrote: str | None = None
    tokens: ModelTokens | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFailed(_Event):
    """The agent gave no reply to `turn`, or broke off."""

    name: ClassVar[str] = "AgentFailed"
    turn: int
    reason: str


# --- API requests -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakRequested(_Event):
    """An API client asks to say this.

    `interrupts`: at once, in place of what is being said; an earlier build says it behind that. `guidance`: in place of
    a text, an instruction to the agent, which the caller does not hear; `asks`: it is a question for the caller. An
    earlier build finds nothing to say, and refuses.
    """

    name: ClassVar[str] = "SpeakAsked"
    request: RequestId
    text: str
    interrupts: bool = False
    guidance: str = ""
    asks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueRequested(_Event):
    """An API client asks to say this, then to return the caller's next utterance. `request` is also the turn token."""

    name: ClassVar[str] = "ContinueAsked"
    request: RequestId
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsRequested(_Event):
    """An API client asks to send DTMF digits."""

    name: ClassVar[str] = "DigitsAsked"
    request: RequestId
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRequested(_Event):
    """An API client asks to end the call."""

    name: ClassVar[str] = "EndAsked"
    request: RequestId


# --- commands, timers, fail-over ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDone(_Event):
    """A carrier command other than `Dial` was accepted. `leg`: set when a webhook of that leg reports it.

    Or a tool of the agent has its result: `tool`, its name, and `result`; both None for every other command. `request`:
    the API request that brought it, which is answered with whether it was waited for.
    """

    name: ClassVar[str] = "CommandDone"
    effect: EffectId
    leg: LegId | None = None
    tool: str | None = None
    result: str | None = None
    request: RequestId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFailed(_Event):
    """A carrier command other than `Dial` was refused, or a tool failed, or the outcome is unknown.

    `leg`, `tool`: as in `CommandDone`. `unknown`: it may have been carried out.
    """

    name: ClassVar[str] = "CommandFailed"
    effect: EffectId
    reason: str
    retryable: bool
    leg: LegId | None = None
    tool: str | None = None
    unknown: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired(_Event):
    """A timer of the call is due."""

    name: ClassVar[str] = "TimerFired"
    timer: Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class Reactivated(_Event):
    """A new activation owns the call: the previous owner vanished or handed it over, as `cause` says."""

    name: ClassVar[str] = "Reactivated"
    epoch: Epoch
    cause: Takeover = Takeover.LAPSED


Event: TypeAlias = (
    Placed
    | Arrived
    | CallRejected
    | Dialled
    | DialRefused
    | DialLost
    | Ringing
    | Answered
    | GreetingEnded
    | HungUp
    | Billed
    | LegSeen
    | StreamOpened
    | StreamClosed
    | StreamUnusable
    | SpeechStarted
    | SpeechStopped
    | Heard
    | SttFailed
    | SttLost
    | SttRecovered
    | DtmfReceived
    | PlaybackBegan
    | PlaybackDone
    | SpeechFailed
    | AgentSaid
    | AgentDone
    | AgentFailed
    | SpeakRequested
    | ContinueRequested
    | DigitsRequested
    | EndRequested
    | CommandDone
    | CommandFailed
    | TimerFired
    | Reactivated
)
"""Anything that happens to a call."""

EVENTS: Final[dict[str, type[Event]]] = {cls.name: cls for cls in get_args(Event)}
"""Every event class by its name on the wire."""

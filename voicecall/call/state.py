"""The state of one call: frozen, replaced by each event, and the whole content of its snapshot.

Pure data. `decide` makes new states, the snapshot stores them, the gateway shows them. The fields of `Call` are grouped
in sub-records, one for each set of rules; read-only properties give other folders the facts they show. Knows no
carrier and no clock.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from voicecall.call.brief import CallBrief
from voicecall.call.effects import AskOwner, AwaitedEffect, SendDigits, Transfer
from voicecall.call.events import AnsweredBy, EndReason, Failover, Mode, Timer
from voicecall.call.ids import CallId, EffectId, LegId, NodeId, RequestId, StreamId
from voicecall.call.phrases import AUTO, Phrases, phrases_in
from voicecall.call.policy import CallPolicy
from voicecall.call.sessions import MAIN_AGENT
from voicecall.call.waits import TurnWait
from voicecall.text.speakable import NOTHING, Speakable

__all__ = [
    "AmdState",
    "Call",
    "CallerSpeech",
    "Direction",
    "DtmfState",
    "EndState",
    "FloorState",
    "Guidance",
    "HeldTurn",
    "LegState",
    "MediaStream",
    "Note",
    "Party",
    "PendingContinue",
    "PendingReply",
    "PendingTransfer",
    "Phase",
    "PlaybackState",
    "QueuedDigits",
    "RecordingConsent",
    "RecordingState",
    "RequestResult",
    "SteeredQuestion",
    "SteeringState",
    "ToolOutcome",
    "ToolUse",
    "ToolsState",
    "TranscriptEntry",
    "TurnStats",
    "Utterance",
    "WaitingRequest",
]


class Direction(StrEnum):
    """Who began the call."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Phase(StrEnum):
    """Where a call is: the first six in order, then the nine ends."""

    INITIATED = "initiated"
    RINGING = "ringing"
    ANSWERED = "answered"
    ACTIVE = "active"
    SPEAKING = "speaking"
    LISTENING = "listening"
    COMPLETED = "completed"
    HANGUP_USER = "hangup-user"
    HANGUP_BOT = "hangup-bot"
    TIMEOUT = "timeout"
    ERROR = "error"
    FAILED = "failed"
    NO_ANSWER = "no-answer"
    BUSY = "busy"
    VOICEMAIL = "voicemail"

    @property
    def is_over(self) -> bool:
        return self not in _LIVE

    @property
    def is_connected(self) -> bool:
        """The leg was answered, and the call is not over."""
        return self in _CONNECTED


_LIVE = frozenset(
    {Phase.INITIATED, Phase.RINGING, Phase.ANSWERED, Phase.ACTIVE, Phase.SPEAKING, Phase.LISTENING},
)
_CONNECTED = _LIVE - {Phase.INITIATED, Phase.RINGING}


class Party(StrEnum):
    """Who said a transcript entry."""

    BOT = "bot"
    USER = "user"


# --- parts of the sub-records -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptEntry:
    """One entry of the transcript. A bot's entry holds what was *heard*: it is shortened when its playback is cut."""

    at: float
    speaker: Party
    text: str
    utterance: int | None = None  # the bot's utterance this entry records
    turn: int = 0  # the turn that utterance replies to


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStream:
    """The media socket that carries this call, and the ingress that holds it."""

    id: StreamId
    ingress: NodeId
    pauses: bool = False  # that ingress can pause playback
    records: bool = False  # and records when instructed to


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A text to be spoken that has not finished playing. `turn` is the turn it replies to, 0 for none."""

    no: int
    turn: int
    text: Speakable
    asked_at: float
    began_at: float | None = None
    cut: bool = False  # stopped; waits for the report of how much was heard
    broken: bool = False  # its voice failed in the middle: how long the whole is, is not known
    protected: bool = False  # not interrupted by the caller: a notice, an outbound greeting, the last utterance
    or_clip: bool = False
    clip: bool = False  # the recorded apology, not synthesised
    request: RequestId | None = None  # the API request that is answered when playback is over
    retries: int = 0  # how often it was requested again after a failure
    part: int = 0  # of a text that is said in parts: how many come before this one,
    more: int = 0  # and how many follow
    tones: str = ""  # keys that are played in the place of a text, never again after a crash
    tool: int = 0  # the agent's tool call that wants these
    item: str = ""  # the agent's own audio, not synthesised; the text may still grow
    lasts_ms: int | None = None  # of that audio, as far as the text goes
    on_recording: bool = False  # says that the call is recorded, or asks whether it may be


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingContinue:
    """A `continue` that waits for the caller's next utterance. `request` is the turn token."""

    request: RequestId
    utterance: int
    asked_at: float
    listening_since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRequest:
    """An API request that came before the call was answered: a `continue` if it `listens`, else a `speak`."""

    request: RequestId
    text: str
    listens: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingReply:
    """The agent's reply to the newest turn is due. `text`: so far, where the carrier must speak it in one piece.

    `item`: the newest piece of audio of an agent that speaks itself, said as the utterance of that number.
    """

    text: Speakable = NOTHING
    item: str = ""
    utterance: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSpeech:
    """The caller is speaking. `token`: the turn token of the `continue` that was pending when they began.

    `unsure`: the sound may be a noise, so nothing is cut yet; `sounded_s`: how long its earlier pieces lasted. `faint`:
    it does not stand out from the noise of the line, so that only words count.
    """

    started_at: float
    token: RequestId | None
    stopped_at: float | None = None  # silent since then; None: the sound goes on
    unsure: bool = False
    sounded_s: float = 0.0
    faint: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTurn:
    """What the caller has said of a turn that is not over. `answers`: the `continue` to which it is the answer."""

    text: str
    answers: RequestId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedDigits:
    """Digits an API client, or the agent's call of a `tool`, wants sent, waiting for silence."""

    request: RequestId | None
    digits: str
    tool: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Guidance:
    """An operator's hint to the agent. `asks`: a question for the caller. `turn`: of the first reply that has it."""

    text: str
    asks: bool = False
    turn: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeredQuestion:
    """A question of the operator that the caller has not answered. `turn`: of the reply that asks it; None: not yet.

    `unprompted`: that reply answers nothing that the caller said.
    """

    request: RequestId
    turn: int | None = None
    unprompted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestResult:
    """The answer to an API request; kept in the snapshot, so that a lost feed message costs one read."""

    request: RequestId
    ok: bool
    text: str = ""


class ToolOutcome(StrEnum):
    """What became of a tool call."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"  # not carried out: not allowed, or its arguments make no sense
    UNKNOWN = "unknown"  # it may have been carried out


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """One call of a tool by the agent.

    `round`: how many times in a row the agent has called tools in this turn. `after`: how many lines of the transcript
    are the caller's by then. `wrote`: the agent's text before it. `reported`: the agent has been asked with the
    outcome.
    """

    no: int
    turn: int
    round: int
    after: int
    id: str
    name: str
    arguments: str
    wrote: str = ""
    asked_at: float
    ended_at: float | None = None
    outcome: ToolOutcome = ToolOutcome.OPEN
    result: str = ""
    reported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingTransfer:
    """The call is to be transferred to `name`, as soon as nothing is being said. `asked`: the carrier has the order."""

    tool: int
    turn: int
    name: str
    number: str
    asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A fact that the agent has noted for the report."""

    name: str
    value: str


# --- the sub-records of a call ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LegState:
    """The carrier's leg. `provisional`: the id names the request at the carrier; the leg's own id replaces it."""

    id: LegId | None = None
    provisional: bool = False
    dial_request: RequestId | None = None  # answered when the carrier takes the dial
    answered_at: float | None = None
    last_signal_at: float = 0.0  # when the carrier, the stream or the caller last showed that the leg is alive
    look_ups: int = 0  # without such a sign, in a row: they become rarer
    unconfirmed: bool = False  # an arrival may be a replay: the carrier has not yet confirmed that the leg lives


@dataclass(frozen=True, slots=True, kw_only=True)
class EndState:
    """The ongoing hang-up: why, which API requests wait for it, and how often it was tried."""

    reason: EndReason
    waiters: tuple[RequestId, ...] = ()
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorState:
    """Who speaks. `turn` counts the caller's utterances: a reply to an older one is never spoken."""

    turn: int = 0
    reply: PendingReply | None = None
    speech: CallerSpeech | None = None
    held: HeldTurn | None = None  # a transcript came, and the caller may go on
    interrupted: bool = False  # that speech cut the bot or its reply; if it has no transcript, the bot goes on
    reply_cut: bool = False  # and the agent's reply was not complete then
    heard_at: float | None = None  # when the newest transcript came
    failures: int = 0  # turns in a row that ended in an apology
    pending_continue: PendingContinue | None = None
    stt_down: bool = False  # speech recognition broke off, and the caller has been informed
    language: str = ""  # of the newest transcript, where recognition reports one
    silent_since: float | None = None  # when the caller last fell silent
    wait: TurnWait | None = None  # the moments of the newest turn
    pause_s: float | None = None  # the moving average of this caller's pauses within a turn
    fillers: int = 0  # how many were said: the next one is another
    prompted: bool = False  # the silent caller was asked whether they are there


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackState:
    """What the bot says. `made` counts all utterances; `opening_text` waits for the first way to the caller.

    `cut_off`: what a sound of the caller cut, as far as it was not heard; said after all if the sound had no words.
    """

    utterances: tuple[Utterance, ...] = ()
    made: int = 0
    opening_text: Speakable = NOTHING
    hangup_after: EndReason | None = None  # hang up for this reason when nothing is left to say
    sounding_since: float | None = None  # when the bot, silent before, began to be heard
    paused: bool = False  # playback stands still until it is known whether the caller interrupts
    cut_off: tuple[Utterance, ...] = ()
    ms_per_character: float = 65.0  # how long this voice speaks at one, by the last text that was heard whole
    goes_on: bool = False  # `cut_off` is said as soon as it is known how much of it was heard


@dataclass(frozen=True, slots=True, kw_only=True)
class AmdState:
    """Answering-machine detection. `message` is left on a machine."""

    result: AnsweredBy | None = None
    awaiting_beep: bool = False  # a machine plays its greeting: nothing is said until it is over
    remote_noisy: bool = False  # the callee makes a sound; its silence ends a greeting where no beep is reported
    message: Speakable = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfState:
    """Digits: `received` from the caller, `queued` to be sent, and `opening` ones for when the call is answered.

    `typed`: those of `received` that the agent does not know of yet, because more may follow; `typed_for`: the
    `continue` that was pending when the first of them came.
    """

    received: str = ""
    typed: str = ""
    typed_for: RequestId | None = None
    queued: tuple[QueuedDigits, ...] = ()
    opening: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeringState:
    """What an operator says to the agent: the newest few hints, in order, and the question that is not answered."""

    guidance: tuple[Guidance, ...] = ()
    question: SteeredQuestion | None = None


class RecordingConsent(StrEnum):
    """What is known of the remote party's consent to a recording. The value is the name in records."""

    ANNOUNCING = "announcing"  # the announcement is being said
    ANNOUNCED = "announced"  # and was heard whole
    ASKED = "asked"
    GIVEN = "given"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    NOT_ASKED = "not-asked"  # as `recording.consent: none` says


_RECORDS: Final = frozenset(
    {RecordingConsent.ANNOUNCING, RecordingConsent.ANNOUNCED, RecordingConsent.GIVEN, RecordingConsent.NOT_ASKED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingState:
    """`consent` None: nothing is recorded, and nothing was said of it. `consent_at`: when that was known.

    `since`: from when on the call is recorded.
    """

    consent: RecordingConsent | None = None
    consent_at: float | None = None
    since: float | None = None

    @property
    def is_on(self) -> bool:
        return self.consent in _RECORDS

    @property
    def may_be_kept(self) -> bool:
        """Whether the remote party knew: an announcement that was never heard whole is none."""
        return self.is_on and self.consent is not RecordingConsent.ANNOUNCING


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsState:
    """The agent's tool calls, the newest ones, and what it has noted. `made` counts all of them."""

    uses: tuple[ToolUse, ...] = ()
    made: int = 0
    notes: tuple[Note, ...] = ()
    transfer: PendingTransfer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStats:
    """Measurements of the conversation, for the call's record."""

    last_turn_latency_ms: int | None = None
    last_listen_wait_ms: int | None = None
    last_turn_spans: dict[str, int] = field(default_factory=dict)  # of the newest reply: ms by `waits.Span`
    last_turn_saved_ms: int | None = None  # of that wait, by asking the agent before the turn was over
    last_turn_tools: tuple[str, ...] = ()  # the agent's tools in that wait
    last_reply: int = 0  # the utterance that ended it
    completed_turns: int = 0
    failovers: tuple[Failover, ...] = ()  # each once


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call at one moment."""

    id: CallId
    carrier: str
    direction: Direction
    mode: Mode
    from_: str
    to: str
    policy: CallPolicy
    started_at: float
    session_key: str = ""
    agent_id: str = MAIN_AGENT
    route: str = ""  # the dialled number, where the configuration has an entry for it
    requester: str = ""  # session key of the conversation that placed the call
    caller_verified: bool = False  # the caller's carrier vouches for the number of an inbound call
    brief: CallBrief | None = None

    phase: Phase = Phase.INITIATED
    last_event_at: float = 0.0  # time never runs backwards: an earlier event counts as of this moment
    ended_at: float | None = None
    detail: str = ""  # why the call failed or was refused: the carrier's code and message

    leg_state: LegState = field(default_factory=LegState)
    stream: MediaStream | None = None
    had_stream: bool = False  # a usable media socket has come, whatever became of it
    stream_given_up: bool = False  # no usable media socket came: the carrier itself speaks and listens from then on
    end: EndState | None = None
    floor: FloorState = field(default_factory=FloorState)
    playback: PlaybackState = field(default_factory=PlaybackState)
    amd: AmdState = field(default_factory=AmdState)
    dtmf: DtmfState = field(default_factory=DtmfState)
    steering: SteeringState = field(default_factory=SteeringState)
    recording: RecordingState = field(default_factory=RecordingState)
    stats: TurnStats = field(default_factory=TurnStats)
    tools: ToolsState = field(default_factory=ToolsState)
    waiting: tuple[WaitingRequest, ...] = ()  # for the answer, in the order in which they came

    transcript: tuple[TranscriptEntry, ...] = ()
    timers: dict[Timer, float] = field(default_factory=dict)  # epoch seconds; the shell arms what stands here
    pending: dict[EffectId, AwaitedEffect] = field(default_factory=dict)
    effects_made: int = 0
    results: tuple[RequestResult, ...] = ()  # the newest few
    ignored: int = 0  # events that did not fit
    reactivations: int = 0

    # --- facts of the sub-records, for readers in other folders

    @property
    def leg(self) -> LegId | None:
        return self.leg_state.id

    @property
    def answered_at(self) -> float | None:
        return self.leg_state.answered_at

    @property
    def answered_by(self) -> AnsweredBy | None:
        return self.amd.result

    @property
    def ending(self) -> EndReason | None:
        """The reason of the ongoing hang-up."""
        return None if self.end is None else self.end.reason

    @property
    def end_reason(self) -> EndReason | None:
        """Why the call is over; None while it is not."""
        return EndReason(self.phase.value) if self.phase.is_over else None

    @property
    def language(self) -> str:
        """Language of the call: the brief's, the configured one, or with `auto` the caller's; "" when none is known."""
        if self.brief is not None and self.brief.language:
            return self.brief.language
        return self.floor.language if self.policy.language == AUTO else self.policy.language

    @property
    def phrases(self) -> Phrases:
        """What the bot says by itself on this call."""
        return phrases_in(self.language, dict(self.policy.phrases))

    @property
    def turn(self) -> int:
        return self.floor.turn

    @property
    def reply_due(self) -> bool:
        return self.floor.reply is not None

    @property
    def pending_continue(self) -> PendingContinue | None:
        return self.floor.pending_continue

    @property
    def caller_is_speaking(self) -> bool:
        return self.floor.speech is not None and not self.floor.speech.faint

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        return self.playback.utterances

    @property
    def digits(self) -> str:
        """Digits the caller has pressed."""
        return self.dtmf.received

    @property
    def owner_question(self) -> AskOwner | None:
        """What the agent asks who placed the call, while it is not answered: the oldest of these questions."""
        return next((effect for effect in self.pending.values() if isinstance(effect, AskOwner)), None)

    @property
    def is_proven(self) -> bool:
        """Whether the other party is who the number says: we dialled it, or the caller's carrier vouches for it."""
        return self.direction is Direction.OUTBOUND or self.caller_verified

    # --- conclusions from several facts

    @property
    def is_over(self) -> bool:
        return self.phase.is_over

    @property
    def is_provisional(self) -> bool:
        """Only events of a leg are known: no carrier, no parties, no policy. See `leg.provisional`."""
        return not self.carrier

    @property
    def is_ending(self) -> bool:
        """The call is being hung up, or is over: nothing more is to be said."""
        return self.end is not None or self.phase.is_over

    @property
    def has_voice(self) -> bool:
        """Speech can reach the caller now: over a stream, or by the carrier's own voice where no stream is used."""
        if self.amd.awaiting_beep or self.is_sending_digits or self.is_transferring:
            return False
        return self.stream is not None or (self.is_native and self.phase.is_connected)

    @property
    def is_sending_digits(self) -> bool:
        """The carrier sends digits and does nothing else: speech would cut them, or be cut by them."""
        return self.policy.digits_replace_media and any(
            isinstance(effect, SendDigits) for effect in self.pending.values()
        )

    @property
    def is_transferring(self) -> bool:
        """The carrier connects the other party with someone else: what is said on our side reaches no one."""
        return any(isinstance(effect, Transfer) for effect in self.pending.values())

    @property
    def is_native(self) -> bool:
        """The carrier speaks and listens itself: no stream is used, and each prompt replaces the one before."""
        return not self.policy.streaming or self.stream_given_up

    @property
    def is_relayed(self) -> bool:
        """The carrier hears and speaks, and its socket carries text."""
        return self.policy.relay and not self.is_native

    @property
    def is_speaking(self) -> bool:
        """There is an utterance that was not cut."""
        return any(not utterance.cut for utterance in self.playback.utterances)

    @property
    def is_protected(self) -> bool:
        """An utterance is being said that the caller does not interrupt."""
        return any(utterance.protected and not utterance.cut for utterance in self.playback.utterances)

    @property
    def is_notice(self) -> bool:
        """An outbound call that only says something and holds no conversation, as every call to a machine."""
        return self.direction is Direction.OUTBOUND and (self.mode is Mode.NOTIFY or self.is_machine)

    @property
    def uses_amd(self) -> bool:
        """The carrier was asked to detect answering machines."""
        return self.direction is Direction.OUTBOUND and self.policy.on_machine is not None

    @property
    def is_machine(self) -> bool:
        """AMD was requested, and its result is a machine or a fax."""
        return self.uses_amd and self.amd.result in (AnsweredBy.MACHINE, AnsweredBy.FAX)

    @property
    def may_await_beep(self) -> bool:
        """The AMD result or the end of a machine's greeting may still come: too early to hang up after a notice."""
        return self.amd.awaiting_beep or Timer.AMD in self.timers

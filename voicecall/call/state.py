"""A call at one moment: frozen, replaced by each event, and the whole content of its snapshot.

Pure data. `decide` makes new ones; the snapshot stores them; the gateway shows them. Knows no carrier and no clock.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from voicecall.call.brief import Brief
from voicecall.call.effects import AwaitedEffect, SendDigits
from voicecall.call.events import AnsweredBy, EndReason, Mode, Timer
from voicecall.call.ids import CallId, EffectId, LegId, NodeId, RequestId, StreamId
from voicecall.call.policy import CallPolicy
from voicecall.call.sessions import MAIN_AGENT

__all__ = [
    "Call",
    "Direction",
    "MediaStream",
    "PendingContinue",
    "Phase",
    "QueuedDigits",
    "RequestResult",
    "Speaker",
    "TranscriptEntry",
    "Utterance",
]


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Phase(StrEnum):
    """Where a call is (behaviour 2.2). The first six in order, then the nine ends."""

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
        """Somebody picked up, and the call is not over."""
        return self in _CONNECTED


_LIVE = frozenset(
    {Phase.INITIATED, Phase.RINGING, Phase.ANSWERED, Phase.ACTIVE, Phase.SPEAKING, Phase.LISTENING},
)
_CONNECTED = _LIVE - {Phase.INITIATED, Phase.RINGING}


class Speaker(StrEnum):
    BOT = "bot"
    USER = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptEntry:
    """One entry of the transcript. A bot's line holds what was *heard*: it is cut when its playback is."""

    at: float
    speaker: Speaker
    text: str
    utterance: int | None = None  # the bot's utterance this line records
    turn: int = 0  # the turn that utterance answers


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStream:
    """The media socket that carries this call, and the ingress that holds it."""

    id: StreamId
    ingress: NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """Something the voice was asked to say and has not finished. `turn` is the turn it answers, 0 for none."""

    no: int
    turn: int
    text: str
    asked_at: float
    began_at: float | None = None
    cut: bool = False  # told to stop; waiting to learn how much was heard
    protected: bool = False  # "hello?" must not interrupt it: a notice, an outbound greeting, our last words
    or_clip: bool = False
    request: RequestId | None = None  # the local caller who wants to know when it is over


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingContinue:
    """A `continue` that waits for the caller's words. `request` is the turn token."""

    request: RequestId
    utterance: int
    asked_at: float
    listening_since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedDigits:
    """QueuedDigits that a local caller wants pressed, and that wait for a quiet moment."""

    request: RequestId
    digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestResult:
    """What a local caller's request came to; kept so that a lost pub/sub message costs one read, never an answer."""

    request: RequestId
    ok: bool
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, now."""

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
    route: str = ""  # the number of ours that was dialled, where one has settings of its own
    requester: str = ""  # the session of whoever placed it
    brief: Brief | None = None
    opening_digits: str = ""  # to press when somebody has answered, before the first words
    leg: LegId | None = None
    leg_is_provisional: bool = False  # it names our request at the carrier; the leg's own name replaces it
    phase: Phase = Phase.INITIATED
    last_event_at: float = 0.0  # `at` of the newest event: time never runs backwards here
    last_signal_at: float = 0.0  # when the carrier, its stream or the caller's voice last gave a sign of life
    answered_at: float | None = None
    answered_by: AnsweredBy | None = None
    ended_at: float | None = None
    end_reason: EndReason | None = None
    dial_request: RequestId | None = None  # who wants to know whether the carrier took the dial
    detail: str = ""  # why it failed or was refused, in words: the carrier's code and message
    ending: EndReason | None = None  # we are hanging up, and this will be the reason
    end_waiters: tuple[RequestId, ...] = ()  # local callers who wait for that
    hangup_after: EndReason | None = None  # hang up for this reason when the voice has finished
    hangup_tries: int = 0
    look_ups: int = 0  # in a row without news: they grow rarer
    stream: MediaStream | None = None
    opening_text: str = ""  # greeting or message, until it was given to the voice
    turn: int = 0  # the caller's utterances so far: a reply to an older one is never spoken
    reply_due: bool = False  # the agent is looking for words for `turn`
    reply_text: str = ""  # the reply so far, where the carrier's own voice must say it in one piece
    heard_at: float | None = None  # when the newest `turn` began: the caller's last words
    failures: int = 0  # turns in a row that ended in an apology
    speech_token: RequestId | None = None  # the waiter that stood when the caller began to speak
    speech_started_at: float | None = None
    interrupted: bool = False  # that speech took the floor from us; if it holds no words, we give it back
    utterances: tuple[Utterance, ...] = ()
    utterances_made: int = 0
    pending_continue: PendingContinue | None = None
    transcript: tuple[TranscriptEntry, ...] = ()
    voicemail_text: str = ""  # what is left on a machine, if one answers
    awaiting_beep: bool = False  # a machine plays its greeting: nothing is said until that is over
    stt_down: bool = False  # recognition broke off, and the caller was told
    remote_noisy: bool = False  # the callee makes a sound; tracked where silence must tell the end of a greeting
    digits: str = ""  # pressed by the caller
    queued_digits: tuple[QueuedDigits, ...] = ()  # to be pressed by us
    timers: dict[Timer, float] = field(default_factory=dict)  # alarm -> epoch seconds; the shell arms what stands here
    pending: dict[EffectId, AwaitedEffect] = field(default_factory=dict)
    effects_made: int = 0
    results: tuple[RequestResult, ...] = ()  # the newest few
    ignored: int = 0  # events that did not fit
    last_turn_latency_ms: int | None = None
    last_listen_wait_ms: int | None = None
    completed_turns: int = 0
    reactivations: int = 0

    @property
    def is_over(self) -> bool:
        return self.phase.is_over

    @property
    def has_voice(self) -> bool:
        """What we say now can reach the caller: over a stream, or by the carrier's own voice where none is meant."""
        if self.awaiting_beep or self.is_sending_digits:
            return False
        return self.stream is not None or (not self.policy.streaming and self.phase.is_connected)

    @property
    def is_sending_digits(self) -> bool:
        """The carrier presses keys and does nothing else: whatever we said now would cut them, or be cut by them."""
        return self.policy.digits_replace_media and any(
            isinstance(effect, SendDigits) for effect in self.pending.values()
        )

    @property
    def is_native(self) -> bool:
        """The carrier speaks and listens for us: no stream is meant, and each prompt replaces the one before."""
        return not self.policy.streaming

    @property
    def is_speaking(self) -> bool:
        """The voice has something to say that was not cut."""
        return any(not utterance.cut for utterance in self.utterances)

    @property
    def is_protected(self) -> bool:
        """What is being said must be heard whole: a notice, an outbound greeting, our last words."""
        return any(utterance.protected and not utterance.cut for utterance in self.utterances)

    @property
    def is_notice(self) -> bool:
        """An outbound call that only says something, and holds no conversation: nobody converses with a machine."""
        return self.direction is Direction.OUTBOUND and (self.mode is Mode.NOTIFY or self.is_machine)

    @property
    def uses_amd(self) -> bool:
        """The carrier was asked who picks up."""
        return self.direction is Direction.OUTBOUND and self.policy.on_machine is not None

    @property
    def is_machine(self) -> bool:
        """It was asked, and it is no person."""
        return self.uses_amd and self.answered_by in (AnsweredBy.MACHINE, AnsweredBy.FAX)

    @property
    def may_await_beep(self) -> bool:
        """The carrier may still say that a machine answered, or that its greeting is over: not the time to leave."""
        return self.awaiting_beep or Timer.AMD in self.timers

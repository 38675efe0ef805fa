"""The roles of speech recognition, speech synthesis and the agent.

Implemented by `voicecall/speech/` and `voicecall/agents/`, used by the shell of a call in `actors/`. Audio is 8 kHz
mu-law. Speech recognition reports the call's own events.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from voicecall.call.brief import CallBrief
from voicecall.call.events import (
    Event,
    Failover,
    Heard,
    SpeechStarted,
    SpeechStopped,
    SttFailed,
    SttLost,
    SttRecovered,
    ToolRequest,
)
from voicecall.call.ids import CallId
from voicecall.call.sessions import MAIN_AGENT
from voicecall.call.state import Call, Direction, Party, ToolUse
from voicecall.errors import ServiceError

__all__ = [
    "Agent",
    "AgentConnected",
    "AgentStep",
    "AgentWrote",
    "EndCall",
    "Hint",
    "OnStep",
    "PartialTranscript",
    "Question",
    "ReplyCut",
    "ReplyPiece",
    "SpeechPartner",
    "SpeechToText",
    "Spoken",
    "SttEvent",
    "SttSession",
    "TextToSpeech",
    "ToolCalls",
    "ToolEnded",
    "ToolStarted",
    "TurnJudge",
    "TurnText",
    "Usage",
    "uncounted",
    "unreported",
]

SttEvent: TypeAlias = SpeechStarted | SpeechStopped | Heard | SttFailed | SttLost | SttRecovered | Failover
"""The events a recognition session reports, and that what follows is by another service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialTranscript:
    """What the caller has said so far of an utterance that is not over; the next one replaces it.

    `is_likely_end`: the service takes the turn to be probably over, with this text; another text revokes that.
    `is_stable`: the service only ever adds to it, so a text that has not grown for a while is probably whole.
    """

    text: str
    is_likely_end: bool = False
    is_stable: bool = False


class SttSession(Protocol):
    """One open session of speech recognition."""

    @property
    def ends_at_pauses(self) -> bool:
        """An utterance ends when the caller has been silent for a while; False: by what they said and how."""
        ...

    def feed(self, mulaw: bytes) -> None:
        """Take audio of the caller, of any length. Never blocks: a bounded buffer drops the oldest audio."""
        ...

    async def close(self) -> None: ...


class SpeechToText(Protocol):
    @property
    def finds_likely_ends(self) -> bool:
        """Its partial transcripts can be likely ends of turns, or are stable."""
        ...

    async def open(
        self,
        call: CallId,
        on_event: Callable[[SttEvent], None],
        on_partial: Callable[[PartialTranscript], None] | None = None,
        *,
        likely_ends: bool = False,
    ) -> SttSession:
        """Begin a session and return at once; `on_event` is called on the event loop for each event.

        With `on_partial`, partial transcripts too, at most one every 250 ms, and with `likely_ends` likely ends of
        turns at once, where the service finds them. They are not part of the call's log.

        The session connects and reconnects by itself and buffers audio meanwhile. A service that cannot be reached is
        reported as `SttFailed`. Raises ServiceError only when no session can begin at all, as after `close`.
        """
        ...

    async def close(self) -> None: ...


class TurnJudge(Protocol):
    """Judges by the sound of what the caller said before a pause whether their turn is over."""

    def judge(self, mulaw: bytes, on_judged: Callable[[float], None]) -> Callable[[], object] | None:
        """Begin to judge, and return at once; `mulaw`: the turn so far, the newest eight seconds at most.

        `on_judged` is called on the event loop with how likely the turn is over, 0 to 1, unless that fails. What is
        returned gives the judgement up; None: too many wait, and this one is left out.
        """
        ...

    async def close(self) -> None: ...


class TextToSpeech(Protocol):
    def warm(self) -> None:
        """A call is expected to speak soon: begin to open what takes time. Returns at once and never raises."""
        ...

    def speak(self, text: str) -> AsyncIterator[bytes | Failover]:
        """The audio as it is synthesised, in chunks of any length. Raises ServiceError, before or between chunks.

        A `Failover` before the first chunk: another voice speaks than the first one.
        """
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnText:
    """One utterance of the conversation."""

    speaker: Party
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a request has cost so far. `is_estimate`: of what was sent, a quarter of its characters.

    `prompt`: those of the prompt among them, where the service counts them apart; else 0.
    """

    tokens: int
    is_estimate: bool
    prompt: int = 0


def uncounted(usage: Usage) -> None:
    """No one counts what this request costs."""
    del usage


@dataclass(frozen=True, slots=True)
class AgentConnected:
    """The agent has the question: connected, and the request is sent."""


@dataclass(frozen=True, slots=True)
class AgentWrote:
    """Text of the agent came, before it is known what of it is spoken. May be reported for each piece."""


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The agent began to run a tool. `name`: as the agent calls it."""

    name: str


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """The tool has its result, or failed."""

    name: str


AgentStep: TypeAlias = AgentConnected | AgentWrote | ToolStarted | ToolEnded
"""What an agent does before and between the pieces of its reply, for the latency record."""

OnStep: TypeAlias = Callable[[AgentStep], None]
"""Called on the event loop at the moment of the step; never blocks and never raises."""


def unreported(step: AgentStep) -> None:
    """No one keeps the time of this reply."""
    del step


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """An instruction of the call's operator to the agent; the caller does not hear it.

    `asks`: it is a question that the agent asks the caller. `is_new`: this reply is the first that knows of it.
    """

    text: str
    asks: bool = False
    is_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the agent gets: the conversation so far, ending with the caller's newest utterance.

    `said` holds the sentences of this reply that the caller has heard already (after a crash): the reply continues
    after them. `brief`: the purpose of an outbound call. `epoch`: of the activation; older ones are refused.
    `language`: to be spoken, where one is configured. `number_verified`: the caller's carrier vouches for the number,
    or we dialled it. `on_step`: an agent that knows its steps reports them. `on_usage`: called with what the request
    costs, as far as the agent knows; the newest counts. `hints`: of the operator, in order. `after`: how this reply
    broke off before, when it is to be gone on with. `offered`: the tools that the agent may call, as patterns
    (`voicecall.call.tools`); `uses`: its calls so far, those of this turn included.
    """

    call: CallId
    turn: int
    epoch: int = 0
    caller: str
    direction: Direction = Direction.INBOUND
    number_verified: bool = False
    session_key: str
    agent_id: str = MAIN_AGENT
    history: tuple[TurnText, ...]
    said: tuple[str, ...] = ()
    brief: CallBrief | None = None
    language: str = ""
    hints: tuple[Hint, ...] = ()
    on_step: OnStep = field(default=unreported, compare=False, repr=False)
    on_usage: Callable[[Usage], None] = field(default=uncounted, compare=False, repr=False)
    after: "ReplyCut | None" = None
    offered: tuple[str, ...] = ()
    uses: tuple[ToolUse, ...] = ()


class ReplyCut(ServiceError):
    """The agent `by` broke off in the middle of its reply, and another can go on: ask again, with this in `after`.

    `failures`: of every agent that has failed in this reply, `by` included.
    """

    def __init__(self, by: str, failures: Mapping[str, ServiceError]) -> None:
        super().__init__("agent", str(failures[by]), retryable=failures[by].retryable, kind=failures[by].kind)
        self.by = by
        self.failures = dict(failures)


@dataclass(frozen=True, slots=True)
class EndCall:
    """The agent ends the call: it is hung up when the reply so far was heard. Nothing of a reply follows it."""


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """The agent calls these tools: it is asked again, with their results. Nothing of an answer follows it."""

    calls: tuple[ToolRequest, ...]


@dataclass(frozen=True, slots=True)
class Spoken:
    """The agent speaks itself: what it has said so far in the audio `item`; a later one of the same item replaces it.

    `audio_ms`: how long that audio is, once it is whole. `SpeechPartner.audio` has the sound.
    """

    item: str
    text: str
    audio_ms: int | None


ReplyPiece: TypeAlias = str | Spoken | Failover | EndCall | ToolCalls
"""Text of any length, or speech; that another agent answers than the first one; or, last, that it ends the call or
calls tools."""


class Agent(Protocol):
    @property
    def is_discardable(self) -> bool:
        """Whether a request may be made in vain: it has no effect and leaves no memory anywhere, whatever its reply.

        Only then is the agent asked before a turn is over (docs/adr/0008), and before the commit of its end stands
        (docs/adr/0009). True of a plain request to a model; False of
        an agent that runs tools, and of one that is not ours and keeps a conversation of its own.
        """
        return False

    def warm(self) -> None:
        """A call is expected to ask soon: begin to open what takes time. Returns at once and never raises."""
        return

    def reply(self, question: Question) -> AsyncIterator[ReplyPiece]:
        """The reply, in pieces of any length as they come. Raises ServiceError. Closing the iterator cancels it.

        A `Failover` before the first piece: another agent answers than the first one.
        """
        ...

    async def close(self) -> None: ...


class SpeechPartner(Protocol):
    """A model that hears the caller and speaks itself. It is recognition and agent in one; this is what they lack.

    It keeps a conversation of its own, which `follow` keeps equal to the call's.
    """

    def follow(self, call: Call, events: Sequence[Event]) -> None:
        """The call is committed: `events` led to it. Returns at once and never raises."""
        ...

    def audio(self, call: CallId, item: str) -> AsyncIterator[bytes]:
        """The sound of what it says, as it comes, to be read once. Raises ServiceError when it has no such item."""
        ...

    def forget(self, call: CallId) -> None:
        """The activation ends."""
        ...

"""The roles of speech recognition, speech synthesis and the agent.

Implemented by `voicecall/speech/` and `voicecall/agents/`, used by the shell of a call in `actors/`. Audio is 8 kHz
mu-law. Speech recognition reports the call's own events.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from voicecall.call.brief import CallBrief
from voicecall.call.events import Heard, SpeechStarted, SpeechStopped, SttFailed, SttLost, SttRecovered
from voicecall.call.ids import CallId
from voicecall.call.sessions import MAIN_AGENT
from voicecall.call.state import Direction, Party

__all__ = [
    "Agent",
    "EndCall",
    "PartialTranscript",
    "Question",
    "SpeechToText",
    "SttEvent",
    "SttSession",
    "TextToSpeech",
    "TurnText",
]

SttEvent: TypeAlias = SpeechStarted | SpeechStopped | Heard | SttFailed | SttLost | SttRecovered
"""The events a recognition session reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialTranscript:
    """What the caller has said so far of an utterance that is not over; the next one replaces it.

    `is_likely_end`: the service takes the turn to be probably over, with this text; a further partial revokes that.
    """

    text: str
    is_likely_end: bool = False


class SttSession(Protocol):
    """One open session of speech recognition."""

    def feed(self, mulaw: bytes) -> None:
        """Take audio of the caller, of any length. Never blocks: a bounded buffer drops the oldest audio."""
        ...

    async def close(self) -> None: ...


class SpeechToText(Protocol):
    async def open(
        self,
        call: CallId,
        on_event: Callable[[SttEvent], None],
        on_partial: Callable[[PartialTranscript], None] | None = None,
    ) -> SttSession:
        """Begin a session and return at once; `on_event` is called on the event loop for each event.

        With `on_partial`, partial transcripts too, at most one every 250 ms, and likely ends of turns at once. They are
        not part of the call's log.

        The session connects and reconnects by itself and buffers audio meanwhile. A service that cannot be reached is
        reported as `SttFailed`. Raises ServiceError only when no session can begin at all, as after `close`.
        """
        ...

    async def close(self) -> None: ...


class TextToSpeech(Protocol):
    def warm(self) -> None:
        """A call is expected to speak soon: begin to open what takes time. Returns at once and never raises."""
        ...

    def speak(self, text: str) -> AsyncIterator[bytes]:
        """The audio as it is synthesised, in chunks of any length. Raises ServiceError, before or between chunks."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnText:
    """One utterance of the conversation."""

    speaker: Party
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the agent gets: the conversation so far, ending with the caller's newest utterance.

    `said` holds the sentences of this reply that the caller has heard already (after a crash): the reply continues
    after them. `brief`: the purpose of an outbound call. `epoch`: of the activation; older ones are refused.
    `language`: to be spoken, where one is configured. `number_verified`: the caller's carrier vouches for the number,
    or we dialled it.
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


@dataclass(frozen=True, slots=True)
class EndCall:
    """The agent ends the call: it is hung up when the reply so far was heard. Nothing of a reply follows it."""


class Agent(Protocol):
    def reply(self, question: Question) -> AsyncIterator[str | EndCall]:
        """The reply, in pieces of any length as they come. Raises ServiceError. Closing the iterator cancels it."""
        ...

    async def close(self) -> None: ...

"""The roles of ears, voice and agent, and what they say.

Filled by `voicecall/speech/` and `voicecall/agents/`; met by the shell of a call in `actors/`.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from voicecall.call.brief import Brief
from voicecall.call.ids import CallId
from voicecall.call.sessions import MAIN_AGENT
from voicecall.call.state import Speaker

__all__ = [
    "Agent",
    "Question",
    "RecognitionBack",
    "RecognitionFailed",
    "RecognitionLost",
    "SpeechBegan",
    "SpeechPaused",
    "SpeechToText",
    "SttEvent",
    "SttSession",
    "TextToSpeech",
    "Transcribed",
    "TurnText",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechBegan:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechPaused:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcribed:
    text: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionFailed:
    """Recognition is gone and will not come back by itself."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionLost:
    """Recognition broke off in mid-call and did not come back at once. It is still being tried; audio waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionBack:
    """It is there again, after `RecognitionLost`; what was said meanwhile follows, as far as it was kept."""


SttEvent = SpeechBegan | SpeechPaused | Transcribed | RecognitionFailed | RecognitionLost | RecognitionBack


class SttSession(Protocol):
    """One open session of speech recognition."""

    def feed(self, mulaw: bytes) -> None:
        """Audio of the caller, 8 kHz mu-law, any length. Never blocks: a bounded buffer drops the oldest."""
        ...

    async def close(self) -> None: ...


class SpeechToText(Protocol):
    async def listen(self, call: CallId, tell: Callable[[SttEvent], None]) -> SttSession:
        """Begin a session and come back at once; `tell` is called on the event loop for each thing heard.

        It connects, and reconnects, by itself; audio waits meanwhile. A service that cannot be reached is told as
        HeardFailure. Raises ServiceError only where no session can be begun at all, as after `close`.
        """
        ...

    async def close(self) -> None: ...


class TextToSpeech(Protocol):
    def speak(self, text: str) -> AsyncIterator[bytes]:
        """Mu-law 8 kHz as it is made, in chunks of any length. Raises ServiceError, before or between chunks."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnText:
    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the agent is asked: the conversation so far, ending with the caller's newest words.

    `said` holds sentences of this very reply that the caller has heard already (after a crash): go on from there.
    `brief`: what an outbound call is for. `epoch`: of the activation that asks; an older one has nothing to ask.
    """

    call: CallId
    turn: int
    epoch: int = 0
    caller: str
    session_key: str
    agent_id: str = MAIN_AGENT
    history: tuple[TurnText, ...]
    said: tuple[str, ...] = ()
    brief: Brief | None = None


class Agent(Protocol):
    def reply(self, question: Question) -> AsyncIterator[str]:
        """Words as they are found, in pieces of any length. Raises ServiceError. Closing the iterator cancels."""
        ...

    async def close(self) -> None: ...

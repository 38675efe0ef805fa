"""One connection to a speech recognition service, whatever its protocol: what a session asks, and what is reported.

A service's adapter provides a `Service`; `session.py` uses it. Services with a WebSocket implement `Wire` and get the
rest from `socket_link.py`.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from voicecall.breaker import Breaker
from voicecall.call.ids import CallId
from voicecall.errors import FailureKind
from voicecall.speech.vad import VoiceActivity

__all__ = [
    "LikelyEnd",
    "Link",
    "LinkLost",
    "NotTranscribed",
    "Partial",
    "Ready",
    "Service",
    "ServiceFault",
    "Signal",
    "SpeechBegan",
    "SpeechEnded",
    "Transcribed",
    "UtteranceCommitted",
    "Wire",
    "language_in",
]


@dataclass(frozen=True, slots=True)
class Ready:
    """The session has its settings: audio may be sent."""


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """The caller began to speak. Repeated ones are ignored."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The caller has paused; a transcript follows."""


@dataclass(frozen=True, slots=True)
class UtteranceCommitted:
    """An utterance has ended; it comes after `previous` (None: unknown, or it is the first)."""

    item: str
    previous: str | None


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The final transcript of an utterance; "" for one without words. `item` is unique on its connection.

    `language`: of what was said, where the service reports one.
    """

    item: str
    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class NotTranscribed:
    """An utterance that will have no transcript."""

    item: str
    code: str


@dataclass(frozen=True, slots=True)
class Partial:
    """The transcript so far of the utterance that is being spoken."""

    text: str


@dataclass(frozen=True, slots=True)
class LikelyEnd:
    """The utterance is probably over, and this its text; a `Partial` revokes it."""

    text: str


@dataclass(frozen=True, slots=True)
class ServiceFault:
    """The service reports an error; `kind` and `code` are identifiers of its own, fit for a log.

    `ends`: the connection is of no use after it. `is_final`: neither is another one, as with a wrong key.
    """

    kind: str
    code: str
    ends: bool = False
    is_final: bool = False


Signal: TypeAlias = (
    Ready
    | SpeechBegan
    | SpeechEnded
    | UtteranceCommitted
    | Transcribed
    | NotTranscribed
    | Partial
    | LikelyEnd
    | ServiceFault
)


class LinkLost(Exception):
    """The connection is over, or was never made.

    `reason` is constant text and a status or code, `kind` one word for it. `is_final`: connecting again is pointless.
    `wait_s`: the service asks not to be asked for so long.
    """

    def __init__(
        self, reason: str, *, is_final: bool = False, wait_s: float = 0.0, kind: FailureKind = FailureKind.BROKEN
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final
        self.wait_s = wait_s
        self.kind = kind


class Link(Protocol):
    """One connection. `open` first, then `send` and `commit` from one task and `signals` in another, `close` once."""

    async def open(self) -> None:
        """Return when the service is ready for audio. Raises LinkLost. The caller limits the time."""
        ...

    async def send(self, mulaw: bytes) -> None:
        """Send audio; a connection that breaks is reported by `signals`."""
        ...

    async def commit(self) -> None:
        """The utterance is over, for services that do not detect pauses themselves."""
        ...

    def signals(self) -> AsyncIterator[Sequence[Signal]]:
        """What the service reports, until the connection is over: then raises LinkLost."""
        ...

    async def close(self) -> None: ...


class Wire(Protocol):
    """A service's WebSocket protocol, without I/O, of one connection."""

    @property
    def url(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def opening(self) -> str | None:
        """The first message, which configures the session; None: the URL does."""
        ...

    @property
    def is_ready_when_open(self) -> bool:
        """Audio may be sent at once; otherwise `Ready` is waited for."""
        ...

    @property
    def idle(self) -> str | bytes | None:
        """What to send when there was no audio for four seconds, so that the service does not hang up."""
        ...

    @property
    def farewell(self) -> str | None:
        """The last message."""
        ...

    def audio(self, mulaw: bytes) -> str | bytes:
        """A message with audio: text or binary, as the service takes it."""
        ...

    def commit(self) -> str | None:
        """The message that ends an utterance; None where the service finds the end."""
        ...

    def read(self, message: str) -> Sequence[Signal]:
        """What a message says; nothing for one that is not used. Raises nothing, whatever the message is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One configured service, of one process.

    `link` makes a connection that is not opened yet; its argument says whether likely ends of turns are wanted.
    `detector` is our own speech detection, for a service without one: only speech is sent, and each pause commits.
    `piece`: bytes that are sent at a time at least. `silence_ms`: the pause after which it reports that the caller has
    stopped; None where it does not depend on a pause. `patience_s`: the longest pause that it takes for one within a
    turn. `likely_ends`: it finds likely ends of turns. `stable_partials`:
    its partial transcripts only ever grow, while the caller speaks. `link_of` makes the connection of a call, where it
    is more than recognition; one that was ready and is lost is then made once more at once, before another service
    takes over.
    """

    name: str
    model: str
    link: Callable[[bool], Link]
    detector: Callable[[], VoiceActivity] | None = None
    piece: int = 160
    silence_ms: int | None = None
    patience_s: float = 0.0
    likely_ends: bool = False
    stable_partials: bool = False
    link_of: Callable[[CallId], Link] | None = None
    breaker: Breaker = field(default_factory=Breaker)


_LONGEST_TAG: Final = 32


def language_in(message: Mapping[str, Any]) -> str:
    """The language that a service names in its message, the first where it lists several; "" without one."""
    named = message.get("languages") or message.get("language_code") or message.get("language")
    named = named[0] if isinstance(named, list) and named else named
    if isinstance(named, Mapping):
        named = named.get("language") or named.get("code")
    return named if isinstance(named, str) and len(named) <= _LONGEST_TAG else ""

"""The roles the house is built of: what a call needs from the world, and the shapes that pass between.

Actors and doors are written against these; adapters (`carriers/`, `speech/`, `agents/`, `bus/`) fill them, and
`workers/node.py`, the two `app.py` and `cli.py` put them together. No role here performs I/O by itself.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from voicecall.call.events import EndReason, Event, LegStatus
from voicecall.call.ids import E164, CallId, EffectId, Epoch, LegId, NodeId, Seq, StreamId
from voicecall.call.replies import Reply
from voicecall.call.state import Answer, Call, Speaker

__all__ = [
    "Agent",
    "Attach",
    "CallControl",
    "CallLog",
    "CallerAudio",
    "Clear",
    "Clock",
    "Codec",
    "Commit",
    "Committed",
    "Detach",
    "Doorbell",
    "FinalHeard",
    "Finish",
    "HeardFailure",
    "Hearing",
    "HttpAnswer",
    "Ingest",
    "Lease",
    "Leases",
    "LegReport",
    "MediaAudio",
    "MediaBus",
    "MediaCodec",
    "MediaConnected",
    "MediaIn",
    "MediaItem",
    "MediaKey",
    "MediaMark",
    "MediaStarted",
    "MediaStopped",
    "MediaUnknown",
    "Play",
    "Ports",
    "Posted",
    "Question",
    "Record",
    "SpeechBegan",
    "SpeechPaused",
    "SpeechToText",
    "SttEvent",
    "TextToSpeech",
    "TurnText",
    "Verified",
    "Webhook",
    "WebhookRequest",
]


class Clock(Protocol):
    """The Redis server's time, as well as this process can tell: `now()` in epoch seconds, calibrated, monotonic."""

    def now(self) -> float: ...


# --- carriers: sans-IO codec --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """A carrier's request as received. `url` is the *public* URL it was signed for, built from configuration."""

    method: str
    url: str
    headers: Mapping[str, str]  # names lower-cased
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Proof that the signature held. `key`: canonical, of exactly what the signature covers; one request, one key."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What a verified request means.

    `call` is our id when the request carries it (None: an inbound leg, known only by `leg`). `events` have `at` 0.0.
    `wants_reply`: the carrier asks for instructions, not only tells. `inbound`: the leg came to us. `kind` is a metric
    label of constant words ("answer", "status", "unknown", ...).
    """

    call: CallId | None
    leg: LegId
    inbound: bool
    from_: str
    to: str
    events: tuple[Event, ...]
    wants_reply: bool
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    status: int = 200
    content_type: str = "text/plain"
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaConnected:
    """The socket said hello; nothing is known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStarted:
    stream: StreamId
    leg: LegId
    call: str  # as sent: check with `is_call_id`
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaAudio:
    """One frame from the caller: mu-law, 8 kHz, mono. `chunk` counts frames of the stream, from 1; 0: not said."""

    stream: StreamId
    chunk: int
    mulaw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaKey:
    stream: StreamId
    digit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaMark:
    """The carrier played everything up to this mark, or dropped it on `clear`."""

    stream: StreamId
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStopped:
    stream: StreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaUnknown:
    """A well-formed frame of a kind we do not know: ignored and counted."""


MediaIn = MediaConnected | MediaStarted | MediaAudio | MediaKey | MediaMark | MediaStopped | MediaUnknown


class MediaCodec(Protocol):
    """One carrier's frames on the media socket. Sans-IO, and the hottest code of the house."""

    def read(self, frame: str) -> MediaIn:
        """Raises WebhookRejected("media-malformed") for anything the carrier would never send."""
        ...

    def audio(self, stream: StreamId, mulaw: bytes) -> str: ...

    def mark(self, stream: StreamId, name: str) -> str: ...

    def clear(self, stream: StreamId) -> str: ...


class Codec(Protocol):
    """One carrier's language: signatures, webhooks, answers. Sans-IO."""

    name: str
    media: MediaCodec

    def looks_signed(self, headers: Mapping[str, str]) -> bool:
        """The cheap gate before the body is read: are the signature headers there at all? (behaviour 5.1 step 4)"""
        ...

    def verify(self, request: WebhookRequest) -> Verified:
        """Raises WebhookRejected with the reason; never anything else, whatever the bytes."""
        ...

    def verify_upgrade(self, url: str, headers: Mapping[str, str]) -> None:
        """Check the signature of a media socket's handshake when the carrier sent one. Raises WebhookRejected."""
        ...

    def parse(self, request: WebhookRequest) -> Webhook:
        """Raises WebhookRejected(status=400) when verified bytes still do not fit the schema."""
        ...

    def render(self, reply: Reply) -> HttpAnswer: ...


# --- carriers: control --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LegReport:
    status: LegStatus
    leg: LegId | None = None
    reason: EndReason | None = None


class CallControl(Protocol):
    """Commands to one carrier over REST. Every method raises CarrierError's kinds and nothing else."""

    async def dial(
        self,
        *,
        call: CallId,
        effect: EffectId,
        to: E164,
        from_: E164,
        ring_timeout_s: float,
        time_limit_s: int,
    ) -> LegId:
        """Start a leg. Raises CarrierRejected, CarrierUnreachable (never sent) or CarrierSilent (ask with `find`)."""
        ...

    async def find(self, *, call: CallId, to: E164, from_: E164, since: float) -> LegReport:
        """The leg that a lost `dial` of `call` made: ALIVE with its id, ABSENT, or UNKNOWN when we cannot tell."""
        ...

    async def look_up(self, leg: LegId) -> LegReport:
        """How the leg is. A carrier in trouble is UNKNOWN, never ENDED."""
        ...

    async def hang_up(self, leg: LegId) -> None:
        """End the leg; one that is over already is success."""
        ...

    async def send_digits(self, leg: LegId, digits: str) -> None: ...

    async def say(
        self, leg: LegId, text: str, *, call: CallId, utterance: int, token: str, listens: bool
    ) -> float | None:
        """Say it in the carrier's own voice, replacing what is being said; with `listens`, then wait for the caller.

        Seconds after which it was heard; None when the carrier will tell (by a webhook that names `utterance`).
        """
        ...


# --- speech and agent ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechBegan:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechPaused:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalHeard:
    text: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardFailure:
    """Recognition is gone and will not come back by itself."""

    reason: str


SttEvent = SpeechBegan | SpeechPaused | FinalHeard | HeardFailure


class Hearing(Protocol):
    """One open session of speech recognition."""

    def feed(self, mulaw: bytes) -> None:
        """Audio of the caller, 8 kHz mu-law, any length. Never blocks: a bounded buffer drops the oldest."""
        ...

    async def close(self) -> None: ...


class SpeechToText(Protocol):
    async def listen(self, call: CallId, tell: Callable[[SttEvent], None]) -> Hearing:
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
    """

    call: CallId
    turn: int
    caller: str
    session_key: str
    history: tuple[TurnText, ...]
    said: tuple[str, ...] = ()


class Agent(Protocol):
    def reply(self, question: Question) -> AsyncIterator[str]:
        """Words as they are found, in pieces of any length. Raises ServiceError. Closing the iterator cancels."""
        ...

    async def close(self) -> None: ...


# --- the bus: log, lease, commit ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Outcome of a post. `seqs` is empty for a replay, whose first stored answer is `answer`.

    `owner` is the node that holds the lease; None means: ring. `nudged` is False when the owner's channel has no
    listener: its process is gone, ring and steal. `over`: the call has ended; late news is kept, and nobody rings.
    """

    seqs: tuple[Seq, ...]
    replay: bool = False
    answer: bytes | None = None
    owner: NodeId | None = None
    nudged: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One entry of a call's log."""

    seq: Seq
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    call: CallId
    node: NodeId
    epoch: Epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """What a new owner starts from: the snapshot (None: none yet), the seq it reaches to, and the rest of the log."""

    lease: Lease
    call: Call | None
    applied: Seq
    rest: tuple[Record, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One step of one call: posted events up to `applied`, then `own` ones, folded into `call`.

    `applied` does not count `own`: the commit appends those. It goes in only if the log still ends at `applied`, so
    that the order of the log is the order of the decisions.
    """

    lease: Lease
    call: Call
    applied: Seq
    own: tuple[Event, ...]
    fresh: tuple[Record, ...]  # posted events folded in this step, for the feed
    resolved: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """`refused` is empty when all went in. A commit whose log has grown meanwhile is refused with the missing records.

    Then nothing was written: fold `missing` first, and decide `own` again.
    """

    applied: Seq
    missing: tuple[Record, ...] = ()


class CallLog(Protocol):
    """Log and snapshot of calls."""

    async def post(
        self,
        call: CallId,
        events: tuple[Event, ...],
        *,
        request_key: str | None = None,
        answer: bytes | None = None,
        stream_token: str | None = None,
    ) -> Posted:
        """Append events, or refuse them as a replay, in one atomic step; nudge the owner.

        `answer` is stored with `request_key` and given back to a replay. `stream_token` becomes valid with the post.
        Raises BusUnavailable; then nothing may be assumed, and the carrier gets no 2xx.
        """
        ...

    async def commit(self, commit: Commit) -> Committed:
        """Fenced write of a step. Raises Fenced or BusUnavailable."""
        ...

    async def read(self, call: CallId) -> Call | None:
        """The snapshot, or None when no such call is known."""
        ...

    async def history(self, call: CallId, after: Seq | None = None) -> tuple[Record, ...]: ...


class Leases(Protocol):
    async def acquire(self, call: CallId, node: NodeId) -> Ingest | None:
        """Become the owner, or None while somebody alive is. Epoch grows by one."""
        ...

    async def renew(self, leases: tuple[Lease, ...]) -> tuple[Lease, ...]:
        """Extend all leases of this node in one round trip; gives back those that are lost."""
        ...

    async def release(self, lease: Lease) -> None: ...

    async def claim(self, lease: Lease, effect: EffectId) -> bool:
        """The gate before a carrier command: True once per effect, and only for the current epoch."""
        ...


class Doorbell(Protocol):
    async def ring(self, call: CallId) -> None:
        """Somebody make sure that this call has an owner. Safe to lose and to repeat."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What one call's shell is given."""

    controls: Mapping[str, CallControl] = field(default_factory=dict)
    stt: SpeechToText
    tts: TextToSpeech
    agent: Agent


# --- the bus: media, between the door that holds a socket and the worker that holds the call -------------------------


@dataclass(frozen=True, slots=True)
class Attach:
    """Worker to door, on activation and again every second: audio of this call goes to `node` now, under `epoch`.

    A door that learns of a newer epoch drops what the older one still had queued (reliability P1).
    """

    call: CallId
    epoch: Epoch
    node: NodeId
    stream: StreamId


@dataclass(frozen=True, slots=True)
class Play:
    """Worker to door: more audio of an utterance, mu-law 8 kHz."""

    call: CallId
    epoch: Epoch
    utterance: int
    mulaw: bytes


@dataclass(frozen=True, slots=True)
class Finish:
    """Worker to door: the utterance has no more audio; tell us when it was heard."""

    call: CallId
    epoch: Epoch
    utterance: int


@dataclass(frozen=True, slots=True)
class Clear:
    """Worker to door: silence now (barge-in). Every utterance still queued is reported as cut."""

    call: CallId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Detach:
    """Worker to door: close the socket, the call is over."""

    call: CallId
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class CallerAudio:
    """Door to worker: what the caller said. `first` is the stream's frame number of the first of `mulaw`'s frames."""

    call: CallId
    stream: StreamId
    first: int
    mulaw: bytes


MediaItem = Attach | Play | Finish | Clear | Detach | CallerAudio


class MediaBus(Protocol):
    """Lossy and quick: many items of many calls in one message per destination (architecture 4)."""

    def send(self, to: NodeId, item: MediaItem) -> None:
        """Never blocks; the newest wins when the bound is reached."""
        ...

"""The role of a carrier: a codec without I/O that speaks its language, and a control that commands it.

Filled by `voicecall/carriers/<name>/`. Events in these shapes have `at` 0.0: the log stamps them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from voicecall.call.events import EndReason, Event, LegStatus, OnMachine
from voicecall.call.ids import E164, CallId, EffectId, LegId, StreamId
from voicecall.call.replies import Connect, Reply

__all__ = [
    "CallControl",
    "Codec",
    "HttpAnswer",
    "LegReport",
    "MediaAudio",
    "MediaCodec",
    "MediaConnected",
    "MediaIn",
    "MediaKey",
    "MediaMark",
    "MediaStarted",
    "MediaStopped",
    "MediaUnknown",
    "SupportsAwaitBeep",
    "TakesCommands",
    "Verified",
    "Webhook",
    "WebhookRequest",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """A carrier's request as received. `url` is the *public* URL it was signed for, built from configuration."""

    method: str
    url: str
    headers: Mapping[str, str]  # names lower-cased
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Proof that the signature held. `key`: canonical, of exactly what the signature covers; one request, one key.

    `form`: the decoded fields, when the signature covers fields; `Codec.parse` takes them.
    """

    key: str
    form: list[tuple[str, str]] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What a verified request means.

    `call` is our id when the request carries it (None: an inbound leg, known only by `leg`). `events` have `at` 0.0.
    `wants_reply`: the carrier asks for instructions, not only tells. `inbound`: the leg came to us. `kind` is a metric
    label of constant words ("answer", "status", "unknown", ...). `event_key`: the carrier's own id of what it tells,
    where a repetition is signed anew; else one request is one signature. `hears_out`: what it asks for is how to hear a
    machine's greeting out (`SupportsAwaitBeep`). `prompt`: it comes to be told what this utterance of ours says.
    """

    call: CallId | None
    leg: LegId
    inbound: bool
    from_: str
    to: str
    events: tuple[Event, ...]
    wants_reply: bool
    kind: str
    event_key: str | None = None
    awaits_beep: bool = False
    prompt: int | None = None


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

    def parse(self, request: WebhookRequest, form: list[tuple[str, str]] | None = None) -> Webhook:
        """What a verified request means. `form`: `Verified.form`, so that it is decoded once; None: decode the body.

        Raises WebhookRejected(status=400) when verified bytes still do not fit the schema.
        """
        ...

    def render(self, reply: Reply) -> HttpAnswer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LegReport:
    status: LegStatus
    leg: LegId | None = None
    reason: EndReason | None = None


@runtime_checkable
class TakesCommands(Protocol):
    """What a carrier that reads no answers of ours offers besides `CallControl`. Raises CarrierError's kinds."""

    async def answer(self, leg: LegId, *, call: CallId, effect: EffectId) -> None:
        """Pick up an inbound leg."""
        ...

    async def reject(self, leg: LegId, *, effect: EffectId, reason: Literal["rejected", "busy"]) -> None:
        """Do not pick up. A caller who is gone already is success."""
        ...

    async def start_stream(self, leg: LegId, *, effect: EffectId, connect: Connect) -> None:
        """Open a media socket of an answered leg to `connect.stream_url`, with its token."""
        ...


@runtime_checkable
class SupportsAwaitBeep(Protocol):
    """What a carrier offers whose own voice can fall silent before a machine's beep. Raises CarrierError's kinds.

    One whose verdict is the beep itself (Twilio) need not.
    """

    async def await_beep(self, leg: LegId, *, call: CallId, effect: EffectId) -> None:
        """Cut what is being said and say nothing more. The end of the greeting comes by webhook."""
        ...


class CallControl(Protocol):
    """Commands to one carrier over REST. Every method raises CarrierError's kinds and nothing else.

    `dial_names_request`: what `dial` gives back, and what `find` finds, may name our request; the leg gets its own name
    by the first webhook.
    """

    dial_names_request: bool = False

    async def dial(
        self,
        *,
        call: CallId,
        effect: EffectId,
        to: E164,
        from_: E164,
        ring_timeout_s: float,
        time_limit_s: int,
        on_machine: OnMachine | None = None,
    ) -> LegId:
        """Start a leg. Raises CarrierRejected, CarrierUnreachable (never sent) or CarrierSilent (ask with `find`).

        `on_machine`: tell who picks up, without making a person wait; and the end of a greeting, where it is needed.
        """
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

    async def send_digits(self, leg: LegId, digits: str, *, call: CallId, effect: EffectId) -> bool:
        """Press keys, once. True when that is all; False when the carrier will tell (`CommandDone` by webhook).

        Where the keys replace what the leg is doing (`digits_replace_media`), it goes on with our next answer.
        """
        ...

    async def say(
        self, leg: LegId, text: str, *, call: CallId, utterance: int, token: str, listens: bool
    ) -> float | None:
        """Say it in the carrier's own voice, replacing what is being said; with `listens`, then wait for the caller.

        Seconds after which it was heard; None when the carrier will tell (by a webhook that names `utterance`).
        """
        ...

"""The ports to a carrier: a codec without I/O for its webhooks and media frames, and a control for its REST API.

Filled by `voicecall/carriers/<name>/`. Events in these shapes have `at` 0.0; the log sets their time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, runtime_checkable

from voicecall.call.events import EndReason, Event, LegStatus, OnMachine
from voicecall.call.ids import E164, CallId, EffectId, LegId, StreamId
from voicecall.call.replies import Connect, Reply

__all__ = [
    "LONGEST_CARRIER_TEXT",
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
    "PlainAudio",
    "RelayIn",
    "RelayInterrupted",
    "RelayPlayed",
    "RelayPrompt",
    "RelaySpeaking",
    "SupportsAwaitBeep",
    "SupportsTransfer",
    "TakesCommands",
    "Verified",
    "Webhook",
    "WebhookRequest",
    "carrier_text",
]

LONGEST_CARRIER_TEXT: Final = 256
"""Characters kept of a text that a carrier hands on: a caller id, a number, an error's message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """A carrier's request as received. `url` is the *public* URL it was signed for, built from configuration."""

    method: str
    url: str
    headers: Mapping[str, str]  # names lower-cased
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The signature is valid. `key`: canonical form of exactly what it covers, equal for a replay.

    `form`: the decoded fields, when the signature covers fields; `Codec.parse` takes them.
    """

    key: str
    form: list[tuple[str, str]] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What a verified request means.

    `call` is the call id when the request carries it; None for an inbound leg, known only by `leg`. `wants_reply`: the
    carrier asks for instructions rather than only reporting. `kind` is a metric label from a fixed set ("answer",
    "status", "unknown", ...). `event_key`: the carrier's own id of the event, for carriers that sign a repetition anew;
    otherwise equal requests have equal signatures. `awaits_beep`: it asks what to do until the end of a machine's
    greeting (`SupportsAwaitBeep`). `prompt`: it asks for the text of this utterance. `hands_over`: it asks to whom the
    call is transferred, by this effect (its number). `verified`: the carrier reports
    that the caller's network vouches for `from_` (STIR/SHAKEN, full attestation).

    `from_` and `to` are what the remote party's network wrote: at most 256 characters, in one line.
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
    hands_over: int | None = None
    verified: bool = False

    def __post_init__(self) -> None:
        for name in ("from_", "to"):
            object.__setattr__(self, name, carrier_text(getattr(self, name)))


def carrier_text(text: str) -> str:
    """A carrier's text as it is kept: at most 256 characters, each control character replaced by a blank.

    Replaced, not removed: "+1555" and a line break and the rest must not become a number.
    """
    return "".join(char if char.isprintable() else " " for char in text[:LONGEST_CARRIER_TEXT])


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    status: int = 200
    content_type: str = "text/plain"
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaConnected:
    """The first frame of a socket; it names neither call nor stream yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStarted:
    """`encoding`: of the caller's audio, as the carrier names it; usually mu-law, 8 kHz, mono, which is requested.

    "TEXT": the carrier hears and speaks, and the socket carries text.
    """

    stream: StreamId
    leg: LegId
    call: str  # as sent: check with `is_call_id`
    token: str
    encoding: str = "PCMU"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaAudio:
    """One frame of caller audio: mu-law, 8 kHz, mono. `chunk` counts frames of the stream, from 1; 0: not given."""

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
    """A well-formed frame of an unknown kind: ignored and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPrompt:
    """Where the carrier hears: words of the caller. `is_final`: the utterance is over."""

    text: str
    language: str = ""
    is_final: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayInterrupted:
    """The caller interrupted what the carrier was saying. `heard`: what of it they heard."""

    heard: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPlayed:
    """So much more of what it was given to say has been played."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySpeaking:
    """The carrier began (`is_on`) or ended to speak, or the caller (`is_caller`) did."""

    is_caller: bool
    is_on: bool


RelayIn = RelayPrompt | RelayInterrupted | RelayPlayed | RelaySpeaking
MediaIn = MediaConnected | MediaStarted | MediaAudio | MediaKey | MediaMark | MediaStopped | MediaUnknown | RelayIn


PlainAudio = tuple[int, bytes]
"""`chunk` and `mulaw` of a MediaAudio."""


class MediaCodec(Protocol):
    """One carrier's frames on the media socket. Sans-IO; runs for every 20 ms frame of every call.

    `reports_played`: where its socket carries text, it reports what it has played of what it was given to say.
    """

    reports_played: bool = True

    def read(self, frame: str) -> MediaIn:
        """Raises WebhookRejected("media-malformed") for a frame that breaks the carrier's protocol."""
        ...

    def reader(self, start: MediaStarted) -> Callable[[str], MediaIn] | None:
        """What reads the frames after this start frame, as `read`; None when its encoding cannot be decoded."""
        return self.read if start.encoding in ("PCMU", "TEXT") else None

    def plain_reader(self, start: MediaStarted) -> Callable[[bytes | bytearray], PlainAudio | None] | None:
        """What reads most of these frames faster: the audio of a plain one of this stream; None: `reader` decides.

        It accepts nothing that `reader` refuses or understands otherwise. None where `reader` reads all of them.
        """
        del start
        return None

    def audio(self, stream: StreamId, mulaw: bytes) -> str: ...

    def mark(self, stream: StreamId, name: str) -> str: ...

    def clear(self, stream: StreamId) -> str: ...


class Codec(Protocol):
    """One carrier's signatures, webhooks and answers. Sans-IO.

    `token_key`: a key for the stream tokens in answers, made of the secret that verifies webhooks (`token_key` in
    `carriers/common/signature.py`): each ingress has it, and Redis has not. `signs_sockets`: the carrier can sign the
    handshake of a socket; it must where the socket carries text.
    """

    name: str
    media: MediaCodec
    token_key: bytes
    signs_sockets: bool = True

    def looks_signed(self, headers: Mapping[str, str]) -> bool:
        """Whether the signature headers are present: a cheap check before the body is read."""
        ...

    def verify(self, request: WebhookRequest) -> Verified:
        """Raises WebhookRejected with the reason, and nothing else, whatever the bytes."""
        ...

    def verify_upgrade(self, url: str, headers: Mapping[str, str]) -> None:
        """Check the signature of a media socket's handshake when the carrier sent one. Raises WebhookRejected."""
        ...

    def parse(self, request: WebhookRequest, form: list[tuple[str, str]] | None = None) -> Webhook:
        """What a verified request means. `form`: `Verified.form`, so that it is decoded once; None: decode the body.

        Raises WebhookRejected(status=400) when a verified body does not fit the carrier's schema.
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
    """For a carrier that takes REST commands instead of answers to webhooks. Raises the kinds of CarrierError."""

    async def answer(self, leg: LegId, *, call: CallId, effect: EffectId) -> None:
        """Pick up an inbound leg."""
        ...

    async def reject(self, leg: LegId, *, effect: EffectId, reason: Literal["rejected", "busy"]) -> None:
        """Do not pick up. Succeeds when the caller has already hung up."""
        ...

    async def start_stream(self, leg: LegId, *, effect: EffectId, connect: Connect) -> None:
        """Open a media socket of an answered leg to `connect.stream_url`, with its token."""
        ...


@runtime_checkable
class SupportsAwaitBeep(Protocol):
    """For a carrier whose own voice must stop until a machine's greeting ends. Raises the kinds of CarrierError.

    A carrier that reports the machine only at the end of its greeting (Twilio) does not need it.
    """

    async def await_beep(self, leg: LegId, *, call: CallId, effect: EffectId) -> None:
        """Stop speaking and stay silent. A webhook reports the end of the greeting."""
        ...


@runtime_checkable
class SupportsTransfer(Protocol):
    """For a carrier that connects a leg with a number for us. Raises the kinds of CarrierError."""

    async def transfer(
        self, leg: LegId, *, to: str, from_: str, ring_timeout_s: float, call: CallId, effect: EffectId
    ) -> None:
        """Call `to` and connect it with the leg, once. A webhook reports how that ended, and the leg comes back."""
        ...


class CallControl(Protocol):
    """Commands to one carrier over REST. Every method raises the kinds of CarrierError and nothing else.

    `dial_names_request`: the ids that `dial` and `find` return may be those of the request; the first webhook then
    gives the leg its own id.
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
        """Start a leg. Raises CarrierRejected, CarrierUnreachable (not sent) or CarrierSilent (unknown: use `find`).

        `on_machine`: have the carrier detect answering machines, without delaying a person who answers; where the
        policy needs it, also the end of a machine's greeting.
        """
        ...

    async def find(self, *, call: CallId, to: E164, from_: E164, since: float) -> LegReport:
        """The leg that a `dial` without an answer made: ALIVE with its id, ABSENT, or UNKNOWN."""
        ...

    async def look_up(self, leg: LegId) -> LegReport:
        """The state of the leg. A carrier that fails to answer is UNKNOWN, never ENDED."""
        ...

    async def hang_up(self, leg: LegId) -> None:
        """End the leg. Succeeds when it is already over."""
        ...

    async def send_digits(self, leg: LegId, digits: str, *, call: CallId, effect: EffectId) -> bool:
        """Send DTMF digits, once. True when that is complete; False when a webhook (`CommandDone`) will report it.

        Where the digits replace what the leg is doing (`digits_replace_media`), the leg continues with the answer to
        its next webhook.
        """
        ...

    async def say(
        self, leg: LegId, text: str, *, call: CallId, utterance: int, token: str, listens: bool
    ) -> float | None:
        """Speak `text` in the carrier's own voice, replacing the current speech; with `listens`, then gather input.

        Returns the seconds until it has been spoken; None when a webhook that names `utterance` will report it.
        """
        ...

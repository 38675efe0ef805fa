"""The whole configuration: every key with its default and range. Account blocks come from the carriers' manifests.

Every process reads one `Settings` at start and passes it down; it is frozen. The file's format, older spellings and the
environment are handled before, in `reading`.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qsl

from pydantic import AfterValidator, Field, Strict, WithJsonSchema
from pydantic.alias_generators import to_snake
from pydantic_core import PydanticCustomError

from voicecall.call.admission import InboundPolicy
from voicecall.call.events import CallPolicy, Mode, OnMachine
from voicecall.call.ids import CallId, digits_of
from voicecall.call.replies import NativeVoice
from voicecall.call.sessions import MAIN_AGENT, SessionScope, session_key
from voicecall.manifests import AGENT, CARRIERS, DEFAULT_CARRIER
from voicecall.manifests.composed import Composed
from voicecall.manifests.fields import (
    HTTP_ORIGIN,
    BaseUrl,
    Block,
    Countries,
    ExactUrl,
    Natural,
    Number,
    Numbers,
    OneOf,
    Positive,
    Secret,
    ShortMs,
    Text,
    WaitMs,
    split_url,
)
from voicecall.manifests.manifest import CarrierManifest, KeyPath
from voicecall.settings.model.agents import ResponseFallbacks
from voicecall.settings.model.archive import Archive
from voicecall.settings.model.exposure import Serve, Tailscale, Tunnel, WebhookSecurity
from voicecall.settings.model.language import AUTO, Language, OwnPhrases
from voicecall.settings.model.realtime import Realtime
from voicecall.settings.model.recording import Recording
from voicecall.settings.model.relay import Relay
from voicecall.settings.model.reports import Callbacks, Live, Reports
from voicecall.settings.model.routes import AgentId, NumberRoute, laid_over
from voicecall.settings.model.secrets import Secrets
from voicecall.settings.model.speech import Streaming, Stt, Tts
from voicecall.settings.model.tools import Tools
from voicecall.settings.model.turns import Turns

__all__ = ["Outbound", "Settings", "Voicemail", "value_at"]


class Outbound(Block):
    default_mode: Annotated[Mode, Strict(strict=False)] = Mode.NOTIFY
    """Mode of a call whose request names none: speak a message and hang up, or hold a conversation."""
    notify_hangup_delay_sec: Natural = 3
    """How long a notify call stays open after its message, in seconds."""
    allow_countries: Countries | None = None
    """Countries that are dialled, as ISO codes, or `*` for all; without a list, that of `fromNumber`."""
    dial_within_sec: Positive = 30
    """How long a requested call may wait for a worker, in seconds; one that is taken later is not dialled."""


class Voicemail(Block):
    """Answering-machine detection of outbound calls, and what happens when a machine answers."""

    detection: Literal["off", "carrier"] = "off"
    """Whether the carrier detects answering machines; it may charge for that."""
    on_machine: Annotated[OnMachine, Strict(strict=False)] = OnMachine.HANGUP
    """What happens when a machine answers."""
    message: Text | None = None
    """Message left on the machine; without it, the call's own message."""

    @property
    def expects_machines(self) -> bool:
        return self.detection == "carrier"


_PUBLIC_URL: Final = rf"^{HTTP_ORIGIN}/+(?![?#/])[!-~](?:(?![?#])[!-~])*(?:\?(?:(?!#)[!-~])*)?$"
_OUR_FIELDS: Final = frozenset(
    {"callId", "dial", "dialled", "flow", "greeting", "n", "pressed", "resume", "said", "say", "turnToken", "type"}
)


def _public_url(url: str) -> str:
    parts = split_url(url)
    if parts is None or not parts.path.strip("/"):
        raise PydanticCustomError(
            "url-path", "has no path; add the webhook's, as in https://calls.example/voice/webhook"
        )
    taken = sorted(_OUR_FIELDS.intersection(name for name, _ in parse_qsl(parts.query, keep_blank_values=True)))
    if taken:
        raise PydanticCustomError(
            "url-field", "has the query field {name}, which is added to it; rename that field", {"name": taken[0]}
        )
    return url


_ACCOUNTS: Final = {name: carrier.account for name, carrier in CARRIERS.items() if carrier.account is not None}


class Settings(Composed, blocks=_ACCOUNTS, after="provider"):
    """Durations carry their unit in the name, as in the file."""

    enabled: bool = True
    """Whether the system may start; a disabled configuration may be incomplete."""
    provider: Annotated[str, OneOf(*CARRIERS)] = DEFAULT_CARRIER
    """The carrier."""
    from_number: Number | None = None
    """Caller ID of outbound calls; required for every carrier but the mock."""
    to_number: Number | None = None
    """The number to call when a request names none."""
    inbound_policy: Annotated[InboundPolicy, Strict(strict=False)] = InboundPolicy.DISABLED
    """Which inbound calls are accepted: none, those from `allowFrom` (`pairing` means the same), or all."""
    allow_from: Numbers = ()
    """Numbers that may call under `allowlist`; a caller ID can be forged."""
    language: Language = AUTO
    """Language of calls (BCP 47): recognition, voices, phrases; `auto`: recognition finds it, phrases follow."""
    phrases: OwnPhrases = OwnPhrases()
    inbound_greeting: str = "Hello! How can I help you today?"
    """Said first to a caller."""
    numbers: dict[Number, NumberRoute] = Field(default_factory=dict)
    agent_id: AgentId = MAIN_AGENT
    """Agent of calls: in session keys and on the call record."""
    session_scope: Annotated[SessionScope, Strict(strict=False)] = SessionScope.PER_PHONE
    """Which calls share a session: those with one phone number, none, or all share the agent's main session."""
    outbound: Outbound = Outbound()
    voicemail: Voicemail = Voicemail()
    max_duration_seconds: Positive = 300
    """How long a call may last, in seconds."""
    stale_call_reaper_seconds: Natural = 0
    """Seconds after which an unanswered call is ended; 0: never. An answered call is never ended by this."""
    silence_timeout_ms: Positive = 800
    """Accepted, not used; see `streaming.silenceDurationMs` and `turns.silenceTimeoutMs`."""
    transcript_timeout_ms: Positive = 180_000
    """How long `continue` waits for the caller's answer."""
    ring_timeout_ms: Positive = 30_000
    """How long an outbound call may ring."""
    max_concurrent_calls: Positive = 1
    """Calls that are placed and live at the same time, over all processes. Inbound calls do not count."""
    max_inbound_calls: Positive = 64
    """Inbound calls at the same time, over all processes; one more caller hears the carrier's "busy"."""
    serve: Serve = Serve()
    public_url: (
        Annotated[ExactUrl, AfterValidator(_public_url), WithJsonSchema({"type": "string", "pattern": _PUBLIC_URL})]
        | None
    ) = None
    """URL that the carrier requests and signs: the webhook's full address, path included; used exactly as written."""
    tunnel: Tunnel = Tunnel()
    tailscale: Tailscale = Tailscale()
    webhook_security: WebhookSecurity = WebhookSecurity()
    skip_signature_verification: bool = False
    """Accept unsigned webhooks: for development on loopback only, refused elsewhere."""
    streaming: Streaming = Streaming()
    realtime: Realtime = Realtime()
    relay: Relay = Relay()
    turns: Turns = Turns()
    stt: Stt = Stt()
    tts: Tts = Tts()
    store: Text = "~/.openclaw/voice-calls"
    """Directory of files."""
    archive: Archive = Archive()
    recording: Recording = Recording()
    reports: Reports = Reports()
    callbacks: Callbacks = Callbacks()
    live: Live = Live()
    response_model: Text = "openai/gpt-4o-mini"
    """What answers the caller: `provider/model`; an agent host, `openclaw` or `remote/<agent>`; or `demo` or `echo`."""
    response_base_url: BaseUrl = AGENT.default_url
    """Address of a service of your own with OpenAI's chat completions; without it, that of the model's provider."""
    response_api_key: Secret = None
    """Key of the model's provider, or of the service at `responseBaseUrl`."""
    response_fallbacks: ResponseFallbacks = ()
    response_system_prompt: str | None = None
    """System prompt of the model; without it, one of a helpful assistant on the phone."""
    response_timeout_ms: Positive = 30_000
    """How long a reply may take."""
    response_connect_timeout_ms: ShortMs = 3000
    """How long a connection to a model may take to open."""
    response_first_token_timeout_ms: WaitMs = 4000
    """How long an agent may take to its first token while another follows it in `responseFallbacks`."""
    tools: Tools = Tools()
    secrets: Secrets = Secrets()

    @cached_property
    def webhook_url(self) -> str:
        """URL that carriers request and sign: `publicUrl`, or this machine's own address."""
        if self.public_url is not None:
            return self.public_url
        host = f"[{self.serve.bind}]" if ":" in self.serve.bind else self.serve.bind
        return f"http://{host}:{self.serve.port}{self.serve.path}"

    @cached_property
    def stream_url(self) -> str:
        """URL of media sockets: the webhook's origin as ws or wss, and `streaming.streamPath`."""
        scheme, _, rest = self.webhook_url.partition("://")
        origin = rest.partition("/")[0]
        return f"{'wss' if scheme.lower() == 'https' else 'ws'}://{origin}{self.streaming.stream_path}"

    @property
    def native_voice(self) -> NativeVoice:
        """The carrier's own voice, where nothing is streamed."""
        return NativeVoice(name=self.tts.native_voice, language="" if self.language == AUTO else self.language)

    @property
    def is_tunnelled(self) -> bool:
        """The public URL is not configured: the ingress gets it from a tunnel that it opens."""
        return self.public_url is None and (self.tunnel.provider != "none" or self.tailscale.mode != "off")

    @property
    def store_path(self) -> Path:
        return Path(self.store).expanduser()

    @cached_property
    def archive_url(self) -> str:
        """Address of the archive: `archive.url`, or a SQLite file in the store. May hold a password."""
        return self.archive.url or f"sqlite:///{self.store_path / 'calls.db'}"

    @cached_property
    def records_calls(self) -> bool:
        """Whether calls are recorded, those to one of the numbers at least."""
        return any(each.recording.enabled for each in (self, *self._routes.values()))

    @property
    def recordings_kept_days(self) -> int:
        """0: for ever."""
        kept = self.recording.retention_days
        return self.archive.retention_days if kept is None else kept

    def route_of(self, dialled: str) -> str:
        """The key of `numbers` that was dialled, compared by digits; "" when it is none of them."""
        return self._routes_by_digits.get(digits_of(dialled), "")

    def on_route(self, route: str) -> "Settings":
        """The settings of a call on that route; these for ""."""
        return self._routes.get(route, self)

    def session_key(self, *, call: CallId, phone: str, asked: str = "") -> str:
        """The session key of a call with `phone`; `asked` is the key that the request named."""
        return session_key(self.session_scope, agent_id=self.agent_id, call=call, phone=phone, asked=asked)

    @cached_property
    def _routes_by_digits(self) -> dict[str, str]:
        return {digits_of(number): number for number in self.numbers}

    @cached_property
    def _routes(self) -> dict[str, "Settings"]:
        return {number: self._with(route) for number, route in self.numbers.items()}

    def _with(self, route: NumberRoute) -> "Settings":
        merged = ("tts", "phrases", "report_schema", "tools", "recording")
        own = {name: getattr(route, name) for name in type(route).model_fields if name not in merged}
        changes = {name: value for name, value in own.items() if value is not None}
        if route.response_base_url is not None:
            changes["response_api_key"] = route.response_api_key  # the general key is not for this address
        laid: dict[str, Block] = {
            "tts": laid_over(self.tts, route.tts),
            "phrases": self.phrases.with_own(route.phrases),
        }
        if route.report_schema is not None:
            laid["reports"] = self.reports.model_copy(update={"form": route.report_schema})
        if route.tools is not None:
            laid["tools"] = self.tools.model_copy(update={"offer": route.tools})
        if route.recording is not None:
            laid["recording"] = self.recording.model_copy(update=route.recording.model_dump(exclude_none=True))
        return self.model_copy(update={**changes, **laid})

    @property
    def is_streaming(self) -> bool:
        """Calls have media streams."""
        return self.streaming.enabled or self.realtime.enabled or self.relay.enabled

    @property
    def has_media(self) -> bool:
        """Their streams carry audio."""
        return self.streaming.enabled or self.realtime.enabled

    @property
    def way_of_speech(self) -> str:
        """Who hears and speaks, in a few words for operators."""
        if self.relay.enabled:
            return "the carrier's own speech, as text"
        if self.realtime.enabled:
            return f"speech-to-speech by {self.realtime.provider}"
        return "media streams" if self.streaming.enabled else "the carrier's own speech"

    @property
    def recognisers(self) -> tuple[str, ...]:
        """The services of speech recognition, in the order in which they are asked; none where only a model hears."""
        return () if self.realtime.enabled and not self.realtime.falls_back else self.streaming.recognisers

    @property
    def capabilities(self) -> CarrierManifest:
        """The manifest of the configured carrier."""
        return CARRIERS[self.provider]

    def call_policy(self) -> CallPolicy:
        """The policy of a call that begins now."""
        return CallPolicy(
            max_duration_s=float(self.max_duration_seconds),
            ring_timeout_s=self.ring_timeout_ms / 1000,
            dial_within_s=float(self.outbound.dial_within_sec),
            notify_hangup_delay_s=float(self.outbound.notify_hangup_delay_sec),
            stale_after_s=float(self.stale_call_reaper_seconds),
            transcript_timeout_s=self.transcript_timeout_ms / 1000,
            reply_timeout_s=self.response_timeout_ms / 1000,
            filler_after_s=self.turns.filler_after_ms / 1000,
            streaming=self.is_streaming,
            relay=self.relay.enabled,
            digits_replace_media=self.capabilities.keys_replace,
            longest_prompt=self.capabilities.longest_prompt,
            by_command=self.capabilities.by_command,
            on_machine=self.voicemail.on_machine if self.voicemail.expects_machines else None,
            machine_message=self.voicemail.message or "",
            amd_timeout_s=self.capabilities.amd_timeout_s,
            reports_beep=self.capabilities.reports_beep,
            language=self.language,
            phrases=self.phrases.given,
            turns=self.turns.policy(),
            tools=self.tools.policy(),
            recording=self.recording.consent if self.recording.enabled and self.has_media else None,
        )


def value_at(settings: Settings, path: KeyPath) -> str | None:
    """The text or number that stands under a key, named as in the file; None where it is not set."""
    value: Any = settings
    for key in path:
        value = getattr(value, to_snake(key))
    return None if value is None else str(value)

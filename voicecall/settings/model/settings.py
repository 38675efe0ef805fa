"""The configuration as the house uses it: every key of behaviour 1.1 with its default and range.

Every process reads one of these at start and passes it down; nobody changes it. How it was written (JSON5, older
spellings, environment) is forgotten here: `load` knows that.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, Strict, WithJsonSchema
from pydantic.alias_generators import to_snake
from pydantic_core import PydanticCustomError

from voicecall.call.admission import InboundPolicy
from voicecall.call.events import CallPolicy, Mode, OnMachine
from voicecall.call.ids import CallId, digits_of
from voicecall.call.sessions import MAIN_AGENT, SessionScope, session_key
from voicecall.manifests import AGENT, CARRIERS, DEFAULT_CARRIER
from voicecall.manifests.composed import Composed
from voicecall.manifests.fields import (
    HTTP_ORIGIN,
    Block,
    HttpUrl,
    Natural,
    Number,
    Numbers,
    OneOf,
    Positive,
    Secret,
    Text,
    split_url,
)
from voicecall.manifests.manifest import CarrierManifest, KeyPath
from voicecall.settings.model.archive import Archive
from voicecall.settings.model.exposure import Serve, Tailscale, Tunnel, WebhookSecurity
from voicecall.settings.model.routes import AgentId, NumberRoute, laid_over
from voicecall.settings.model.secrets import Secrets
from voicecall.settings.model.speech import Streaming, Stt, Tts

__all__ = ["Outbound", "Settings", "Voicemail", "value_at"]


class Outbound(Block):
    default_mode: Annotated[Mode, Strict(strict=False)] = Mode.NOTIFY
    """What a call is for when the request does not say: to tell something and hang up, or to talk."""
    notify_hangup_delay_sec: Natural = 3
    """How long a call that only tells stays open after the last word."""


class Voicemail(Block):
    """Answering-machine detection of outbound calls, and what becomes of a call that a machine answers."""

    detection: Literal["off", "carrier"] = "off"
    """Whether the carrier listens for answering machines; it costs money, and listens to people."""
    on_machine: Annotated[OnMachine, Strict(strict=False)] = OnMachine.HANGUP
    """What becomes of a call that a machine answers."""
    message: Text | None = None
    """What is left on the machine; without it, the call's own message."""

    @property
    def expects_machines(self) -> bool:
        return self.detection == "carrier"


_PUBLIC_URL: Final = rf"^{HTTP_ORIGIN}/+(?![?#/])[!-~](?:(?![?#])[!-~])*$"


def _public_url(url: str) -> str:
    parts = split_url(url)
    if parts is None or not parts.path.strip("/"):
        raise PydanticCustomError(
            "url-path", "has no path; add the webhook's, as in https://calls.example/voice/webhook"
        )
    return url


_ACCOUNTS: Final = {name: carrier.account for name, carrier in CARRIERS.items() if carrier.account is not None}


class Settings(Composed, blocks=_ACCOUNTS, after="provider"):
    """All of it. Durations carry their unit in the name, as in the file."""

    enabled: bool = True
    """Whether the system may start; what is disabled may be incomplete."""
    provider: Annotated[str, OneOf(*CARRIERS)] = DEFAULT_CARRIER
    """The carrier."""
    from_number: Number | None = None
    """Caller ID of our calls; required for every carrier but the mock."""
    to_number: Number | None = None
    """Whom to call when a request names nobody."""
    inbound_policy: Annotated[InboundPolicy, Strict(strict=False)] = InboundPolicy.DISABLED
    """Who may call us: nobody, who is in `allowFrom` (`pairing` means the same), or everybody."""
    allow_from: Numbers = ()
    """Numbers that may call us under `allowlist`; a caller ID is no proof of who calls."""
    inbound_greeting: str = "Hello! How can I help you today?"
    """What a caller hears first."""
    numbers: dict[Number, NumberRoute] = Field(default_factory=dict)
    agent_id: AgentId = MAIN_AGENT
    """The agent that calls belong to: in session keys and on the call record."""
    session_scope: Annotated[SessionScope, Strict(strict=False)] = SessionScope.PER_PHONE
    """Which calls share one memory: those with one phone number, none, or all with the agent's main session."""
    outbound: Outbound = Outbound()
    voicemail: Voicemail = Voicemail()
    max_duration_seconds: Positive = 300
    """How long a call may last."""
    stale_call_reaper_seconds: Natural = 0
    """After how long a call that nobody answered is ended; 0: never. An answered call is never reaped."""
    silence_timeout_ms: Positive = 800
    """Accepted, not used; see `streaming.silenceDurationMs`."""
    transcript_timeout_ms: Positive = 180_000
    """How long `continue` waits for the caller's words."""
    ring_timeout_ms: Positive = 30_000
    """How long it may ring."""
    max_concurrent_calls: Positive = 1
    """Live calls at once, in and out together, over all processes."""
    serve: Serve = Serve()
    public_url: (
        Annotated[HttpUrl, AfterValidator(_public_url), WithJsonSchema({"type": "string", "pattern": _PUBLIC_URL})]
        | None
    ) = None
    """What the carrier calls and signs: the webhook's full address, path included."""
    tunnel: Tunnel = Tunnel()
    tailscale: Tailscale = Tailscale()
    webhook_security: WebhookSecurity = WebhookSecurity()
    skip_signature_verification: bool = False
    """Believe everybody: for development on loopback only, and refused elsewhere."""
    streaming: Streaming = Streaming()
    stt: Stt = Stt()
    tts: Tts = Tts()
    store: Text = "~/.openclaw/voice-calls"
    """Directory of what is kept on disk."""
    archive: Archive = Archive()
    response_model: Text = "openai/gpt-4o-mini"
    """Who finds the words: `provider/model`; `openclaw` or `remote/<agent>`, a connected agent host; or `echo`."""
    response_base_url: HttpUrl = AGENT.default_url
    """Address of a service that speaks OpenAI's chat completions."""
    response_api_key: Secret = None
    """Key of that service."""
    response_system_prompt: str | None = None
    """Who the agent is; without it, a helpful assistant on the phone."""
    response_timeout_ms: Positive = 30_000
    """How long a reply may take."""
    secrets: Secrets = Secrets()

    @cached_property
    def webhook_url(self) -> str:
        """What carriers call and sign: `publicUrl`, or this machine's own address."""
        if self.public_url is not None:
            return self.public_url
        host = f"[{self.serve.bind}]" if ":" in self.serve.bind else self.serve.bind
        return f"http://{host}:{self.serve.port}{self.serve.path}"

    @cached_property
    def stream_url(self) -> str:
        """Where carriers open media sockets: the webhook's origin as ws or wss, and `streaming.streamPath`."""
        scheme, _, rest = self.webhook_url.partition("://")
        origin = rest.partition("/")[0]
        return f"{'wss' if scheme == 'https' else 'ws'}://{origin}{self.streaming.stream_path}"

    @property
    def is_tunnelled(self) -> bool:
        """The public URL is not written down: the ingress gets it from a tunnel that it opens (behaviour 10.5)."""
        return self.public_url is None and (self.tunnel.provider != "none" or self.tailscale.mode != "off")

    @property
    def store_path(self) -> Path:
        return Path(self.store).expanduser()

    @cached_property
    def archive_url(self) -> str:
        """Where ended calls are kept: `archive.url`, or a SQLite file in the store. May hold a password."""
        return self.archive.url or f"sqlite:///{self.store_path / 'calls.db'}"

    def route_of(self, dialled: str) -> str:
        """The key of `numbers` that was dialled, compared on digits; "" when that number is like any other."""
        return self._routes_by_digits.get(digits_of(dialled), "")

    def on_route(self, route: str) -> "Settings":
        """These settings as a call on that route has them; for "", these."""
        return self._routes.get(route, self)

    def session_key(self, *, call: CallId, phone: str, asked: str = "") -> str:
        """The memory of a call with `phone` (behaviour 9.2)."""
        return session_key(self.session_scope, agent_id=self.agent_id, call=call, phone=phone, asked=asked)

    @cached_property
    def _routes_by_digits(self) -> dict[str, str]:
        return {digits_of(number): number for number in self.numbers}

    @cached_property
    def _routes(self) -> dict[str, "Settings"]:
        return {number: self._with(route) for number, route in self.numbers.items()}

    def _with(self, route: NumberRoute) -> "Settings":
        own = {name: getattr(route, name) for name in type(route).model_fields if name != "tts"}
        changes = {name: value for name, value in own.items() if value is not None}
        return self.model_copy(update={**changes, "tts": laid_over(self.tts, route.tts)})

    @property
    def capabilities(self) -> CarrierManifest:
        """The manifest of the configured carrier."""
        return CARRIERS[self.provider]

    def call_policy(self) -> CallPolicy:
        """What a call born now is promised."""
        return CallPolicy(
            max_duration_s=float(self.max_duration_seconds),
            ring_timeout_s=self.ring_timeout_ms / 1000,
            notify_hangup_delay_s=float(self.outbound.notify_hangup_delay_sec),
            stale_after_s=float(self.stale_call_reaper_seconds),
            transcript_timeout_s=self.transcript_timeout_ms / 1000,
            reply_timeout_s=self.response_timeout_ms / 1000,
            streaming=self.streaming.enabled,
            digits_replace_media=self.capabilities.keys_replace,
            by_command=self.capabilities.by_command,
            on_machine=self.voicemail.on_machine if self.voicemail.expects_machines else None,
            machine_message=self.voicemail.message or "",
            amd_timeout_s=self.capabilities.amd_timeout_s,
            reports_beep=self.capabilities.reports_beep,
        )


def value_at(settings: Settings, path: KeyPath) -> str | None:
    """The text or number that stands under a key, named as in the file; None where it is not set."""
    value: Any = settings
    for key in path:
        value = getattr(value, to_snake(key))
    return None if value is None else str(value)

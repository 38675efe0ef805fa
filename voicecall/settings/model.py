"""The configuration as the house uses it: every key of behaviour 1.1 with its default and range.

Every process reads one of these at start and passes it down; nobody changes it. How it was written (JSON5, older
spellings, environment) is forgotten here: `load` knows that.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, Strict
from pydantic_core import PydanticCustomError

from voicecall.call.admission import InboundPolicy
from voicecall.call.events import Mode, OnMachine, Terms
from voicecall.call.ids import CallId
from voicecall.call.sessions import MAIN_AGENT, SessionScope, session_key
from voicecall.settings.archive import Archive
from voicecall.settings.fields import Block, HttpUrl, Number, Numbers, PathText, Port, Secret, Text, Texts, split_url
from voicecall.settings.routes import AgentId, NumberRoute, digits_of, laid_over
from voicecall.settings.speech import OPENAI_URL, Streaming, Stt, Tts

__all__ = [
    "Outbound",
    "Plivo",
    "Provider",
    "Serve",
    "Settings",
    "Tailscale",
    "Telnyx",
    "Tunnel",
    "Twilio",
    "Voicemail",
    "WebhookSecurity",
]

Provider = Literal["telnyx", "twilio", "plivo", "mock"]

_Positive = Annotated[int, Field(gt=0)]
_Natural = Annotated[int, Field(ge=0)]


# The carriers' own limits (Twilio 30 s, Telnyx 3.5 s and Plivo 5 s, as we ask), and what the way to us may take.
_VERDICT_WITHIN_S: Final[dict[Provider, float]] = {"mock": 8.0, "plivo": 8.0, "telnyx": 8.0, "twilio": 35.0}


class Telnyx(Block):
    api_key: Secret = None
    connection_id: Text | None = None
    public_key: Text | None = None


class Twilio(Block):
    account_sid: Text | None = None
    auth_token: Secret = None
    region: Literal["us1", "ie1", "au1"] | None = None


class Plivo(Block):
    auth_id: Text | None = None
    auth_token: Secret = None
    accept_v2: bool = False  # the scheme before V3: covers neither query nor body


class Outbound(Block):
    default_mode: Annotated[Mode, Strict(strict=False)] = Mode.NOTIFY
    notify_hangup_delay_sec: _Natural = 3


class Voicemail(Block):
    """Answering-machine detection of outbound calls, and what becomes of a call that a machine answers."""

    detection: Literal["off", "carrier"] = "off"
    on_machine: Annotated[OnMachine, Strict(strict=False)] = OnMachine.HANGUP
    message: Text | None = None  # left on the machine; None: the call's own message

    @property
    def expects_machines(self) -> bool:
        return self.detection == "carrier"


class Serve(Block):
    port: Port = 3334
    bind: Text = "127.0.0.1"
    path: PathText = "/voice/webhook"


class Tailscale(Block):
    mode: Literal["off", "serve", "funnel"] = "off"
    path: PathText = "/voice/webhook"
    port: Port = 443


class Tunnel(Block):
    provider: Literal["none", "ngrok", "tailscale-serve", "tailscale-funnel"] = "none"
    ngrok_auth_token: Secret = None
    ngrok_domain: Text | None = None
    allow_ngrok_free_tier_loopback_bypass: bool = False


class WebhookSecurity(Block):
    allowed_hosts: Texts = ()
    trust_forwarding_headers: bool = False
    trusted_proxy_ips: Annotated[Texts, Field(alias="trustedProxyIPs")] = ()


def _public_url(url: str) -> str:
    parts = split_url(url)
    if parts is None or not parts.path.strip("/"):
        raise PydanticCustomError(
            "url-path", "has no path; add the webhook's, as in https://calls.example/voice/webhook"
        )
    return url


class Settings(Block):
    """All of it. Durations carry their unit in the name, as in the file."""

    enabled: bool = True
    provider: Provider = "mock"
    telnyx: Telnyx = Telnyx()
    twilio: Twilio = Twilio()
    plivo: Plivo = Plivo()
    from_number: Number | None = None
    to_number: Number | None = None
    inbound_policy: Annotated[InboundPolicy, Strict(strict=False)] = InboundPolicy.DISABLED
    allow_from: Numbers = ()
    inbound_greeting: str = "Hello! How can I help you today?"
    outbound: Outbound = Outbound()
    voicemail: Voicemail = Voicemail()
    numbers: dict[Number, NumberRoute] = Field(default_factory=dict)
    agent_id: AgentId = MAIN_AGENT
    session_scope: Annotated[SessionScope, Strict(strict=False)] = SessionScope.PER_PHONE
    max_duration_seconds: _Positive = 300
    stale_call_reaper_seconds: _Natural = 0
    silence_timeout_ms: _Positive = 800
    transcript_timeout_ms: _Positive = 180_000
    ring_timeout_ms: _Positive = 30_000
    max_concurrent_calls: _Positive = 1
    serve: Serve = Serve()
    tailscale: Tailscale = Tailscale()
    tunnel: Tunnel = Tunnel()
    webhook_security: WebhookSecurity = WebhookSecurity()
    streaming: Streaming = Streaming()
    public_url: Annotated[HttpUrl, AfterValidator(_public_url)] | None = None
    skip_signature_verification: bool = False
    stt: Stt = Stt()
    tts: Tts = Tts()
    store: Text = "~/.openclaw/voice-calls"
    archive: Archive = Archive()
    response_model: Text = "openai/gpt-4o-mini"
    response_base_url: HttpUrl = OPENAI_URL
    response_api_key: Secret = None
    response_system_prompt: str | None = None
    response_timeout_ms: _Positive = 30_000

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

    def terms(self) -> Terms:
        """What a call born now is promised."""
        return Terms(
            max_duration_s=float(self.max_duration_seconds),
            ring_timeout_s=self.ring_timeout_ms / 1000,
            notify_hangup_delay_s=float(self.outbound.notify_hangup_delay_sec),
            stale_after_s=float(self.stale_call_reaper_seconds),
            transcript_timeout_s=self.transcript_timeout_ms / 1000,
            reply_timeout_s=self.response_timeout_ms / 1000,
            streaming=self.streaming.enabled,
            keys_replace=self.provider == "twilio",
            by_command=self.provider == "telnyx",
            on_machine=self.voicemail.on_machine if self.voicemail.expects_machines else None,
            machine_message=self.voicemail.message or "",
            verdict_within_s=_VERDICT_WITHIN_S[self.provider],
            tells_beep=self.provider != "plivo",
        )

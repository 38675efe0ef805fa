"""The shape of a manifest: of a carrier, of speech recognition, of speech synthesis, of a language model service.

Each provider's file fills the ones that it offers. Used by the settings and by the registries of adapters.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from voicecall.manifests.fields import Block

__all__ = [
    "AgentManifest",
    "CarrierManifest",
    "KeyPath",
    "KeyVariable",
    "RealtimeManifest",
    "SttManifest",
    "TtsManifest",
]

KeyPath = tuple[str, ...]
"""Where a key stands in the configuration, as written there: `("telnyx", "apiKey")`."""

KeyVariable = tuple[KeyPath, str]
"""A key, and the environment variable that fills it where the configuration leaves it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierManifest:
    """A carrier: what the configuration holds for it, and what it can do.

    The adapter is `ADAPTER` in `voicecall/carriers/<name>/adapter.py`; the environment variable of its API's address is
    `<NAME>_API_BASE_URL`. Times in seconds.
    """

    name: str
    """The value of `provider`, the key of its account block, and the name of its folder."""
    account: type[Block] | None = None
    """Model of its account block; None when it needs no account."""
    credentials: tuple[KeyVariable, ...] = ()
    """Keys without which it cannot be commanded."""
    verification: tuple[KeyVariable, ...] = ()
    """Keys without which its webhooks cannot be verified; not required with `skipSignatureVerification`."""
    also_filled: tuple[KeyVariable, ...] = ()
    """Further keys that variables fill."""
    api_base_url: str = ""
    """Address of its REST API, without a trailing slash; "" when only the environment names one."""
    secret_variable: str | None = None
    """Variable of a secret that is not part of the configuration."""
    removed_keys: Mapping[KeyPath, str] = field(default_factory=dict)
    """Keys of its account block that an older release had, and why they are refused now."""

    by_command: bool = False
    """It reads no answers to its webhooks: inbound calls are answered by REST commands."""
    signatures_expire: bool = False
    """A captured request is refused by its age. Otherwise the carrier is asked for each leg that arrives."""
    keys_replace: bool = False
    """Sending digits replaces the document that the call is executing."""
    relays: bool = False
    """It can hear and speak itself over a socket that carries text."""
    longest_prompt: int = 0
    """Characters of one prompt in its own voice, as written in XML; a longer text is said in parts. 0: no limit."""
    reports_beep: bool = True
    """It reports the end of an answering machine's greeting."""
    amd_timeout_s: float = 8.0
    """From the answer to its answering-machine result: its own limit, plus what the webhook's way may take."""

    older_names: tuple[str, ...] = ()
    """Older values of `provider` that mean it."""
    older_keys: Mapping[KeyPath, KeyPath] = field(default_factory=dict)
    """Older keys, and what they are called today."""
    detection_names: tuple[str, ...] = ()
    """Values of `voicemail.detection` that mean "carrier" when it is the configured one."""

    @property
    def variables(self) -> tuple[KeyVariable, ...]:
        """Every key that an environment variable fills when this carrier is the configured one."""
        return (*self.credentials, *self.verification, *self.also_filled)

    @property
    def has_account(self) -> bool:
        """Whether it is a company on the internet, with accounts, numbers and bills."""
        return bool(self.credentials)

    @property
    def api_variable(self) -> str:
        """The environment variable that names the address of its API."""
        return f"{self.name.upper()}_API_BASE_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class _WithModels:
    """A service whose maker ends some of its models."""

    retiring: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Models with an announced end: the day they stop (ISO), and what to use after it."""
    replaced: Mapping[str, str] = field(default_factory=dict)
    """What each of them is replaced by, from that day on."""

    def in_force(self, model: str, today: date) -> str:
        """`model`, or what stands in its place today. Only at the maker's own address is any model replaced."""
        stops, _ = self.retiring.get(model, ("", ""))
        return self.replaced.get(model, model) if stops and today.isoformat() >= stops else model


@dataclass(frozen=True, slots=True, kw_only=True)
class SttManifest(_WithModels):
    """Speech recognition on media streams. `adapter`: the module under `voicecall.speech.stt` with its `build`."""

    name: str
    """The value of `streaming.provider`, and the key of its block under `streaming.providers`."""
    adapter: str
    block: type[Block]
    """Model of its block, with `apiKey`, `baseUrl`, `model` and `language` among its keys."""
    default_url: str | None = None
    """Address of the service unless `baseUrl` names another; there a key is required. None: `baseUrl` is required."""
    example_url: str = ""
    """An address as an operator's own server has it."""
    own_url: str = ""
    """Address of our own server for it, written for `baseUrl` where the service is named without one."""
    variables: tuple[KeyVariable, ...] = ()
    older_names: tuple[str, ...] = ()
    """Other values of `streaming.provider`, and keys under `streaming.providers`, that mean it."""
    older_keys: Mapping[KeyPath, KeyPath] = field(default_factory=dict)
    """Older keys, and what they are called today."""

    @property
    def api_key(self) -> KeyPath:
        return ("streaming", "providers", self.name, "apiKey")

    @property
    def base_url(self) -> KeyPath:
        return ("streaming", "providers", self.name, "baseUrl")

    @property
    def model(self) -> KeyPath:
        """The key that names a model which may be retired."""
        return ("streaming", "providers", self.name, "model")


@dataclass(frozen=True, slots=True, kw_only=True)
class TtsManifest(_WithModels):
    """Speech synthesis. The adapter is `build` in `voicecall/speech/tts/<name>.py`."""

    name: str
    """The value of `tts.provider`, and the key of its block."""
    block: type[Block]
    other_name: str = ""
    """Another name in `tts.provider` and `tts.providers` that means it; "" when it has none."""
    speaks: bool = True
    """False for a service whose keys are accepted, and which cannot speak on a telephone line."""
    default_url: str | None = None
    """Address of the service unless `baseUrl` names another; there a key is required. None: `baseUrl` is required."""
    own_url: str = ""
    """Address of our own server for it, written for `baseUrl` where the service is named without one."""
    variables: tuple[KeyVariable, ...] = ()
    model: KeyPath | None = None
    """The key that names a model which may be retired."""
    older_keys: Mapping[KeyPath, KeyPath] = field(default_factory=dict)
    spellings: Mapping[str, str] = field(default_factory=dict)
    """Keys of its block that other services have, and what they are called here: `voice`, `model`."""

    @property
    def api_key(self) -> KeyPath:
        return ("tts", self.name, "apiKey")

    @property
    def base_url(self) -> KeyPath:
        return ("tts", self.name, "baseUrl")

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, self.other_name) if self.other_name else (self.name,)

    def is_usable(self, block: Any) -> bool:
        """Whether it can speak on a call: it has a key, or `baseUrl` names a service of the operator's own."""
        if not self.speaks:
            return False
        has_key = block.api_key is not None and self.default_url is not None
        return has_key or block.base_url != self.default_url


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentManifest:
    """A service of language models with OpenAI's chat completions: `responseModel` is `<name>/<model>`."""

    name: str
    default_url: str
    """Its address; "" when each customer has another, which the configuration must name."""
    other_names: tuple[str, ...] = ()
    """What other programs call it."""
    example_url: str = ""
    key_variables: tuple[str, ...] = ()
    """Variables that hold its key; the first that is set is used."""
    url_variable: str = ""
    """Variable that names another address."""
    needs_key: bool = True
    api_key: KeyPath = ("responseApiKey",)
    """Where its key stands, in the configuration and in one of `numbers`."""
    base_url: KeyPath = ("responseBaseUrl",)

    @property
    def variables(self) -> tuple[KeyVariable, ...]:
        """Every key that an environment variable fills when a model of this service is configured."""
        urls = ((self.base_url, self.url_variable),) if self.url_variable else ()
        return (*((self.api_key, variable) for variable in self.key_variables), *urls)

    def lacks_key(self, base_url: str | None, api_key: str | None) -> bool:
        """Whether it cannot answer for want of a key. A service of the operator's own at `base_url` may need none."""
        return self.needs_key and api_key is None and base_url in {None, self.default_url}


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimeManifest:
    """A model that hears and speaks. The adapter is `wire_of` in `voicecall/realtime/<adapter>.py`."""

    name: str
    """The value of `realtime.provider`, and the key of its block under `realtime.providers`."""
    adapter: str
    block: type[Block]
    default_url: str
    """Address of the service unless `baseUrl` names another; there a key is required."""
    variables: tuple[KeyVariable, ...] = ()
    same_voices: type[Block] | None = None
    """The block of the TTS service whose `voice` may be any that this model has: both may sound as one speaker."""

    @property
    def api_key(self) -> KeyPath:
        return ("realtime", "providers", self.name, "apiKey")

    @property
    def base_url(self) -> KeyPath:
        return ("realtime", "providers", self.name, "baseUrl")

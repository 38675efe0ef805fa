"""The configuration's blocks `streaming`, `stt` and `tts`: media streams, speech recognition, speech synthesis.

Workers build speech adapters from these blocks; the ingress reads the limits of its media sockets here.
"""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, Strict

from voicecall.manifests import DEFAULT_STT, STT, TTS
from voicecall.manifests.composed import Composed
from voicecall.manifests.fields import Block, OneOf, PathText, Positive, ShortMs, Text, TimeoutMs, whole
from voicecall.manifests.openai import OpenAI

__all__ = ["ModelOverrides", "Streaming", "Stt", "SttProviders", "Tts"]

_VOICES: Final = [name for manifest in TTS.values() for name in manifest.names]
_SPEAKING: Final = [name for manifest in TTS.values() if manifest.speaks for name in manifest.names]
_BLOCKS: Final = {name: key for key, manifest in TTS.items() for name in manifest.names}


_SttName = Annotated[str, OneOf(*STT)]


class SttProviders(Composed, blocks={name: each.block for name, each in STT.items()}):
    """One block per service of speech recognition, from the services' manifests."""


class Streaming(Block):
    """Media streams and their speech recognition. Times in milliseconds."""

    enabled: bool = False
    """Carry audio over media sockets; without it the carrier's own synthesis and recognition are used."""
    provider: _SttName = DEFAULT_STT
    """Speech recognition: the service that is asked first."""
    fallbacks: Annotated[tuple[_SttName, ...], Strict(strict=False)] = ()
    """The services that take over from it, in this order, when it fails."""
    providers: SttProviders = SttProviders()
    connect_timeout_ms: TimeoutMs = 10_000
    """How long a connection to a service may take to be ready; with others, its share of `firstReadyTimeoutMs`."""
    first_ready_timeout_ms: TimeoutMs = 5000
    """How long all services together may take to be ready at the beginning of a call; then it ends with an apology."""
    transcript_timeout_ms: ShortMs = 3000
    """How long a transcript after a pause, or any answer to speech, is waited for while another service is left."""
    lost_after_ms: ShortMs = 2500
    """How long an interruption lasts before the caller is asked to hold the line."""
    reconnect_attempts: Annotated[int, Field(ge=0, le=20), BeforeValidator(whole)] = 5
    """How often all services are tried again after an interruption, 1, 2, 4, 8 and then 16 seconds apart."""
    stream_path: PathText = "/voice/stream"
    """Path of the media sockets."""
    pre_start_timeout_ms: Positive = 5000
    """How long a socket may be open without its start frame."""
    max_pending_connections: Positive = 32
    """Sockets without their start frame, together."""
    max_pending_connections_per_ip: Positive = 4
    """The same, per client address."""
    max_connections: Positive = 128
    """Media streams of one ingress, together; sockets without their start frame do not count."""

    @property
    def recognisers(self) -> tuple[str, ...]:
        """The services of speech recognition, in the order in which they are asked."""
        return tuple(dict.fromkeys((self.provider, *self.fallbacks)))


class Stt(Block):
    """Accepted for compatibility; nothing reads it."""

    provider: Literal["openai"] = "openai"
    """Accepted, not used."""
    model: Text = "whisper-1"
    """Accepted, not used."""


class ModelOverrides(Block):
    """Accepted for compatibility; nothing reads it."""

    enabled: bool = True
    """Accepted, not used."""
    allow_text: bool = True
    """Accepted, not used."""
    allow_provider: bool = True
    """Accepted, not used."""
    allow_voice: bool = True
    """Accepted, not used."""
    allow_model_id: bool = True
    """Accepted, not used."""
    allow_voice_settings: bool = True
    """Accepted, not used."""
    allow_normalization: bool = True
    """Accepted, not used."""
    allow_seed: bool = True
    """Accepted, not used."""


class Tts(Composed, blocks={name: each.block for name, each in TTS.items()}, after="model_overrides"):
    """Speech synthesis. One block per service comes from the services' manifests."""

    auto: Literal["off", "always", "inbound", "tagged"] | None = None
    """Accepted, not used: on a call everything is spoken."""
    enabled: bool | None = None
    """Accepted, not used: on a call everything is spoken."""
    mode: Literal["final", "all"] | None = None
    """Accepted, not used."""
    provider: Annotated[str, OneOf(*_VOICES)] | None = None
    """Service that is tried first."""
    fallbacks: Annotated[tuple[Annotated[str, Strict, OneOf(*_SPEAKING)], ...], Strict(strict=False)] | None = None
    """Services that are tried after it, in this order; without it the others with a key, and with `[]` none."""
    summary_model: str | None = None
    """Accepted, not used."""
    model_overrides: ModelOverrides = ModelOverrides()
    prefs_path: str | None = None
    """Accepted, not used."""
    max_text_length: Annotated[int, Field(ge=1), BeforeValidator(whole)] = 4096
    """Characters of one utterance; a longer one is refused."""
    timeout_ms: TimeoutMs = 30_000
    """How long the synthesis of one utterance may take."""
    connect_timeout_ms: ShortMs = 3000
    """How long a connection to a service may take to open."""
    first_audio_timeout_ms: ShortMs = 2000
    """How long a service may take to its first audio while another follows it; the last one has what is left of 8 s."""

    @property
    def voices(self) -> tuple[str, ...]:
        """The services that can speak on a call: the configured provider, then its fallbacks.

        One without a key is left out, unless its `baseUrl` names a service of the operator's own.
        """
        usable = [name for name, manifest in TTS.items() if manifest.is_usable(self.block(manifest.block))]
        first = [name for name in usable if name == _BLOCKS.get(self.provider or "")]
        if self.fallbacks is None:
            return tuple(dict.fromkeys([*first, *usable]))
        wanted = [_BLOCKS[name] for name in self.fallbacks]
        if self.provider is None:
            first = [name for name in usable if name not in wanted][:1]
        return tuple(dict.fromkeys([*first, *(name for name in wanted if name in usable)]))

    @property
    def native_voice(self) -> str:
        """The voice that a carrier's own voice is chosen by, where nothing is streamed."""
        return self.block(OpenAI).voice

"""What the product knows of each provider before its adapter is built: one manifest per file, listed here.

A carrier or a speech service is its adapter's folder or file, its manifest, and one line below. Settings compose their
keys, environment variables and rules from these lists; the registries of `carriers` and `speech` find the adapter named
in the manifest. Pure data: no I/O, and no import of settings or adapters.
"""

from collections.abc import Mapping
from typing import Final

from voicecall.manifests import (
    compatible,
    deepgram,
    edge,
    elevenlabs,
    mock,
    offline,
    openai,
    plivo,
    telnyx,
    twilio,
    whisper,
)
from voicecall.manifests.manifest import AgentManifest, CarrierManifest, RealtimeManifest, SttManifest, TtsManifest
from voicecall.manifests.models import AGENTS, plain_model, problem_of, provider_of, service_of

__all__ = [
    "AGENT",
    "AGENTS",
    "CARRIERS",
    "DEFAULT_CARRIER",
    "DEFAULT_REALTIME",
    "DEFAULT_STT",
    "REALTIME",
    "STT",
    "TTS",
    "AgentManifest",
    "CarrierManifest",
    "RealtimeManifest",
    "SttManifest",
    "TtsManifest",
    "plain_model",
    "problem_of",
    "provider_of",
    "service_of",
]

CARRIERS: Final[Mapping[str, CarrierManifest]] = {
    manifest.name: manifest
    for manifest in (
        telnyx.CARRIER,
        twilio.CARRIER,
        plivo.CARRIER,
        mock.CARRIER,
    )
}
"""By `provider`, in the order in which their account blocks stand in the configuration."""

DEFAULT_CARRIER: Final = mock.CARRIER.name

STT: Final[Mapping[str, SttManifest]] = {
    manifest.name: manifest
    for manifest in (
        openai.STT,
        deepgram.STT,
        elevenlabs.STT,
        whisper.STT,
        offline.STT,
    )
}
"""By `streaming.provider`."""

DEFAULT_STT: Final = openai.STT.name

TTS: Final[Mapping[str, TtsManifest]] = {
    manifest.name: manifest
    for manifest in (
        openai.TTS,
        elevenlabs.TTS,
        deepgram.TTS,
        compatible.TTS,
        offline.TTS,
        edge.TTS,
    )
}
"""By the key of its block under `tts`; in this order they are tried after the configured one."""

REALTIME: Final[Mapping[str, RealtimeManifest]] = {manifest.name: manifest for manifest in (openai.REALTIME,)}
"""By `realtime.provider`."""

DEFAULT_REALTIME: Final = openai.REALTIME.name

AGENT: Final = openai.AGENT
"""The service of language models that a `responseModel` without a slash means; the others are in `AGENTS`."""

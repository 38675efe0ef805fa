"""Builds the configured model that hears and speaks. The only file here that reads settings."""

from importlib import import_module
from typing import Any, Final

import aiohttp

from voicecall.breaker import Breakers
from voicecall.call.phrases import AUTO
from voicecall.manifests import REALTIME
from voicecall.realtime.conversation import Patience
from voicecall.realtime.partner import BuildWire, Partner
from voicecall.settings import Settings
from voicecall.speech.stt.link import Link, Service
from voicecall.text.language_tags import primary_subtag

__all__ = ["partner_for"]

_ASSISTANT: Final = "You are a helpful assistant."


def partner_for(settings: Settings, http: aiohttp.ClientSession, breakers: Breakers) -> Partner | None:
    """The model; None where calls have a voice and an agent apart. It borrows `http` and `breakers`."""
    if not settings.realtime.enabled:
        return None
    manifest = REALTIME[settings.realtime.provider]
    block: Any = settings.realtime.providers.block(manifest.block)
    if settings.language != AUTO and block.language is None:
        block = block.model_copy(update={"language": primary_subtag(settings.language)})
    build: BuildWire = import_module(f"voicecall.realtime.{manifest.adapter}").wire_of(block)
    service = Service(
        name=f"{manifest.name}-realtime",
        model=block.model,
        link=_unused,
        silence_ms=block.silence_duration_ms,
        breaker=breakers.of("realtime", manifest.name, block.base_url, block.api_key),
    )
    patience = Patience(
        first_s=settings.realtime.first_audio_timeout_ms / 1000,
        reconnect_s=settings.realtime.reconnect_timeout_ms / 1000,
    )
    identity = (settings.realtime.instructions or settings.response_system_prompt or "").strip() or _ASSISTANT
    return Partner(service, build, http, identity=identity, patience=patience)


def _unused(_: bool) -> Link:
    raise AssertionError("a partner makes its own connections")

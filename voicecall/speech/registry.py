"""Builds the configured speech recognition and speech synthesis, for the workers' composition root.

`voicecall/manifests` lists the services; each adapter's module has a `build`. With `retiring`, the only file in this
folder that reads settings.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any, Final

import aiohttp

from voicecall.breaker import Breaker, Breakers
from voicecall.call.phrases import AUTO
from voicecall.manifests import REALTIME, STT, TTS
from voicecall.ports import SpeechToText, TextToSpeech
from voicecall.settings import Settings, Streaming, Tts
from voicecall.speech.stt.link import Service
from voicecall.speech.stt.recognition import Recognition
from voicecall.speech.stt.session import Patience
from voicecall.speech.tts.fallback import FallbackVoice
from voicecall.speech.tts.patience import SynthesisTimeouts
from voicecall.text.language_tags import primary_subtag

__all__ = ["stt_for", "tts_for"]

_log = logging.getLogger(__name__)

_LANGUAGE_KEYS: Final = ("language", "language_code")
_SILENCE_S: Final = 8.0  # how long a caller may wait for the first audio, over all voices together


def stt_for(
    settings: Settings,
    session: aiohttp.ClientSession,
    breakers: Breakers | None = None,
    *,
    partner: Service | None = None,
) -> SpeechToText:
    """The configured speech recognition, and what takes over from it. It borrows `session` and `breakers`.

    `partner`: a model that hears and speaks; recognition takes over from it, where that is wanted.
    """
    streaming, breakers = settings.streaming, breakers or Breakers()
    services = [] if partner is None else [partner]
    for name in settings.recognisers:
        manifest = STT[name]
        block: Any = _in_language(streaming.providers.block(manifest.block), settings.language)
        service = import_module(f"voicecall.speech.stt.{manifest.adapter}").build(block, session)
        services.append(replace(service, breaker=breakers.of("stt", name, block.base_url, block.api_key)))
    return Recognition(services, _patience(streaming))


def tts_for(settings: Settings, session: aiohttp.ClientSession, breakers: Breakers | None = None) -> TextToSpeech:
    """The usable voices in their order; together they may take eight seconds to the first audio.

    It borrows `session` and `breakers`.
    """
    tts = settings.tts
    if any(tts.provider in service.names for service in TTS.values() if not service.speaks):
        _log.warning("edge: unsupported for telephony; another voice speaks", extra={"voices": tts.voices})
    breakers = breakers or Breakers()
    voices: dict[str, TextToSpeech] = {}
    own: dict[str, Breaker] = {}
    for name, timeouts in zip(tts.voices, _timeouts(tts), strict=True):
        block: Any = _in_language(_as_the_model(settings, tts.block(TTS[name].block)), settings.language)
        voices[name] = import_module(f"voicecall.speech.tts.{name}").build(block, timeouts, session)
        own[name] = breakers.of("tts", name, block.base_url, block.api_key)
    return FallbackVoice(voices, longest_text=tts.max_text_length, breakers=own)


def _as_the_model(settings: Settings, block: Any) -> Any:
    """Where a model speaks itself, what is read aloud has its voice, unless another one is configured."""
    model = REALTIME[settings.realtime.provider]
    if not settings.realtime.enabled or type(block) is not model.same_voices or "voice" in block.model_fields_set:
        return block
    own: Any = settings.realtime.providers.block(model.block)
    return block.model_copy(update={"voice": own.voice})


def _in_language(block: Any, language: str) -> Any:
    """The block of a service; without a language of its own, with that of the calls, as a code of two letters."""
    missing = [name for name in _LANGUAGE_KEYS if getattr(block, name, "") is None]
    if language == AUTO or not missing:
        return block
    return block.model_copy(update=dict.fromkeys(missing, primary_subtag(language)))


def _patience(streaming: Streaming) -> Patience:
    return Patience(
        connect_timeout_s=streaming.connect_timeout_ms / 1000,
        first_s=streaming.first_ready_timeout_ms / 1000,
        transcript_s=streaming.transcript_timeout_ms / 1000,
        lost_after_s=streaming.lost_after_ms / 1000,
        retry_delays_s=tuple(float(min(16, 2**place)) for place in range(streaming.reconnect_attempts)),
    )


def _timeouts(tts: Tts) -> Iterator[SynthesisTimeouts]:
    """Of each voice: all but the last have to begin soon, the last has what is left of the caller's patience."""
    others = len(tts.voices) - 1
    soon_s = min(tts.first_audio_timeout_ms / 1000, _SILENCE_S / max(1, len(tts.voices)))
    for place in range(len(tts.voices)):
        yield SynthesisTimeouts(
            connect_s=tts.connect_timeout_ms / 1000,
            first_audio_s=soon_s if place < others else _SILENCE_S - others * soon_s,
            total_s=tts.timeout_ms / 1000,
        )

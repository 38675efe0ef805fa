"""Builds the configured speech recognition and speech synthesis, for the workers' composition root.

`voicecall/manifests` lists the services; each adapter's module has a `build`. The only file in this folder that reads
settings.
"""

import logging
from importlib import import_module
from typing import Final

import aiohttp

from voicecall.manifests import STT, TTS
from voicecall.ports import SpeechToText, TextToSpeech
from voicecall.settings import Settings
from voicecall.speech.tts.fallback import FallbackVoice
from voicecall.speech.tts.http_audio import SynthesisTimeouts

__all__ = ["stt_for", "tts_for"]

_log = logging.getLogger(__name__)

_SILENCE_S: Final = 8.0  # how long a caller may wait for the first audio, over all voices together


def stt_for(settings: Settings, session: aiohttp.ClientSession) -> SpeechToText:
    """The configured speech recognition. It borrows `session`."""
    streaming = settings.streaming
    manifest = STT[streaming.stt_provider]
    block = streaming if manifest.block is None else streaming.block(manifest.block)
    stt: SpeechToText = import_module(f"voicecall.speech.stt.{manifest.adapter}").build(block, session)
    return stt


def tts_for(settings: Settings, session: aiohttp.ClientSession) -> TextToSpeech:
    """The usable voices in their order; together they may take eight seconds to the first audio. Borrows `session`."""
    tts = settings.tts
    if any(tts.provider in service.names for service in TTS.values() if not service.speaks):
        _log.warning("edge: unsupported for telephony; another voice speaks", extra={"voices": tts.voices})
    timeouts = SynthesisTimeouts(first_audio_s=_SILENCE_S / max(1, len(tts.voices)), total_s=tts.timeout_ms / 1000)
    voices: dict[str, TextToSpeech] = {
        name: import_module(f"voicecall.speech.tts.{name}").build(tts.block(TTS[name].block), timeouts, session)
        for name in tts.voices
    }
    return FallbackVoice(voices, longest_text=tts.max_text_length)

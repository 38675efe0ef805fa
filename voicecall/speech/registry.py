"""From the configuration to the ears and voices it asks for: the only file here that reads settings.

Composition roots call these with the node's HTTP session. A new provider is one file beside the others and a line here.
"""

import logging
from typing import Final, assert_never

import aiohttp

from voicecall.ports import SpeechToText, TextToSpeech
from voicecall.settings import ElevenLabs, OpenAI, Settings, Streaming
from voicecall.speech.stt import openai_realtime
from voicecall.speech.tts import elevenlabs, openai
from voicecall.speech.tts.chain import Chain
from voicecall.speech.tts.http_audio import Timeouts

__all__ = ["stt_for", "tts_for"]

_log = logging.getLogger(__name__)

_SILENCE_S: Final = 8.0  # how long a caller may wait for a voice, whichever it is (behaviour 7.4)


def stt_for(settings: Settings, session: aiohttp.ClientSession) -> SpeechToText:
    return openai_realtime.OpenAIRealtime(_realtime(settings.streaming), session)


def tts_for(settings: Settings, session: aiohttp.ClientSession) -> TextToSpeech:
    """The configured voices in their order; together they may keep a caller waiting for eight seconds."""
    if settings.tts.provider in {"edge", "microsoft"}:
        _log.warning("edge: unsupported for telephony; another voice speaks", extra={"voices": settings.tts.voices})
    names = settings.tts.voices
    timeouts = Timeouts(
        first_audio_s=_SILENCE_S / max(1, len(names)), stall_s=_SILENCE_S, total_s=settings.tts.timeout_ms / 1000
    )
    voices: dict[str, TextToSpeech] = {}
    for name in names:
        match name:
            case "openai":
                voices[name] = openai.Voice(_openai(settings.tts.openai, timeouts), session)
            case "elevenlabs":
                voices[name] = elevenlabs.Voice(_elevenlabs(settings.tts.elevenlabs, timeouts), session)
            case _:
                assert_never(name)
    return Chain(voices, longest_text=settings.tts.max_text_length)


def _realtime(block: Streaming) -> openai_realtime.Options:
    return openai_realtime.Options(
        api_key=block.openai_api_key,
        base_url=block.base_url,
        model=block.stt_model,
        silence_ms=block.silence_duration_ms,
        threshold=block.vad_threshold,
    )


def _openai(block: OpenAI, timeouts: Timeouts) -> openai.Options:
    return openai.Options(
        api_key=block.api_key,
        base_url=block.base_url,
        model=block.model,
        voice=block.voice,
        speed=block.speed,
        instructions=block.instructions,
        timeouts=timeouts,
    )


def _elevenlabs(block: ElevenLabs, timeouts: Timeouts) -> elevenlabs.Options:
    return elevenlabs.Options(
        api_key=block.api_key,
        base_url=block.base_url,
        voice_id=block.voice_id,
        model_id=block.model_id,
        stability=block.voice_settings.stability,
        similarity_boost=block.voice_settings.similarity_boost,
        style=block.voice_settings.style,
        use_speaker_boost=block.voice_settings.use_speaker_boost,
        speed=block.voice_settings.speed,
        seed=block.seed,
        apply_text_normalization=block.apply_text_normalization,
        language_code=block.language_code,
        timeouts=timeouts,
    )

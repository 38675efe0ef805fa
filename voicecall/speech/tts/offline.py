"""The voice of `voicecall speech-server`, which speaks OpenAI's `/audio/speech`."""

import aiohttp

from voicecall.manifests.offline import OFFLINE_URL, OfflineVoice
from voicecall.speech.tts.openai import Options, Voice
from voicecall.speech.tts.patience import SynthesisTimeouts

__all__ = ["build"]


def build(block: OfflineVoice, timeouts: SynthesisTimeouts, session: aiohttp.ClientSession) -> Voice:
    """The voice as configured under `tts.offline`."""
    options = Options(
        api_key=block.api_key,
        base_url=block.base_url or OFFLINE_URL,
        model="hibari",
        voice=block.voice,
        speed=block.speed,
        timeouts=timeouts,
        service="offline-tts",
    )
    return Voice(options, session)

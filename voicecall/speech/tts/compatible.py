"""A voice by a server with OpenAI's `/audio/speech`, configured beside OpenAI's own: for servers that people host."""

import aiohttp

from voicecall.manifests.compatible import CompatibleVoice
from voicecall.speech.tts.openai import Options, Voice
from voicecall.speech.tts.patience import SynthesisTimeouts

__all__ = ["build"]


def build(block: CompatibleVoice, timeouts: SynthesisTimeouts, session: aiohttp.ClientSession) -> Voice:
    """The voice as configured under `tts.compatible`."""
    options = Options(
        api_key=block.api_key,
        base_url=block.base_url or "",
        model=block.model,
        voice=block.voice,
        speed=block.speed,
        timeouts=timeouts,
        service="compatible-tts",
    )
    return Voice(options, session)

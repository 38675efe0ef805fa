"""Speech recognition by `voicecall speech-server`, which speaks OpenAI's Realtime transcription."""

from dataclasses import replace

import aiohttp

from voicecall.manifests.offline import OFFLINE_URL, OfflineRecognition
from voicecall.manifests.openai import OpenAIRecognition
from voicecall.speech.stt import openai_realtime
from voicecall.speech.stt.link import Service

__all__ = ["build"]


def build(block: OfflineRecognition, http: aiohttp.ClientSession) -> Service:
    """The service as configured under `streaming.providers.offline`."""
    same = OpenAIRecognition.model_construct(**{**dict(block), "base_url": block.base_url or OFFLINE_URL})
    return replace(openai_realtime.build(same, http), name="offline")

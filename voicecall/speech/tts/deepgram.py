"""A voice by Deepgram's Aura over HTTP.

Requests mu-law at 8 kHz without a container, the telephone's own format, and passes it on unchanged. Protocol:
Deepgram API reference, "Text to Speech".
"""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

import aiohttp

from voicecall.audio.formats import MULAW_8K
from voicecall.manifests.deepgram import DEEPGRAM_URL, DeepgramVoice
from voicecall.speech.tts.http_audio import HttpVoice, SynthesisRequest
from voicecall.speech.tts.patience import SynthesisTimeouts, longest_s

__all__ = ["Options", "Voice", "build"]

_SERVICE: Final = "deepgram-tts"
_LONGEST_TEXT: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`model`: voice and language, as in `aura-2-thalia-en`."""

    api_key: str | None
    base_url: str = DEEPGRAM_URL
    model: str = "aura-2-thalia-en"
    timeouts: SynthesisTimeouts = field(default_factory=SynthesisTimeouts)


class Voice(HttpVoice):
    """TextToSpeech. The HTTP session is the node's."""

    def __init__(self, options: Options, session: aiohttp.ClientSession) -> None:
        super().__init__(session, service=_SERVICE, longest=_LONGEST_TEXT, timeouts=options.timeouts)
        self._options = options

    def _request(self, text: str) -> SynthesisRequest:
        options = self._options
        query = urlencode({"model": options.model, "encoding": "mulaw", "sample_rate": 8000, "container": "none"})
        return SynthesisRequest(
            service=_SERVICE,
            url=f"{options.base_url.rstrip('/')}/speak?{query}",
            headers={"Authorization": f"Token {options.api_key}"} if options.api_key else {},
            body={"text": text},
            audio=MULAW_8K,
            longest_s=longest_s(text),
        )


def build(block: DeepgramVoice, timeouts: SynthesisTimeouts, session: aiohttp.ClientSession) -> Voice:
    """The voice as configured under `tts.deepgram`."""
    options = Options(api_key=block.api_key, base_url=block.base_url, model=block.model, timeouts=timeouts)
    return Voice(options, session)

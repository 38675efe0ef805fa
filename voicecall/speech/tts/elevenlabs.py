"""A voice by ElevenLabs' streaming HTTP endpoint, and the choice between it and the WebSocket.

Requests `ulaw_8000`, the telephone's own format, and passes it on unchanged. Protocol: ElevenLabs API reference,
"Stream speech".
"""

from typing import Any
from urllib.parse import quote

import aiohttp

from voicecall.audio.formats import MULAW_8K
from voicecall.manifests.elevenlabs import ElevenLabs
from voicecall.ports import TextToSpeech
from voicecall.speech.tts.elevenlabs_options import LONGEST_TEXT, SERVICE, Options
from voicecall.speech.tts.elevenlabs_socket import SocketVoice
from voicecall.speech.tts.http_audio import HttpVoice, SynthesisRequest
from voicecall.speech.tts.patience import SynthesisTimeouts, longest_s

__all__ = ["Options", "SocketVoice", "Voice", "build"]


class Voice(HttpVoice):
    """TextToSpeech. The HTTP session is the node's."""

    def __init__(self, options: Options, session: aiohttp.ClientSession) -> None:
        super().__init__(session, service=SERVICE, longest=LONGEST_TEXT, timeouts=options.timeouts)
        self._options = options

    def _request(self, text: str) -> SynthesisRequest:
        options = self._options
        body: dict[str, Any] = {
            "text": text,
            "model_id": options.model_id,
            "voice_settings": options.voice_settings,
            **options.optional,
        }
        voice = quote(options.voice_id, safe="")
        return SynthesisRequest(
            service=SERVICE,
            url=f"{options.base_url.rstrip('/')}/v1/text-to-speech/{voice}/stream?output_format=ulaw_8000",
            headers={"xi-api-key": options.api_key} if options.api_key else {},
            body=body,
            audio=MULAW_8K,
            longest_s=longest_s(text),
        )


def build(block: ElevenLabs, timeouts: SynthesisTimeouts, session: aiohttp.ClientSession) -> TextToSpeech:
    """The voice as configured under `tts.elevenlabs`."""
    options = Options.of(block, timeouts)
    return SocketVoice(options, session) if block.transport == "websocket" else Voice(options, session)

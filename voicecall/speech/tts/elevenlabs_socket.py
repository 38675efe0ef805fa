"""A voice by ElevenLabs' multi-context WebSocket: the connection is open before the sentence is.

Each sentence is a context of its own, which is closed behind its text: the service finishes it and reports its end.
A socket with five contexts is closed by the service at the sixth (code 1008), so that one whose stopped sentences have
not ended yet is given no further one. Protocol: ElevenLabs API reference, "Multi-Context WebSocket".
"""

import binascii
import itertools
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import aiohttp

from voicecall.errors import ServiceError
from voicecall.speech.tts.elevenlabs_options import LONGEST_TEXT, SERVICE, Options
from voicecall.speech.tts.linked_voice import LinkedVoice, Sentence
from voicecall.speech.tts.links import LinkLost, Socket, connected
from voicecall.speech.tts.refusal import identifier

__all__ = ["MOST_CONTEXTS", "SocketVoice"]

MOST_CONTEXTS: Final = 5
"""Of one socket, at the service."""

_INACTIVITY_S: Final = 180  # the longest that the service allows; links are held for less
_FINAL: Final = frozenset({
    "invalid_api_key",
    "invalid_model",
    "missing_permissions",
    "model_not_found",
    "quota_exceeded",
    "unauthorized",
    "voice_not_found",
})  # fmt: skip


class SocketVoice(LinkedVoice["_Link"]):
    """TextToSpeech. The HTTP session is the node's; the sockets are its own."""

    def __init__(self, options: Options, session: aiohttp.ClientSession) -> None:
        super().__init__(service=SERVICE, longest=LONGEST_TEXT, timeouts=options.timeouts)
        self._options = options
        self._session = session

    async def _open(self) -> "_Link":
        options = self._options
        headers = {"xi-api-key": options.api_key} if options.api_key else {}
        ws = await connected(self._session, SERVICE, _url(options), headers, options.timeouts.connect_s)
        return _Link(ws, options.voice_settings)


def _url(options: Options) -> str:
    query = {
        "model_id": options.model_id,
        "output_format": "ulaw_8000",
        "auto_mode": "true",
        "inactivity_timeout": _INACTIVITY_S,
        **options.optional,
    }
    base = "ws" + options.base_url.rstrip("/").removeprefix("http")
    voice = quote(options.voice_id, safe="")
    return f"{base}/v1/text-to-speech/{voice}/multi-stream-input?{urlencode(query)}"


class _Link:
    """SpeakingLink. `_sentences`: the open contexts; None for one whose audio is not wanted any more."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, voice_settings: Mapping[str, Any]) -> None:
        self._socket = Socket(ws, self._take)
        self._socket.when_lost(self._on_lost)
        self._voice_settings = dict(voice_settings)
        self._names = (f"s{number}" for number in itertools.count(1))
        self._sentences: dict[str, Sentence | None] = {}
        self._current = ""

    @property
    def is_open(self) -> bool:
        return self._socket.is_open

    @property
    def is_free(self) -> bool:
        return self.is_open and not self._current and len(self._sentences) < MOST_CONTEXTS

    async def begin(self, text: str) -> Sentence:
        context, sentence = next(self._names), Sentence(SERVICE, text)
        self._sentences[context], self._current = sentence, context
        await self._socket.send({"text": " ", "voice_settings": self._voice_settings, "context_id": context})
        await self._socket.send({"text": f"{text.strip()} ", "context_id": context, "flush": True})
        await self._socket.send({"context_id": context, "close_context": True})
        return sentence

    def stop(self) -> None:
        context, self._current = self._current, ""
        if self._sentences.get(context) is not None:
            self._sentences[context] = None  # counted until the service has ended it
            self._socket.post({"context_id": context, "close_context": True})

    async def close(self) -> None:
        await self._socket.close()

    def _take(self, message: dict[str, Any]) -> None:
        context = str(message.get("contextId") or message.get("context_id") or "")
        if "error" in message:
            self._fail(context, identifier(message["error"]))
            return
        sentence = self._sentences.get(context)
        if sentence is not None and isinstance(message.get("audio"), str):
            try:
                audio = binascii.a2b_base64(message["audio"], strict_mode=True)
            except binascii.Error:
                sentence.end(ServiceError(SERVICE, "sent no base64", retryable=False))
            else:
                if sentence.make_room(len(audio)):
                    sentence.add(audio)
        if message.get("isFinal") is True or message.get("is_final") is True:
            self._sentences.pop(context, None)
            if sentence is not None:
                sentence.end()

    def _fail(self, context: str, code: str) -> None:
        """An error of one sentence, or of the whole socket when it names none."""
        error = ServiceError(SERVICE, f"reported an error: {code}".rstrip(": "), retryable=code not in _FINAL)
        for name in [context] if context in self._sentences else list(self._sentences):
            sentence = self._sentences.pop(name)
            if sentence is not None:
                sentence.end(error)

    def _on_lost(self, lost: LinkLost) -> None:
        for sentence in self._sentences.values():
            if sentence is not None:
                sentence.end(lost)
        self._sentences.clear()

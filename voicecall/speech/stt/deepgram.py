"""Speech recognition by Deepgram: Nova (`v1/listen`), and Flux (`v2/listen`), which also detects turns.

Only the protocol (Deepgram's documentation, "Live Audio" and "Turn-based Audio (Flux)"). Both take the telephone's
mu-law as binary messages.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import orjson

from voicecall.manifests.deepgram import DeepgramRecognition
from voicecall.speech.stt.link import (
    LikelyEnd,
    Partial,
    Ready,
    Service,
    ServiceFault,
    Signal,
    SpeechBegan,
    SpeechEnded,
    Transcribed,
    language_in,
)
from voicecall.speech.stt.refusal import identifier
from voicecall.speech.stt.socket_link import SocketLink, socket_url

__all__ = ["FluxWire", "NovaWire", "build", "model_of"]

_AUDIO: Final = (("encoding", "mulaw"), ("sample_rate", "8000"))
_EIGHTY_MS: Final = 640
_SILENCE: Final = b"\xff" * _EIGHTY_MS
_CLOSE: Final = '{"type":"CloseStream"}'
_FLUX: Final = "flux"
_FLUX_LANGUAGES: Final = frozenset({"de", "en", "es", "fr", "hi", "it", "ja", "nl", "pt", "ru"})


def build(block: DeepgramRecognition, http: aiohttp.ClientSession) -> Service:
    """The service as configured under `streaming.providers.deepgram`."""
    model = model_of(block)
    if model.startswith(_FLUX):
        return Service(
            name="deepgram",
            model=model,
            link=lambda likely_ends: SocketLink(FluxWire(block, likely_ends=likely_ends), http),
            piece=_EIGHTY_MS,
            patience_s=block.eot_timeout_ms / 1000,
            likely_ends=True,
        )
    return Service(
        name="deepgram",
        model=model,
        link=lambda _: SocketLink(NovaWire(block), http),
        silence_ms=block.silence_duration_ms,
    )


def model_of(block: DeepgramRecognition) -> str:
    """The configured model, else the best for the language: Flux where it speaks it, Nova for all others."""
    if block.model is not None:
        return block.model
    language = (block.language or "en").partition("-")[0].lower()
    if language == "en":
        return "flux-general-en"
    return "flux-general-multi" if language in _FLUX_LANGUAGES else "nova-3"


class _Wire:
    opening = None
    farewell = _CLOSE

    def __init__(self, block: DeepgramRecognition) -> None:
        self._block = block

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Token {self._block.api_key}"} if self._block.api_key else {}

    def audio(self, mulaw: bytes) -> bytes:
        return mulaw

    def commit(self) -> None:
        return None

    def _url(self, path: str, query: Sequence[tuple[str, str]]) -> str:
        base = self._block.base_url.removesuffix("/v1").removesuffix("/v2")
        asked = (("model", model_of(self._block)), *_AUDIO, *query)
        return socket_url(base, f"{path}?{urlencode([*asked, *(('keyterm', each) for each in self._block.keyterms)])}")


class NovaWire(_Wire):
    """Wire of one connection to `v1/listen`. An utterance is every final part up to `speech_final`."""

    is_ready_when_open = True
    idle = '{"type":"KeepAlive"}'

    def __init__(self, block: DeepgramRecognition) -> None:
        super().__init__(block)
        self._parts: list[str] = []  # final parts of the utterance
        self._is_speech = False
        self._until = 0.0  # seconds of audio up to which parts are final
        self._utterance = 0

    @property
    def url(self) -> str:
        block = self._block
        query = [
            ("channels", "1"),
            ("interim_results", "true"),
            ("endpointing", str(block.silence_duration_ms)),
            ("utterance_end_ms", str(max(1000, block.silence_duration_ms))),  # at least 1 s there
            ("vad_events", "true"),
            ("smart_format", "true"),
        ]
        return self._url("/v1/listen", [*query, *([("language", block.language)] if block.language else [])])

    def read(self, message: str) -> Sequence[Signal]:
        event = _object(message)
        match event.get("type"):
            case "SpeechStarted":
                self._is_speech = True
                return (SpeechBegan(),)
            case "Results":
                return self._results(event)
            case "UtteranceEnd":
                # For an end that noise has hidden. After `speech_final` there is nothing left to say.
                return self._end() if self._parts else ()
            case "Error" | None:
                return (ServiceFault(kind="error", code=identifier(event.get("code", event.get("variant")))),)
            case _:
                return ()

    def _results(self, event: dict[str, Any]) -> Sequence[Signal]:
        text, start, duration = _transcript(event), _seconds(event.get("start")), _seconds(event.get("duration"))
        is_final, is_end = event.get("is_final") is True, event.get("speech_final") is True
        if is_final:
            if duration and start + duration <= self._until:
                return ()  # repeated
            self._until = max(self._until, start + duration)
            if text:
                self._parts.append(text)
        began = (SpeechBegan(),) if text else ()
        self._is_speech = self._is_speech or bool(text)
        # A final part without a word, before any other: what began was a noise.
        if is_end or (is_final and self._is_speech and not self._parts):
            return (*began, *self._end())
        so_far = " ".join([*self._parts, *([] if is_final or not text else [text])])
        return (*began, Partial(so_far)) if text else ()

    def _end(self) -> Sequence[Signal]:
        text = " ".join(self._parts)
        self._parts.clear()
        self._is_speech = False
        self._utterance += 1
        return (SpeechEnded(), Transcribed(str(self._utterance), text))


class FluxWire(_Wire):
    """Wire of one connection to `v2/listen`. The service decides when a turn has ended."""

    is_ready_when_open = False
    idle = _SILENCE  # there is no KeepAlive

    def __init__(self, block: DeepgramRecognition, *, likely_ends: bool = False) -> None:
        super().__init__(block)
        self._likely_ends = likely_ends

    @property
    def url(self) -> str:
        block = self._block
        query = [("eot_threshold", f"{block.eot_threshold:g}"), ("eot_timeout_ms", str(block.eot_timeout_ms))]
        if self._likely_ends:
            # An eager end costs the agent's tokens in vain where it is wrong: only for preemptive generation.
            query.append(("eager_eot_threshold", f"{min(block.eager_eot_threshold, block.eot_threshold):g}"))
        if block.language and model_of(block).endswith("multi"):
            query.append(("language_hint", block.language))
        return self._url("/v2/listen", query)

    def read(self, message: str) -> Sequence[Signal]:
        event = _object(message)
        match event.get("type"):
            case "Connected":
                return (Ready(),)
            case "TurnInfo":
                return self._turn(event)
            case "Error" | None:
                return (ServiceFault(kind="error", code=identifier(event.get("code")), ends="type" in event),)
            case _:
                return ()

    def _turn(self, event: dict[str, Any]) -> Sequence[Signal]:
        text = event.get("transcript")
        text = text if isinstance(text, str) else ""
        match event.get("event"):
            case "StartOfTurn":
                return (SpeechBegan(), Partial(text))
            case "Update" | "TurnResumed":
                return (Partial(text),) if text else ()
            case "EagerEndOfTurn":
                return (LikelyEnd(text),)
            case "EndOfTurn":
                return (SpeechEnded(), Transcribed(str(event.get("turn_index")), text, language_in(event)))
            case _:
                return ()


def _object(message: str) -> dict[str, Any]:
    try:
        event: Any = orjson.loads(message)
    except orjson.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) else {}


def _transcript(event: dict[str, Any]) -> str:
    """The first alternative's text; "" where the message has another shape."""
    channel = event.get("channel")
    alternatives = channel.get("alternatives") if isinstance(channel, dict) else None
    first = alternatives[0] if isinstance(alternatives, list) and alternatives else None
    text = first.get("transcript") if isinstance(first, dict) else None
    return text.strip() if isinstance(text, str) else ""


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0

"""The settings of a transcription session, valid and refused (OpenAI API reference, "session.update"). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Refusal", "Settings", "updated"]

_WITHOUT_VAD = frozenset({"gpt-live-transcribe", "gpt-realtime-whisper"})
_FORMATS = ("audio/pcm", "audio/pcmu", "audio/pcma")
_SERVER_VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
# semantic_vad waits this long for a sentence that has not ended; an END tone ends a sentence at once.
_PATIENCE_MS = {"low": 8000, "medium": 4000, "high": 2000, "auto": 4000}
_VAD_KEYS = {
    "server_vad": {"threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"},
    "semantic_vad": {"eagerness"},
}
_REPLY_KEYS = {"type", "create_response", "interrupt_response"}


class Refusal(Exception):
    """The service does not accept a request; sent as an `error` event."""

    def __init__(self, message: str, *, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a session; the defaults are the service's."""

    format: str = "audio/pcm"
    transcription: Mapping[str, Any] | None = None
    turn_detection: Mapping[str, Any] | None = None
    noise_reduction: Mapping[str, Any] | None = None
    include: tuple[str, ...] | None = None

    @classmethod
    def opened(cls) -> "Settings":
        """A new session: 24 kHz PCM, the service's own turn detection, no model yet."""
        return cls(turn_detection=_SERVER_VAD)

    @property
    def transcribes_live(self) -> bool:
        """Whether deltas of the transcript come as the speech does; otherwise when its turn is over."""
        return (self.transcription or {}).get("model") in _WITHOUT_VAD

    @property
    def silence_ms(self) -> int | None:
        """The silence that ends a turn, in milliseconds; None: the client commits."""
        if self.turn_detection is None:
            return None
        if self.turn_detection["type"] == "semantic_vad":
            return _PATIENCE_MS[self.turn_detection["eagerness"]]
        return int(self.turn_detection["silence_duration_ms"])

    @property
    def prefix_ms(self) -> int:
        """The audio before the start of speech that belongs to it, in milliseconds."""
        return int((self.turn_detection or {}).get("prefix_padding_ms", 0))

    @property
    def ends_at_symbol(self) -> bool:
        """Whether turns end by meaning."""
        return self.turn_detection is not None and self.turn_detection["type"] == "semantic_vad"

    def wire(self, session_id: str) -> dict[str, Any]:
        """The `session` object of session.created and session.updated."""
        shape: dict[str, Any] = {"type": self.format}
        if self.format == "audio/pcm":
            shape["rate"] = 24000
        audio = {
            "format": shape,
            "transcription": self.transcription,
            "noise_reduction": self.noise_reduction,
            "turn_detection": self.turn_detection,
        }
        kind = {"type": "transcription", "object": "realtime.transcription_session", "id": session_id}
        return {**kind, "expires_at": 0, "include": self.include, "audio": {"input": audio}}


def updated(settings: Settings, session: object) -> Settings:
    """`settings` after a session.update with this `session`; keys it does not name stay. Raises Refusal."""
    body = _keys(session, "session", {"type", "audio", "include"})
    if body.get("type") != "transcription":
        raise Refusal(f"Invalid value: {body.get('type')!r}.", code="invalid_value", param="session.type")
    audio = _keys(body.get("audio", {}), "session.audio", {"input"})
    heard = _keys(
        audio.get("input", {}),
        "session.audio.input",
        {"format", "transcription", "turn_detection", "noise_reduction"},
    )
    if "format" in heard:
        settings = replace(settings, format=_format(heard["format"]))
    if "transcription" in heard:
        settings = replace(settings, transcription=_transcription(heard["transcription"]))
    if "turn_detection" in heard:
        settings = replace(settings, turn_detection=_turn_detection(heard["turn_detection"]))
    if "noise_reduction" in heard:
        settings = replace(settings, noise_reduction=_noise_reduction(heard["noise_reduction"]))
    if "include" in body:
        settings = replace(settings, include=tuple(body["include"] or ()))
    model = (settings.transcription or {}).get("model")
    if model in _WITHOUT_VAD and settings.turn_detection is not None:
        param = "session.audio.input.turn_detection"
        raise Refusal(
            f"Turn detection is not supported by {model}: it must be null.", code="invalid_value", param=param
        )
    return settings


def _format(value: object) -> str:
    param = "session.audio.input.format"
    shape = _keys(value, param, {"type", "rate"})
    if shape.get("type") not in _FORMATS:
        raise Refusal(f"Invalid value: {shape.get('type')!r}.", code="invalid_value", param=f"{param}.type")
    if shape["type"] == "audio/pcm" and shape.get("rate") != 24000:
        raise Refusal("Expected audio/pcm with rate 24000.", code="invalid_value", param=f"{param}.rate")
    return str(shape["type"])


def _transcription(value: object) -> Mapping[str, Any] | None:
    if value is None:
        return None
    param = "session.audio.input.transcription"
    wanted = _keys(value, param, {"model", "language", "prompt", "keywords", "delay"})
    if not isinstance(wanted.get("model"), str) or not wanted["model"]:
        raise Refusal("Missing required parameter.", code="missing_required_parameter", param=f"{param}.model")
    return wanted


def _turn_detection(value: object) -> Mapping[str, Any] | None:
    if value is None:
        return None
    param = "session.audio.input.turn_detection"
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in _VAD_KEYS:
        raise Refusal(f"Invalid value: {kind!r}.", code="invalid_value", param=f"{param}.type")
    vad = _keys(value, param, _VAD_KEYS[kind] | _REPLY_KEYS)
    if kind == "semantic_vad":
        vad = {"eagerness": "auto", **vad}
        if vad["eagerness"] not in _PATIENCE_MS:
            raise Refusal("Invalid eagerness.", code="invalid_value", param=f"{param}.eagerness")
        return vad
    vad = {**_SERVER_VAD, **vad}
    for key, least, most in (("threshold", 0, 1), ("prefix_padding_ms", 0, 10_000), ("silence_duration_ms", 1, 10_000)):
        number = vad[key]
        if not isinstance(number, int | float) or isinstance(number, bool) or not least <= number <= most:
            raise Refusal(f"Invalid {key}: {number!r}.", code="invalid_value", param=f"{param}.{key}")
    return vad


def _noise_reduction(value: object) -> Mapping[str, Any] | None:
    if value is None:
        return None
    param = "session.audio.input.noise_reduction"
    wanted = _keys(value, param, {"type"})
    if wanted.get("type") not in ("near_field", "far_field"):
        raise Refusal(f"Invalid value: {wanted.get('type')!r}.", code="invalid_value", param=f"{param}.type")
    return wanted


def _keys(value: object, param: str, known: set[str]) -> dict[str, Any]:
    """`value` as an object that has only known keys."""
    if not isinstance(value, dict):
        raise Refusal(f"Invalid type for '{param}': expected an object.", code="invalid_type", param=param)
    for key in value:
        if key not in known:
            name = f"{param}.{key}"
            raise Refusal(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
    return value

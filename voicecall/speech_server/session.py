"""The settings of a transcription session, as `session.update` makes them (OpenAI's "Realtime transcription"). Pure."""

from dataclasses import dataclass, replace
from typing import Any, Final

from voicecall.audio.formats import MULAW_8K, AudioFormat, Encoding
from voicecall.speech_server.errors import Refused
from voicecall.speech_server.transcription import MODEL

__all__ = ["Session", "updated"]

_FORMATS: Final = {
    "audio/pcmu": MULAW_8K,
    "audio/pcma": AudioFormat(encoding=Encoding.ALAW, rate=8000),
    "audio/pcm": AudioFormat(encoding=Encoding.PCM_S16, rate=24_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """`silence_ms`: the pause that ends an utterance; None: the client commits."""

    type: str = "audio/pcm"
    model: str = MODEL
    prompt: str = ""
    silence_ms: int | None = 500
    threshold: float = 0.5
    prefix_ms: int = 300

    @property
    def format(self) -> AudioFormat:
        return _FORMATS[self.type]

    def wire(self, session_id: str) -> dict[str, Any]:
        """The `session` object of `session.created` and `session.updated`."""
        rate = {"rate": self.format.rate} if self.type == "audio/pcm" else {}
        detection = None
        if self.silence_ms is not None:
            detection = {"type": "server_vad", "threshold": self.threshold, "prefix_padding_ms": self.prefix_ms}
            detection["silence_duration_ms"] = self.silence_ms
        audio = {
            "format": {"type": self.type, **rate},
            "transcription": {"model": self.model, "language": "en", "prompt": self.prompt},
            "turn_detection": detection,
        }
        kind = {"type": "transcription", "object": "realtime.transcription_session", "id": session_id}
        return {**kind, "audio": {"input": audio}}


def updated(session: Session, given: object) -> Session:
    """`session` after an update; what it does not name stays. Raises Refused."""
    body = _object(given, "session")
    if body.get("type") != "transcription":
        raise _invalid("session.type", 'is not served; ask for "transcription"')
    heard = _object(_object(body.get("audio", {}), "session.audio").get("input", {}), "session.audio.input")
    for key, read in (("format", _format), ("transcription", _transcription), ("turn_detection", _detection)):
        if key in heard:
            session = read(session, heard[key], f"session.audio.input.{key}")
    return session


def _format(session: Session, given: object, param: str) -> Session:
    shape = _object(given, param)
    kind = shape.get("type")
    if kind not in _FORMATS:
        raise _invalid(f"{param}.type", f"is unknown; choose {', '.join(_FORMATS)}")
    rate = _FORMATS[kind].rate
    if shape.get("rate", rate) != rate:
        raise _invalid(f"{param}.rate", f"is not {rate}")
    return replace(session, type=str(kind))


def _transcription(session: Session, given: object, param: str) -> Session:
    wanted = _object(given, param)
    model, language, prompt = wanted.get("model"), wanted.get("language") or "en", wanted.get("prompt") or ""
    if not isinstance(model, str) or not model.strip():
        raise _invalid(f"{param}.model", "is missing")
    if not isinstance(language, str) or language.lower().partition("-")[0] != "en":
        raise _invalid(f"{param}.language", "is not served: the model hears English only", "unsupported_language")
    if not isinstance(prompt, str):
        raise _invalid(f"{param}.prompt", "is not a text")
    return replace(session, model=model, prompt=prompt)


def _detection(session: Session, given: object, param: str) -> Session:
    if given is None:
        return replace(session, silence_ms=None)
    vad = _object(given, param)
    if vad.get("type") != "server_vad":
        raise _invalid(f"{param}.type", 'is not served; ask for "server_vad", or null and commit each utterance')
    return replace(
        session,
        silence_ms=int(_number(vad.get("silence_duration_ms", 500), 100, 10_000, f"{param}.silence_duration_ms")),
        prefix_ms=int(_number(vad.get("prefix_padding_ms", 300), 0, 2000, f"{param}.prefix_padding_ms")),
        threshold=_number(vad.get("threshold", 0.5), 0, 1, f"{param}.threshold"),
    )


def _number(given: object, least: float, most: float, param: str) -> float:
    if not isinstance(given, int | float) or isinstance(given, bool) or not least <= given <= most:
        raise _invalid(param, f"is no number from {least} to {most}")
    return given


def _object(given: object, param: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _invalid(param, "is no object", "invalid_type")
    return given


def _invalid(param: str, problem: str, code: str = "invalid_value") -> Refused:
    return Refused(400, f"'{param}' {problem}.", code, param)

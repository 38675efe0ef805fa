"""The audio that clients of the transcription socket send, in each of its formats, as mu-law. Pure."""

import binascii

import numpy as np
import numpy.typing as npt

from simulators.tones import mulaw_from_pcm16

__all__ = ["Intake"]

_SILENT_BASE64 = binascii.b2a_base64(b"\xff" * 160, newline=False).decode()
_SILENT_MULAW = b"\xff" * 160


class Intake:
    """Converts the payloads of `input_audio_buffer.append` to mu-law. An incomplete sample waits for the next piece."""

    def __init__(self, format_: str) -> None:
        self._format = format_
        self._rest = b""

    def mulaw(self, payload: object) -> bytes:
        """The audio of one append, as mu-law. Raises ValueError when it is not base64."""
        if payload == _SILENT_BASE64 and self._format == "audio/pcmu":
            return _SILENT_MULAW
        if not isinstance(payload, str):
            raise ValueError("audio must be a string of base64")  # noqa: TRY004  all refusals are ValueErrors
        audio = binascii.a2b_base64(payload, strict_mode=True)
        if self._format == "audio/pcmu":
            return audio
        if self._format == "audio/pcma":
            return _MULAW_OF_ALAW[np.frombuffer(audio, np.uint8)].tobytes()
        return self._from_pcm24k(audio)

    def _from_pcm24k(self, audio: bytes) -> bytes:
        audio = self._rest + audio
        whole = len(audio) - len(audio) % 6
        self._rest = audio[whole:]
        thirds = np.frombuffer(audio[:whole], "<i2").reshape(-1, 3)
        return mulaw_from_pcm16(thirds.mean(axis=1).astype("<i2").tobytes())


def _mulaw_of_alaw() -> npt.NDArray[np.uint8]:
    code = np.arange(256) ^ 0x55
    exponent = code >> 4 & 7
    mantissa = (code & 15) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    linear = np.where(code & 0x80, magnitude, -magnitude).astype("<i2")
    return np.frombuffer(mulaw_from_pcm16(linear.tobytes()), np.uint8)


_MULAW_OF_ALAW = _mulaw_of_alaw()

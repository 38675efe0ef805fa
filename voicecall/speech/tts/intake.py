"""The audio of one sentence as a service sends it: read, converted to mu-law, and limited in length.

Used by every voice of this folder. What the audio is, `voicecall/audio/reader.py` knows.
"""

from typing import Final

from voicecall.audio.formats import MULAW_8K, AudioFormat, UnreadableAudio
from voicecall.audio.reader import AudioReader
from voicecall.errors import FailureKind, ServiceError

__all__ = ["Intake"]

_MOST_BYTES_PER_S: Final = 96_000 * 8  # of a body, whatever its format


class Intake:
    """`content_type`: as the service names it, "" for none; `requested`: what was asked for.

    More than `longest_s` seconds are an error. Every method raises ServiceError, not retryable for what is no speech.
    """

    def __init__(self, service: str, content_type: str, requested: AudioFormat, longest_s: float) -> None:
        self._service = service
        self._longest_s = longest_s
        self._received = 0
        self.made = 0
        """Bytes of mu-law so far: samples of the telephone."""
        try:
            self._reader = AudioReader(content_type, requested)
        except UnreadableAudio as error:
            raise self._unreadable(error) from error

    def feed(self, chunk: bytes) -> bytes:
        """The mu-law that this chunk completes; b"" while it is not decided what the audio is."""
        self._received += len(chunk)
        try:
            audio = self._reader.feed(chunk)
        except UnreadableAudio as error:
            raise self._unreadable(error) from error
        self.made += len(audio)
        too_long = self.made > self._longest_s * MULAW_8K.rate
        if too_long or self._received > self._longest_s * _MOST_BYTES_PER_S:
            raise ServiceError(self._service, "sent more audio than the text can be")
        return audio

    def flush(self) -> bytes:
        """The rest, at the end. Raises ServiceError also when there was no audio at all."""
        try:
            rest = self._reader.flush()
        except UnreadableAudio as error:
            raise self._unreadable(error) from error
        self.made += len(rest)
        if not self.made:
            raise ServiceError(self._service, "sent no audio", kind=FailureKind.EMPTY)
        return rest

    def _unreadable(self, error: UnreadableAudio) -> ServiceError:
        return ServiceError(self._service, f"sent {error}", retryable=False)

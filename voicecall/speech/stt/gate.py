"""Passes only speech on, for speech recognition models that do not detect pauses themselves.

Sits between a caller's audio and the connection. Speech passes together with the 300 ms before it, and the end of each
utterance is reported so that it is committed. Silence is neither sent nor billed.
"""

from collections.abc import Iterator
from typing import Final

from voicecall.audio.framing import FRAME_BYTES
from voicecall.call.events import SpeechStarted, SpeechStopped
from voicecall.speech.vad import VoiceActivity

__all__ = ["SpeechGate"]

_RUN_UP: Final = 2_400  # bytes: 300 ms, the quiet onset before the detector notices speech


class SpeechGate:
    """Of one connection."""

    def __init__(self, detector: VoiceActivity) -> None:
        self._detector = detector
        self._before = b""

    def feed(self, mulaw: bytes) -> Iterator[bytes | SpeechStarted | SpeechStopped]:
        """Audio to send, and the changes that the detector found, in order. A backlog is judged frame by frame."""
        for at in range(0, len(mulaw), FRAME_BYTES):
            yield from self._judge(mulaw[at : at + FRAME_BYTES])

    def _judge(self, frame: bytes) -> Iterator[bytes | SpeechStarted | SpeechStopped]:
        was_speaking = self._detector.is_speaking
        changes = self._detector.feed(frame)
        if not was_speaking and not changes:
            self._before = (self._before + frame)[-_RUN_UP:]
            return
        yield from (change for change in changes if isinstance(change, SpeechStarted))
        yield self._before + frame
        self._before = b""
        yield from (change for change in changes if isinstance(change, SpeechStopped))

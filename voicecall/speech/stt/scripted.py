"""Speech recognition that returns a given script, for benchmarks, demonstrations and tests.

No model, no network, no delay. Audio that is not silence starts an utterance; a frame that begins with the marker ends
it, and the next line of the script is its transcript. The simulated caller puts the marker into its last frame, so that
the time from the end of speech to the transcript is this program's alone.
"""

from collections.abc import Callable, Sequence
from typing import Final

from voicecall.audio.framing import FRAME_BYTES, SILENT_FRAME, Framer
from voicecall.call.events import Heard, SpeechStarted, SpeechStopped
from voicecall.call.ids import CallId
from voicecall.errors import ServiceError
from voicecall.ports import SttEvent

__all__ = ["MARKER", "ScriptedStt", "ScriptedSttSession", "marked_frame"]

MARKER: Final = bytes((0x00, 0x80)) * 4
"""Eight samples that alternate between the loudest codes: no voice, codec or tone produces them."""


def marked_frame() -> bytes:
    """The last frame of an utterance: 20 ms of mu-law that begins with the marker."""
    return MARKER + SILENT_FRAME[len(MARKER) :]


class ScriptedSttSession:
    """SttSession. Utterance n gets line n of the script; after the last line the script begins again."""

    def __init__(self, script: Sequence[str], on_event: Callable[[SttEvent], None]) -> None:
        self._script = script
        self._on_event = on_event
        self._framer = Framer()
        self._utterances = 0
        self._speaking = False
        self._closed = False

    def feed(self, mulaw: bytes) -> None:
        if self._closed:
            return
        frames = [mulaw] if len(mulaw) == FRAME_BYTES else self._framer.feed(mulaw)
        for frame in frames:
            is_end = frame.startswith(MARKER)
            if not self._speaking and frame != SILENT_FRAME:
                self._speaking = True
                self._on_event(SpeechStarted())
            if is_end:
                self._finish()

    def _finish(self) -> None:
        self._speaking = False
        self._on_event(SpeechStopped())
        self._on_event(Heard(text=self._script[self._utterances % len(self._script)]))
        self._utterances += 1

    async def close(self) -> None:
        self._closed = True


class ScriptedStt:
    """SpeechToText. Every call gets the same script from its beginning."""

    def __init__(self, script: Sequence[str]) -> None:
        if not script:
            raise ServiceError("scripted-stt", "the script is empty", retryable=False)
        self._script = tuple(script)

    async def open(self, call: CallId, on_event: Callable[[SttEvent], None]) -> ScriptedSttSession:  # noqa: ARG002  a port's shape
        return ScriptedSttSession(self._script, on_event)

    async def close(self) -> None:
        """Nothing is open."""

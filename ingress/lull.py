"""Silence may wait for company: while a caller says nothing, five frames travel to the worker as one.

Most of a call is listening, and each frame costs the bus, the worker and the recogniser about as much as five together.
Speech never waits: the first frame that is not quiet leaves at once, with what waited before it; and for a second
after the last one everything still leaves as it comes, because whoever listens for the end of an utterance counts that
silence. Sans-IO; `streams` asks it what to send now.
"""

from typing import Final

__all__ = ["BATCH", "LINGER_FRAMES", "SilenceBatcher"]

BATCH: Final = 5
"""Quiet frames in one piece: a tenth of a second."""

LINGER_FRAMES: Final = 50
"""Quiet frames that still go one by one after speech."""

_FRAME_BYTES: Final = 160
_CLICKS: Final = 8  # louder samples that a quiet frame may hold: a line crackles
# Codes of samples up to about 250 of 32,767, -42 dB: a quiet line hisses at -50 and less, people speak at -30 and more.
_QUIET_CODES: Final = bytes(range(0x68, 0x80)) + bytes(range(0xE8, 0x100))

Run = tuple[int, bytes]
"""Number of the first frame, and the audio of it and those after it."""


class SilenceBatcher:
    """Of one stream. Numbers rise; a hole in them ends a run."""

    def __init__(self) -> None:
        self._quiet = 0  # frames since somebody spoke
        self._first = 0
        self._held: list[bytes] = []

    def take(self, number: int, mulaw: bytes) -> list[Run]:
        """The next frame; gives back what should leave now, oldest first."""
        quiet = len(mulaw) == _FRAME_BYTES and len(mulaw.translate(None, _QUIET_CODES)) <= _CLICKS
        self._quiet = self._quiet + 1 if quiet else 0
        if not self._held and self._quiet <= LINGER_FRAMES:
            return [(number, mulaw)]
        runs = [self._run()] if self._held and number != self._first + len(self._held) else []
        if not self._held:
            self._first = number
        self._held.append(mulaw)
        if not quiet or len(self._held) >= BATCH:
            runs.append(self._run())
        return runs

    def forget(self) -> None:
        """Nobody listens: what waited was only silence."""
        self._held.clear()

    def _run(self) -> Run:
        run = self._first, b"".join(self._held)
        self._held.clear()
        return run

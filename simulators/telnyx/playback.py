"""The carrier's own playback: `speak` and `playback_start`, one after the other, in real time."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from simulators.phone.line import Line
from simulators.telnyx.call import Call
from simulators.tones import encode_mulaw

__all__ = ["Piece", "Voice"]


@dataclass(frozen=True)
class Piece:
    """One item to play. `kind` is `speak` or `playback`; `facts` go into its events."""

    kind: str
    audio: bytes
    text: str = ""
    facts: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def spoken(cls, text: str) -> "Piece":
        """The carrier's own TTS speaks tone code too."""
        return cls("speak", encode_mulaw(text), text)


class Voice:
    """The playback queue of one answered call."""

    def __init__(self, call: Call, line: Line) -> None:
        self._call = call
        self._line = line
        self._waiting: deque[Piece] = deque()
        self._playing: asyncio.Task[None] | None = None
        self._runs = False

    def add(self, piece: Piece) -> None:
        """Queue an item."""
        self._waiting.append(piece)
        if not self._runs:
            self._runs = True
            self._call.spawn(self._run())

    def stop(self, *, everything: bool) -> None:
        """Stop the current item; `everything`: drop the queued ones too."""
        if everything:
            self._waiting.clear()
        if self._playing is not None:
            self._playing.cancel()

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._hear(self._waiting.popleft())
        finally:
            self._runs = False

    async def _hear(self, piece: Piece) -> None:
        """Report the start, play, report the end: `cancelled` after `stop`, `call_hangup` at the end of the call."""
        call, facts = self._call, dict(piece.facts)
        if piece.kind == "speak":
            call.note("said_natively", text=piece.text, start_ms=self._line.now_ms)
        call.notify(f"call.{piece.kind}.started", facts)
        self._playing = asyncio.ensure_future(self._line.play(piece.audio))
        status = "call_hangup"
        try:
            await asyncio.wait({self._playing})
            status = "cancelled" if self._playing.cancelled() else "completed"
        finally:
            self._playing.cancel()
            self._playing = None
            call.note(f"{piece.kind}.ended", status=status, at_ms=self._line.now_ms, ended_at=time.time())
            call.notify(f"call.{piece.kind}.ended", {**facts, "status": status})

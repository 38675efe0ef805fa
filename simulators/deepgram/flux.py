"""`v2/listen`: turns that the service detects (Deepgram, "Turn-based Audio (Flux)")."""

import asyncio
from contextlib import suppress
from typing import Any

from simulators.faults import CLIENT_GONE
from simulators.listening import Listening

__all__ = ["Flux"]

_EAGER_MS = 120  # of silence


class Flux(Listening):
    """One socket. The end of a turn is its silence; the eager one comes earlier, where it is asked for."""

    async def begin(self) -> None:
        self._sequence = 0
        self._eager = ""  # the text of an eager end,
        self._eager_turn = 0  # the turn that it ends,
        self._is_sent = False  # and whether it was sent
        await self._say("Connected", request_id="1")

    async def take(self, event: Any) -> None:
        self.note(event)
        kind = event.get("type") if isinstance(event, dict) else None
        if kind == "CloseStream":
            await self.close(1000)
        elif kind == "ForceEndTurn":
            await self.end_turn(self.hearing.take(), self.hearing.now_ms)
        elif kind == "Configure":
            await self._say("ConfigureSuccess", thresholds=event.get("thresholds"))
        else:
            await self._say("Error", code="UNPARSABLE_CLIENT_MESSAGE", description="not understood")
            await self.close(1008)

    async def hear(self, mulaw: bytes) -> None:
        await super().hear(mulaw)
        pause_ms = self.hearing.pause_ms
        text = self.hearing.so_far
        if "eager_eot_threshold" in self.query and pause_ms is not None and pause_ms >= _EAGER_MS:
            if text and self._eager != text:
                await self._end_eagerly(text)
        elif self._eager and pause_ms is None and text != self._eager and self._eager_turn == self.utterances:
            self._eager = ""
            if self._is_sent:
                await self._turn("TurnResumed", text)

    async def _end_eagerly(self, text: str) -> None:
        """Send the eager end, as the script says of `eager`: a late one only if the turn was not continued or ended."""
        self._eager, self._eager_turn, self._is_sent = text, self.utterances, False
        delay_ms = self._script.rules.take("eager", text).delay_ms
        if not delay_ms:
            await self._send_eager()
            return
        task = asyncio.create_task(self._send_eager_late(text, delay_ms))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _send_eager_late(self, text: str, delay_ms: float) -> None:
        await asyncio.sleep(delay_ms / 1000)
        if self._eager == text:
            with suppress(*CLIENT_GONE):
                await self._send_eager()

    async def _send_eager(self) -> None:
        self._is_sent = True
        await self._turn("EagerEndOfTurn", self._eager, index=self._eager_turn)

    async def started(self, at_ms: int) -> None:  # noqa: ARG002  Flux names no time of it
        await self._turn("StartOfTurn", self.hearing.so_far)

    async def progress(self, text: str) -> None:
        await self._turn("Update", text)

    async def finished(self, text: str) -> None:
        self._eager = ""
        await self._turn("EndOfTurn", text, index=self.utterances - 1)

    async def _turn(self, event: str, text: str, *, index: int | None = None) -> None:
        await self._say(
            "TurnInfo",
            event=event,
            turn_index=self.utterances if index is None else index,
            audio_window_start=0.0,
            audio_window_end=self.hearing.now_ms / 1000,
            transcript=text,
            words=[{"word": word, "confidence": 0.9} for word in text.split()],
            end_of_turn_confidence=0.9 if event == "EndOfTurn" else 0.1,
        )

    async def _say(self, kind: str, **fields: Any) -> None:
        self._sequence += 1
        await self.send(type=kind, sequence_id=self._sequence, **fields)

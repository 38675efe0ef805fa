"""`v1/listen`: results of growing parts, each final once, until the end of an utterance (Deepgram, "Live Audio")."""

from typing import Any

from simulators.listening import Listening

__all__ = ["Nova"]

_PART_LETTERS = 24


class Nova(Listening):
    """One socket."""

    def ends_after_ms(self) -> int:
        return int(self.query.get("endpointing", 10))

    async def begin(self) -> None:
        self._said = 0  # letters of the utterance that are final
        self._part_ms = 0

    async def take(self, event: Any) -> None:
        self.note(event)
        kind = event.get("type") if isinstance(event, dict) else None
        if kind == "CloseStream":
            await self.send(type="Metadata", request_id="1", duration=self.hearing.now_ms / 1000, channels=1)
            await self.close(1000)
        elif kind not in {"KeepAlive", "Finalize"}:
            await self.close(1008, "DATA-0000")

    async def started(self, at_ms: int) -> None:
        if self.query.get("vad_events") == "true":
            await self.send(type="SpeechStarted", channel=[0, 1], timestamp=at_ms / 1000)

    async def progress(self, text: str) -> None:
        part = text[self._said :]
        if not part.strip():
            return
        if len(part) >= _PART_LETTERS and " " in part:
            part = part[: part.rindex(" ") + 1]
            await self._results(part, is_final=True)
            self._said += len(part)
            self._part_ms = self.hearing.now_ms
        elif self.query.get("interim_results") == "true":
            await self._results(part)

    async def finished(self, text: str) -> None:
        await self._results(text[self._said :], is_final=True, is_end=True)

    async def end_turn(self, text: str, end_ms: int) -> None:
        await super().end_turn(text, end_ms)
        self._said, self._part_ms = 0, self.hearing.now_ms

    async def _results(self, text: str, *, is_final: bool = False, is_end: bool = False) -> None:
        await self.send(
            type="Results",
            channel_index=[0, 1],
            start=self._part_ms / 1000,
            duration=(self.hearing.now_ms - self._part_ms) / 1000,
            is_final=is_final,
            speech_final=is_end,
            from_finalize=False,
            channel={"alternatives": [{"transcript": text.strip(), "confidence": 0.99, "words": []}]},
            metadata={"request_id": "1", "model_info": {"name": self.query["model"]}},
        )

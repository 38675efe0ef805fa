"""How transcripts leave a session: on time and once, or as scripted: late, twice, out of order, failed, never.

Used by the realtime socket. Knows the script; does not know audio.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from simulators.faults import CLIENT_GONE, Rules
from simulators.ledger import Ledger, Line
from simulators.openai.errors import error_body
from simulators.openai.script import OpenAIDo

__all__ = ["Transcripts"]

_EVENT = "conversation.item.input_audio_transcription"
_DELTA = re.compile(r"\s*(?:\S+\s*){1,4}")


class _Send(Protocol):
    async def __call__(self, kind: str, **fields: Any) -> None: ...


class Transcripts:
    """The transcripts of one session. Each is one ledger line of kind `transcript`, with `sent_at` once it was sent."""

    def __init__(self, session_id: str, rules: Rules[OpenAIDo], ledger: Ledger, send: _Send) -> None:
        self._session_id = session_id
        self._rules = rules
        self._ledger = ledger
        self._send = send
        self._held: list[Callable[[], Awaitable[None]]] = []
        self._late: set[asyncio.Task[None]] = set()

    async def send_delta(self, item: str, words: str) -> None:
        await self._send(f"{_EVENT}.delta", item_id=item, content_index=0, delta=words)

    async def say(self, item: str, text: str, start_ms: int, end_ms: int, *, sent: str = "") -> None:
        """Transcribe one item, as the script says. A late transcript does not delay the following ones.

        `sent`: the beginning of the text, of which deltas were sent already.
        """
        do = self._rules.take("transcript", text)
        facts = {"session": self._session_id, "item_id": item, "text": text, "start_ms": start_ms, "end_ms": end_ms}
        line = self._ledger.write("transcript", **facts, outcome="hung" if do.hang else "waiting")
        if do.hang:
            return
        line["deltas_sent"] = sent
        if do.out_of_order:
            self._held.append(lambda: self._say(line, do))
        elif do.delay_ms:
            task = asyncio.create_task(self._say_late(line, do))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        else:
            await self._say(line, do)
            await self._release()

    def close(self) -> None:
        """The socket is closed: cancel what was not sent."""
        self._held.clear()
        for task in self._late:
            task.cancel()

    async def _say_late(self, line: Line, do: OpenAIDo) -> None:
        await asyncio.sleep(do.delay_ms / 1000)
        try:
            await self._say(line, do)
            await self._release()
        except CLIENT_GONE:
            line["outcome"] = "client_gone"

    async def _release(self) -> None:
        """Send a transcript that was held back so that another could overtake it."""
        held, self._held = self._held, []
        for say in held:
            await say()

    async def _say(self, line: Line, do: OpenAIDo) -> None:
        item, text = line["item_id"], line["text"]
        if do.failed:
            error = error_body("server_error", "The simulator's script lets this transcription fail.")
            await self._send(f"{_EVENT}.failed", item_id=item, content_index=0, error=error)
        else:
            for words in _DELTA.findall(text.removeprefix(line["deltas_sent"])):
                await self.send_delta(item, words)
            for _ in range(2 if do.duplicate else 1):
                await self._send(f"{_EVENT}.completed", **_completed(line))
        line["outcome"], line["sent_at"] = ("failed" if do.failed else "completed"), time.time()


def _completed(line: Line) -> dict[str, Any]:
    usage = {"type": "duration", "seconds": (line["end_ms"] - line["start_ms"]) / 1000}
    return {"item_id": line["item_id"], "content_index": 0, "transcript": line["text"], "usage": usage}

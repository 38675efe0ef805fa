"""WebSocket /v1/realtime?model=…: a model that hears the caller and speaks (OpenAI API reference, "Realtime").

What it hears are tones, and what it replies is the script's reply to the newest user item, as tones. It keeps the
conversation as the service does: an item that was truncated or deleted is so for it too, and one that has less audio
than it is to be truncated to is an error. Reading aloud is in `reading`. Ledger: each reply `reply`, each truncation
`truncate`, each item of the client `item`.
"""

import asyncio
import base64
import itertools
import re
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import orjson

from simulators.faults import CLIENT_GONE, cut_off
from simulators.ledger import Line
from simulators.openai.intake import Intake
from simulators.openai.reading import ReadingSession
from simulators.openai.script import OpenAIDo, Reply
from simulators.openai.session import Refusal
from simulators.openai.transcripts import Transcripts
from simulators.recognition import Fact, Hearing, SpeechStarted
from simulators.tones import encode_mulaw, ms_per_char

__all__ = ["SpeakingSession"]

_CHUNK_BYTES = 800
_BYTES_PER_MS = 8
_ACTIVE = "conversation_already_has_active_response"


@dataclass
class _Item:
    """An item of the conversation. `audio_ms`: what there is of its audio; None: it is text."""

    role: str
    text: str
    audio_ms: int | None = None


class SpeakingSession(ReadingSession):
    """One socket, which may read aloud as well."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._items: dict[str, _Item] = {}
        self._item_numbers = itertools.count(1)
        self._input: dict[str, Any] = {"format": {"type": "audio/pcm", "rate": 24000}}
        self._intake: Intake | None = None
        self._hearing: Hearing | None = None
        self._user_item: str | None = None
        self._previous: str | None = None
        self._began_ms = 0
        self._active: tuple[str, asyncio.Task[None], Line] | None = None
        self._transcripts = Transcripts(self._id, self._script.rules, self._ledger, self._send)
        self._line["appends"] = 0
        self._handlers |= {
            "input_audio_buffer.append": self._on_append,
            "conversation.item.create": self._on_item,
            "conversation.item.truncate": self._on_truncate,
            "conversation.item.delete": self._on_delete,
        }

    def close(self) -> None:
        super().close()
        self._transcripts.close()
        if self._active is not None:
            self._active[1].cancel()

    def _wire(self) -> dict[str, Any]:
        wire = super()._wire()
        wire["audio"]["input"] = self._input
        return wire

    async def _on_update(self, event: dict[str, Any]) -> None:
        heard = event.get("session", {}).get("audio", {}).get("input")
        if isinstance(heard, dict):
            self._input |= heard
            kind = self._input["format"].get("type")
            if kind not in ("audio/pcm", "audio/pcmu", "audio/pcma"):
                raise Refusal("Invalid value.", code="invalid_value", param="session.audio.input.format")
            detection = self._input.get("turn_detection") or {}
            self._intake = Intake(kind)
            self._hearing = Hearing(silence_ms=int(detection.get("silence_duration_ms", 500)), at_symbol=False)
        await super()._on_update(event)

    # --- what the caller says

    async def _on_append(self, event: dict[str, Any]) -> None:
        self._line["appends"] += 1
        if self._line["appends"] == self._do.drop_after_appends:
            self._line["outcome"] = "cut"
            await cut_off(self._request)
            return
        if self._intake is None or self._hearing is None:
            raise Refusal("The session has no input.", code="invalid_value", param="audio")
        try:
            audio = self._intake.mulaw(event.get("audio"))
        except ValueError as fault:
            raise Refusal("Expected base64-encoded audio bytes.", code="invalid_value", param="audio") from fault
        for fact in self._hearing.feed(audio):
            await self._report(fact)

    async def _report(self, fact: Fact) -> None:
        if isinstance(fact, SpeechStarted):
            self._user_item = f"item_{self._id}_{next(self._item_numbers)}"
            self._began_ms = fact.at_ms
            await self._send("input_audio_buffer.speech_started", audio_start_ms=fact.at_ms, item_id=self._user_item)
            return
        item, self._user_item = self._user_item or f"item_{self._id}_{next(self._item_numbers)}", None
        await self._send("input_audio_buffer.speech_stopped", audio_end_ms=fact.at_ms, item_id=item)
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=self._previous)
        self._previous = item
        self._items[item] = _Item("user", fact.text)
        await self._transcripts.say(item, fact.text, self._began_ms, fact.at_ms)

    # --- the conversation

    async def _on_item(self, event: dict[str, Any]) -> None:
        given = event.get("item")
        given = given if isinstance(given, dict) else {}
        content = given.get("content") or []
        text = "".join(part.get("text", "") for part in content)
        role, kinds = given.get("role"), {part.get("type") for part in content}
        if given.get("type") == "message":
            if (role, kinds) not in (("user", {"input_text"}), ("assistant", {"output_text"})):
                raise Refusal("Invalid content.", code="invalid_value", param="item.content")
        elif given.get("type") != "function_call_output":
            raise Refusal(f"Invalid value: {given.get('type')!r}.", code="invalid_value", param="item.type")
        name = f"item_{self._id}_{next(self._item_numbers)}"
        self._items[name] = _Item(str(role or "tool"), text or str(given.get("output", "")))
        self._ledger.write(
            "item", session=self._id, item=name, role=self._items[name].role, text=self._items[name].text
        )
        added = {"previous_item_id": None, "item": {**given, "id": name}}
        await self._send("conversation.item.added", **added)
        await self._send("conversation.item.done", **added)

    async def _on_truncate(self, event: dict[str, Any]) -> None:
        name, end_ms = str(event.get("item_id")), event.get("audio_end_ms")
        item = self._items.get(name)
        line = self._ledger.write(
            "truncate",
            session=self._id,
            item=name,
            audio_end_ms=end_ms,
            audio_ms=item and item.audio_ms,
            outcome="refused",
        )
        if item is None or item.role != "assistant" or item.audio_ms is None:
            raise Refusal(
                f"Item with item_id not found: {name}.", code="item_truncate_invalid_item_id", param="item_id"
            )
        if not isinstance(end_ms, int) or end_ms < 0 or end_ms > item.audio_ms:
            message = f"Audio content of {item.audio_ms}ms is already shorter than {end_ms}ms"
            raise Refusal(message, code="invalid_value", param="audio_end_ms")
        line |= {"outcome": "truncated", "text": item.text}
        item.audio_ms = end_ms
        await self._send("conversation.item.truncated", item_id=name, content_index=0, audio_end_ms=end_ms)

    async def _on_delete(self, event: dict[str, Any]) -> None:
        name = str(event.get("item_id"))
        if self._items.pop(name, None) is None:
            raise Refusal(f"Item not found: {name}.", code="item_delete_invalid_item_id", param="item_id")
        self._ledger.write("deleted", session=self._id, item=name)
        await self._send("conversation.item.deleted", item_id=name)

    # --- replies

    async def _on_create(self, event: dict[str, Any]) -> None:
        asked = event.get("response") or {}
        if asked.get("conversation") == "none":
            await super()._on_create(event)
            return
        if self._active is not None:
            raise Refusal(f"Conversation already has an active response in progress: {self._active[0]}.", code=_ACTIVE)
        said = next((item.text for item in reversed(self._items.values()) if item.role == "user"), "")
        name = f"resp_{self._id}_{next(self._numbers)}"
        heard = [f"{item.role}: {item.text}" for item in self._items.values()]
        line = self._ledger.write(
            "reply", session=self._id, response=name, said=said, instructions=asked.get("instructions"),
            conversation=heard, outcome="running", sent=0,
        )  # fmt: skip
        reply = self._script.reply_to(said, model=self._model, after_tool=False)
        do = self._script.rules.take("reply", said)
        line["metadata"] = asked.get("metadata")
        task = asyncio.create_task(self._reply(name, reply, line, do))
        self._active = (name, task, line)

    async def _on_cancel(self, event: dict[str, Any]) -> None:
        wanted = event.get("response_id")
        if self._active is None or wanted not in (None, self._active[0]):
            await super()._on_cancel(event)
            return
        (name, task, line), self._active = self._active, None
        task.cancel()
        line["outcome"], line["ended_at"] = "cancelled", time.time()
        await self._done(name, line.get("metadata"), "cancelled", {"reason": "client_cancelled"})

    async def _reply(self, name: str, reply: Reply, line: Line, do: OpenAIDo) -> None:
        said, metadata = str(line["said"]), line["metadata"]
        try:
            await self._send("response.created", response=self._response(name, metadata, "in_progress"))
            await asyncio.sleep((do.delay_ms + reply.delay_ms) / 1000)
            if do.hang:
                line["outcome"] = "hung"
                await asyncio.get_running_loop().create_future()
            if do.failed:
                line["outcome"], self._active = "failed", None
                await self._done(name, metadata, "failed", {"error": {"type": "server_error", "code": "server_error"}})
                return
            text = reply.reply
            if text is None and reply.tool_call is None:
                text = f"You said: {said}" + ("" if said.endswith((".", "!", "?")) else ".")
            if text and not await self._say(name, text, line, do):
                return
            if reply.tool_call is not None:
                await self._call_tool(name, reply)
            line["outcome"], line["ended_at"], self._active = "complete", time.time(), None
            await self._done(name, metadata, "completed", None)
        except CLIENT_GONE:
            line["outcome"] = "client_gone"

    async def _say(self, name: str, text: str, line: Line, do: OpenAIDo) -> bool:
        """Words and audio in turn, faster than they are spoken; False when the script broke it off."""
        item = f"item_{self._id}_{next(self._item_numbers)}"
        kept = self._items[item] = _Item("assistant", text, 0)
        line |= {"item": item, "text": text}
        added = {"id": item, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        await self._send("response.output_item.added", response_id=name, output_index=0, item=added)
        about = {"response_id": name, "item_id": item, "output_index": 0, "content_index": 0}
        words, audio = deque(re.findall(r"\s*\S{1,9}", text)), encode_mulaw(text)
        chunks = [audio[at : at + _CHUNK_BYTES] for at in range(0, len(audio), _CHUNK_BYTES)]
        written = 0
        for chunk in chunks:
            # Words come just ahead of their sound.
            while words and written * ms_per_char <= (line["sent"] + len(chunk)) / _BYTES_PER_MS:
                written += len(words[0].encode())
                await self._send("response.output_audio_transcript.delta", **about, delta=words.popleft())
            await self._send("response.output_audio.delta", **about, delta=base64.b64encode(chunk).decode())
            line["sent"] += len(chunk)
            kept.audio_ms = line["sent"] // _BYTES_PER_MS
            if do.cut_after_bytes is not None and line["sent"] >= do.cut_after_bytes:
                line["outcome"] = "cut"
                await self._break_off(do)
                return False
            await asyncio.sleep(len(chunk) / _BYTES_PER_MS / 1000 / do.pace)
        for word in words:
            await self._send("response.output_audio_transcript.delta", **about, delta=word)
        await self._send("response.output_audio.done", **about)
        await self._send("response.output_audio_transcript.done", **about, transcript=text)
        return True

    async def _break_off(self, do: OpenAIDo) -> None:
        if do.close_code is None:
            await cut_off(self._request)
        else:
            await self._socket.close(code=do.close_code, message=b"internal error")

    async def _call_tool(self, name: str, reply: Reply) -> None:
        tool = reply.tool_call
        if tool is None:
            return
        about = {"response_id": name, "item_id": f"item_{self._id}_{next(self._item_numbers)}", "output_index": 1}
        call = {"call_id": f"call_{name}", "name": tool.name, "arguments": orjson.dumps(tool.arguments).decode()}
        await self._send("response.function_call_arguments.done", **about, **call)

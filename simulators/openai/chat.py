"""POST /v1/chat/completions: a model with scripted replies, streamed or whole.

Knows the protocol's shapes and the script.
"""

import asyncio
import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from simulators.faults import CLIENT_GONE, cut_off, hang
from simulators.ledger import Ledger, Line
from simulators.openai.errors import refused, refused_by_script
from simulators.openai.script import Reply, Script, ToolCall
from simulators.service import facts_of, json_reply

__all__ = ["Chat"]


class Chat:
    """The route. Each request is one ledger line of kind `chat`, whose `outcome` is set at its end."""

    def __init__(self, script: Script, ledger: Ledger) -> None:
        self._script = script
        self._ledger = ledger
        self._numbers = itertools.count(1)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        asked, problem = _read(await request.read())
        line = self._ledger.write("chat", **facts_of(request), body=asked, outcome="refused")
        if problem is not None:
            return problem
        said, after_tool = _last_words(asked["messages"])
        do = self._script.rules.take("chat", said)
        reply = self._script.reply_to(said, after_tool=after_tool)
        if do.hang:
            line["outcome"] = "hung"
            await hang(request)
            return web.Response()
        await asyncio.sleep((do.delay_ms + reply.delay_ms) / 1000)
        status, retry_after_s = (do.status, do.retry_after_s) if do.status else (reply.status, reply.retry_after_s)
        if status is not None:
            return refused_by_script(status, retry_after_s)
        answer = _Answer(f"chatcmpl-{next(self._numbers)}", asked, reply, said)
        line["reply"] = answer.text
        if asked.get("stream"):
            return await self._stream(request, answer, line)
        line["outcome"] = "complete"
        return json_reply(answer.whole())

    async def _stream(self, request: web.Request, answer: "_Answer", line: Line) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        line["outcome"], line["tokens"] = "client_gone", 0
        try:
            await response.prepare(request)
            # The role is sent alone, before the first token, as the service does.
            await response.write(answer.opening())
            for number, chunk in enumerate(answer.tokens()):
                if number == answer.reply.cut_after_tokens:
                    break
                if number and answer.reply.per_token_ms:
                    await asyncio.sleep(answer.reply.per_token_ms / 1000)
                await response.write(chunk)
                line["tokens"] = number + 1
            if answer.reply.cut_after_tokens is not None:
                await cut_off(request)
                line["outcome"] = "cut"
                return response
            await response.write(answer.ending())
            await response.write_eof()
            line["outcome"] = "complete"
        except CLIENT_GONE:
            pass  # already recorded as the outcome
        line["ended_at"] = time.time()
        return response


@dataclass
class _Answer:
    """One completion and its chunks on the wire."""

    id: str
    asked: dict[str, Any]
    reply: Reply
    said: str

    @property
    def text(self) -> str | None:
        """The text, or None when a tool is called instead."""
        if self.reply.reply is None and self.reply.tool_call is None:
            return f"You said: {self.said}" + ("" if self.said.endswith((".", "!", "?")) else ".")
        return self.reply.reply

    @property
    def _field(self) -> str:
        return "refusal" if self.reply.refusal else "content"

    def opening(self) -> bytes:
        return self._chunk({"role": "assistant", "content": "" if self.text is not None else None})

    def tokens(self) -> Iterator[bytes]:
        """The text, a few words at a time, then the chunks of a tool call."""
        if self.text is not None:
            words = re.findall(r"\s*\S+\s*$|\s*\S+", self.text)
            for at in range(0, len(words), self.reply.chunk_words):
                yield self._chunk({self._field: "".join(words[at : at + self.reply.chunk_words])})
        if self.reply.tool_call is not None:
            tool = self._tool_call(self.reply.tool_call)
            arguments = tool["function"]["arguments"]
            opening = {**tool, "index": 0, "function": {**tool["function"], "arguments": ""}}
            yield self._chunk({"tool_calls": [opening]})
            for at in range(0, len(arguments), 8):
                yield self._chunk({"tool_calls": [{"index": 0, "function": {"arguments": arguments[at : at + 8]}}]})

    def ending(self) -> bytes:
        """The finish reason, the usage if it was asked for, and the end of the stream."""
        end = self._chunk({}, self._finish())
        if (self.asked.get("stream_options") or {}).get("include_usage"):
            end += _event({**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage()})
        return end + b"data: [DONE]\n\n"

    def whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, self._field: self.text}
        if self.reply.tool_call is not None:
            message["tool_calls"] = [self._tool_call(self.reply.tool_call)]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish()}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage()}

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**self._head("chat.completion.chunk"), "choices": [choice]})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": int(time.time()), "model": self.asked["model"]}

    def _finish(self) -> str:
        return self.reply.finish if self.reply.tool_call is None else "tool_calls"

    def _tool_call(self, tool: ToolCall) -> dict[str, Any]:
        arguments = orjson.dumps(tool.arguments).decode()
        return {"id": f"call_{self.id}", "type": "function", "function": {"name": tool.name, "arguments": arguments}}

    def _usage(self) -> dict[str, int]:
        prompt, words = len(self.said.split()), len((self.text or "").split())
        return {"prompt_tokens": prompt, "completion_tokens": words, "total_tokens": prompt + words}


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


def _read(raw: bytes) -> tuple[Any, web.Response | None]:
    """The request's JSON, and the refusal if it is invalid."""
    try:
        asked = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return raw.decode(errors="replace"), refused(400, "We could not parse the JSON body of your request.")
    if not isinstance(asked, dict) or not asked.get("model"):
        return asked, refused(400, "you must provide a model parameter")
    messages = asked.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        return asked, refused(400, "[] is too short - 'messages'", param="messages")
    return asked, None


def _last_words(messages: list[dict[str, Any]]) -> tuple[str, bool]:
    """The last user message, and whether a tool's result follows it."""
    after_tool = False
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content") or ""
            if isinstance(content, list):
                content = "".join(part.get("text", "") for part in content)
            return content, after_tool
        after_tool = after_tool or message.get("role") == "tool"
    return "", after_tool

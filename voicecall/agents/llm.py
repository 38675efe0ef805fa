"""Streamed replies from a chat model: OpenAI's `/chat/completions`, or any service that offers the same API.

One HTTP request per turn, one for each round of tools, and one more when the service was busy or broke off before any
text and no other agent is there to answer instead.
Closing the iterator closes the connection at once, so that a reply the caller interrupts costs nothing more. Does not
know sentences or turns. Protocol: OpenAI API reference, "Chat Completions", with server-sent events.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, TypeVar

import aiohttp
import orjson

from voicecall.agents.prompt import messages_of
from voicecall.agents.stream import ModelStream, ToolCall, error_code
from voicecall.aio import end
from voicecall.call.tools import is_named
from voicecall.errors import FailureKind, ServiceError, ServiceTimeout
from voicecall.http_client import may_pass, post, retry_after_s
from voicecall.ports import Agent, AgentConnected, AgentWrote, Question, ToolCalls, ToolSpec, Usage
from voicecall.text.spoken import SpokenText

__all__ = ["ChatModel"]

_log = logging.getLogger(__name__)

_SERVICE: Final = "agent"
_ERROR_READ: Final = 2_000
_PAUSE_S: Final = 0.25  # before the second try, where the service names no time
_LONGEST_PAUSE_S: Final = 5.0
_CHARACTERS_PER_TOKEN: Final = 4  # a rule of thumb
_LEAST_LEFT_S: Final = 1.0  # of the reply's time, for the second try

T = TypeVar("T")


class ChatModel(Agent):
    """`total_s`: timeout of the whole reply; `first_s`: of each read. The session is shared and not closed here.

    `is_followed`: another agent answers when this one does not. Then `first_s` also limits the time to the first text,
    the model is asked once, and a refusal to answer is a failure; without another one it is spoken. `tools`: those that
    are known now; a question says which of them it may call.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        base_url: str,
        api_key: str | None,
        model: str,
        system_prompt: str | None = None,
        total_s: float = 30.0,
        first_s: float = 20.0,
        connect_s: float = 3.0,
        is_followed: bool = False,
        tools: Callable[[], Sequence[ToolSpec]] = tuple,
    ) -> None:
        self._http = http
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._model = model
        self._system_prompt = system_prompt
        self._total_s = total_s
        self._first_s = min(first_s, total_s)
        self._connect_s = connect_s
        self._is_followed = is_followed
        self._tools = tools
        self._warming: asyncio.Task[None] | None = None

    @property
    def is_discardable(self) -> bool:
        """A request only asks: the tools that it calls run when its reply is taken."""
        return True

    async def reply(self, question: Question) -> AsyncGenerator[str | ToolCalls]:
        """As the port says. Raises ServiceError, retryable for 408, 409, 425, 429, 5xx and network trouble."""
        messages = messages_of(question, self._system_prompt)
        question.on_usage(_estimated(messages))
        deadline = time.monotonic() + self._total_s
        calls: list[ToolCall] = []
        async with aclosing(self._speech(messages, deadline, calls, question)) as pieces:
            async for text in pieces:
                yield text
        if calls and question.offered:
            yield ToolCalls(tuple(call.request() for call in calls))

    def warm(self) -> None:
        """Open a connection for the first question: by `OPTIONS`, which asks nothing of the model."""
        if self._warming is None or self._warming.done():
            self._warming = asyncio.ensure_future(self._connect())

    async def close(self) -> None:
        """Nothing is open between replies, but a connection that is being opened."""
        if self._warming is not None:
            await end(self._warming)

    async def _connect(self) -> None:
        try:
            # Without the key: any answer will do.
            async with self._http.options(self._url, timeout=aiohttp.ClientTimeout(total=self._connect_s)) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.debug("connection not opened ahead", extra={"error": type(error).__name__})

    async def _speech(
        self, messages: list[dict[str, Any]], deadline: float, calls: list[ToolCall], question: Question
    ) -> AsyncGenerator[str]:
        """What of one answer is speech. Raises ServiceError after it, if the answer broke off."""
        spoken = SpokenText()
        try:
            async with aclosing(self._texts(messages, deadline, calls, question)) as texts:
                async for text in texts:
                    question.on_step(AgentWrote())
                    if said := spoken.feed(text):
                        yield said
        except ServiceError:
            if said := spoken.flush():
                yield said
            raise
        if said := spoken.flush():
            yield said

    async def _texts(
        self, messages: list[dict[str, Any]], deadline: float, calls: list[ToolCall], question: Question
    ) -> AsyncGenerator[str]:
        """The text of one answer in order; then its tool calls are in `calls`."""
        has_text = False
        for is_last in (False, True):
            stream = ModelStream()
            try:
                async with aclosing(self._one_try(messages, deadline, stream, question)) as texts:
                    async for text in texts:
                        has_text = True
                        yield text
            except ServiceError as failure:
                pause_s = _pause_before_retry_s(failure, deadline)
                if is_last or has_text or pause_s is None or self._is_followed:
                    raise
                _log.info("agent requested again", extra={"reason": str(failure)})
            else:
                calls += stream.calls
                if stream.tokens:
                    question.on_usage(Usage(stream.tokens, is_estimate=False, prompt=stream.prompt_tokens))
                return
            await asyncio.sleep(pause_s)

    async def _one_try(
        self, messages: list[dict[str, Any]], deadline: float, stream: ModelStream, question: Question
    ) -> AsyncGenerator[str]:
        """Raises ServiceError when the stream stops without `[DONE]` or a finish reason."""
        first_by = min(deadline, time.monotonic() + self._first_s) if self._is_followed else deadline
        async with self._post(messages, first_by, question) as response:
            while piece := await _within(deadline if stream.has_text else first_by, response.content.readany()):
                for text in stream.feed(piece):
                    self._check(stream)
                    yield text
                if stream.done:
                    break
            else:
                for text in stream.flush():
                    self._check(stream)
                    yield text
        if not stream.finished:
            raise ServiceError(_SERVICE, "the reply was cut off")
        if stream.is_filtered and not stream.has_text:
            raise ServiceError(_SERVICE, "the reply was filtered", retryable=False, kind=FailureKind.FILTERED)

    def _tools_of(self, question: Question) -> dict[str, Any]:
        """The schemas of the tools. After too many steps they are named still, for the calls before, but barred."""
        called = {use.name for use in question.uses if use.turn == question.turn}
        specs = [t for t in self._tools() if is_named(t.name, question.offered) or t.name in called]
        if not specs:
            return {}
        schemas = [{"type": "function", "function": _function(spec)} for spec in specs]
        return {"tools": schemas} if question.offered else {"tools": schemas, "tool_choice": "none"}

    def _check(self, stream: ModelStream) -> None:
        if self._is_followed and stream.is_refusal:
            raise ServiceError(_SERVICE, "the model declined", retryable=False, kind=FailureKind.DECLINED)

    @asynccontextmanager
    async def _post(
        self, messages: list[dict[str, Any]], answer_by: float, question: Question
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        body: dict[str, Any] = {"model": self._model, "messages": messages, "stream": True}
        body |= self._tools_of(question)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._connect_s, sock_read=self._first_s)
        headers = {**self._headers, "Content-Type": "application/json"}
        try:
            asked = post(
                self._http,
                self._url,
                data=orjson.dumps(body),
                headers=headers,
                timeout=timeout,
                on_sent=lambda: question.on_step(AgentConnected()),
            )
            async with await _within(answer_by, asked) as response:
                if response.status != 200:
                    raise await _refusal_of(response)
                yield response
        except TimeoutError as error:
            raise ServiceTimeout(_SERVICE, "no answer in time") from error
        except aiohttp.ClientError as error:
            unmade = isinstance(error, aiohttp.ClientConnectorError)
            kind = FailureKind.UNREACHABLE if unmade else FailureKind.BROKEN
            raise ServiceError(_SERVICE, f"connection failed: {type(error).__name__}", kind=kind) from error


def _function(spec: ToolSpec) -> dict[str, Any]:
    return {"name": spec.name, "description": spec.description, "parameters": dict(spec.parameters)}


def _estimated(messages: list[dict[str, Any]]) -> Usage:
    """Of the prompt alone: what the answer costs is known when it comes."""
    characters = sum(len(message["content"] or "") for message in messages)
    return Usage(characters // _CHARACTERS_PER_TOKEN, is_estimate=True)


async def _within(deadline: float, work: Awaitable[T]) -> T:
    async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
        return await work


async def _refusal_of(response: aiohttp.ClientResponse) -> ServiceError:
    try:
        code = error_code(orjson.loads(await response.content.read(_ERROR_READ)))
    except (orjson.JSONDecodeError, TypeError):
        code = ""
    message = f"refused: {response.status} {code}".rstrip()
    passing = may_pass(response.status)
    return ServiceError(
        _SERVICE,
        message,
        retryable=passing,
        retry_after_s=retry_after_s(response.headers) if passing else None,
        kind=FailureKind.FILTERED if code == "content_filter" else FailureKind.of_status(response.status),
    )


def _pause_before_retry_s(failure: ServiceError, deadline: float) -> float | None:
    """How long to wait before the second try; None when the caller would wait for it in vain."""
    if not failure.retryable or isinstance(failure, ServiceTimeout):
        return None
    pause_s = _PAUSE_S if failure.retry_after_s is None else failure.retry_after_s
    is_worth_it = pause_s <= _LONGEST_PAUSE_S and time.monotonic() + pause_s + _LEAST_LEFT_S <= deadline
    return pause_s if is_worth_it else None

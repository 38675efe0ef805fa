"""The gateway for programs that await: each method a coroutine, each answer a type, each refusal an exception.

For strangers: needs an address and a token, no settings file and no part of the house. Its twin for programs that do
not await is in `blocking`.
"""

import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from voicecall.api.brief import Brief
from voicecall.api.results import (
    Answer,
    CallRecord,
    FeedItem,
    Forgotten,
    Found,
    HistoryPage,
    Initiated,
    Latency,
    Operation,
    OperationResult,
    Words,
)
from voicecall.client.failures import GatewayDown
from voicecall.client.line import Connection

__all__ = ["DEFAULT_URL", "AsyncVoicecall"]

DEFAULT_URL: Final = "http://127.0.0.1:3335"

A = TypeVar("A", bound=Answer)

_log = logging.getLogger(__name__)


class AsyncVoicecall:
    """A gateway. `url` and `token` default to VOICECALL_GATEWAY_URL and VOICECALL_GATEWAY_TOKEN.

    An empty token is none. Every method raises GatewayDown, TokenRefused or Refused; cancelling one gives up the wait,
    never the call. Raises ValueError for a URL that is none. Belongs to one event loop; close it, or use `async with`.
    """

    def __init__(self, url: str | None = None, *, token: str | None = None) -> None:
        self.url = _base(url or os.environ.get("VOICECALL_GATEWAY_URL", "").strip() or DEFAULT_URL)
        secret = token if token is not None else os.environ.get("VOICECALL_GATEWAY_TOKEN", "")
        self._line = Connection(self.url, secret.strip())

    async def initiate(
        self,
        message: str,
        to: str | None = None,
        *,
        mode: str | None = None,
        session_key: str | None = None,
        requester_session_key: str | None = None,
        dtmf_sequence: str | None = None,
        brief: Brief | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Place a call; its id, when the carrier took the dial. `to` None: the number the gateway is configured with.

        `mode`: "notify" or "conversation". With an `idempotency_key` there is one phone call however often it is asked.
        """
        return await self._placed(
            "voicecall.initiate",
            message=message,
            to=to,
            mode=mode,
            sessionKey=session_key,
            requesterSessionKey=requester_session_key,
            dtmfSequence=dtmf_sequence,
            brief=brief,
            idempotencyKey=idempotency_key,
        )

    async def start(
        self,
        to: str,
        message: str | None = None,
        *,
        mode: str | None = None,
        session_key: str | None = None,
        requester_session_key: str | None = None,
        dtmf_sequence: str | None = None,
        brief: Brief | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """The older name of `initiate`: the number is required, the message is not."""
        return await self._placed(
            "voicecall.start",
            message=message,
            to=to,
            mode=mode,
            sessionKey=session_key,
            requesterSessionKey=requester_session_key,
            dtmfSequence=dtmf_sequence,
            brief=brief,
            idempotencyKey=idempotency_key,
        )

    async def continue_(self, call_id: str, message: str) -> str:
        """Say it, and return the caller's next words; waits as long as the gateway does."""
        return (await self._ask(Words, "voicecall.continue", callId=call_id, message=message)).transcript

    async def continue_start(self, call_id: str, message: str) -> Operation:
        """Begin a `continue` without waiting. Any gateway of the house knows its result."""
        return await self._ask(Operation, "voicecall.continue.start", callId=call_id, message=message)

    async def continue_result(self, operation_id: str) -> OperationResult:
        """What became of it so far; does not wait."""
        return await self._ask(OperationResult, "voicecall.continue.result", operationId=operation_id)

    async def speak(self, call_id: str, message: str) -> None:
        """Say it; returns when it was heard."""
        await self.request("voicecall.speak", {"callId": call_id, "message": message})

    async def dtmf(self, call_id: str, digits: str) -> None:
        """Press keys: `0-9 * #`, and pauses `w W p P ,`."""
        await self.request("voicecall.dtmf", {"callId": call_id, "digits": digits})

    async def end(self, call_id: str) -> None:
        """Hang up; ending a call that is over is no error."""
        await self.request("voicecall.end", {"callId": call_id})

    async def status(self, call_id: str | None = None, *, sid: str | None = None) -> CallRecord | None:
        """The call of that id, ours or (`sid`) the carrier's, live or over; None when there is none."""
        if call_id is None and sid is None:
            raise ValueError("status: call_id or sid is required; for every live call ask calls()")
        return (await self._ask(Found, "voicecall.status", callId=call_id, sid=sid)).call

    async def calls(self) -> tuple[CallRecord, ...]:
        """Every call that is not over, oldest first."""
        return (await self._ask(Found, "voicecall.status")).calls or ()

    async def history(
        self,
        *,
        number: str | None = None,
        direction: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        transcripts: bool | None = None,
    ) -> HistoryPage:
        """Calls that are over, newest first. Times: epoch milliseconds; `cursor`: the `next` of the page before."""
        return await self._ask(
            HistoryPage,
            "voicecall.history",
            number=number,
            direction=direction,
            since=since,
            until=until,
            limit=limit,
            cursor=cursor,
            transcripts=transcripts,
        )

    async def latency(self, last: int | None = None) -> Latency:
        """How long callers waited in the turns of the `last` newest calls."""
        return await self._ask(Latency, "voicecall.latency", last=last)

    async def forget(self, *, call_id: str | None = None, number: str | None = None) -> Forgotten:
        """Keep nothing of this call, or of any call to or from this number."""
        return await self._ask(Forgotten, "voicecall.forget", callId=call_id, number=number)

    async def feed(
        self,
        *,
        since: str | None = None,
        last: int = 0,
        call_id: str | None = None,
        on_loss: Callable[[str], None] | None = None,
        on_gap: Callable[[str], None] | None = None,
    ) -> AsyncGenerator[FeedItem, None]:
        """What happens, of one call or of all: behind the id `since`, or from the `last` newest on; for ever.

        Lost sockets are opened again and nothing is missed or repeated; `on_loss` is told why, `on_gap` the id behind
        which the gateway keeps no more. Without them both are warnings in the log.
        """
        lost = on_loss or (lambda reason: _log.warning("the feed was lost and is followed again: %s", reason))
        gap = on_gap or (lambda after: _log.warning("the feed is no longer kept behind %s; it goes on from now", after))
        async with aclosing(self._line.watch(since, last, call_id, lost, gap)) as items:
            async for item in items:
                yield _typed(FeedItem, item)

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Any method by its name: parameters as they are sent, the payload as it comes. None-valued ones are left out.

        For methods of a gateway that is newer than this client.
        """
        given = {key: value for key, value in (params or {}).items() if value is not None}
        return await self._line.ask(method, given)

    async def close(self) -> None:
        await self._line.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _placed(self, method: str, *, brief: Brief | None, **params: Any) -> str:
        told = None if brief is None else brief.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return (await self._ask(Initiated, method, brief=told, **params)).call_id

    async def _ask(self, shape: type[A], method: str, **params: Any) -> A:
        return _typed(shape, await self.request(method, params))


def _typed(shape: type[A], payload: dict[str, Any]) -> A:
    try:
        return shape.model_validate(payload)
    except ValidationError as error:
        raise GatewayDown("what answers there speaks another language") from error


def _base(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"url: {url[:60]!r} is not an absolute http(s) URL; write http://host:port")
    return url.rstrip("/")

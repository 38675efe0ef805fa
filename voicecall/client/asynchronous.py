"""The asynchronous client of the gateway: each method a coroutine, each answer a type, each refusal an exception.

Needs an address and a token; reads no settings file and imports no other part of the system than the contract.
`blocking` wraps it for programs without an event loop.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from voicecall.api import methods
from voicecall.api.brief import Brief
from voicecall.api.methods import Method
from voicecall.api.results import (
    CallbackAdded,
    CallbackFacts,
    CallRecord,
    DeadLetters,
    Diagnosis,
    Events,
    FeedItem,
    Forgotten,
    HistoryPage,
    Initiated,
    Latency,
    Operation,
    OperationResult,
    Processes,
    RecordingFound,
    Report,
    Result,
)
from voicecall.client.connection import Connection
from voicecall.client.failures import GatewayDown, Refused
from voicecall.environ import Variables

__all__ = ["DEFAULT_URL", "AsyncVoicecall"]

DEFAULT_URL: Final = "http://127.0.0.1:3335"

_RINGING: Final = frozenset({"initiated", "ringing"})
_EVERY_S: Final = 0.5

R = TypeVar("R", bound=Result)

_log = logging.getLogger(__name__)


class AsyncVoicecall:
    """A gateway. `url` and `token` default to VOICECALL_GATEWAY_URL and VOICECALL_GATEWAY_TOKEN.

    An empty token is no token; VOICECALL_GATEWAY_TOKEN_FILE names a file that holds it. Every method raises
    GatewayDown, TokenRefused or Refused; cancelling one ends the wait, never the call. Raises ValueError for an invalid
    URL or an unreadable file. Belongs to one event loop; close it, or use `async with`.
    """

    def __init__(self, url: str | None = None, *, token: str | None = None) -> None:
        environ = Variables(os.environ)
        self.url = _base(url or environ.get("VOICECALL_GATEWAY_URL", "").strip() or DEFAULT_URL)
        secret = token if token is not None else environ.get("VOICECALL_GATEWAY_TOKEN", "")
        if environ.problems:
            raise ValueError("; ".join(environ.problems))
        self._connection = Connection(self.url, secret.strip())

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
        wait: Literal["answered"] | None = None,
        report_schema: dict[str, Any] | None = None,
    ) -> str:
        """Place a call; returns its id when the carrier has accepted the dial. `to` None: the configured `toNumber`.

        `mode`: "notify" or "conversation". At most one phone call is placed per `idempotency_key`. `wait`: "answered"
        returns when the call is answered, and raises Refused when it ends before that. `report_schema`: JSON Schema of
        the `data` of its report.
        """
        if wait not in {None, "answered"}:
            raise ValueError(f'wait: {wait!r} is not "answered"')
        call = await self._place(
            methods.INITIATE,
            message=message,
            to=to,
            mode=mode,
            sessionKey=session_key,
            requesterSessionKey=requester_session_key,
            dtmfSequence=dtmf_sequence,
            brief=brief,
            report=None if report_schema is None else {"schema": report_schema},
            idempotencyKey=idempotency_key,
        )
        if wait is not None:
            await self._answered(call)
        return call

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
        """The older name of `initiate`: the number is required, the message is optional."""
        return await self._place(
            methods.START,
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
        """Say it, and return the remote party's reply; waits as long as the gateway does.

        While the call rings, it waits for the answer and is said behind the opening message.
        """
        return (await self._ask(methods.CONTINUE, callId=call_id, message=message)).transcript

    async def continue_start(self, call_id: str, message: str) -> Operation:
        """Start a `continue` without waiting. Any gateway of the system knows its result."""
        return await self._ask(methods.CONTINUE_START, callId=call_id, message=message)

    async def continue_result(self, operation_id: str) -> OperationResult:
        """The state of an operation; does not wait."""
        return await self._ask(methods.CONTINUE_RESULT, operationId=operation_id)

    async def speak(self, call_id: str, message: str) -> None:
        """Say it; returns when it was heard. Waits for the answer while the call rings."""
        await self._ask(methods.SPEAK, callId=call_id, message=message)

    async def steer(
        self,
        call_id: str,
        message: str,
        mode: Literal["guidance", "say", "ask"] = "guidance",
        *,
        interrupt: bool = False,
    ) -> str | None:
        """Steer the agent of a live call; the caller's answer with the mode "ask", else None.

        "guidance": a hint, which the caller does not hear. "say": the agent's voice says it; `interrupt`: at once, in
        place of what is being said. "ask": the agent asks the caller in its own words.
        """
        more = {"interrupt": True} if interrupt else {}
        answer = await self._ask(methods.STEER, callId=call_id, message=message, mode=mode, **more)
        return answer.transcript

    async def dtmf(self, call_id: str, digits: str) -> None:
        """Press keys: `0-9 * #`, and pauses `w W p P ,`."""
        await self._ask(methods.DTMF, callId=call_id, digits=digits)

    async def answer(self, call_id: str, answer: str, question_id: str | None = None) -> None:
        """Answer the question of the agent that waits (`ask_owner`)."""
        await self._ask(methods.ANSWER, callId=call_id, answer=answer, questionId=question_id)

    async def end(self, call_id: str) -> None:
        """Hang up; ending an ended call is no error."""
        await self._ask(methods.END, callId=call_id)

    async def status(self, call_id: str | None = None, *, sid: str | None = None) -> CallRecord | None:
        """One call by its id, or by the carrier's id (`sid`), live or ended; None when there is none."""
        if call_id is None and sid is None:
            raise ValueError("status: call_id or sid is required; for every live call use calls()")
        return (await self._ask(methods.STATUS, callId=call_id, sid=sid)).call

    async def calls(self) -> tuple[CallRecord, ...]:
        """Every live call, oldest first."""
        return (await self._ask(methods.STATUS)).calls or ()

    async def history(
        self,
        *,
        number: str | None = None,
        direction: str | None = None,
        since: int | None = None,
        until: int | None = None,
        outcome: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        transcripts: bool | None = None,
    ) -> HistoryPage:
        """Ended calls, newest first. Times are epoch milliseconds; `cursor`: the `next` of the previous page."""
        return await self._ask(
            methods.HISTORY,
            number=number,
            direction=direction,
            since=since,
            until=until,
            outcome=outcome,
            limit=limit,
            cursor=cursor,
            transcripts=transcripts,
        )

    async def latency(self, last: int | None = None) -> Latency:
        """How long callers waited in the turns of the `last` newest calls."""
        return await self._ask(methods.LATENCY, last=last)

    async def forget(self, *, call_id: str | None = None, number: str | None = None) -> Forgotten:
        """Delete this call, or every call to or from this number; a live call is deleted when it ends."""
        return await self._ask(methods.FORGET, callId=call_id, number=number)

    async def recording(self, call_id: str) -> RecordingFound:
        """The recording of an ended call: its facts, and an address that works for ten minutes."""
        return await self._ask(methods.RECORDING, callId=call_id)

    async def events(self, call_id: str, *, after: int | None = None, limit: int | None = None) -> Events:
        """A page of the call's log, oldest first; `after`: the `next` of the previous page."""
        return await self._ask(methods.EVENTS, callId=call_id, after=after, limit=limit)

    async def processes(self) -> Processes:
        """The workers and ingresses, and the live calls that each holds."""
        return await self._ask(methods.PROCESSES)

    async def doctor(self) -> Diagnosis:
        """What `voicecall doctor` finds where the gateway runs."""
        return await self._ask(methods.DOCTOR)

    async def dead(self, last: int | None = None) -> DeadLetters:
        """The newest dead letters, without their bytes."""
        return await self._ask(methods.DEAD, last=last)

    async def report(self, call_id: str, *, wait_ms: int | None = None) -> Report | None:
        """What came of a call that has ended; None when there is no report within `wait_ms`."""
        return (await self._ask(methods.REPORT, callId=call_id, waitMs=wait_ms)).report

    async def callbacks(self) -> tuple[CallbackFacts, ...]:
        """The call-backs that wait, and those of the last week."""
        return (await self._ask(methods.CALLBACKS)).callbacks

    async def callback_add(
        self,
        to: str,
        message: str,
        *,
        at: int | None = None,
        brief: Brief | None = None,
        call_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> CallbackAdded:
        """Place a call later, at most once. `at`: epoch milliseconds; `call_id`: the call on which it was promised."""
        return await self._ask(
            methods.CALLBACK_ADD,
            to=to,
            message=message,
            at=at,
            brief=None if brief is None else brief.model_dump(mode="json", by_alias=True, exclude_defaults=True),
            callId=call_id,
            idempotencyKey=idempotency_key,
        )

    async def callback_cancel(self, callback_id: str) -> bool:
        """Do not place it; False when it is being placed, or is over."""
        return (await self._ask(methods.CALLBACK_CANCEL, callbackId=callback_id)).cancelled

    async def feed(
        self,
        *,
        since: str | None = None,
        last: int = 0,
        call_id: str | None = None,
        on_loss: Callable[[str], None] | None = None,
        on_gap: Callable[[str], None] | None = None,
    ) -> AsyncGenerator[FeedItem, None]:
        """The events of one call or of all calls: after the id `since`, or from the `last` newest items on; endless.

        Reconnects by itself, without missing or repeating an item. `on_loss` gets the reason of a lost connection,
        `on_gap` the id after which the gateway kept no items. The defaults log a warning.
        """
        lost = on_loss or (lambda reason: _log.warning("feed lost, reconnecting: %s", reason))
        gap = on_gap or (lambda after: _log.warning("feed items after %s are gone, continuing from now", after))
        async with aclosing(self._connection.watch(since, last, call_id, lost, gap)) as items:
            async for item in items:
                yield _typed(FeedItem, item)

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Any method by its name, with raw parameters and payload. Parameters that are None are left out.

        For methods of a gateway that is newer than this client.
        """
        given = {key: value for key, value in (params or {}).items() if value is not None}
        return await self._connection.ask(method, given)

    async def close(self) -> None:
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _answered(self, call: str) -> None:
        """Return when the call is answered. Raises Refused when it ends before."""
        record = await self.status(call)
        while record is not None and record.state in _RINGING:
            await asyncio.sleep(_EVERY_S)
            record = await self.status(call)
        if record is None or (record.is_over and record.answered_at is None):
            ended = "Call ended" if record is None else f"Call ended: {record.state}"
            raise Refused({"code": "FAILED", "message": ended, "callId": call})

    async def _place(self, method: Method[Any, Initiated], *, brief: Brief | None, **params: Any) -> str:
        sent = None if brief is None else brief.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return (await self._ask(method, brief=sent, **params)).call_id

    async def _ask(self, method: Method[Any, R], **params: Any) -> R:
        return _typed(method.result, await self.request(method.name, params))


def _typed(shape: type[R], payload: dict[str, Any]) -> R:
    try:
        return shape.model_validate(payload)
    except ValidationError as error:
        raise GatewayDown("the server at this address sends other results than a gateway") from error


def _base(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"url: {url[:60]!r} is not an absolute http(s) URL; write http://host:port")
    return url.rstrip("/")

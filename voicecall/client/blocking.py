"""The blocking client of the gateway: the methods of `AsyncVoicecall`, each returning when it is done.

Runs an event loop in a thread of its own, so it can be used from any thread, also beside another event loop.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

from voicecall.api.brief import Brief
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
    Latency,
    Operation,
    OperationResult,
    Processes,
    RecordingFound,
    Report,
)
from voicecall.client.asynchronous import AsyncVoicecall

__all__ = ["Voicecall"]

T = TypeVar("T")

_CLOSE_S: Final = 5.0


class Voicecall:
    """A gateway, as in `AsyncVoicecall`. Close it, or use `with`; after that every method raises RuntimeError."""

    def __init__(self, url: str | None = None, *, token: str | None = None) -> None:
        self._gateway = AsyncVoicecall(url, token=token)
        self._loop = asyncio.new_event_loop()
        # A daemon thread, so that a program which does not close the client can still exit.
        self._thread = threading.Thread(target=self._loop.run_forever, name="voicecall-client", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return self._gateway.url

    def initiate(
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
        """As `AsyncVoicecall.initiate`."""
        return self._run(
            self._gateway.initiate(
                message,
                to,
                mode=mode,
                session_key=session_key,
                requester_session_key=requester_session_key,
                dtmf_sequence=dtmf_sequence,
                brief=brief,
                idempotency_key=idempotency_key,
                wait=wait,
                report_schema=report_schema,
            )
        )

    def start(
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
        """As `AsyncVoicecall.start`."""
        return self._run(
            self._gateway.start(
                to,
                message,
                mode=mode,
                session_key=session_key,
                requester_session_key=requester_session_key,
                dtmf_sequence=dtmf_sequence,
                brief=brief,
                idempotency_key=idempotency_key,
            )
        )

    def continue_(self, call_id: str, message: str) -> str:
        """As `AsyncVoicecall.continue_`."""
        return self._run(self._gateway.continue_(call_id, message))

    def continue_start(self, call_id: str, message: str) -> Operation:
        """As `AsyncVoicecall.continue_start`."""
        return self._run(self._gateway.continue_start(call_id, message))

    def continue_result(self, operation_id: str) -> OperationResult:
        """As `AsyncVoicecall.continue_result`."""
        return self._run(self._gateway.continue_result(operation_id))

    def speak(self, call_id: str, message: str) -> None:
        """As `AsyncVoicecall.speak`."""
        self._run(self._gateway.speak(call_id, message))

    def steer(
        self,
        call_id: str,
        message: str,
        mode: Literal["guidance", "say", "ask"] = "guidance",
        *,
        interrupt: bool = False,
    ) -> str | None:
        """As `AsyncVoicecall.steer`."""
        return self._run(self._gateway.steer(call_id, message, mode, interrupt=interrupt))

    def dtmf(self, call_id: str, digits: str) -> None:
        """As `AsyncVoicecall.dtmf`."""
        self._run(self._gateway.dtmf(call_id, digits))

    def answer(self, call_id: str, answer: str, question_id: str | None = None) -> None:
        """As `AsyncVoicecall.answer`."""
        self._run(self._gateway.answer(call_id, answer, question_id))

    def end(self, call_id: str) -> None:
        """As `AsyncVoicecall.end`."""
        self._run(self._gateway.end(call_id))

    def status(self, call_id: str | None = None, *, sid: str | None = None) -> CallRecord | None:
        """As `AsyncVoicecall.status`."""
        return self._run(self._gateway.status(call_id, sid=sid))

    def calls(self) -> tuple[CallRecord, ...]:
        """As `AsyncVoicecall.calls`."""
        return self._run(self._gateway.calls())

    def history(
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
        """As `AsyncVoicecall.history`."""
        return self._run(
            self._gateway.history(
                number=number,
                direction=direction,
                since=since,
                until=until,
                outcome=outcome,
                limit=limit,
                cursor=cursor,
                transcripts=transcripts,
            )
        )

    def latency(self, last: int | None = None) -> Latency:
        """As `AsyncVoicecall.latency`."""
        return self._run(self._gateway.latency(last))

    def forget(self, *, call_id: str | None = None, number: str | None = None) -> Forgotten:
        """As `AsyncVoicecall.forget`."""
        return self._run(self._gateway.forget(call_id=call_id, number=number))

    def recording(self, call_id: str) -> RecordingFound:
        """As `AsyncVoicecall.recording`."""
        return self._run(self._gateway.recording(call_id))

    def events(self, call_id: str, *, after: int | None = None, limit: int | None = None) -> Events:
        """As `AsyncVoicecall.events`."""
        return self._run(self._gateway.events(call_id, after=after, limit=limit))

    def processes(self) -> Processes:
        """As `AsyncVoicecall.processes`."""
        return self._run(self._gateway.processes())

    def doctor(self) -> Diagnosis:
        """As `AsyncVoicecall.doctor`."""
        return self._run(self._gateway.doctor())

    def dead(self, last: int | None = None) -> DeadLetters:
        """As `AsyncVoicecall.dead`."""
        return self._run(self._gateway.dead(last))

    def report(self, call_id: str, *, wait_ms: int | None = None) -> Report | None:
        """As `AsyncVoicecall.report`."""
        return self._run(self._gateway.report(call_id, wait_ms=wait_ms))

    def callbacks(self) -> tuple[CallbackFacts, ...]:
        """As `AsyncVoicecall.callbacks`."""
        return self._run(self._gateway.callbacks())

    def callback_add(
        self,
        to: str,
        message: str,
        *,
        at: int | None = None,
        brief: Brief | None = None,
        call_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> CallbackAdded:
        """As `AsyncVoicecall.callback_add`."""
        added = self._gateway.callback_add(
            to, message, at=at, brief=brief, call_id=call_id, idempotency_key=idempotency_key
        )
        return self._run(added)

    def callback_cancel(self, callback_id: str) -> bool:
        """As `AsyncVoicecall.callback_cancel`."""
        return self._run(self._gateway.callback_cancel(callback_id))

    def feed(
        self,
        *,
        since: str | None = None,
        last: int = 0,
        call_id: str | None = None,
        on_loss: Callable[[str], None] | None = None,
        on_gap: Callable[[str], None] | None = None,
    ) -> Generator[FeedItem, None, None]:
        """As `AsyncVoicecall.feed`; each step blocks until the next item.

        `on_loss` and `on_gap` are called in another thread.
        """
        items = self._gateway.feed(since=since, last=last, call_id=call_id, on_loss=on_loss, on_gap=on_gap)
        try:
            while True:
                yield self._run(_next(items))
        finally:
            if not self._loop.is_closed():
                self._run(_close(items))

    def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """As `AsyncVoicecall.request`."""
        return self._run(self._gateway.request(method, params))

    def close(self) -> None:
        """Cancel waiting requests and close the connections. Idempotent."""
        if self._loop.is_closed():
            return
        self._run(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_S)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("this client was closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            # Ctrl-C cancels the request; a request that has failed is done, and cancelling it has no effect.
            future.cancel()
            raise

    async def _shut_down(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._gateway.close()
        await self._loop.shutdown_asyncgens()


async def _next(items: AsyncGenerator[FeedItem, None]) -> FeedItem:
    return await anext(items)


async def _close(items: AsyncGenerator[FeedItem, None]) -> None:
    with suppress(RuntimeError):  # another thread is in a step of it, which ends it
        await items.aclose()

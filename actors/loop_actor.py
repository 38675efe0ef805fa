"""A pykka actor that runs on an asyncio event loop instead of a thread of its own.

Made for thousands of actors that mostly wait (ADR 0003). `tell`, `ask`, proxies and the registry work as on any pykka
actor, from any thread; messages are handled one at a time, in order. A handler must not block: work that takes time
runs in an asyncio task. Knows nothing of calls.
"""

import asyncio
import contextvars
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Final, Self, cast

import pykka
from pykka import messages
from pykka._envelope import Envelope  # private, but the type of an inbox; the lock file pins pykka

__all__ = ["LoopActor", "LoopFuture", "LoopInbox"]

_log = logging.getLogger(__name__)

_BATCH: Final = 64  # messages handled before the loop runs other tasks


class LoopInbox:
    """A queue that any thread may fill; it schedules its reader on the reader's loop, once per batch."""

    __slots__ = ("_envelopes", "_loop", "_read", "_scheduled", "_thread")

    def __init__(self) -> None:
        self._envelopes: deque[Envelope[Any]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._read: Callable[[], None] | None = None
        self._thread = 0
        self._scheduled = False

    def put(self, envelope: Envelope[Any], /) -> None:
        self._envelopes.append(envelope)
        self.wake()

    def get(self) -> Envelope[Any]:
        """The oldest envelope. Never waits; raises IndexError when there is none."""
        return self._envelopes.popleft()

    def empty(self) -> bool:
        return not self._envelopes

    def listen(self, loop: asyncio.AbstractEventLoop, read: Callable[[], None]) -> None:
        """From now on call `read` on `loop`, which runs or is about to, whenever there are messages."""
        self._loop, self._read = loop, read

    def wake(self) -> None:
        # Scheduling the reader twice for the same messages is harmless, never scheduling it is not: no lock is needed.
        if self._scheduled or self._loop is None:
            return
        self._scheduled = True
        try:
            if self._thread == threading.get_ident():
                self._loop.call_soon(self._wake)
            else:
                self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            # The loop is closed, so the reader never runs again: fail the pending asks instead of leaving them to hang.
            self._scheduled = False
            self.refuse_all("its event loop is closed")

    def refuse_all(self, reason: str) -> None:
        """Fail every pending ask with ActorDeadError; a pending stop succeeds, for the actor is stopped."""
        while self._envelopes:
            envelope = self._envelopes.popleft()
            if envelope.reply_to is None:
                continue
            if isinstance(envelope.message, messages._ActorStop):  # noqa: SLF001  pykka has no public name for its stop message
                envelope.reply_to.set(None)
            else:
                dead = pykka.ActorDeadError(reason)
                envelope.reply_to.set_exception((pykka.ActorDeadError, dead, None))

    def _wake(self) -> None:
        self._thread = threading.get_ident()
        self._scheduled = False
        if self._read is not None:
            self._read()


class LoopFuture(pykka.ThreadingFuture[Any]):
    """A reply: threads wait for it with `get`, coroutines with `await`."""

    def __init__(self) -> None:
        super().__init__()
        self._on_result: list[Callable[[], None]] = []

    def set(self, value: Any = None) -> None:
        super().set(value)
        self._notify()

    def set_exception(self, exc_info: Any = None) -> None:
        super().set_exception(exc_info)
        self._notify()

    def __await__(self) -> Generator[Any, None, Any]:
        loop = asyncio.get_running_loop()
        has_result = loop.create_future()

        def set_result() -> None:
            if not has_result.done():
                has_result.set_result(None)

        def on_result() -> None:
            loop.call_soon_threadsafe(set_result)

        with self._condition:
            if self._result is None:
                self._on_result.append(on_result)
            else:
                has_result.set_result(None)
        yield from has_result
        return self.get(timeout=0)

    def _notify(self) -> None:
        with self._condition:
            callbacks, self._on_result = self._on_result, []
        for callback in callbacks:
            callback()


class LoopActor(pykka.Actor):
    """Subclass it as any pykka actor. `loop` defaults to the running one; give it when starting from a thread.

    `on_receive` must not block. `on_drained` is called after each batch of messages. An exception in `on_start` or in
    the handling of a `tell` is logged, passed to `on_failure`, and ends the actor: pending asks get ActorDeadError.
    `variables`: the context variables of its handlers, and of the tasks and timers that they start.
    """

    def __init__(self, *, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__()
        self.loop = loop or asyncio.get_running_loop()
        self.variables = contextvars.copy_context()

    @classmethod
    def start_local(cls, *args: Any, **kwargs: Any) -> Self:
        """As `start`, for code on the actor's own loop: gives the actor itself, whose methods it may call directly."""
        actor = cls(*args, **kwargs)
        pykka.ActorRegistry.register(actor.actor_ref)
        actor._start_actor_loop()
        return actor

    def on_drained(self) -> None:
        """Every message that waited has been handled: the place to act on the batch as a whole."""

    @staticmethod
    def _create_actor_inbox() -> LoopInbox:
        return LoopInbox()

    @staticmethod
    def _create_future() -> LoopFuture:
        return LoopFuture()

    def _start_actor_loop(self) -> None:
        inbox = self._loop_inbox
        inbox.listen(self.loop, lambda: self.variables.run(self._begin))
        inbox.wake()

    @property
    def _loop_inbox(self) -> LoopInbox:
        return cast("LoopInbox", self.actor_inbox)

    def _begin(self) -> None:
        self._loop_inbox.listen(self.loop, lambda: self.variables.run(self._read))
        try:
            self.on_start()
        except Exception:  # noqa: BLE001  pykka's contract: a failure here ends this actor and no other
            self._fail()
        self._read()

    def _read(self) -> None:
        inbox = self._loop_inbox
        for _ in range(_BATCH):
            if self.actor_stopped.is_set() or inbox.empty():
                break
            self._handle(inbox.get())
        if self.actor_stopped.is_set():
            inbox.refuse_all(f"{self.actor_ref} stopped before handling the message")
            return
        try:
            self.on_drained()
        except Exception:  # noqa: BLE001  the same contract
            self._fail()
        if not inbox.empty() or self.actor_stopped.is_set():
            inbox.wake()

    def _handle(self, envelope: Envelope[Any]) -> None:
        try:
            response = self._handle_receive(envelope.message)
        except Exception:  # noqa: BLE001  an ask gets the exception as its reply; after `tell` it ends the actor
            if envelope.reply_to is None:
                self._fail()
            else:
                envelope.reply_to.set_exception()
            return
        if envelope.reply_to is not None:
            envelope.reply_to.set(response)

    def _fail(self) -> None:
        """Log the exception being handled, leave the registry, and let the subclass clean up."""
        failure = sys.exc_info()
        self._handle_failure(*failure)
        try:
            self.on_failure(*failure)
        except Exception:  # noqa: BLE001  the actor has ended already: there is nothing left to stop
            _log.exception("on_failure failed itself")

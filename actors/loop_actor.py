"""A pykka actor that lives on an asyncio event loop instead of a thread of its own.

For whoever has thousands of actors that mostly wait (docs/adr/0003). `tell`, `ask`, proxies and the registry work as
on any pykka actor, from any thread; messages are handled one at a time, in order. A handler returns at once: what
takes time is an asyncio task of the actor's own. Knows nothing of calls.
"""

import asyncio
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, cast

import pykka
from pykka import messages
from pykka._envelope import Envelope  # an inbox is typed by it; pykka pins it by our lock file

__all__ = ["LoopActor", "LoopFuture", "LoopInbox"]

_log = logging.getLogger(__name__)

_BATCH = 64  # messages handled before other tasks of the loop get their turn


class LoopInbox:
    """A queue that anybody may fill and that wakes its reader on the reader's loop, once per batch."""

    __slots__ = ("_envelopes", "_loop", "_read", "_thread", "_waking")

    def __init__(self) -> None:
        self._envelopes: deque[Envelope[Any]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._read: Callable[[], None] | None = None
        self._thread = 0
        self._waking = False

    def put(self, envelope: Envelope[Any], /) -> None:
        self._envelopes.append(envelope)
        self.wake()

    def get(self) -> Envelope[Any]:
        """The oldest envelope. Raises IndexError when there is none: nobody waits here."""
        return self._envelopes.popleft()

    def empty(self) -> bool:
        return not self._envelopes

    def listen(self, loop: asyncio.AbstractEventLoop, read: Callable[[], None]) -> None:
        """From now on call `read` on `loop`, whose thread is running it or about to, when there is mail."""
        self._loop, self._read = loop, read

    def wake(self) -> None:
        # A second wake-up for the same mail is harmless, a missing one is not: no lock is needed.
        if self._waking or self._loop is None:
            return
        self._waking = True
        try:
            if self._thread == threading.get_ident():
                self._loop.call_soon(self._wake)
            else:
                self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            # The loop is closed, so the reader is dead: nobody may be left waiting for a reply.
            self._waking = False
            self.refuse_all("its event loop is closed")

    def refuse_all(self, reason: str) -> None:
        """Answer everything that waits with "the actor is dead"; a stop has got what it wanted."""
        while self._envelopes:
            envelope = self._envelopes.popleft()
            if envelope.reply_to is None:
                continue
            if isinstance(envelope.message, messages._ActorStop):  # noqa: SLF001  pykka's own way to say stop
                envelope.reply_to.set(None)
            else:
                dead = pykka.ActorDeadError(reason)
                envelope.reply_to.set_exception((pykka.ActorDeadError, dead, None))

    def _wake(self) -> None:
        self._thread = threading.get_ident()
        self._waking = False
        if self._read is not None:
            self._read()


class LoopFuture(pykka.ThreadingFuture[Any]):
    """A reply that threads wait for with `get` and coroutines with `await`."""

    def __init__(self) -> None:
        super().__init__()
        self._settled: list[Callable[[], None]] = []

    def set(self, value: Any = None) -> None:
        super().set(value)
        self._announce()

    def set_exception(self, exc_info: Any = None) -> None:
        super().set_exception(exc_info)
        self._announce()

    def __await__(self) -> Generator[Any, None, Any]:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()

        def settle() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def announce() -> None:
            loop.call_soon_threadsafe(settle)

        with self._condition:
            if self._result is None:
                self._settled.append(announce)
            else:
                waiter.set_result(None)
        yield from waiter
        return self.get(timeout=0)

    def _announce(self) -> None:
        with self._condition:
            settled, self._settled = self._settled, []
        for tell in settled:
            tell()


class LoopActor(pykka.Actor):
    """Subclass it as any pykka actor. `loop` defaults to the running one; give it when starting from a thread.

    `on_receive` must not wait. `on_drained` follows each batch of messages. A failure in `on_start` or in the handling
    of a `tell` is logged, goes to `on_failure`, and ends the actor: whoever waits for a reply gets ActorDeadError.
    """

    def __init__(self, *, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__()
        self.loop = loop or asyncio.get_running_loop()

    def on_drained(self) -> None:
        """All mail that was there has been handled. The place to act on a batch as a whole."""

    @staticmethod
    def _create_actor_inbox() -> LoopInbox:
        return LoopInbox()

    @staticmethod
    def _create_future() -> LoopFuture:
        return LoopFuture()

    def _start_actor_loop(self) -> None:
        inbox = self._loop_inbox
        inbox.listen(self.loop, self._begin)
        inbox.wake()

    @property
    def _loop_inbox(self) -> LoopInbox:
        return cast("LoopInbox", self.actor_inbox)

    def _begin(self) -> None:
        self._loop_inbox.listen(self.loop, self._read)
        try:
            self.on_start()
        except Exception:  # noqa: BLE001  pykka's contract: any failure here ends this actor and no other
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
        except Exception:  # noqa: BLE001  whoever asked gets it; a tell has nobody else to tell
            if envelope.reply_to is None:
                self._fail()
            else:
                envelope.reply_to.set_exception()
            return
        if envelope.reply_to is not None:
            envelope.reply_to.set(response)

    def _fail(self) -> None:
        """Log the failure being handled, leave the registry, and let the subclass clean up."""
        failure = sys.exc_info()
        self._handle_failure(*failure)
        try:
            self.on_failure(*failure)
        except Exception:  # noqa: BLE001  the clean-up of a dead actor can end nothing more
            _log.exception("on_failure failed itself")

"""A pykka actor on an event loop behaves as every pykka actor."""

import asyncio
import logging
import threading
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import pykka
import pytest

from actors.loop_actor import LoopActor


class Counter(LoopActor):
    def __init__(self, *, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(loop=loop)
        self.seen: list[Any] = []
        self.batches: list[int] = []
        self.thread = 0
        self.failures: list[BaseException | None] = []

    def on_start(self) -> None:
        self.thread = threading.get_ident()

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Exception):
            raise message
        self.seen.append(message)
        return len(self.seen)

    def on_drained(self) -> None:
        self.batches.append(len(self.seen))

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        del exception_type, traceback
        self.failures.append(exception_value)

    def double(self, number: int) -> int:
        return 2 * number


class Unlucky(Counter):
    def on_start(self) -> None:
        raise LookupError("no such thing")


def actor_of(ref: pykka.ActorRef[Any]) -> Any:
    return ref._actor_weakref()


async def test_messages_of_many_threads_arrive_once_and_in_order_per_thread() -> None:
    """Only the inbox is used by other threads."""
    ref = Counter.start()
    actor = actor_of(ref)

    def send(name: int) -> None:
        for number in range(500):
            ref.tell((name, number))

    await asyncio.gather(*(asyncio.to_thread(send, name) for name in range(4)))
    await ref.ask("last", block=False)

    assert actor.seen[-1] == "last"
    for name in range(4):
        assert [n for sender, n in actor.seen[:-1] if sender == name] == list(range(500))
    ref.stop(block=False)


async def test_messages_that_wait_in_the_inbox_are_one_batch() -> None:
    """A call folds all waiting events into one commit."""
    ref = Counter.start()
    actor = actor_of(ref)
    for number in range(10):
        ref.tell(number)

    assert await ref.ask("eleventh", block=False) == 11

    assert actor.batches[0] == 11
    ref.stop(block=False)


async def test_handlers_and_the_tasks_they_start_share_the_variables_of_their_actor_alone() -> None:
    whose: ContextVar[str] = ContextVar("whose", default="no one's")

    class Named(LoopActor):
        def on_receive(self, message: Any) -> Any:
            if message == "task":
                return self.loop.create_task(self.later())
            return whose.get()

        async def later(self) -> str:
            await asyncio.sleep(0)
            return whose.get()

    first, second = Named.start_local(), Named.start_local()
    first.variables.run(whose.set, "the first's")
    assert await first.actor_ref.ask("now", block=False) == "the first's"
    assert await (await first.actor_ref.ask("task", block=False)) == "the first's"
    assert await second.actor_ref.ask("now", block=False) == whose.get() == "no one's"
    first.stop()
    second.stop()


async def test_a_long_inbox_lets_other_tasks_of_the_loop_run() -> None:
    """One busy call must not block the rest of the loop."""
    ref = Counter.start()
    actor = actor_of(ref)
    for number in range(1000):
        ref.tell(number)

    await ref.ask("last", block=False)

    assert len(actor.batches) > 10
    ref.stop(block=False)


async def test_a_thread_may_start_ask_and_stop_an_actor_of_the_loop() -> None:
    """A dramatiq thread starts activations on the node's loop."""
    loop = asyncio.get_running_loop()

    def use_actor() -> tuple[int, int, int]:
        ref = Counter.start(loop=loop)
        answer = ref.ask("hello", timeout=5)
        proxy = ref.proxy()
        doubled = proxy.double(21).get(timeout=5)
        where = proxy.thread.get(timeout=5)
        ref.stop(timeout=5)
        assert not ref.is_alive()
        return answer, doubled, where

    assert await asyncio.to_thread(use_actor) == (1, 42, threading.get_ident())
    assert pykka.ActorRegistry.get_by_class(Counter) == []


async def test_stopping_everything_works_as_with_threads() -> None:
    """`ActorRegistry.stop_all` is how a process ends; an actor on a loop must not hang it."""
    refs = [Counter.start() for _ in range(20)]

    await asyncio.to_thread(pykka.ActorRegistry.stop_all, timeout=5)

    assert not any(ref.is_alive() for ref in refs)


async def test_an_ask_that_is_pending_when_the_actor_stops_fails() -> None:
    """A reply that never comes is an error at once, not a hang."""
    ref = Counter.start()
    ref.stop(block=False)
    late = ref.ask("too late", block=False)

    with pytest.raises(pykka.ActorDeadError):
        await late
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("dead")


async def test_a_failure_in_on_start_is_reported_and_ends_only_that_actor(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged and passed to `on_failure`, and pending asks fail."""
    with caplog.at_level(logging.ERROR):
        ref = Unlucky.start()
        actor = actor_of(ref)
        waiting = ref.ask("hello?", block=False)
        with pytest.raises(pykka.ActorDeadError):
            await waiting

    assert not ref.is_alive()
    assert isinstance(actor.failures[0], LookupError)
    assert "Unhandled exception" in caplog.text
    assert pykka.ActorRegistry.get_by_urn(ref.actor_urn) is None


async def test_an_exception_in_a_handler_is_the_reply_of_an_ask_and_ends_the_actor_after_a_tell() -> None:
    """As in pykka: after an ask the actor goes on; an exception after a tell has no other way to be noticed."""
    ref = Counter.start()
    actor = actor_of(ref)
    with pytest.raises(ValueError, match="asked"):
        await ref.ask(ValueError("asked"), block=False)
    assert ref.is_alive()

    ref.tell(ValueError("sent"))
    with pytest.raises(pykka.ActorDeadError):
        await ref.ask("still there?", block=False)

    assert [str(failure) for failure in actor.failures] == ["sent"]


def test_messages_to_an_actor_whose_loop_is_closed_are_refused() -> None:
    """In a process that stops, no thread may wait for a loop that never runs again."""
    loop = asyncio.new_event_loop()
    ref = Counter.start(loop=loop)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()

    with pytest.raises(pykka.ActorDeadError):
        ref.ask("hello?", timeout=5)
    ref.actor_stopped.set()
    pykka.ActorRegistry.unregister(ref)

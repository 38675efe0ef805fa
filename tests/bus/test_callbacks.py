"""The book of call-backs: each is placed at most once, and a caller has one at a time."""

import asyncio

from redis.asyncio import Redis

from tests.bus.calls import new_call
from voicecall.bus.callbacks import Added, Callback, CallbackBook, CallbackReason, CallbackState
from voicecall.settings.model.reports import Callbacks

CALLER = "+15550003333"
NOW = 1000.0
MISSED = Callbacks.model_validate({"missed": True, "delaySec": 0, "maxPerHour": 3})


def promised(name: str = "cb-1", number: str = CALLER) -> Callback:
    return Callback(
        id=name, number=number, reason=CallbackReason.PROMISED, due_at=NOW, made_at=NOW, message="You asked for it."
    )


async def book_with(redis: Redis, callback: Callback) -> CallbackBook:
    book = CallbackBook(redis)
    assert await book.add(callback) is Added.ADDED
    return book


async def state_of(book: CallbackBook, callback: Callback) -> CallbackState:
    found = await book.get(callback.id)
    assert found is not None
    return found.state


async def test_one_that_is_cancelled_is_not_placed_and_one_that_is_placed_is_not_cancelled(redis: Redis) -> None:
    """Both at once: one of them wins."""
    for number in range(20):
        callback = promised(f"cb-{number}")
        book = await book_with(redis, callback)
        begun, cancelled = await asyncio.gather(book.begin(callback), book.cancel(callback))
        assert begun is not cancelled
        assert await state_of(book, callback) is (CallbackState.PLACING if begun else CallbackState.CANCELLED)


async def test_one_whose_gateway_died_is_begun_again_and_is_over_once(redis: Redis) -> None:
    """The placing itself is under a key, so that beginning again places nothing twice."""
    callback = promised()
    book = await book_with(redis, callback)
    assert await book.due(5, hold_s=60) == (callback.id,)
    assert await book.due(5, hold_s=60) == ()
    assert await book.begin(callback)
    assert await book.begin(callback)
    assert await book.close(callback, CallbackState.PLACED, call="a call")
    assert not await book.close(callback, CallbackState.FAILED)
    assert not await book.begin(callback)
    assert await book.due(5, hold_s=0) == ()
    [found] = await book.list()
    assert (found.state, found.call) == (CallbackState.PLACED, "a call")


async def test_one_that_cannot_be_placed_now_waits(redis: Redis) -> None:
    callback = promised()
    book = await book_with(redis, callback)
    await book.begin(callback)
    assert await book.wait(callback, 9_999_999_999.0, "no room")
    assert await book.due(5, hold_s=0) == ()
    assert await state_of(book, callback) is CallbackState.WAITING
    assert await book.cancel(callback)


async def test_a_missed_caller_is_called_back_once(redis: Redis) -> None:
    """However often the report of the call is made, and however often they tried."""
    book, first, second = CallbackBook(redis), new_call(), new_call()
    assert await book.add_missed(first, CALLER, MISSED, NOW) is Added.ADDED
    assert await book.add_missed(first, CALLER, MISSED, NOW) is Added.KNOWN
    assert await book.add_missed(second, CALLER, MISSED, NOW) is Added.WAITS
    [waiting] = await book.list()
    await book.begin(waiting)
    await book.close(waiting, CallbackState.PLACED)
    assert await book.add_missed(first, CALLER, MISSED, NOW) is Added.KNOWN
    assert await book.add_missed(second, CALLER, MISSED, NOW) is Added.ADDED  # they called once more


async def test_a_caller_who_gets_through_is_not_called_back(redis: Redis) -> None:
    book = CallbackBook(redis)
    await book.add_missed(new_call(), CALLER, MISSED, NOW)
    assert await book.cancel_missed(CALLER)
    assert not await book.cancel_missed(CALLER)
    [found] = await book.list()
    assert found.state is CallbackState.CANCELLED


async def test_forged_caller_ids_cause_so_many_calls_and_no_more(redis: Redis) -> None:
    book = CallbackBook(redis)
    added = [await book.add_missed(new_call(), f"+1555000{number}", MISSED, NOW) for number in range(4000, 4005)]
    assert added == [Added.ADDED] * 3 + [Added.TOO_MANY] * 2
    assert await book.add_missed(new_call(), "anonymous", MISSED, NOW) is None


async def test_nothing_is_left_of_a_forgotten_number(redis: Redis) -> None:
    book = CallbackBook(redis)
    await book.add_missed(new_call(), CALLER, MISSED, NOW)
    await book.add(promised("other", "+15550009999"))
    assert await book.forget(CALLER) == 1
    assert [each.id for each in await book.list()] == ["other"]
    assert not await book.cancel_missed(CALLER)

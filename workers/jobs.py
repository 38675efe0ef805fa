"""What dramatiq runs: tiny jobs that may be lost, late or repeated. No job ever carries a turn.

Each one asks the node of its process, on the node's loop. Limits are explicit and small (architecture 7).
"""

import logging
from typing import Final

import dramatiq
from dramatiq.errors import Retry

from voicecall.bus.doorbell import JOB, QUEUE
from voicecall.call.ids import CallId, is_call_id
from voicecall.errors import ArchiveUnavailable, BusError
from workers.after_call import AFTER_CALL, AFTER_QUEUE, TIDY, ArchiveBusy
from workers.broker import broker, lifecycle
from workers.supervisor import Taken

__all__ = ["after_call", "ring", "sweep", "tidy"]

_log = logging.getLogger(__name__)

_PASS_AFTER_MS: Final = 100
_PASSES: Final = 30  # then the sweeper has taken over
_LATER: Final = 10  # a ring that waits beside it is taken first
_CROWDED_MS: Final = 200


@dramatiq.actor(actor_name=JOB, queue_name=QUEUE, broker=broker, max_retries=0, time_limit=10_000, max_age=10_000)
def ring(call_id: str, passed: int = 0) -> None:
    """Make sure that exactly one activation of the call exists. Idempotent, safe to lose."""
    if not is_call_id(call_id):
        _log.error("rung for something that is no call")
        return
    try:
        took = lifecycle.take(CallId(call_id))
    except BusError as error:
        # The sweeper rings again when Redis is back.
        _log.warning("ring failed", extra={"call_id": call_id, "error": str(error)})
        return
    if took is Taken.NOT_NOW and passed < _PASSES:
        ring.send_with_options(args=(call_id,), kwargs={"passed": passed + 1}, delay=_PASS_AFTER_MS)


@dramatiq.actor(queue_name=QUEUE, broker=broker, max_retries=0, time_limit=10_000, max_age=5_000)
def sweep() -> None:
    """Ring for orphans now. Every node does so by itself; this is for operators."""
    lifecycle.sweep()


@dramatiq.actor(
    actor_name=AFTER_CALL,
    queue_name=AFTER_QUEUE,
    broker=broker,
    priority=_LATER,
    max_retries=None,
    min_backoff=1_000,
    max_backoff=60_000,
    time_limit=10_000,
    max_age=7_200_000,
)
def after_call(call_id: str) -> None:
    """The call is over: sum it up, archive it. Tried for two hours, less and less often; then the node rings again."""
    if not is_call_id(call_id):
        _log.error("told of the end of something that is no call")
        return
    try:
        lifecycle.after_call.after_call(CallId(call_id))
    except ArchiveBusy as error:
        raise Retry(str(error), delay=_CROWDED_MS) from None
    except ArchiveUnavailable as error:
        # It was told in one line; dramatiq would add a traceback for each try.
        raise Retry(type(error).__name__) from None
    except BusError as error:
        _log.warning("call not archived", extra={"call_id": call_id, "error": str(error)})
        raise Retry(type(error).__name__) from None


@dramatiq.actor(
    actor_name=TIDY,
    queue_name=AFTER_QUEUE,
    broker=broker,
    priority=_LATER,
    max_retries=5,
    min_backoff=30_000,
    max_backoff=300_000,
    time_limit=60_000,
    max_age=1_800_000,
)
def tidy() -> None:
    """Remove what was kept long enough. One node in the house asks for it, once an hour."""
    try:
        lifecycle.after_call.tidy()
    except (ArchiveUnavailable, BusError) as error:
        _log.warning("tidying failed", extra={"error": str(error)})
        raise Retry(type(error).__name__) from None

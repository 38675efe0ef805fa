"""The jobs dramatiq runs: short, and safe to lose, to delay and to repeat. No job carries a turn of a call.

Each one runs on a dramatiq thread and asks the node of its process. Age, time and retries are limited explicitly.
"""

import logging
from typing import Final

import dramatiq
from dramatiq.errors import Retry

from voicecall.bus.doorbell import JOB, QUEUE
from voicecall.call.ids import CallId, is_call_id
from voicecall.errors import ArchiveUnavailable, BusError, RecordingStoreUnavailable
from workers.after_call import ArchiveBusy
from workers.archive_sweeper import AFTER_CALL, AFTER_QUEUE, TIDY
from workers.broker import broker, lifecycle
from workers.recordings import SegmentsAwaited
from workers.supervisor import ActivationResult

__all__ = ["after_call", "ring", "tidy"]

_log = logging.getLogger(__name__)

_PASS_ON_MS: Final = 100
_PASSES: Final = 30  # by then the sweeper has rung again
_LOW_PRIORITY: Final = 10  # a ring that waits in the same process runs first
_BUSY_MS: Final = 200
_SEGMENTS_MS: Final = 1_000


@dramatiq.actor(actor_name=JOB, queue_name=QUEUE, broker=broker, max_retries=0, time_limit=10_000, max_age=10_000)
def ring(call_id: str, passed: int = 0) -> None:
    """Make sure that the call has an owner. `passed`: how many nodes have declined it and passed the ring on.

    The parameter's name is part of queued messages, which workers of another version read.
    """
    if not is_call_id(call_id):
        _log.error("ring for an invalid call id")
        return
    try:
        result = lifecycle.activate(CallId(call_id))
    except BusError as error:
        # The sweeper rings again when Redis is back.
        _log.warning("ring failed", extra={"call_id": call_id, "error": str(error)})
        return
    if result is ActivationResult.DECLINED and passed < _PASSES:
        ring.send_with_options(args=(call_id,), kwargs={"passed": passed + 1}, delay=_PASS_ON_MS)


@dramatiq.actor(
    actor_name=AFTER_CALL,
    queue_name=AFTER_QUEUE,
    broker=broker,
    priority=_LOW_PRIORITY,
    max_retries=None,
    min_backoff=1_000,
    max_backoff=60_000,
    time_limit=60_000,
    max_age=7_200_000,
)
def after_call(call_id: str) -> None:
    """Summarise and archive a call that is over. Retried for two hours at growing intervals, then by the sweeper."""
    if not is_call_id(call_id):
        _log.error("end of an invalid call id")
        return
    try:
        lifecycle.after_call.archive(CallId(call_id))
    except ArchiveBusy as error:
        raise Retry(str(error), delay=_BUSY_MS) from None
    except SegmentsAwaited as error:
        raise Retry(str(error), delay=_SEGMENTS_MS) from None
    except (ArchiveUnavailable, RecordingStoreUnavailable) as error:
        # Logged in one line already; dramatiq would add a traceback for each attempt.
        raise Retry(type(error).__name__) from None
    except BusError as error:
        _log.warning("call not archived", extra={"call_id": call_id, "error": str(error)})
        raise Retry(type(error).__name__) from None


@dramatiq.actor(
    actor_name=TIDY,
    queue_name=AFTER_QUEUE,
    broker=broker,
    priority=_LOW_PRIORITY,
    max_retries=5,
    min_backoff=30_000,
    max_backoff=300_000,
    time_limit=60_000,
    max_age=1_800_000,
)
def tidy() -> None:
    """Remove what was kept long enough. One node sends this job, once an hour."""
    try:
        lifecycle.after_call.tidy()
    except (ArchiveUnavailable, RecordingStoreUnavailable, BusError) as error:
        _log.warning("tidying failed", extra={"error": str(error)})
        raise Retry(type(error).__name__) from None

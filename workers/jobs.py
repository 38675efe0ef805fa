"""What dramatiq runs: tiny jobs that may be lost, late or repeated. No job ever carries a turn.

Each one asks the node of its process, on the node's loop. Limits are explicit and small (architecture 7).
"""

import logging
from typing import Final

import dramatiq

from voicecall.bus.doorbell import JOB, QUEUE
from voicecall.call.ids import CallId, is_call_id
from voicecall.errors import BusError
from workers.broker import broker, lifecycle
from workers.host import Took
from workers.summary import AFTER_CALL, AFTER_QUEUE

__all__ = ["after_call", "ring", "sweep"]

_log = logging.getLogger(__name__)

_PASS_AFTER_MS: Final = 100
_PASSES: Final = 30  # then the sweeper has taken over


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
    if took is Took.NOT_NOW and passed < _PASSES:
        ring.send_with_options(args=(call_id,), kwargs={"passed": passed + 1}, delay=_PASS_AFTER_MS)


@dramatiq.actor(queue_name=QUEUE, broker=broker, max_retries=0, time_limit=10_000, max_age=5_000)
def sweep() -> None:
    """Ring for orphans now. Every node does so by itself; this is for operators."""
    lifecycle.sweep()


@dramatiq.actor(
    actor_name=AFTER_CALL, queue_name=AFTER_QUEUE, broker=broker, max_retries=5, time_limit=10_000, max_age=600_000
)
def after_call(call_id: str) -> None:
    """The call is over: sum it up. Retried while Redis is away."""
    if is_call_id(call_id):
        lifecycle.summarise(CallId(call_id))

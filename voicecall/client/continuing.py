"""A `continue` across restarts of the gateway: started once, then polled until it is over.

Used by the command line. The operation is in Redis, not in a gateway: any gateway answers for it.
"""

import asyncio
from typing import Final

from voicecall.api.results import Operation, OperationResult
from voicecall.client.asynchronous import AsyncVoicecall
from voicecall.client.failures import GatewayDown, Refused

__all__ = ["continued"]

_EVERY_S: Final = 1.0
_START_S: Final = 30.0  # a gateway restarts in less
_GRACE_S: Final = 10.0  # the gateway keeps an outcome for longer than this


async def continued(client: AsyncVoicecall, call_id: str, message: str) -> OperationResult:
    """Say the message, wait for the reply, and return the outcome; pending when there is none in time.

    Raises as the client, but for what a restart of the gateway causes.
    """
    return await _polled(client, await _started(client, call_id, message))


async def _started(client: AsyncVoicecall, call_id: str, message: str) -> Operation:
    """Start it. A refusal that did nothing and may succeed later is retried; an unknown outcome is not."""
    loop = asyncio.get_running_loop()
    deadline, refused_before = loop.time() + _START_S, False
    while True:
        try:
            return await client.continue_start(call_id, message)
        except Refused as refused:
            if not refused.retryable or refused.is_unknown or loop.time() >= deadline:
                raise
            refused_before = True
        except GatewayDown as down:
            # A gateway that has just refused is being restarted; one that was never there is reported at once.
            if not refused_before or down.was_sent or loop.time() >= deadline:
                raise
        await asyncio.sleep(_EVERY_S)


async def _polled(client: AsyncVoicecall, operation: Operation) -> OperationResult:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + operation.poll_timeout_ms / 1000 + _GRACE_S
    while True:
        left_s = deadline - loop.time()
        try:
            result = await client.continue_result(operation.operation_id)
        except (GatewayDown, Refused) as error:
            if left_s <= 0 or not error.retryable:
                raise
        else:
            if result.status != "pending" or left_s <= 0:
                return result
        await asyncio.sleep(_EVERY_S)

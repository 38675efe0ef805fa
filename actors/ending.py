"""Ending an asyncio task for sure: some libraries swallow a cancellation that meets their own timeout.

Used wherever something is let go. Knows nothing of what the task does.
"""

import asyncio
from typing import Any, Final

__all__ = ["end"]

_AGAIN_S: Final = 0.2


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel it, and again until it is over; its result or failure is nobody's concern any more."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_AGAIN_S)

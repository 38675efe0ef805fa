"""Runs the operator's tools for the agent: each is claimed in Redis first, and its outcome is reported as an event.

Run by the tools lane, several at once. A tool may have acted although it gave no answer, so it is called at most once:
another activation that finds its claim reports that the outcome is unknown (guarantee P3). Knows the role `Tools`.
"""

import logging
from collections.abc import Callable

from actors.commands import claim
from actors.context import ActorContext, Report
from actors.metering import effect_counted
from voicecall.call.effects import RunTool
from voicecall.call.events import CommandDone, CommandFailed, Event
from voicecall.call.state import Call, Direction
from voicecall.errors import Fenced, ServiceError, ServiceTimeout
from voicecall.ports import Lease, ToolRun

__all__ = ["ToolRunner"]

_log = logging.getLogger(__name__)


class ToolRunner:
    """`call` gives the committed state."""

    def __init__(self, context: ActorContext, lease: Lease, call: Callable[[], Call], report: Report) -> None:
        self._context = context
        self._lease = lease
        self._call = call
        self._report = report

    async def run(self, effect: RunTool) -> None:
        """Claim, call, report. Reports nothing when cancelled: the next activation settles it."""
        with effect_counted(effect) as result:
            try:
                is_ours = await claim(self._context, self._lease, effect.id)
            except Fenced:
                result.value = "fenced"
                return
            if is_ours:
                outcome = await self._outcome(effect)
            else:
                outcome = _failed(effect, "an earlier worker may have called it", unknown=True)
            if isinstance(outcome, CommandFailed):
                result.value = "failed"
            self._report(outcome)

    async def _outcome(self, effect: RunTool) -> Event:
        call = self._call()
        run = ToolRun(
            call=call.id,
            name=effect.called,
            arguments=effect.arguments,
            key=effect.key,
            caller=call.from_ if call.direction is Direction.INBOUND else call.to,
            number_verified=call.is_proven,
        )
        try:
            result = await self._context.ports.on(call.route).tools.run(run)
        except ServiceTimeout as error:
            return self._warned(effect, str(error), unknown=not error.retryable)
        except ServiceError as error:
            return self._warned(effect, str(error), unknown=False)
        except Exception as error:  # noqa: BLE001  see below
            # An adapter broke its contract: a defect, and for the model the same as a tool that failed.
            _log.exception("tool adapter raised", extra={"call_id": call.id})
            return _failed(effect, type(error).__name__, unknown=True)
        return CommandDone(effect=effect.id, tool=effect.called, result=result)

    def _warned(self, effect: RunTool, reason: str, *, unknown: bool) -> Event:
        _log.warning("tool failed", extra={"call_id": self._lease.call, "tool": effect.tool, "unknown": unknown})
        return _failed(effect, reason, unknown=unknown)


def _failed(effect: RunTool, reason: str, *, unknown: bool) -> Event:
    return CommandFailed(effect=effect.id, reason=reason, retryable=False, tool=effect.called, unknown=unknown)

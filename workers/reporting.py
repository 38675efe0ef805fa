"""Makes the report of every ended call once, archives it, and delivers it to the webhook until it is accepted.

Runs on the node's loop, beside its calls. What is left to do stands in Redis (`bus/reports.py`): a worker that is
killed at any point leaves the rest to another one, after `_HOLD_S`. A delivery may therefore happen twice, with one id;
a report is made once (guarantee P22). A receiver that is down costs a few requests now and then, and nothing else.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

import aiohttp

from voicecall.agents.registry import whole_answers_for
from voicecall.archive import CallArchive, replayed
from voicecall.bus.callbacks import CallbackBook
from voicecall.bus.reports import KeptReport, Reports
from voicecall.call.events import Event
from voicecall.call.ids import CallId
from voicecall.call.outcome import Result, is_missed, result_of
from voicecall.call.state import Call, Direction
from voicecall.errors import ArchiveUnavailable, BusError, ServiceError
from voicecall.metrics import REPORTS
from voicecall.reports.delivery import deliver, pause_s
from voicecall.reports.filling import fill
from voicecall.reports.report import Filled, report_of, schema_of
from voicecall.settings import Settings
from voicecall.settings.model.reports import ReportWebhook
from voicecall.wire import Undecodable
from workers.node import Parts

__all__ = ["Reporter", "reporting"]

_log = logging.getLogger(__name__)

_POLL_S: Final = 0.5
_BATCH: Final = 16
_CONCURRENT: Final = 16
_DELIVERIES: Final = 8  # of those at once: a receiver that hangs does not delay the making of reports
_DELIVERY_AGAIN_S: Final = 5.0  # when so many are under way
_HOLD_S: Final = 300.0  # longer than two answers of a model and one delivery take
_KEEP_S: Final = 86_400.0  # an archived report stays readable in Redis for so long, as its call does
_MODEL_AGAIN_S: Final = 10.0
_ARCHIVE_AGAIN_S: Final = 60.0


async def reporting(parts: Parts, settings: Settings) -> None:
    """Until cancelled. Raises ConfigError for an archive that cannot be used."""
    if not settings.reports.enabled:
        await asyncio.Event().wait()
    async with AsyncExitStack() as opening:
        http = await opening.enter_async_context(aiohttp.ClientSession())
        archive = CallArchive(settings.archive_url) if settings.archive.enabled else None
        if archive is not None:
            opening.callback(archive.close)
        await Reporter(parts, settings, http, archive).run()


class Reporter:
    """`archive` None: reports are kept in Redis only."""

    def __init__(
        self, parts: Parts, settings: Settings, http: aiohttp.ClientSession, archive: CallArchive | None
    ) -> None:
        self._parts = parts
        self._settings = settings
        self._http = http
        self._archive = archive
        self._reports = Reports(parts.redis)
        self._callbacks = CallbackBook(parts.redis)
        self._tasks: dict[asyncio.Task[None], CallId] = {}
        self._delivering = 0

    async def run(self) -> None:
        """Poll until cancelled; while Redis does not answer, try again."""
        try:
            while True:
                try:
                    free = _CONCURRENT - len(self._tasks)
                    for call in await self._reports.due(min(free, _BATCH), hold_s=_HOLD_S) if free > 0 else ():
                        task = asyncio.create_task(self._guarded(call))
                        self._tasks[task] = call
                        task.add_done_callback(self._tasks.pop)
                except BusError as error:
                    _log.warning("poll of reports failed", extra={"error": str(error)})
                await asyncio.sleep(_POLL_S * random.uniform(0.8, 1.2))
        finally:
            await self._release(dict(self._tasks))

    async def _release(self, tasks: dict[asyncio.Task[None], CallId]) -> None:
        """The process stops: leave what is not done to another worker at once."""
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for call in tasks.values():
            with suppress(BusError):
                await self._reports.again(call, 0.0)

    async def work(self, call: CallId) -> None:
        """Do what is left for this call. Raises BusError: it stays due."""
        kept = await self._reports.get(call)
        if kept is None:
            again_s = await self._make(call)
            if again_s is not None:
                await self._reports.again(call, again_s)
                return
            kept = await self._reports.get(call)
        if kept is None:  # forgotten, or there is no such call
            await self._reports.settled(call)
            return
        # The archive first: a receiver may take its time.
        waits = [wait for wait in (await self._keep(call, kept), await self._deliver(call, kept)) if wait is not None]
        if waits:
            await self._reports.again(call, min(waits))
            return
        kept = await self._reports.get(call)
        is_elsewhere = self._archive is not None and kept is not None and not kept.is_dead
        await self._reports.settled(call, _KEEP_S if is_elsewhere else None)

    async def _guarded(self, call: CallId) -> None:
        """One call's failure must not end the others'."""
        try:
            await self.work(call)
        except (BusError, Undecodable) as error:
            _log.warning("report waits", extra={"call_id": call, "error": str(error)})
        except Exception:  # noqa: BLE001  a defect with one call; logged, and tried again
            _log.exception("report failed", extra={"call_id": call})
            REPORTS.labels("broken").inc()

    async def _make(self, call: CallId) -> float | None:
        """Make and keep the report; or in how many seconds to try again, because its model cannot be asked now."""
        log = self._parts.log
        history = [record.event for record in await log.history(call)]
        state = await log.read(call) or replayed(call, history)
        if state is None or not state.is_over:
            return None
        now = self._parts.clock.now()
        schema = schema_of(state, history, self._settings)
        filled = None if schema is None else await self._filled(state, schema, now)
        if schema is not None and filled is None:
            return _MODEL_AGAIN_S
        # Before the report, which is the last step: a worker that dies in between does both again, each once.
        await self._follow_up(state, now)
        report = await asyncio.to_thread(_report, state, history, now, self._settings, filled)
        if await self._reports.put(call, report, state.phase.value, now):
            REPORTS.labels("made").inc()
            facts = {"result": report["result"], "reached_by": report["reachedBy"], "filled": "data" in report}
            _log.info("report made", extra={"call_id": call, **facts})
        return None

    async def _filled(self, call: Call, schema: dict[str, Any], now: float) -> Filled | None:
        """The data by the first model that can be asked; None: none can now, and there is time."""
        settings = self._settings.on_route(call.route)
        models = whole_answers_for(settings, self._http)
        if not models:
            return Filled(unfilled="no model is configured that can fill it in; set responseModel or responseFallbacks")
        failure = ""
        for model in models:
            try:
                return await fill(call, schema, model)
            except ServiceError as error:
                failure = str(error)
                _log.info("report is not filled in", extra={"call_id": call.id, "reason": failure})
        late = now - (call.ended_at or now) > settings.reports.fill_within_sec
        return Filled(unfilled=f"the model could not be asked: {failure}") if late else None

    async def _follow_up(self, call: Call, now: float) -> None:
        """A missed caller is called back; one who got through is not any more."""
        callbacks = self._settings.callbacks
        if not callbacks.missed or not callbacks.enabled or call.direction is not Direction.INBOUND:
            return
        if is_missed(call):
            await self._callbacks.add_missed(call.id, call.from_, callbacks, now)
        elif result_of(call) is Result.COMPLETED:
            await self._callbacks.cancel_missed(call.from_)

    async def _keep(self, call: CallId, kept: KeptReport) -> float | None:
        """Archive the report; in how many seconds to try again, None for never."""
        if kept.is_archived:
            return None
        if self._archive is not None:
            try:
                await asyncio.to_thread(self._archive.put_report, call, kept.report)
            except ArchiveUnavailable as error:
                _log.warning("report not archived, will be retried", extra={"call_id": call, "error": str(error)})
                return _ARCHIVE_AGAIN_S
        await self._reports.mark(call, "archived")
        return None

    async def _deliver(self, call: CallId, kept: KeptReport) -> float | None:
        """Send the report to the webhook; in how many seconds to try again, None for never."""
        webhook = self._settings.reports.webhook
        if kept.is_delivered:
            return None
        if webhook.url is None:
            await self._reports.mark(call, "delivered")
            return None
        if self._delivering >= _DELIVERIES:
            return _DELIVERY_AGAIN_S * random.uniform(0.5, 1.5)
        self._delivering += 1
        try:
            return await self._send(call, kept, webhook)
        finally:
            self._delivering -= 1

    async def _send(self, call: CallId, kept: KeptReport, webhook: ReportWebhook) -> float | None:
        """One try; in how many seconds the next one is, None for none."""
        now = self._parts.clock.now()
        tries = await self._reports.tried(call, now)
        if not tries:
            return None
        outcome = await deliver(self._http, webhook, kept.report, now)
        REPORTS.labels("delivered" if outcome.is_accepted else "refused").inc()
        if outcome.is_accepted:
            await self._reports.mark(call, "delivered")
            _log.info("report delivered", extra={"call_id": call, "tries": tries})
            return None
        if now - (kept.since or now) < webhook.give_up_after_hours * 3600:
            wait_s = pause_s(tries, outcome.retry_after_s) * random.uniform(0.9, 1.1)
            facts = {"tries": tries, "reason": outcome.reason, "again_s": round(wait_s)}
            _log.warning("report not delivered", extra={"call_id": call, **facts})
            return wait_s
        await self._give_up(call, tries, outcome.reason)
        return None

    async def _give_up(self, call: CallId, tries: int, reason: str) -> None:
        if await self._reports.give_up(call, f"not delivered in {tries} tries; the receiver {reason}"):
            REPORTS.labels("dead").inc()
            _log.error("report given up", extra={"call_id": call, "tries": tries, "reason": reason})


def _report(
    call: Call, history: Sequence[Event], now: float, settings: Settings, filled: Filled | None
) -> dict[str, Any]:
    return report_of(call, history, at=now, settings=settings, filled=filled)

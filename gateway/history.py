"""The methods about calls that are over, in a table of their own: list them, measure them, forget them.

Used by `rpc` behind the methods of living calls.
"""

from typing import Any, Final

from gateway.authenticator import Scope
from gateway.methods import Method, Payload, Services
from voicecall.api import params as p
from voicecall.api import results
from voicecall.service.history import Forgetting

__all__ = ["HISTORY_METHODS"]


async def _history(services: Services, params: p.History) -> Payload:
    page = await services.history.find(
        number=params.number,
        direction=params.direction,
        since=None if params.since is None else params.since / 1000,
        until=None if params.until is None else params.until / 1000,
        limit=params.limit,
        cursor=params.cursor,
        transcripts=params.transcripts,
    )
    return {"calls": list(page.calls), **({"next": page.next} if page.next else {})}


async def _latency(services: Services, params: p.Latency) -> Payload:
    return await services.history.latency(params.last)


async def _forget(services: Services, params: p.Forget) -> Payload:
    outcome = Forgetting(0, 0)
    if params.call_id is not None:
        outcome = await services.history.forget_call(params.call_id)
    elif params.number is not None:
        outcome = await services.history.forget_number(params.number)
    return {"forgotten": outcome.now, "atEnd": outcome.at_end}


HISTORY_METHODS: Final[tuple[Method[Any], ...]] = (
    Method(
        name="voicecall.history",
        summary="Calls that are over, newest first, page by page.",
        params=p.History,
        result=results.HistoryPage,
        scope=Scope.READ,
        does=_history,
    ),
    Method(
        name="voicecall.latency",
        summary="How long callers waited for our words in the newest calls.",
        params=p.Latency,
        result=results.Latency,
        scope=Scope.READ,
        does=_latency,
    ),
    Method(
        name="voicecall.forget",
        summary="Keep nothing of one call, or of any call to or from a number; live ones are forgotten at their end.",
        params=p.Forget,
        result=results.Forgotten,
        scope=Scope.WRITE,
        does=_forget,
    ),
)

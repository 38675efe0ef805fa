"""The methods about calls that are over, in a table of their own: list them, measure them, forget them.

Used by `rpc` behind the methods of living calls.
"""

from typing import Any, Final

from gateway import params as p
from gateway.auth import Scope
from gateway.methods import Method, Office, Payload
from voicecall.client import answers
from voicecall.history import Forgetting

__all__ = ["HISTORY_METHODS"]


async def _history(office: Office, params: p.History) -> Payload:
    page = await office.history.find(
        number=params.number,
        direction=params.direction,
        since=None if params.since is None else params.since / 1000,
        until=None if params.until is None else params.until / 1000,
        limit=params.limit,
        cursor=params.cursor,
        transcripts=params.transcripts,
    )
    return {"calls": list(page.calls), **({"next": page.next} if page.next else {})}


async def _latency(office: Office, params: p.Latency) -> Payload:
    return await office.history.latency(params.last)


async def _forget(office: Office, params: p.Forget) -> Payload:
    outcome = Forgetting(0, 0)
    if params.call_id is not None:
        outcome = await office.history.forget_call(params.call_id)
    elif params.number is not None:
        outcome = await office.history.forget_number(params.number)
    return {"forgotten": outcome.now, "atEnd": outcome.at_end}


HISTORY_METHODS: Final[tuple[Method[Any], ...]] = (
    Method(
        name="voicecall.history",
        summary="Calls that are over, newest first, page by page.",
        params=p.History,
        result=answers.HistoryPage,
        scope=Scope.READ,
        does=_history,
    ),
    Method(
        name="voicecall.latency",
        summary="How long callers waited for our words in the newest calls.",
        params=p.Latency,
        result=answers.Latency,
        scope=Scope.READ,
        does=_latency,
    ),
    Method(
        name="voicecall.forget",
        summary="Keep nothing of one call, or of any call to or from a number; live ones are forgotten at their end.",
        params=p.Forget,
        result=answers.Forgotten,
        scope=Scope.WRITE,
        does=_forget,
    ),
)

"""The methods local callers have, in one table: name, parameters, answer, scope, and what each does (behaviour 10.2).

Used by `rpc`, which runs them, and by `documents`, which describes them. A method is a function of the office and its
checked parameters; to add some, write their table and hang it behind `METHODS` in `rpc`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from gateway.authenticator import Scope
from voicecall.api import params as p
from voicecall.api import results
from voicecall.api.brief import Brief as ToldBrief
from voicecall.call.brief import Brief
from voicecall.record import call_record
from voicecall.service import CallRequest, CallService
from voicecall.service.history import History

__all__ = ["CALL_METHODS", "Method", "Payload", "Services"]

Payload = dict[str, Any]
P = TypeVar("P", bound=p.Params)

_CODES: Final = {"failed": "FAILED", "unknown": "UNAVAILABLE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Whom the methods turn to."""

    calls: CallService
    history: History


@dataclass(frozen=True, slots=True, kw_only=True)
class Method(Generic[P]):
    """`params` is checked before `does` is called; `result` is the documented shape of what it gives."""

    name: str
    summary: str
    params: type[P]
    result: type[results.Answer]
    scope: Scope
    does: Callable[[Services, P], Awaitable[Payload]]


async def _initiate(services: Services, params: p.Initiate | p.Start) -> Payload:
    brief = params.brief
    order = CallRequest(
        to=params.to,
        message=params.message,
        mode=params.mode,
        session_key=params.session_key,
        requester=params.requester_session_key,
        keys=params.dtmf_sequence or "",
        brief=None if brief is None else _kept(brief),
        voicemail_message="" if brief is None else brief.voicemail_message.strip(),
        max_duration_s=None if brief is None else brief.max_duration_seconds,
    )
    return {"callId": await services.calls.place(order, params.idempotency_key), "initiated": True}


def _kept(told: ToldBrief) -> Brief:
    """What stays with the call; the rest of a brief becomes terms of it."""
    return Brief(
        task=told.task,
        context=told.context.strip(),
        language=told.language.strip(),
        identity=told.identity.strip(),
        disclosures=told.disclosures,
        approvals=told.approvals,
        success_criteria=told.success_criteria,
    )


async def _continue(services: Services, params: p.Continue) -> Payload:
    return {"success": True, "transcript": await services.calls.continue_(params.call_id, params.message)}


async def _continue_start(services: Services, params: p.Continue) -> Payload:
    begun = await services.calls.begin_continue(params.call_id, params.message)
    return {"operationId": begun.operation, "pollTimeoutMs": round(begun.patience_s * 1000)}


async def _continue_result(services: Services, params: p.ContinueResult) -> Payload:
    outcome = await services.calls.outcome(params.operation_id)
    match outcome.status:
        case "pending":
            return {"status": "pending"}
        case "completed":
            return {"status": "completed", "result": {"success": True, "transcript": outcome.text}}
        case _:
            return {"status": "failed", "error": outcome.text, "code": _CODES[outcome.status]}


async def _speak(services: Services, params: p.Speak) -> Payload:
    await services.calls.speak(params.call_id, params.message)
    return {"success": True}


async def _end(services: Services, params: p.End) -> Payload:
    await services.calls.end(params.call_id)
    return {"success": True}


async def _dtmf(services: Services, params: p.Dtmf) -> Payload:
    await services.calls.send_digits(params.call_id, params.digits)
    return {"success": True}


async def _status(services: Services, params: p.Status) -> Payload:
    name = params.call_id or params.sid
    if name is None:
        return {"found": True, "calls": [call_record(call) for call in await services.calls.live()]}
    call = await services.calls.status(name)
    record = await services.history.status(name) if call is None else call_record(call)
    return {"found": False} if record is None else {"found": True, "call": record}


CALL_METHODS: Final[tuple[Method[Any], ...]] = (
    Method(
        name="voicecall.initiate",
        summary="Place a call; answers when the carrier has taken the dial.",
        params=p.Initiate,
        result=results.Initiated,
        scope=Scope.WRITE,
        does=_initiate,
    ),
    Method(
        name="voicecall.start",
        summary="The older name of initiate: the number is required, the message is not.",
        params=p.Start,
        result=results.Initiated,
        scope=Scope.WRITE,
        does=_initiate,
    ),
    Method(
        name="voicecall.continue",
        summary="Say something and wait for the other party's next words.",
        params=p.Continue,
        result=results.Words,
        scope=Scope.WRITE,
        does=_continue,
    ),
    Method(
        name="voicecall.continue.start",
        summary="The same without waiting: answers with the operation to ask about.",
        params=p.Continue,
        result=results.Operation,
        scope=Scope.WRITE,
        does=_continue_start,
    ),
    Method(
        name="voicecall.continue.result",
        summary="What became of an operation so far; any gateway of the house can tell.",
        params=p.ContinueResult,
        result=results.OperationResult,
        scope=Scope.READ,
        does=_continue_result,
    ),
    Method(
        name="voicecall.speak",
        summary="Say something; answers when it was heard.",
        params=p.Speak,
        result=results.Success,
        scope=Scope.WRITE,
        does=_speak,
    ),
    Method(
        name="voicecall.dtmf",
        summary="Press keys.",
        params=p.Dtmf,
        result=results.Success,
        scope=Scope.WRITE,
        does=_dtmf,
    ),
    Method(
        name="voicecall.end",
        summary="Hang up; ending a call that is over succeeds.",
        params=p.End,
        result=results.Success,
        scope=Scope.WRITE,
        does=_end,
    ),
    Method(
        name="voicecall.status",
        summary="One call, live or over; without an id every live one.",
        params=p.Status,
        result=results.Found,
        scope=Scope.READ,
        does=_status,
    ),
)

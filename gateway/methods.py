"""The handlers of the gateway's methods: each turns validated parameters into calls of the services, and into a
payload.

`rpc` runs them, bound by name to the contract in `voicecall.api.methods`. A payload has the shape of the method's
result. Handlers of socket methods are in `sockets`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from voicecall.api import params as p
from voicecall.api.results import CallRecord
from voicecall.api.steering import SteerMode
from voicecall.call.ids import CallId
from voicecall.service import CallRequest, CallService
from voicecall.service.callbacks import CallbackService
from voicecall.service.history import ForgetCounts, History
from voicecall.service.inspection import Inspection
from voicecall.service.recordings import RecordingService
from voicecall.service.reports import ReportQueries

__all__ = ["HANDLERS", "Handler", "Payload", "Services"]

Payload = dict[str, Any]

_CODE_OF_STATUS: Final = {"failed": "FAILED", "unknown": "UNAVAILABLE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the handlers use."""

    calls: CallService
    history: History
    inspection: Inspection
    reports: ReportQueries
    callbacks: CallbackService
    recordings: RecordingService


Handler = Callable[[Services, Any], Awaitable[Payload]]
"""The second argument is an instance of the method's parameters."""


async def _initiate(services: Services, params: p.InitiateParams | p.StartParams) -> Payload:
    brief = params.brief
    request = CallRequest(
        to=params.to,
        message=params.message,
        mode=params.mode,
        session_key=params.session_key,
        requester=params.requester_session_key,
        keys=params.dtmf_sequence or "",
        tools=params.tools,
        brief=None if brief is None else brief.for_call(),
        voicemail_message="" if brief is None else brief.voicemail_message.strip(),
        max_duration_s=None if brief is None else brief.max_duration_seconds,
        report_schema="" if params.report is None else orjson.dumps(params.report.form).decode(),
    )
    return {"callId": await services.calls.initiate(request, params.idempotency_key), "initiated": True}


async def _continue(services: Services, params: p.ContinueParams) -> Payload:
    return {"success": True, "transcript": await services.calls.continue_(params.call_id, params.message)}


async def _continue_start(services: Services, params: p.ContinueParams) -> Payload:
    started = await services.calls.start_continue(params.call_id, params.message)
    return {"operationId": started.operation, "pollTimeoutMs": round(started.timeout_s * 1000)}


async def _continue_result(services: Services, params: p.ContinueResultParams) -> Payload:
    state = await services.calls.operation_state(params.operation_id)
    match state.status:
        case "pending":
            return {"status": "pending"}
        case "completed":
            return {"status": "completed", "result": {"success": True, "transcript": state.text}}
        case _:
            return {"status": "failed", "error": state.text, "code": _CODE_OF_STATUS[state.status]}


async def _speak(services: Services, params: p.SpeakParams) -> Payload:
    await services.calls.speak(params.call_id, params.message)
    return {"success": True}


async def _steer(services: Services, params: p.SteerParams) -> Payload:
    calls, call = services.calls, params.call_id
    match params.mode:
        case SteerMode.SAY:
            await calls.speak(call, params.message, interrupts=params.interrupt)
        case SteerMode.GUIDANCE:
            await calls.guide(call, params.message)
        case SteerMode.ASK:
            return {"success": True, "transcript": await calls.ask(call, params.message)}
    return {"success": True}


async def _dtmf(services: Services, params: p.DtmfParams) -> Payload:
    await services.calls.send_digits(params.call_id, params.digits)
    return {"success": True}


async def _answer(services: Services, params: p.AnswerParams) -> Payload:
    await services.calls.answer(params.call_id, params.answer, params.question_id)
    return {"success": True}


async def _end(services: Services, params: p.EndParams) -> Payload:
    await services.calls.end(params.call_id)
    return {"success": True}


async def _status(services: Services, params: p.StatusParams) -> Payload:
    name = params.call_id or params.sid
    if name is None:
        records = [CallRecord.of(call).payload() for call in await services.calls.live()]
        return {"found": True, "calls": [_shown(record, params) for record in records]}
    call = await services.calls.status(name)
    record = await services.history.status(name) if call is None else CallRecord.of(call).payload()
    return {"found": False} if record is None else {"found": True, "call": _shown(record, params)}


def _shown(record: Payload, params: p.StatusParams) -> Payload:
    return record if params.transcripts else {key: value for key, value in record.items() if key != "transcript"}


async def _history(services: Services, params: p.HistoryParams) -> Payload:
    page = await services.history.find(
        number=params.number,
        direction=params.direction,
        since=None if params.since is None else params.since / 1000,
        until=None if params.until is None else params.until / 1000,
        outcome=None if params.outcome is None else params.outcome.value,
        limit=params.limit,
        cursor=params.cursor,
        transcripts=params.transcripts,
    )
    return {"calls": list(page.calls), **({"next": page.next} if page.next else {})}


async def _latency(services: Services, params: p.LatencyParams) -> Payload:
    return await services.history.latency(params.last)


async def _forget(services: Services, params: p.ForgetParams) -> Payload:
    counts = ForgetCounts(0, 0)
    if params.call_id is not None:
        counts = await services.history.forget_call(params.call_id)
    elif params.number is not None:
        counts = await services.history.forget_number(params.number)
    return {"forgotten": counts.now, "atEnd": counts.at_end}


async def _recording(services: Services, params: p.RecordingParams) -> Payload:
    facts = await services.recordings.find(params.call_id)
    if facts is None or "startedAt" not in facts:
        return {"found": False}
    ticket = await services.recordings.ticket(CallId(params.call_id))
    return {"found": True, "url": f"/recordings/{params.call_id}?ticket={ticket}", "recording": facts}


async def _events(services: Services, params: p.EventsParams) -> Payload:
    return await services.inspection.events(params.call_id, params.after, params.limit)


async def _processes(services: Services, _params: p.ProcessesParams) -> Payload:
    return await services.inspection.processes()


async def _doctor(services: Services, _params: p.DoctorParams) -> Payload:
    return await services.inspection.doctor()


async def _dead(services: Services, params: p.DeadParams) -> Payload:
    return await services.inspection.dead(params.last)


async def _report(services: Services, params: p.ReportParams) -> Payload:
    report = await services.reports.get(params.call_id, wait_s=params.wait_ms / 1000)
    if report is not None:
        return {"found": True, "ready": True, "report": report}
    return {"found": await services.reports.is_known(params.call_id), "ready": False}


async def _callbacks(services: Services, _params: p.CallbacksParams) -> Payload:
    return {"callbacks": await services.callbacks.list()}


async def _callback_add(services: Services, params: p.CallbackAddParams) -> Payload:
    return await services.callbacks.add(
        params.to,
        params.message,
        at=None if params.at is None else params.at / 1000,
        brief=params.brief,
        source=params.call_id or "",
        idempotency_key=params.idempotency_key,
    )


async def _callback_cancel(services: Services, params: p.CallbackCancelParams) -> Payload:
    return {"cancelled": await services.callbacks.cancel(params.callback_id)}


HANDLERS: Final[Mapping[str, Handler]] = {
    "voicecall.initiate": _initiate,
    "voicecall.start": _initiate,
    "voicecall.continue": _continue,
    "voicecall.continue.start": _continue_start,
    "voicecall.continue.result": _continue_result,
    "voicecall.speak": _speak,
    "voicecall.steer": _steer,
    "voicecall.dtmf": _dtmf,
    "voicecall.answer": _answer,
    "voicecall.end": _end,
    "voicecall.status": _status,
    "voicecall.history": _history,
    "voicecall.latency": _latency,
    "voicecall.forget": _forget,
    "voicecall.recording": _recording,
    "voicecall.events": _events,
    "voicecall.processes": _processes,
    "voicecall.doctor": _doctor,
    "voicecall.dead": _dead,
    "voicecall.report": _report,
    "voicecall.callbacks": _callbacks,
    "voicecall.callback.add": _callback_add,
    "voicecall.callback.cancel": _callback_cancel,
}

"""Every method of the gateway: its name, summary, parameters, result and scope.

`METHODS` are served at `POST /rpc` and on the socket, `SOCKET_METHODS` on the socket alone. The gateway binds a handler
to each by its name, the client sends by them, the documents are generated from them. A new method is added here, in
`params` and in `results`; then it needs a handler in `gateway/methods.py` and a section in `docs/rpc.md`.
"""

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from voicecall.api import params, results
from voicecall.api.scopes import Scope

__all__ = [
    "ANSWER",
    "CALLBACKS",
    "CALLBACK_ADD",
    "CALLBACK_CANCEL",
    "CONTINUE",
    "CONTINUE_RESULT",
    "CONTINUE_START",
    "DEAD",
    "DOCTOR",
    "DTMF",
    "END",
    "EVENTS",
    "FORGET",
    "HISTORY",
    "INITIATE",
    "LATENCY",
    "METHODS",
    "PROCESSES",
    "RECORDING",
    "REGISTER",
    "REPORT",
    "SOCKET_METHODS",
    "SPEAK",
    "START",
    "STATUS",
    "STEER",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "Method",
]

P = TypeVar("P", bound=params.Params)
R = TypeVar("R", bound=results.Result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method(Generic[P, R]):
    """`scope`: what a token needs to call it."""

    name: str
    summary: str
    params: type[P]
    result: type[R]
    scope: Scope


INITIATE: Final = Method(
    name="voicecall.initiate",
    summary="Place a call; answers when the carrier has accepted the dial.",
    params=params.InitiateParams,
    result=results.Initiated,
    scope=Scope.WRITE,
)
START: Final = Method(
    name="voicecall.start",
    summary="The older name of initiate: the number is required, the message is optional.",
    params=params.StartParams,
    result=results.Initiated,
    scope=Scope.WRITE,
)
CONTINUE: Final = Method(
    name="voicecall.continue",
    summary="Say something and wait for the remote party's reply.",
    params=params.ContinueParams,
    result=results.Continued,
    scope=Scope.WRITE,
)
CONTINUE_START: Final = Method(
    name="voicecall.continue.start",
    summary="Start a continue without waiting; answers with the id of the operation.",
    params=params.ContinueParams,
    result=results.Operation,
    scope=Scope.WRITE,
)
CONTINUE_RESULT: Final = Method(
    name="voicecall.continue.result",
    summary="The state of an operation; any gateway of the system can answer.",
    params=params.ContinueResultParams,
    result=results.OperationResult,
    scope=Scope.READ,
)
SPEAK: Final = Method(
    name="voicecall.speak",
    summary="Say something; answers when it was heard.",
    params=params.SpeakParams,
    result=results.Success,
    scope=Scope.WRITE,
)
STEER: Final = Method(
    name="voicecall.steer",
    summary="Give the agent a hint that the caller does not hear, have it ask a question, or say something.",
    params=params.SteerParams,
    result=results.Steered,
    scope=Scope.WRITE,
)
DTMF: Final = Method(
    name="voicecall.dtmf",
    summary="Press keys.",
    params=params.DtmfParams,
    result=results.Success,
    scope=Scope.WRITE,
)
ANSWER: Final = Method(
    name="voicecall.answer",
    summary="Answer a question of the agent that holds the call (`ask_owner`).",
    params=params.AnswerParams,
    result=results.Success,
    scope=Scope.WRITE,
)
END: Final = Method(
    name="voicecall.end",
    summary="Hang up; ending an ended call succeeds.",
    params=params.EndParams,
    result=results.Success,
    scope=Scope.WRITE,
)
STATUS: Final = Method(
    name="voicecall.status",
    summary="One call, live or ended; without an id, every live call.",
    params=params.StatusParams,
    result=results.Found,
    scope=Scope.READ,
)
HISTORY: Final = Method(
    name="voicecall.history",
    summary="Ended calls, newest first, page by page.",
    params=params.HistoryParams,
    result=results.HistoryPage,
    scope=Scope.READ,
)
LATENCY: Final = Method(
    name="voicecall.latency",
    summary="How long callers waited for a reply in the newest calls.",
    params=params.LatencyParams,
    result=results.Latency,
    scope=Scope.READ,
)
FORGET: Final = Method(
    name="voicecall.forget",
    summary="Delete one call, or every call to or from a number; live calls are deleted when they end.",
    params=params.ForgetParams,
    result=results.Forgotten,
    scope=Scope.WRITE,
)
RECORDING: Final = Method(
    name="voicecall.recording",
    summary="The recording of an ended call: an address that works for ten minutes, and what is missing of it.",
    params=params.RecordingParams,
    result=results.RecordingFound,
    scope=Scope.WRITE,
)
EVENTS: Final = Method(
    name="voicecall.events",
    summary="The events of one call from its beginning, page by page, while Redis holds its log.",
    params=params.EventsParams,
    result=results.Events,
    scope=Scope.READ,
)
PROCESSES: Final = Method(
    name="voicecall.processes",
    summary="The workers and ingresses, and the live calls that each holds.",
    params=params.ProcessesParams,
    result=results.Processes,
    scope=Scope.READ,
)
DOCTOR: Final = Method(
    name="voicecall.doctor",
    summary="What `voicecall doctor` finds where the gateway runs; run at most every 20 seconds.",
    params=params.DoctorParams,
    result=results.Diagnosis,
    scope=Scope.READ,
)
DEAD: Final = Method(
    name="voicecall.dead",
    summary="The newest dead letters, without their bytes.",
    params=params.DeadParams,
    result=results.DeadLetters,
    scope=Scope.READ,
)
REPORT: Final = Method(
    name="voicecall.report",
    summary="The report of one call that has ended; may wait for it.",
    params=params.ReportParams,
    result=results.ReportAnswer,
    scope=Scope.READ,
)
CALLBACKS: Final = Method(
    name="voicecall.callbacks",
    summary="The call-backs that wait, and those of the last week.",
    params=params.CallbacksParams,
    result=results.Callbacks,
    scope=Scope.READ,
)
CALLBACK_ADD: Final = Method(
    name="voicecall.callback.add",
    summary="Place a call later, at most once, outside of the number's quiet hours.",
    params=params.CallbackAddParams,
    result=results.CallbackAdded,
    scope=Scope.WRITE,
)
CALLBACK_CANCEL: Final = Method(
    name="voicecall.callback.cancel",
    summary="Do not place a call-back that waits.",
    params=params.CallbackCancelParams,
    result=results.CallbackCancelled,
    scope=Scope.WRITE,
)
METHODS: Final[tuple[Method[Any, Any], ...]] = (
    INITIATE,
    START,
    CONTINUE,
    CONTINUE_START,
    CONTINUE_RESULT,
    SPEAK,
    STEER,
    DTMF,
    ANSWER,
    END,
    STATUS,
    HISTORY,
    LATENCY,
    FORGET,
    RECORDING,
    EVENTS,
    PROCESSES,
    DOCTOR,
    DEAD,
    REPORT,
    CALLBACKS,
    CALLBACK_ADD,
    CALLBACK_CANCEL,
)

SUBSCRIBE: Final = Method(
    name="voicecall.subscribe",
    summary="Follow the events of one call, or of all calls.",
    params=params.SubscribeParams,
    result=results.Subscribed,
    scope=Scope.READ,
)
UNSUBSCRIBE: Final = Method(
    name="voicecall.unsubscribe",
    summary="End a subscription; no item of it follows the answer.",
    params=params.UnsubscribeParams,
    result=results.Unsubscribed,
    scope=Scope.READ,
)
REGISTER: Final = Method(
    name="voicecall.agent.register",
    summary="Register this socket as an agent host, which answers callers.",
    params=params.RegisterParams,
    result=results.Registered,
    scope=Scope.WRITE,
)
SOCKET_METHODS: Final[tuple[Method[Any, Any], ...]] = (SUBSCRIBE, UNSUBSCRIBE, REGISTER)

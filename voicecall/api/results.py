"""The results of the gateway's methods, and the items of its feed.

The server builds records and feed items by them, the client parses by them, the documents are generated from them.
Names are camelCase on the wire; times are epoch milliseconds. A reader ignores unknown keys, so that an older client
works with a newer gateway.
"""

from collections.abc import Iterable
from dataclasses import fields
from enum import Enum
from functools import cache
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from voicecall.api.errors import STATUS_OF_CODE
from voicecall.call.events import Billed, EndReason, Event, Failover, Mode, ToolRequest
from voicecall.call.ids import CallId
from voicecall.call.outcome import ReachedBy
from voicecall.call.outcome import Result as CallOutcome
from voicecall.call.state import Call, Direction, Party, Phase, ToolOutcome, ToolUse

__all__ = [
    "CallFacts",
    "CallRecord",
    "CallbackAdded",
    "CallbackCancelled",
    "CallbackFacts",
    "Callbacks",
    "Continued",
    "DeadLetterFacts",
    "DeadLetters",
    "Diagnosis",
    "Events",
    "Failure",
    "FailureFrame",
    "Features",
    "FeedEvent",
    "FeedItem",
    "FindingFacts",
    "Forgotten",
    "Found",
    "Gap",
    "Hello",
    "HistoryPage",
    "Initiated",
    "Latency",
    "LatencyStage",
    "LiveLine",
    "LiveUpdate",
    "MissingPart",
    "Operation",
    "OperationResult",
    "OwnerQuestion",
    "ProcessFacts",
    "Processes",
    "ProviderFailover",
    "RecordingFacts",
    "RecordingFound",
    "Registered",
    "Report",
    "ReportAnswer",
    "ReportFact",
    "Result",
    "Steered",
    "Subscribed",
    "Success",
    "ToolCall",
    "TranscriptLine",
    "TurnSpans",
    "TurnTimes",
    "Unsubscribed",
]

_INTERNAL: Final = frozenset(
    {"at", "request", "turn_token", "stream", "ingress", "policy", "effect", "requester", "opening_digits", "brief"}
    | {"report_schema", "tokens"}
)
"""Event fields that the feed leaves out. Request ids and stream names would let a reader answer for another (attack
79);
the brief is for the agent alone; keys may be a PIN."""


_REPORTED: Final = "Reported"  # the type of the feed's event that has a report
_SHOWN: Final = 500  # characters of a tool's arguments and result


class Result(BaseModel):
    """Anything the gateway sends."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    def payload(self) -> dict[str, Any]:
        """The object as it is sent: camelCase, without what was not given."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _values(values: type[Enum]) -> Any:
    """Documents today's values. Parsing accepts others: a newer gateway may send more."""
    return Field(json_schema_extra={"enum": [value.value for value in values]})


class TranscriptLine(Result):
    """One utterance. Of the agent's, the part that was heard."""

    timestamp: int
    speaker: Annotated[str, _values(Party)]
    text: str
    is_final: bool = True


class TurnTimes(Result):
    """The times of one turn: from the end of the remote party's speech to the first audio of what is said next, and how
    long a `continue` waited for the remote party.
    """

    at: int
    turn: int
    latency_ms: int | None = None
    listen_wait_ms: int | None = None


class TurnSpans(Result):
    """What the wait for one reply was made of: contiguous parts in ms, from the caller's last sound to the reply.

    `at`: when the reply began. `owners`: the same wait by whose time it was. `tools`: what the agent
    ran before it spoke.
    """

    at: int | None = None
    turn: int
    spans: dict[str, int]
    saved_ms: int | None = Field(default=None, description="By which asking the agent early shortened the wait.")
    owners: dict[str, int] = Field(default_factory=dict)
    tools: tuple[str, ...] = ()


class ProviderFailover(Result):
    """One provider took over from another. `service`: stt, tts or agent. `reason`: a word, why not `from`."""

    service: str
    from_: str = Field(alias="from")
    to: str
    reason: str


class ToolCall(Result):
    """One call of a tool by the agent. Of its arguments and its result the first 500 characters."""

    name: str
    turn: int
    at: int
    ms: int | None = Field(default=None, description="How long it took.")
    outcome: Annotated[str, _values(ToolOutcome)]
    arguments: str
    result: str


class OwnerQuestion(Result):
    """What the agent asks who placed the call: `voicecall.answer` answers it."""

    id: str
    text: str


class MissingPart(Result):
    """A part of a recording that was not recorded: silence of its length. Milliseconds from the beginning."""

    from_ms: int
    to_ms: int


class RecordingFacts(Result):
    """What is known of a call's recording."""

    consent: str | None = Field(default=None, description="How the remote party learnt of it.")
    consent_at: int | None = None
    state: Literal["recording", "none", "pending", "whole", "partial", "lost"] | None = Field(
        default=None, description="Of an ended call: what became of it."
    )
    started_at: int | None = Field(default=None, description="Of its first sample.")
    duration_ms: int | None = None
    bytes: int | None = None
    missing: tuple[MissingPart, ...] = ()


class CallFacts(Result):
    """Details of a call beside its record."""

    mode: Annotated[str, _values(Mode)]
    initial_message: str | None = None
    turn_count: int = 0
    last_turn_latency_ms: int | None = None
    last_turn_listen_wait_ms: int | None = None
    detail: str | None = Field(default=None, description="Why it failed or was refused.")
    digits: str | None = Field(default=None, description="Keys the remote party pressed.")
    answered_by: str | None = Field(default=None, description="human or machine, where the carrier reports it.")
    reactivations: int = Field(default=0, description="How often another worker took the call over.")
    number_route_key: str | None = Field(
        default=None, description="The configured number whose own settings apply to the call."
    )
    last_turn_spans: dict[str, int] | None = Field(default=None, description="Parts of the wait for the newest reply.")
    last_turn_saved_ms: int | None = Field(default=None, description="By asking the agent early, of that wait.")
    last_turn_tools: tuple[str, ...] = Field(default=(), description="What the agent ran in it.")
    failovers: tuple[ProviderFailover, ...] = Field(
        default=(), description="Which providers took over from which, each once."
    )
    tool_calls: tuple[ToolCall, ...] = Field(default=(), description="The agent's newest calls of tools.")
    notes: dict[str, str] | None = Field(default=None, description="Facts that the agent has noted, by name.")
    question: OwnerQuestion | None = Field(default=None, description="What the agent waits for you to answer.")
    recording: RecordingFacts | None = Field(default=None, description="Where the call is recorded.")
    turns: tuple[TurnTimes, ...] = Field(default=(), description="Of an archived call.")
    turn_spans: tuple[TurnSpans, ...] = Field(default=(), description="Of an archived call.")
    billed_seconds: int | None = Field(default=None, description="What the carrier bills, if it reported it.")
    price: str | None = Field(default=None, description="In `currency`, as the carrier reported it.")
    currency: str | None = None


class CallRecord(Result):
    """One call at one moment."""

    call_id: str
    provider_call_id: str | None = None
    provider: str
    direction: Annotated[str, _values(Direction)]
    state: Annotated[str, _values(Phase)]
    from_: str = Field(alias="from")
    to: str
    session_key: str | None = Field(default=None, description="The agent's session.")
    agent_id: str | None = Field(default=None, description="The agent that holds the call.")
    started_at: int
    answered_at: int | None = None
    ended_at: int | None = None
    end_reason: Annotated[str, _values(EndReason)] | None = None
    transcript: tuple[TranscriptLine, ...] = ()
    processed_event_ids: tuple[str, ...] = Field(default=(), description="Always empty.")
    metadata: CallFacts

    @property
    def is_over(self) -> bool:
        """The call has ended; its record will not change."""
        return self.ended_at is not None

    @classmethod
    def of(cls, call: Call) -> Self:
        """The record of a call. Request ids and stream names are left out: they would let a reader answer for another
        (attack 79). `processedEventIds` stays empty: the log records what was processed.
        """
        facts = {
            "mode": call.mode.value,
            "initialMessage": call.playback.opening_text or None,
            "turnCount": call.stats.completed_turns,
            "lastTurnLatencyMs": call.stats.last_turn_latency_ms,
            "lastTurnListenWaitMs": call.stats.last_listen_wait_ms,
            "lastTurnSpans": call.stats.last_turn_spans or None,
            "lastTurnSavedMs": call.stats.last_turn_saved_ms,
            "lastTurnTools": call.stats.last_turn_tools or None,
            "failovers": [_plain(each) for each in call.stats.failovers] or None,
            "toolCalls": [_tool_call(use) for use in call.tools.uses] or None,
            "notes": {note.name: note.value for note in call.tools.notes} or None,
            "question": _question(call),
            "detail": call.detail or None,
            "digits": call.digits or None,
            "answeredBy": call.answered_by.value if call.answered_by is not None else None,
            "reactivations": call.reactivations,
            "numberRouteKey": call.route or None,
            "recording": _recording(call),
        }
        record = {
            "callId": call.id,
            "providerCallId": call.leg,
            "provider": call.carrier,
            "direction": call.direction.value,
            "state": call.phase.value,
            "from": call.from_ or "unknown",
            "to": call.to or "unknown",
            "sessionKey": call.session_key or None,
            "agentId": call.agent_id,
            "startedAt": _ms(call.started_at),
            "answeredAt": _ms(call.answered_at),
            "endedAt": _ms(call.ended_at),
            "endReason": call.end_reason.value if call.end_reason is not None else None,
            "transcript": [
                {"timestamp": _ms(line.at), "speaker": line.speaker.value, "text": line.text, "isFinal": True}
                for line in call.transcript
            ],
            "processedEventIds": [],
            "metadata": _without_none(facts),
        }
        return cls.model_validate(_without_none(record))


class Initiated(Result):
    """The carrier accepted the dial."""

    call_id: str
    initiated: Literal[True] = True


class Success(Result):
    success: Literal[True] = True


class Continued(Success):
    """The remote party's next utterance."""

    transcript: str


class Steered(Success):
    """`transcript`: the caller's answer, of mode `ask`."""

    transcript: str | None = None


class Operation(Result):
    """A started `continue`. Poll `continue.result` for at most `poll_timeout_ms`."""

    operation_id: str
    poll_timeout_ms: int


class OperationResult(Result):
    """The state of an operation: `result` when completed, `error` and `code` when failed."""

    status: Literal["pending", "completed", "failed"]
    result: Continued | None = None
    error: str | None = None
    code: str | None = None

    @property
    def transcript(self) -> str | None:
        return None if self.result is None else self.result.transcript


class Found(Result):
    """`call` for a query by id; `calls`, the live calls, for a query without one; neither for an unknown id."""

    found: bool
    call: CallRecord | None = None
    calls: tuple[CallRecord, ...] | None = None


class HistoryPage(Result):
    """Ended calls, newest first. `next`: the cursor of the next page, if there is one."""

    calls: tuple[CallRecord, ...]
    next: str | None = None


class LatencyStage(Result):
    """Nearest-rank percentiles; without values, the count alone."""

    count: int
    min_ms: int | None = None
    max_ms: int | None = None
    avg_ms: int | None = None
    p50_ms: int | None = Field(default=None, alias="p50Ms")
    p95_ms: int | None = Field(default=None, alias="p95Ms")


class Latency(Result):
    """How long callers waited in the turns of the newest calls."""

    records_scanned: int
    turn_latency: LatencyStage
    listen_wait: LatencyStage


class Forgotten(Result):
    """`forgotten`: calls deleted now. `at_end`: live calls that will be deleted when they end."""

    forgotten: int
    at_end: int


class RecordingFound(Result):
    """`url`: relative to the gateway's address, for ten minutes; it supports ranges."""

    found: bool
    url: str | None = None
    recording: RecordingFacts | None = None


class Features(Result):
    methods: tuple[str, ...]
    scopes: tuple[Literal["operator.read", "operator.write"], ...]
    listen: bool = False


class Hello(Result):
    """The answer to `connect`: the gateway's methods, and the scopes of the token."""

    type: Literal["hello-ok"]
    protocol: Literal[1]
    features: Features


class Subscribed(Result):
    subscribed: Literal[True]
    subscription: str


class Unsubscribed(Result):
    """`unsubscribed` is false when there was no such subscription."""

    unsubscribed: bool
    subscription: str


class Registered(Result):
    """`events`: what the gateway takes from a host. Absent from one that does not take `agent.tool`."""

    registered: Literal[True]
    host_id: str
    events: tuple[str, ...] = ()


class FeedEvent(BaseModel):
    """One event of a call's log. The fields of its type (`text`, `digits`, `reason` …) are in `model_extra`.

    `PlaybackBegan` of a reply has `spans` and `tools`: what the wait for it was made of, as `turnSpans` of a record.
    `Reported` has the `report` of an ended call; it is not in the log, so its `seq` is 0.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    seq: int
    type: str
    at: int

    @staticmethod
    def payload_of(seq: int, event: Event) -> dict[str, Any]:
        """The event as it is sent. Internal fields are left out."""
        return {"seq": seq, **_event(event)}


class FeedItem(Result):
    """One commit of one call: its events, and the call's state after it. `id` is a value for `since`."""

    id: str
    call_id: str
    state: str
    events: tuple[FeedEvent, ...]

    @staticmethod
    def payload_of(item_id: str, call: CallId, phase: Phase, events: Iterable[tuple[int, Event]]) -> dict[str, Any]:
        """The payload of a commit. `events`: each with its place in the call's log. Internal fields are left out.

        Built without the model, because every commit needs one for every subscription.
        """
        return {
            "id": item_id,
            "callId": call,
            "state": phase.value,
            "events": [FeedEvent.payload_of(seq, event) for seq, event in events],
        }


class LiveLine(Result):
    """What was said, as far as it was heard."""

    timestamp: int
    speaker: Annotated[str, _values(Party)]
    text: str


class LiveUpdate(Result):
    """One call in the view `live`; replaces the update before. `omitted`: earlier lines that are left out."""

    call_id: str
    state: Annotated[str, _values(Phase)]
    direction: Annotated[str, _values(Direction)]
    from_: str = Field(alias="from")
    to: str
    started_at: int
    lines: tuple[LiveLine, ...]
    omitted: int


class Events(Result):
    """A page of a call's log, oldest first. `next`: the value of `after` for the next page, if there is one.

    `turn_spans`: with the first page, what the wait for each reply so far was made of. `found` is false for a call that
    Redis does not hold any more.
    """

    found: bool
    events: tuple[FeedEvent, ...] = ()
    next: int | None = None
    turn_spans: tuple[TurnSpans, ...] = ()


class ProcessFacts(Result):
    """One process of the system. `alive`: it takes part now; `calls`: those it holds."""

    name: str
    kind: Annotated[str, Field(json_schema_extra={"enum": ["worker", "ingress"]})]
    alive: bool
    seen_at: int
    calls: tuple[str, ...]


class Processes(Result):
    processes: tuple[ProcessFacts, ...]


class FindingFacts(Result):
    """`check`: subject and aspect, as in `redis.persistence`. `remedy`: "" when nothing is to be done."""

    check: str
    level: Annotated[str, Field(json_schema_extra={"enum": ["ok", "warn", "fail"]})]
    seen: str
    remedy: str


class Diagnosis(Result):
    """What `voicecall doctor` found. `at`: when it ran; `ok`: no check failed."""

    ok: bool
    at: int
    findings: tuple[FindingFacts, ...]


class DeadLetterFacts(Result):
    """`seq` 0: it is not an entry of the log. The bytes stay in Redis: they may quote the conversation."""

    id: str
    at: int
    call_id: str
    seq: int
    reason: str


class DeadLetters(Result):
    """The newest letters first. `count`: of all that are kept."""

    count: int
    letters: tuple[DeadLetterFacts, ...]


class ReportFact(Result):
    """What the agent noted."""

    name: str
    value: str


class Report(Result):
    """What came of one call; made once, and never changed. See docs/reports.md."""

    report_id: str
    call_id: str
    at: int
    direction: Annotated[str, _values(Direction)]
    provider: str
    from_: str = Field(alias="from")
    to: str
    mode: Annotated[str, _values(Mode)]
    agent_id: str
    session_key: str | None = None
    reached: bool
    reached_by: Annotated[str, _values(ReachedBy)]
    result: Annotated[str, _values(CallOutcome)]
    end_reason: Annotated[str, _values(EndReason)] | None = None
    detail: str | None = None
    started_at: int
    answered_at: int | None = None
    ended_at: int | None = None
    turns: int
    facts: tuple[ReportFact, ...] = ()
    promised: tuple[str, ...] = ()
    data: dict[str, Any] | None = Field(default=None, description="By the schema that was asked for.")
    unfilled: str | None = Field(default=None, description="Why there is no `data`, although it was asked for.")
    cost: dict[str, Any] = Field(default_factory=dict, description="`parts`, and `total` where every part is known.")
    transcript: tuple[dict[str, Any], ...] | None = None


class ReportAnswer(Result):
    """`found`: there is such a call, or its report. `ready`: here is the report."""

    found: bool
    ready: bool = False
    report: Report | None = None


class CallbackFacts(Result):
    """One call-back. `call_id`: the call that was placed; `source_call_id`: the one that it follows from."""

    callback_id: str
    to: str
    reason: str
    state: str
    due_at: int
    made_at: int
    source_call_id: str | None = None
    call_id: str | None = None
    detail: str | None = None


class Callbacks(Result):
    callbacks: tuple[CallbackFacts, ...]


class CallbackAdded(Result):
    """`due_at`: when it is placed: the time that was asked for, or the end of the number's quiet hours."""

    callback_id: str
    due_at: int


class CallbackCancelled(Result):
    """`cancelled` is false for one that is being placed, or is over."""

    cancelled: bool


class Gap(Result):
    """The items after `after` are no longer kept; the feed continues from now."""

    after: str | None


class Failure(Result):
    """Why a request was refused. `callId`: the call whose status to query, where there is one."""

    code: Annotated[str, Field(json_schema_extra={"enum": sorted(STATUS_OF_CODE)})]
    message: str
    retryable: bool
    call_id: str | None = None
    retry_after_ms: int | None = None


class FailureFrame(Result):
    """A refusal, under the id of the request."""

    type: Literal["res"]
    id: str | int
    ok: Literal[False]
    error: Failure


def _event(event: Event) -> dict[str, Any]:
    is_report = isinstance(event, Billed) and event.report is not None
    record: dict[str, Any] = {"type": _REPORTED if is_report else event.name, "at": _ms(event.at)}
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name not in _INTERNAL and value is not None:
            record[_camel(field.name)] = _plain(value)
    return record


def _tool_call(use: ToolUse) -> dict[str, Any]:
    ms = None if use.ended_at is None else round((use.ended_at - use.asked_at) * 1000)
    shown = {"name": use.name, "turn": use.turn, "at": _ms(use.asked_at), "ms": ms, "outcome": use.outcome.value}
    return _without_none({**shown, "arguments": use.arguments[:_SHOWN], "result": use.result[:_SHOWN]})


def _question(call: Call) -> dict[str, Any] | None:
    question = call.owner_question
    return None if question is None else {"id": question.id, "text": question.question}


def _recording(call: Call) -> dict[str, Any] | None:
    """The consent, and whether the call is recorded at this moment; None where nothing was said of it."""
    consent, at = call.recording.consent, call.recording.consent_at
    if consent is None:
        return None
    state = "recording" if call.recording.is_on and not call.is_over else None
    return _without_none({"consent": consent.value, "consentAt": None if at is None else _ms(at), "state": state})


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Failover | ToolRequest):
        return {_camel(field.name): getattr(value, field.name) for field in fields(value)}
    return value.value if isinstance(value, Enum) else value


@cache
def _camel(field: str) -> str:
    return to_camel(field.rstrip("_"))


def _ms(at: float | None) -> int | None:
    return None if at is None else round(at * 1000)


def _without_none(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None}

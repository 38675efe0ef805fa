"""What the gateway answers, as types: the one description that the client reads by and the documents are drawn from.

Names are camelCase on the wire; times are epoch milliseconds. A reader passes over keys it does not know, so that an
older program speaks with a newer gateway.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from voicecall.call.events import EndReason, Mode
from voicecall.call.state import Direction, Phase, Speaker

__all__ = [
    "Answer",
    "CallFacts",
    "CallRecord",
    "FeedEvent",
    "FeedItem",
    "Forgotten",
    "Found",
    "HistoryPage",
    "Initiated",
    "Latency",
    "LatencyStage",
    "Operation",
    "OperationResult",
    "Success",
    "TranscriptLine",
    "TurnTimes",
    "Words",
]


class Answer(BaseModel):
    """Whatever comes from the gateway."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


def _words(words: type[Any]) -> Any:
    """The words known today; a newer gateway may have more, so reading does not insist."""
    return Field(json_schema_extra={"enum": [word.value for word in words]})


class TranscriptLine(Answer):
    """One utterance: of ours, what was heard of it."""

    timestamp: int
    speaker: Annotated[str, _words(Speaker)]
    text: str
    is_final: bool = True


class TurnTimes(Answer):
    """What was measured in one turn: from the other party's last words to our first, and how long we listened."""

    at: int
    turn: int
    latency_ms: int | None = None
    listen_wait_ms: int | None = None


class CallFacts(Answer):
    """What is known of a call beyond its record."""

    mode: Annotated[str, _words(Mode)]
    initial_message: str | None = None
    turn_count: int = 0
    last_turn_latency_ms: int | None = None
    last_turn_listen_wait_ms: int | None = None
    detail: str | None = Field(default=None, description="Why it failed or was refused.")
    digits: str | None = Field(default=None, description="Keys the other party pressed.")
    answered_by: str | None = Field(default=None, description="human or machine, where the carrier tells.")
    reactivations: int = Field(default=0, description="How often another worker took the call over.")
    number_route_key: str | None = Field(default=None, description="The number of ours that has settings of its own.")
    turns: tuple[TurnTimes, ...] = Field(default=(), description="Of a call that is over and archived.")
    billed_seconds: int | None = Field(default=None, description="What the carrier charges for, if it told.")
    price: str | None = Field(default=None, description="In `currency`, as the carrier wrote it.")
    currency: str | None = None


class CallRecord(Answer):
    """One call, now."""

    call_id: str
    provider_call_id: str | None = None
    provider: str
    direction: Annotated[str, _words(Direction)]
    state: Annotated[str, _words(Phase)]
    from_: str = Field(alias="from")
    to: str
    session_key: str | None = Field(default=None, description="Under which its agent remembers.")
    agent_id: str | None = Field(default=None, description="Which agent holds it.")
    started_at: int
    answered_at: int | None = None
    ended_at: int | None = None
    end_reason: Annotated[str, _words(EndReason)] | None = None
    transcript: tuple[TranscriptLine, ...] = ()
    processed_event_ids: tuple[str, ...] = Field(default=(), description="Always empty here.")
    metadata: CallFacts

    @property
    def is_over(self) -> bool:
        """It has ended, and nothing of it will change."""
        return self.ended_at is not None


class Initiated(Answer):
    """The carrier took the dial."""

    call_id: str
    initiated: Literal[True] = True


class Success(Answer):
    success: Literal[True] = True


class Words(Success):
    """The caller's next words."""

    transcript: str


class Operation(Answer):
    """A `continue` that was begun: ask for `continue.result` until `poll_timeout_ms` have passed."""

    operation_id: str
    poll_timeout_ms: int


class OperationResult(Answer):
    """What became of it: `result` when completed; `error`, a sentence, and its `code` when failed."""

    status: Literal["pending", "completed", "failed"]
    result: Words | None = None
    error: str | None = None
    code: str | None = None

    @property
    def transcript(self) -> str | None:
        return None if self.result is None else self.result.transcript


class Found(Answer):
    """`call` when one was asked for; `calls`, all that are live, when none was; neither when there is no such call."""

    found: bool
    call: CallRecord | None = None
    calls: tuple[CallRecord, ...] | None = None


class HistoryPage(Answer):
    """Calls that are over, newest first; `next` is the cursor of the page behind, if there is one."""

    calls: tuple[CallRecord, ...]
    next: str | None = None


class LatencyStage(Answer):
    """Nearest-rank percentiles; of no values only the count is told."""

    count: int
    min_ms: int | None = None
    max_ms: int | None = None
    avg_ms: int | None = None
    p50_ms: int | None = Field(default=None, alias="p50Ms")
    p95_ms: int | None = Field(default=None, alias="p95Ms")


class Latency(Answer):
    """How long callers waited in the turns of the newest calls."""

    records_scanned: int
    turn_latency: LatencyStage
    listen_wait: LatencyStage


class Forgotten(Answer):
    """Of so many calls nothing is kept any more; so many live ones will be forgotten as they end."""

    forgotten: int
    at_end: int


class FeedEvent(BaseModel):
    """One fact of a call's log. What belongs to its kind (`text`, `digits`, `reason` …) is in `model_extra`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    seq: int
    type: str
    at: int


class FeedItem(Answer):
    """One commit of one call: what happened, and its state after it. `id` is what `since` takes."""

    id: str
    call_id: str
    state: str
    events: tuple[FeedEvent, ...]

"""Operations on calls, over the bus: place, speak, continue, press keys, hang up, query.

Used by the gateway. Posts the request as an event to the call's log, makes sure that a worker activates the call, and
waits for the call's answer in the feed. Every wait is bounded; without an answer it raises `Unavailable` with the id of
the call whose status to query (guarantee P19). Knows no RPC, no carrier and no actor.
"""

import logging
import secrets
import uuid
from dataclasses import dataclass, replace
from typing import Final, Literal

import orjson

from voicecall.api.limits import LONGEST_KEY
from voicecall.bus.feed.feed import Feed
from voicecall.bus.idempotency import Idempotency
from voicecall.bus.live import LiveCalls
from voicecall.bus.log import RedisCallLog
from voicecall.bus.operations import Operations
from voicecall.call.decide import decide
from voicecall.call.effects import Resolve
from voicecall.call.events import (
    CommandDone,
    ContinueRequested,
    DigitsRequested,
    EndRequested,
    Event,
    Placed,
    SpeakRequested,
)
from voicecall.call.ids import CallId, LegId, RequestId, is_call_id
from voicecall.call.state import Call, Phase, RequestResult
from voicecall.call.tools import ASK_OWNER
from voicecall.errors import (
    BusError,
    BusUnavailable,
    Exhausted,
    Failed,
    InvalidRequest,
    NotExposed,
    NotFound,
    Unavailable,
)
from voicecall.ports import Doorbell, Posted, PublicAddressResolver, WorkerPresence
from voicecall.service.requests import CallRequest, checked_keys, checked_message
from voicecall.settings import Settings

__all__ = ["AnswerTimeouts", "CallService", "OperationState", "StartedOperation"]

_OPERATION_KEPT_S: Final = 3600.0  # after the timeout of the operation
_PLACED_KEY: Final = "placed"
_DIAL_GRACE_S: Final = 1.0  # by then a worker that took the call in time has committed it
_RINGING: Final = (None, Phase.INITIATED, Phase.RINGING)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTimeouts:
    """How long a request waits for the call's answer, in seconds, before its outcome is reported as unknown."""

    place_s: float = 45.0  # covers a fail-over to another worker and a slow carrier
    speak_s: float = 60.0
    speak_per_character_s: float = 0.1  # slower than any TTS voice
    listen_extra_s: float = 40.0  # added to the configured transcript timeout
    end_s: float = 30.0
    digits_s: float = 30.0
    guide_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedOperation:
    """A running `continue`. Poll `operation`; without an answer within `timeout_s` its outcome is unknown."""

    operation: str
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationState:
    """`text`: the remote party's reply when completed, the reason when failed or unknown."""

    call: CallId
    status: Literal["pending", "completed", "failed", "unknown"]
    text: str = ""


class CallService:
    """Every method raises subclasses of Refusal only. Cancelling a method cancels the wait, never the call.

    `workers`: a call is placed only while one is present. `public_address`: given when the public URL comes from a
    tunnel; a call is placed only while it resolves.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        log: RedisCallLog,
        live: LiveCalls,
        feed: Feed,
        doorbell: Doorbell,
        workers: WorkerPresence,
        idempotency: Idempotency,
        operations: Operations,
        public_address: PublicAddressResolver | None = None,
        timeouts: AnswerTimeouts | None = None,
    ) -> None:
        self.settings = settings
        self._call_log = log
        self._live = live
        self._feed = feed
        self._doorbell = doorbell
        self._workers = workers
        self._idempotency = idempotency
        self._public_address = public_address
        self._operations = operations
        self._timeouts = timeouts or AnswerTimeouts()

    async def initiate(self, request: CallRequest, idempotency_key: str | None = None) -> CallId:
        """Place a call; returns when the carrier has accepted the dial.

        At most one phone call is placed per `idempotency_key` and day, also when the request is repeated in parallel or
        after a crash; every repetition returns the outcome of the first. Raises InvalidRequest, Conflict, Exhausted,
        Failed (no call was placed), or Unavailable (with the id of a call: its outcome is unknown; without: no call was
        placed).
        """
        request_id = RequestId(secrets.token_hex(16))
        placed = request.to_event(self.settings, request_id)
        call = CallId(str(uuid.uuid4()))
        try:
            if idempotency_key is not None:
                first = await self._remember(idempotency_key, request, placed, call)
                if first != call:
                    call = first
                    earlier = await self._placing_request(call)
                    if earlier is not None:
                        return await self._await_dial(call, earlier)
            request_id = await self._post_placed(call, self._with_session_key(call, placed))
        except BusError as error:
            raise _unknown(call, error.public) from error
        return await self._await_dial(call, request_id)

    async def speak(self, call: CallId, message: str, *, interrupts: bool = False) -> None:
        """Say it; returns when the remote party heard it or interrupted it. While the call rings, waits for the answer.

        `interrupts`: at once, in place of what is being said. Raises NotFound, InvalidRequest, Unavailable, and Failed,
        also when nothing of it was heard.
        """
        text = checked_message(message, self.settings, required=True)
        timeout_s = self._timeouts.speak_s + len(text) * self._timeouts.speak_per_character_s
        request = RequestId(secrets.token_hex(16))
        event = SpeakRequested(request=request, text=text, interrupts=interrupts)
        await self._request(call, event, request, timeout_s, rings=True)

    async def guide(self, call: CallId, message: str) -> None:
        """Give the agent a hint that the caller does not hear: it knows of it from its next reply on.

        Raises NotFound, Failed (no agent takes part in the call, or it has ended), Unavailable.
        """
        request = RequestId(secrets.token_hex(16))
        await self._request(
            call, SpeakRequested(request=request, text="", guidance=message), request, self._timeouts.guide_s
        )

    async def ask(self, call: CallId, message: str) -> str:
        """Have the agent ask the caller this in its own words; the answer. Raises as `guide`."""
        request = RequestId(secrets.token_hex(16))
        event = SpeakRequested(request=request, text="", guidance=message, asks=True)
        timeout_s = self._listen_s + self.settings.response_timeout_ms / 1000
        return await self._request(call, event, request, timeout_s, rings=True)

    async def continue_(self, call: CallId, message: str) -> str:
        """Say it and return the remote party's next utterance. Waits and raises as `speak`."""
        text = checked_message(message, self.settings, required=True)
        request = RequestId(secrets.token_hex(16))
        event = ContinueRequested(request=request, text=text)
        return await self._request(call, event, request, self._listen_s, rings=True)

    async def start_continue(self, call: CallId, message: str) -> StartedOperation:
        """Start a `continue` without waiting; it proceeds without this process. Raises as `speak`."""
        text = checked_message(message, self.settings, required=True)
        request = RequestId(secrets.token_hex(16))
        try:
            timeout_s = self._listen_s + await self._ring_s(call)
            # Stored before the post: an id that is returned must resolve, also after a crash between the two steps.
            operation = await self._operations.remember(call, request, timeout_s + _OPERATION_KEPT_S)
        except BusError as error:
            raise Unavailable(f"nothing was asked: {error.public}", call_id=call, retry_after_ms=1000) from error
        await self._post(call, ContinueRequested(request=request, text=text))
        return StartedOperation(operation=operation, timeout_s=timeout_s)

    async def operation_state(self, operation: str) -> OperationState:
        """The state of an operation; any process can answer. Raises NotFound for an unknown id, Unavailable."""
        try:
            known = await self._operations.recall(operation)
            if known is None:
                raise NotFound("operation not found: its id is wrong, or it was over an hour ago")
            answer = await self._find_answer(known.call, known.request)
        except BusError as error:
            raise Unavailable(error.public, retry_after_ms=1000) from error
        if answer is not None:
            return OperationState(call=known.call, status="completed" if answer.ok else "failed", text=answer.text)
        if known.left_s >= _OPERATION_KEPT_S:
            return OperationState(call=known.call, status="pending")
        unknown = f"outcome unknown: no answer within {self._listen_s:.0f} s; ask for the status of this call"
        return OperationState(call=known.call, status="unknown", text=unknown)

    async def send_digits(self, call: CallId, digits: str) -> None:
        """Press keys: `0-9 * #`, and pauses `w W p P ,`. Raises as `speak`."""
        request = RequestId(secrets.token_hex(16))
        pressed = checked_keys(digits, "digits")
        await self._request(call, DigitsRequested(request=request, digits=pressed), request, self._timeouts.digits_s)

    async def answer(self, call: CallId, answer: str, question: str | None = None) -> None:
        """Answer the agent's question that waits; `question`: only if it is this one. Raises as `speak`."""
        state = await self.status(call)
        if state is None:
            raise NotFound("Call not found", call_id=call)
        if state.is_over:
            raise Failed("Call has ended", call_id=call)
        asked = state.owner_question
        if asked is None or question not in (None, asked.id):
            raise Failed("no question waits for this answer", call_id=call)
        request = RequestId(secrets.token_hex(16))
        event = CommandDone(effect=asked.id, tool=ASK_OWNER, result=answer, request=request)
        await self._request(call, event, request, self._timeouts.end_s)

    async def end(self, call: CallId) -> None:
        """Hang up; ending an ended call succeeds. Raises NotFound, Failed, Unavailable."""
        request = RequestId(secrets.token_hex(16))
        await self._request(call, EndRequested(request=request), request, self._timeouts.end_s)

    async def status(self, name: str) -> Call | None:
        """The current state of a call, by its id or by the carrier's id; None when there is none.

        Raises Unavailable.
        """
        try:
            # A UUID may also be the carrier's id of a leg, as at Plivo.
            if is_call_id(name) and (call := await self._state(CallId(name))) is not None:
                return call
            found = await self._call_log.find_call(self.settings.provider, LegId(name))
            return None if found is None else await self._state(found)
        except BusError as error:
            raise Unavailable(error.public) from error

    async def live(self) -> tuple[Call, ...]:
        """Every call that is not over, oldest first. Raises Unavailable."""
        try:
            # One read at a time, so that a status query does not delay the traffic of calls.
            calls = [await self._state(call) for call in await self._live.list()]
        except BusError as error:
            raise Unavailable(error.public) from error
        found = [call for call in calls if call is not None and not call.is_over]
        return tuple(sorted(found, key=lambda call: call.started_at))

    def _with_session_key(self, call: CallId, placed: Placed) -> Placed:
        """The event with the session key of its agent, derived from the callee's number, never from our own."""
        key = self.settings.session_key(call=call, phone=placed.to, asked=placed.session_key)
        return replace(placed, session_key=key)

    async def _remember(self, key: str, request: CallRequest, placed: Placed, call: CallId) -> CallId:
        """Bind the idempotency key to this call; returns the call that it was bound to first. Raises Conflict."""
        if not key.strip() or len(key) > LONGEST_KEY or not key.isprintable():
            raise InvalidRequest(f"idempotencyKey must be 1 to {LONGEST_KEY} printable characters")
        content = (placed.to, placed.message, placed.mode.value, placed.session_key, *request.content())
        return await self._idempotency.remember(key, orjson.dumps(content).decode(), call)

    async def _post_placed(self, call: CallId, placed: Placed) -> RequestId:
        """Reserve a slot, post the event and ring a worker.

        Returns the request to wait for: the first that was posted.
        """
        await self._require_public_address()
        if not await self._workers.is_any_present():
            raise Unavailable("no worker is running; no call was placed", retry_after_ms=1000)
        limit = self.settings.max_concurrent_calls
        if not await self._live.reserve(call, limit=limit):
            raise Exhausted(f"Maximum concurrent calls ({limit}) reached", retry_after_ms=1000)
        posted = await self._call_log.post(call, (placed,), request_key=_PLACED_KEY, answer=placed.request.encode())
        if posted.over:
            await self._live.forget(call)  # a repetition after the end of its call: release the slot
        else:
            await self._wake(call, posted)
        return RequestId(posted.answer.decode()) if posted.answer is not None else placed.request

    async def _require_public_address(self) -> None:
        """Refuse to dial while no public webhook URL is known. Raises Unavailable."""
        if self._public_address is None:
            return
        try:
            await self._public_address.now()
        except NotExposed as error:
            raise Unavailable(f"{error.message}; no call was placed", retry_after_ms=1000) from error

    async def _placing_request(self, call: CallId) -> RequestId | None:
        """The request that placed this call; None when its idempotency key was stored and nothing was posted."""
        history = await self._call_log.history(call)
        return next((record.event.request for record in history if isinstance(record.event, Placed)), None)

    async def _await_dial(self, call: CallId, request: RequestId) -> CallId:
        """Wait until the carrier has accepted the dial. Raises Failed, Unavailable."""
        within_s = self.settings.outbound.dial_within_sec + _DIAL_GRACE_S
        rest_s = self._timeouts.place_s - within_s
        if rest_s > 0:
            answer = await self._early_answer(call, request, within_s) or await self._await_answer(
                call, request, rest_s, waited_s=within_s
            )
        else:
            answer = await self._await_answer(call, request, self._timeouts.place_s)
        if not answer.ok:
            raise Failed(answer.text or "initiate failed", call_id=call)
        return call

    async def _early_answer(self, call: CallId, request: RequestId, within_s: float) -> RequestResult | None:
        """The answer within the time in which a worker may dial; None when one has taken the call and is not done.

        Raises Failed when none has: this call is not dialled any more.
        """
        try:
            answer = await self._feed.wait_answer(call, request, within_s)
            if answer is None and await self._call_log.phase(call) is None:
                raise Failed("no worker took the call in time; it is not dialled", call_id=call)
        except BusError as error:
            raise _unknown(call, str(error)) from error
        return answer

    @property
    def _listen_s(self) -> float:
        return self.settings.transcript_timeout_ms / 1000 + self._timeouts.listen_extra_s

    async def _request(
        self, call: CallId, event: Event, request: RequestId, timeout_s: float, *, rings: bool = False
    ) -> str:
        """Post the event and return the text of the call's answer. `rings`: it is given after the call is answered."""
        try:
            ring_s = await self._ring_s(call)
            timeout_s += ring_s if rings else 0.0
        except BusError as error:
            raise _unknown(call, error.public) from error
        if not await self._post(call, event):
            return ""
        answer = await self._await_answer(call, request, timeout_s)
        if not answer.ok:
            raise Failed(answer.text or "the call refused", call_id=call)
        return answer.text

    async def _ring_s(self, call: CallId) -> float:
        """How long this call may still ring; 0 when it is answered. Raises NotFound for an unknown call, BusError."""
        phase = await self._call_log.phase(call)
        if phase is None and not await self._call_log.history(call):
            raise NotFound("Call not found", call_id=call)
        return self.settings.ring_timeout_ms / 1000 if phase in _RINGING else 0.0

    async def _post(self, call: CallId, event: Event) -> bool:
        """True when an answer will follow; False when the event is EndRequested and the call has already ended."""
        try:
            posted = await self._call_log.post(call, (event,))
            if not posted.over:
                await self._wake(call, posted)
                return True
        except BusError as error:
            raise _unknown(call, error.public) from error
        if isinstance(event, EndRequested):
            return False
        raise Failed("Call has ended", call_id=call)

    async def _find_answer(self, call: CallId, request: RequestId) -> RequestResult | None:
        """The call's answer to a request, if there is one: from its snapshot, else by folding its whole log.

        A snapshot keeps the newest few answers; folding the log yields all of them.
        """
        state = await self._call_log.read(call)
        if state is not None:
            kept = next((result for result in state.results if result.request == request), None)
            pending = state.pending_continue
            if kept is not None or (pending is not None and pending.request == request):
                return kept
        folded: Call | None = None
        for record in await self._call_log.history(call):
            folded, effects = decide(folded, record.event, call)
            for effect in effects:
                if isinstance(effect, Resolve) and effect.request == request:
                    return RequestResult(request=request, ok=effect.ok, text=effect.text)
        return None

    async def _wake(self, call: CallId, posted: Posted) -> None:
        """Ring a worker unless the owner of the call was nudged."""
        if posted.owner is not None and posted.nudged:
            return
        try:
            await self._doorbell.ring(call)
        except BusUnavailable:
            # The event is durable: the sweeper activates the call, only later.
            _log.warning("doorbell failed", extra={"call_id": call})

    async def _await_answer(
        self, call: CallId, request: RequestId, timeout_s: float, *, waited_s: float = 0.0
    ) -> RequestResult:
        try:
            answer = await self._feed.wait_answer(call, request, timeout_s)
        except BusError as error:
            raise _unknown(call, error.public) from error
        if answer is None:
            raise _unknown(call, f"no answer within {waited_s + timeout_s:.0f} s")
        return answer

    async def _state(self, call: CallId) -> Call | None:
        """The snapshot of a call; before its first activation, the fold of its log."""
        state = await self._call_log.read(call)
        if state is None:
            for record in await self._call_log.history(call):
                state, _ = decide(state, record.event, call)
        return state


def _unknown(call: CallId, why: str) -> Unavailable:
    return Unavailable(f"outcome unknown: {why}; ask for the status of this call", call_id=call, retry_after_ms=1000)

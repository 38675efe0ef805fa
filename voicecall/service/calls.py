"""What a door does to calls: place one, speak on it, ask and listen, press keys, end it, look at it.

Used by the gateway. Speaks to the bus alone: it posts what is asked for, sees that somebody owns the call, and waits
for the call's own answer. Every wait has an end, and an end without an answer is said: `Unavailable`, with the call to
ask about (reliability P19). Knows no RPC, no carrier and no actor.
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
from voicecall.call.events import ContinueRequested, DigitsRequested, EndRequested, Event, Placed, SpeakRequested
from voicecall.call.ids import CallId, LegId, RequestId, is_call_id
from voicecall.call.state import Call, RequestResult
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
from voicecall.ports import Doorbell, Posted, PublicAddressResolver
from voicecall.service.requests import CallRequest, checked_keys, checked_message, placed
from voicecall.settings import Settings

__all__ = ["CallService", "OperationState", "StartedOperation", "Timeouts"]

_OPERATION_KEPT_S: Final = 3600.0  # beyond the time in which it is answered
_PLACED_KEY: Final = "placed"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a local caller waits for an answer, in seconds, before the outcome is called unknown."""

    place_s: float = 45.0  # a worker may die and be replaced, and the carrier take its time
    speak_s: float = 60.0
    speak_per_character_s: float = 0.1  # slower than any voice speaks
    listen_extra_s: float = 40.0  # beyond the transcript's own time-out
    end_s: float = 30.0
    digits_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedOperation:
    """It goes on by itself: ask about `operation`; after `patience_s` without an answer it is said to have failed."""

    operation: str
    patience_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationState:
    """`text`: the caller's words when completed, the reason when failed."""

    call: CallId
    status: Literal["pending", "completed", "failed", "unknown"]
    text: str = ""


class CallService:
    """Every method raises Refusal's kinds and nothing else; cancelling one cancels the wait, never the call.

    `whereabouts`: asked before anybody is called, in a house whose public URL comes from a tunnel.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        log: RedisCallLog,
        live: LiveCalls,
        feed: Feed,
        doorbell: Doorbell,
        idempotency: Idempotency,
        operations: Operations,
        public_address: PublicAddressResolver | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self.settings = settings
        self._calls = log
        self._live = live
        self._feed = feed
        self._doorbell = doorbell
        self._idempotency = idempotency
        self._public_address = public_address
        self._operations = operations
        self._timeouts = timeouts or Timeouts()

    async def place(self, order: CallRequest, idempotency_key: str | None = None) -> CallId:
        """Place a call; returns when the carrier took the dial.

        With an `idempotency_key` there is at most one phone call for it in a day, however often, in parallel and
        through whatever crashes it is repeated; every repetition gets the first one's outcome.
        Raises InvalidRequest, Conflict, Exhausted, Failed (nobody was called), or Unavailable (perhaps somebody was).
        """
        request = RequestId(secrets.token_hex(16))
        wanted = placed(order, self.settings, request)
        call = CallId(str(uuid.uuid4()))
        try:
            if idempotency_key is not None:
                first = await self._remember(idempotency_key, order, wanted, call)
                if first != call:
                    call = first
                    begun = await self._begun_by(call)
                    if begun is not None:
                        return self._taken(call, await self._answer(call, begun, self._timeouts.place_s))
            request = await self._begin(call, self._remembering(call, wanted))
        except BusError as error:
            raise _unknown(call, str(error)) from error
        return self._taken(call, await self._answer(call, request, self._timeouts.place_s))

    async def speak(self, call: CallId, message: str) -> None:
        """Say it; returns when the caller has heard it. Raises NotFound, Failed, InvalidRequest, Unavailable."""
        text = checked_message(message, required=True)
        patience_s = self._timeouts.speak_s + len(text) * self._timeouts.speak_per_character_s
        request = RequestId(secrets.token_hex(16))
        await self._ask(call, SpeakRequested(request=request, text=text), request, patience_s)

    async def continue_(self, call: CallId, message: str) -> str:
        """Say it and return the caller's next words. Raises as `speak`."""
        text = checked_message(message, required=True)
        request = RequestId(secrets.token_hex(16))
        return await self._ask(call, ContinueRequested(request=request, text=text), request, self._listen_s)

    async def begin_continue(self, call: CallId, message: str) -> StartedOperation:
        """The same without waiting: what was begun goes on whatever becomes of this process. Raises as `speak`."""
        text = checked_message(message, required=True)
        request = RequestId(secrets.token_hex(16))
        try:
            await self._known(call)
            # Remembered first: an id that is told must stand for something, also if we are killed in between.
            operation = await self._operations.remember(call, request, self._listen_s + _OPERATION_KEPT_S)
        except BusError as error:
            raise Unavailable(f"nothing was asked: {error}", call_id=call, retry_after_ms=1000) from error
        await self._post(call, ContinueRequested(request=request, text=text))
        return StartedOperation(operation=operation, patience_s=self._listen_s)

    async def outcome(self, operation: str) -> OperationState:
        """What became of it so far; any process can tell. Raises NotFound for an id nobody gave, Unavailable."""
        try:
            known = await self._operations.recall(operation)
            if known is None:
                raise NotFound("operation not found: its id is wrong, or it was over an hour ago")
            answer = await self._answered(known.call, known.request)
        except BusError as error:
            raise Unavailable(str(error), retry_after_ms=1000) from error
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
        await self._ask(call, DigitsRequested(request=request, digits=pressed), request, self._timeouts.digits_s)

    async def end(self, call: CallId) -> None:
        """Hang up; ending a call that is over succeeds. Raises NotFound, Failed, Unavailable."""
        request = RequestId(secrets.token_hex(16))
        await self._ask(call, EndRequested(request=request), request, self._timeouts.end_s)

    async def status(self, name: str) -> Call | None:
        """The call of that id, ours or the carrier's, as it is now; None when there is none. Raises Unavailable."""
        try:
            # A UUID may be the carrier's name for a leg as well: Plivo's are.
            if is_call_id(name) and (call := await self._read(CallId(name))) is not None:
                return call
            found = await self._calls.find_call(self.settings.provider, LegId(name))
            return None if found is None else await self._read(found)
        except BusError as error:
            raise Unavailable(str(error)) from error

    async def live(self) -> tuple[Call, ...]:
        """Every call that is not over, oldest first. Raises Unavailable."""
        try:
            # One after the other: a glance at the house must not crowd out its work.
            calls = [await self._read(call) for call in await self._live.members()]
        except BusError as error:
            raise Unavailable(str(error)) from error
        found = [call for call in calls if call is not None and not call.is_over]
        return tuple(sorted(found, key=lambda call: call.started_at))

    def _remembering(self, call: CallId, placed: Placed) -> Placed:
        """The same with the key of its memory: under the agent, and never that of our own number (behaviour 9.2)."""
        key = self.settings.session_key(call=call, phone=placed.to, asked=placed.session_key)
        return replace(placed, session_key=key)

    async def _remember(self, key: str, order: CallRequest, placed: Placed, call: CallId) -> CallId:
        if not key.strip() or len(key) > LONGEST_KEY or not key.isprintable():
            raise InvalidRequest(f"idempotencyKey must be 1 to {LONGEST_KEY} printable characters")
        content = (placed.to, placed.message, placed.mode.value, placed.session_key, *order.content())
        return await self._idempotency.remember(key, orjson.dumps(content).decode(), call)

    async def _begin(self, call: CallId, placed: Placed) -> RequestId:
        """Take a place, post, and ring; gives back the request to wait for: that of whoever came first."""
        await self._see_a_way_back()
        limit = self.settings.max_concurrent_calls
        if not await self._live.reserve(call, limit=limit):
            raise Exhausted(f"Maximum concurrent calls ({limit}) reached", retry_after_ms=1000)
        posted = await self._calls.post(call, (placed,), request_key=_PLACED_KEY, answer=placed.request.encode())
        if posted.over:
            await self._live.forget(call)  # a repetition, late enough to find its call over, took a place in vain
        else:
            await self._wake(call, posted)
        return RequestId(posted.answer.decode()) if posted.answer is not None else placed.request

    async def _see_a_way_back(self) -> None:
        """Nobody is called while the carrier would have nowhere to call back. Raises Unavailable."""
        if self._public_address is None:
            return
        try:
            await self._public_address.now()
        except NotExposed as error:
            raise Unavailable(f"{error.message}; nobody was called", retry_after_ms=1000) from error

    async def _begun_by(self, call: CallId) -> RequestId | None:
        """The request that placed this call, None when it was remembered and then nothing was posted."""
        history = await self._calls.history(call)
        return next((record.event.request for record in history if isinstance(record.event, Placed)), None)

    def _taken(self, call: CallId, answer: RequestResult) -> CallId:
        if not answer.ok:
            raise Failed(answer.text or "initiate failed", call_id=call)
        return call

    @property
    def _listen_s(self) -> float:
        return self.settings.transcript_timeout_ms / 1000 + self._timeouts.listen_extra_s

    async def _ask(self, call: CallId, event: Event, request: RequestId, patience_s: float) -> str:
        try:
            await self._known(call)
        except BusError as error:
            raise _unknown(call, str(error)) from error
        if not await self._post(call, event):
            return ""
        answer = await self._answer(call, request, patience_s)
        if not answer.ok:
            raise Failed(answer.text or "the call refused", call_id=call)
        return answer.text

    async def _known(self, call: CallId) -> None:
        if await self._calls.phase(call) is None and not await self._calls.history(call):
            raise NotFound("Call not found", call_id=call)

    async def _post(self, call: CallId, event: Event) -> bool:
        """True when an answer will come; False when the call is over and that is what was wanted."""
        try:
            posted = await self._calls.post(call, (event,))
            if not posted.over:
                await self._wake(call, posted)
                return True
        except BusError as error:
            raise _unknown(call, str(error)) from error
        if isinstance(event, EndRequested):
            return False
        raise Failed("Call has ended", call_id=call)

    async def _answered(self, call: CallId, request: RequestId) -> RequestResult | None:
        """What the call answered to a request: from its newest snapshot, else by folding its whole log again.

        A snapshot keeps the newest few answers; the log, in which every decision can be repeated, has them all.
        """
        state = await self._calls.read(call)
        kept = next((answer for answer in state.results if answer.request == request), None) if state else None
        if kept is not None or (
            state is not None and state.pending_continue is not None and state.pending_continue.request == request
        ):
            return kept
        folded: Call | None = None
        for record in await self._calls.history(call):
            folded, effects = decide(folded, record.event, call)
            for effect in effects:
                if isinstance(effect, Resolve) and effect.request == request:
                    return RequestResult(request=request, ok=effect.ok, text=effect.text)
        return None

    async def _wake(self, call: CallId, posted: Posted) -> None:
        if posted.owner is not None and posted.nudged:
            return
        try:
            await self._doorbell.ring(call)
        except BusUnavailable:
            # The event is durable, so the sweeper will ring: slower, but nothing is lost.
            _log.warning("doorbell does not ring", extra={"call_id": call})

    async def _answer(self, call: CallId, request: RequestId, patience_s: float) -> RequestResult:
        try:
            answer = await self._feed.wait_answer(call, request, patience_s)
        except BusError as error:
            raise _unknown(call, str(error)) from error
        if answer is None:
            raise _unknown(call, f"no answer within {patience_s:.0f} s")
        return answer

    async def _read(self, call: CallId) -> Call | None:
        """The snapshot; of a call that nobody has taken up yet, what its log says so far."""
        state = await self._calls.read(call)
        if state is None:
            for record in await self._calls.history(call):
                state, _ = decide(state, record.event, call)
        return state


def _unknown(call: CallId, why: str) -> Unavailable:
    return Unavailable(f"outcome unknown: {why}; ask for the status of this call", call_id=call, retry_after_ms=1000)

"""Telnyx's calls: finds the call of a command, and recognises a repeated command by its command_id."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from simulators.phone.switchboard import Arrival, NumberSettings
from simulators.phone.switchboard import Switchboard as AnySwitchboard
from simulators.telnyx.answered import Answered
from simulators.telnyx.call import Call
from simulators.telnyx.commands import ON_A_LINE, ON_ANY_CALL, Unanswered
from simulators.telnyx.exchange import Exchange
from simulators.telnyx.refusal import CALL_ENDED, NO_SUCH_CALL, NOT_ANSWERED, NOT_FOUND, Refusal
from simulators.telnyx.requests import DialRequest, Fields, client_state_from, number_from, routes_from, text_from
from simulators.telnyx.webhooks import Routes

__all__ = ["Switchboard"]

_REMEMBERED_S = 60.0
_CALLER_WAITS_S = 60.0


class Switchboard(AnySwitchboard[Call]):
    """All calls of one account."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self.exchange = exchange
        self._answered: dict[str, Answered] = {}
        self._done: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}

    # --- incoming and answered calls

    def arrive(self, arrival: Arrival) -> Call:
        routes = Routes(arrival.url) if arrival.url else self.exchange.inbound
        if not routes.url:
            raise ValueError("no webhook URL: start with --webhook or give url")
        call = Call(
            exchange=self.exchange,
            direction="incoming",
            from_=arrival.from_,
            to=arrival.to,
            persona=arrival.persona,
            routes=routes,
        )
        call.started_at = time.time()
        self.enter(call, "ringing")
        call.run(_give_up(call))
        return call

    def configure(self, number: NumberSettings) -> None:
        self.exchange.inbound = Routes(number.voice_url, number.fallback_url)

    async def connected(self, call: Call) -> None:
        self._pick_up(call)

    # --- orders

    def dial(self, order: DialRequest) -> Call:
        """Start an outbound call."""
        call = Call(
            exchange=self.exchange,
            direction="outgoing",
            from_=order.from_,
            to=order.to,
            persona=self.persona(order.to),
            routes=order.routes,
            client_state=order.client_state,
            streaming=order.streaming,
            machine_detection=order.machine_detection,
            transcription=order.transcription,
            send_digits=order.send_digits,
            custom_headers=order.headers,
            preferred_codecs=order.preferred_codecs,
            ring_timeout_s=order.ring_timeout_s,
            time_limit_s=order.time_limit_s,
        )
        self.place(call)
        return call

    def command(self, sid: str, action: str, fields: Fields) -> None:
        """Perform a call command. Raises Refusal."""
        if action not in ON_ANY_CALL and action not in ON_A_LINE and action != "transfer":
            raise Refusal(404, NOT_FOUND, f"The simulator has no command {action!r}.")
        call = self.find(sid)
        if call is None:
            raise Refusal(422, NO_SUCH_CALL, f"{sid} is no call of this account.", "call_control_id")
        if call.over:
            raise Refusal(422, CALL_ENDED, "This call is no longer active.")
        state = client_state_from(fields)
        here = self._answered.get(sid)
        call.verbs.append({"verb": action, "at": time.time(), "text": text_from(fields, "payload"), **_plain(fields)})
        if action in ON_ANY_CALL:
            call.client_state = call.client_state if state is None else state
            hang_up = Unanswered(call, lambda: self._pick_up(call), lambda by: self.hang_up(call, by))
            ON_ANY_CALL[action](hang_up, fields)
        elif here is None:
            raise Refusal(422, NOT_ANSWERED, f"The call is {call.status}.")
        elif action == "transfer":
            self._transfer(call, fields)
        else:
            call.client_state = call.client_state if state is None else state
            ON_A_LINE[action](here, fields)

    def _transfer(self, call: Call, fields: Fields) -> None:
        """Call a number for this leg and bridge the two; the end of one ends the other, once they are bridged."""
        target = Call(
            exchange=self.exchange,
            direction="outgoing",
            from_=text_from(fields, "from") or call.to,
            to=text_from(fields, "to", required=True),
            persona=self.persona(fields["to"]),
            routes=routes_from(fields, call.routes),
            client_state=text_from(fields, "target_leg_client_state") or None,
            session_id=call.session_id,
            ring_timeout_s=number_from(fields, "timeout_secs", 30, 5, 600),
        )
        call.note("transfer", to=target.to, target=target.sid)
        self.place(target)
        self.exchange.tasks.spawn(_bridge(call, target))

    # --- command ids

    def done_before(self, scope: str, fields: Fields) -> dict[str, Any] | None:
        """The response to an identical command of the last minute; None: perform it."""
        now = time.monotonic()
        self._done = {key: done for key, done in self._done.items() if now - done[0] < _REMEMBERED_S}
        done = self._done.get((scope, text_from(fields, "command_id")))
        return None if done is None else done[1]

    def remember(self, scope: str, fields: Fields, answer: dict[str, Any]) -> None:
        """Keep the response under the command's id, if it has one."""
        if text_from(fields, "command_id"):
            self._done[scope, text_from(fields, "command_id")] = (time.monotonic(), answer)

    def forget_ended(self) -> None:
        super().forget_ended()
        self._answered = {sid: here for sid, here in self._answered.items() if sid in self.calls}

    def _pick_up(self, call: Call) -> Answered:
        here = self._answered[call.sid] = Answered(call)
        return here


async def _bridge(call: Call, target: Call) -> None:
    await _until(lambda: call.over or target.over or target.line is not None)
    if not (call.over or target.over):
        for leg in (call, target):
            leg.notify("call.bridged", leg.parties)
        await _until(lambda: call.over or target.over)
        call.end("completed", "carrier")
    if call.over:
        target.end("completed" if target.line is not None else "canceled", "carrier")


async def _until(good: Callable[[], bool]) -> None:
    while not good():  # noqa: ASYNC110  no event says it
        await asyncio.sleep(0.02)


async def _give_up(call: Call) -> None:
    """Hang up an inbound call that the customer does not answer."""
    await asyncio.sleep(_CALLER_WAITS_S)
    if call.line is None:
        call.end("canceled", "callee")


def _plain(fields: Fields) -> dict[str, Any]:
    """The fields of a command for the ledger: no audio, no secrets."""
    return {
        name: value
        for name, value in fields.items()
        if isinstance(value, str | int | float | bool) and name not in ("playback_content", "stream_auth_token")
    }

"""Attacks 22 and 23: correctly signed webhooks at the wrong time are recorded, and do not change the call."""

import asyncio

import pytest
from redis.asyncio import Redis

from tests.contract.attacks.requests import form, new_leg, twilio
from tests.contract.attacks.target import Target
from tests.contract.attacks.test_sockets import events_of
from voicecall.bus.connection import connect
from voicecall.bus.log import RedisCallLog
from voicecall.call.decide import decide
from voicecall.call.events import ContinueRequested, Heard, HungUp, StreamOpened
from voicecall.call.ids import CallId, LegId, NodeId, RequestId, StreamId, inbound_call_id
from voicecall.call.state import Call


def call_after(target: Target, leg: str, *requests: tuple[str, dict[str, str]]) -> Call:
    """An inbound call, then these webhooks (query, changed fields): the call that their events make."""
    call = inbound_call_id("twilio", LegId(leg))
    for place, (query, changes) in enumerate([("", {}), *requests]):
        # The sequence number makes each request different, so that none is a replay.
        tail = f"{query}&n={place}" if query else ""
        assert target.exchange(twilio(form(leg, SequenceNumber=str(place), **changes), query=tail)).status == 200
    state = folded(target, call)
    assert state is not None
    return state


def folded(target: Target, call: CallId) -> Call | None:
    state: Call | None = None
    for event in events_of(target, call):
        state, _ = decide(state, event, call)
    return state


def test_attack_22_answered_and_ringing_after_completed(twilio_target: Target) -> None:
    """An ended call stays ended, with its first reason."""
    leg = new_leg()
    own = f"callId={inbound_call_id('twilio', LegId(leg))}&type=status"
    over = call_after(twilio_target, leg, (own, {"CallStatus": "completed"}))
    assert over.is_over
    for status in ("in-progress", "ringing", "initiated", "busy"):
        again = twilio_target.exchange(twilio(form(leg, CallStatus=status), query=own + "&late=1"))
        assert (again.status, b"Stream" in again.body) == (200, False)
    late = folded(twilio_target, over.id)
    assert late is not None
    assert (late.phase, late.end_reason, late.leg) == (over.phase, over.end_reason, over.leg)
    assert any(isinstance(event, HungUp) for event in events_of(twilio_target, over.id))


def test_attack_22_ringing_after_answered(twilio_target: Target) -> None:
    leg = new_leg()
    own = f"callId={inbound_call_id('twilio', LegId(leg))}&type=status"
    answered = call_after(twilio_target, leg, (own, {"CallStatus": "in-progress"}))
    for status in ("ringing", "initiated"):
        assert twilio_target.exchange(twilio(form(leg, CallStatus=status), query=own + "&late=1")).status == 200
    late = folded(twilio_target, answered.id)
    assert late is not None
    assert (late.phase, late.answered_at is None) == (answered.phase, answered.answered_at is None)


def ask(target: Target, call: CallId, leg: str, request: RequestId) -> None:
    """Open a stream, so that the call can speak, and post a `continue` request as the gateway does."""
    opened = StreamOpened(stream=StreamId(f"MZ{leg}"), ingress=NodeId("ingress-test"), leg=LegId(leg))

    async def post() -> None:
        redis: Redis = connect(target.redis_url)
        try:
            await RedisCallLog(redis).post(call, (opened, ContinueRequested(request=request, text="Your PIN?")))
        finally:
            await redis.aclose()

    asyncio.run(post())


@pytest.mark.parametrize("token", ["stale", "another-calls"])
def test_attack_23_a_stale_or_other_calls_turn_token(twilio_target: Target, token: str) -> None:
    """Such speech is neither the answer nor in the transcript, and the carrier gets an ordinary 200."""
    legs = new_leg(), new_leg()
    call, other = (call_after(twilio_target, leg, ("", {"CallStatus": "in-progress"})).id for leg in legs)
    ask(twilio_target, call, legs[0], RequestId("asked-here"))
    ask(twilio_target, other, legs[1], RequestId("another-calls"))
    spoken = form(legs[0], CallStatus="in-progress", SpeechResult="12345", Confidence="0.9")
    assert twilio_target.exchange(twilio(spoken, query=f"callId={call}&turnToken={token}")).status == 200
    assert [event.turn_token for event in events_of(twilio_target, call) if isinstance(event, Heard)] == [token]
    for state in (folded(twilio_target, call), folded(twilio_target, other)):
        assert state is not None
        assert state.pending_continue is not None
        assert all("12345" not in entry.text for entry in state.transcript)


@pytest.mark.parametrize("said", [{"SpeechResult": "12345", "Confidence": "0.9"}, {"Digits": "12345"}])
def test_attack_23_speech_and_keys_of_another_leg(twilio_target: Target, said: dict[str, str]) -> None:
    """A correctly signed callback of one call with another call's id and token in its URL changes neither call."""
    legs = new_leg(), new_leg()
    call, other = (call_after(twilio_target, leg, ("", {"CallStatus": "in-progress"})).id for leg in legs)
    ask(twilio_target, call, legs[0], RequestId("asked-here"))
    before = folded(twilio_target, call)
    misrouted = form(legs[1], CallStatus="in-progress", **said)
    assert twilio_target.exchange(twilio(misrouted, query=f"callId={call}&turnToken=asked-here")).status == 200
    after = folded(twilio_target, call)
    assert before is not None
    assert after is not None
    assert (after.ignored, after.pending_continue, after.transcript, after.digits, after.leg) == (
        before.ignored + 1,
        before.pending_continue,
        before.transcript,
        "",
        legs[0],
    )
    elsewhere = folded(twilio_target, other)
    assert elsewhere is not None
    assert (elsewhere.digits, "12345" in str(elsewhere.transcript)) == ("", False)

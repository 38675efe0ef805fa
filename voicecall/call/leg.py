"""The leg: how a call begins, is dialled and answered, and how it is learnt what became of it.

Pure. Knows what the carrier reports; knows no speech, agents or sockets. A leg only moves forward (`LEG`): an event
that comes late, or twice, changes nothing, and nothing revives a call that is over.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from voicecall.call import amd, hangup, playback
from voicecall.call.effects import Answer, Dial, FindLeg, LookUp, OpenStream, Reject
from voicecall.call.events import (
    Answered,
    Arrived,
    CallRejected,
    Dialled,
    DialLost,
    DialRefused,
    EndReason,
    Event,
    GreetingEnded,
    HungUp,
    LegSeen,
    LegStatus,
    Mode,
    Placed,
    Ringing,
    Timer,
)
from voicecall.call.ids import E164, CallId, LegId
from voicecall.call.policy import CallPolicy
from voicecall.call.state import AmdState, Call, Direction, DtmfState, LegState, Phase, PlaybackState
from voicecall.call.step import Step
from voicecall.text.speakable import NOTHING, speakable

__all__ = [
    "LEG",
    "adopt_leg",
    "answered",
    "arrived",
    "call_rejected",
    "dial_lost",
    "dial_refused",
    "dialled",
    "find_leg",
    "greeting_ended",
    "hung_up",
    "leg_answered",
    "leg_seen",
    "look_up_due",
    "placed",
    "provisional",
    "request_stream",
    "ringing",
    "schedule_look_up",
]

_LIVE: Final = (Phase.INITIATED, Phase.RINGING, Phase.ANSWERED, Phase.ACTIVE, Phase.SPEAKING, Phase.LISTENING)

LEG: Final[Mapping[type[Event], Mapping[Phase, Phase]]] = {
    Dialled: {},
    DialLost: {},
    DialRefused: {Phase.INITIATED: Phase.FAILED},
    Ringing: {Phase.INITIATED: Phase.RINGING},
    Answered: {Phase.INITIATED: Phase.ANSWERED, Phase.RINGING: Phase.ANSWERED},
    HungUp: dict.fromkeys(_LIVE, Phase.COMPLETED),
}
"""Where each event of the leg moves a call, by the phase it is in; a phase that is not listed does not change.

`HungUp` ends a call with the event's own reason; COMPLETED is that of a normal hang-up.
"""

_CARRIER_CAP_MARGIN_S = 30  # the carrier's own time limit exceeds ours by this much (guarantee P5)
_LIFETIME_MARGIN_S = 60.0  # an unanswered call ends after the ring timeout, the maximum duration and this
_LOOK_UP_S = 30.0  # query the carrier after this long without a sign of the leg (guarantee P4)
_LOOK_UP_MAX_S = 300.0
_CONFIRM_S = 1.0  # a carrier's API may know a leg a moment after its webhooks do
_LOOK_UP_LOST_S = 2.0  # the same while the media socket is gone, or a dial is lost
_REOPEN_S = 1.0  # the same where each answer that the leg is alive requests the next socket
_FIRST_STREAM_S = 2.5  # a caller who hears nothing for longer hangs up; a working socket is there in well under 1 s
_PROVISIONAL_S = 30.0  # how long events of an inbound leg wait for its `Arrived`, which they can overtake by seconds
_FIND_TRIES = 4  # a carrier's list may lag behind its own reply
_FIND_MARGIN_S = 15.0  # a leg that rang for its whole ring timeout would have been reported this long after it


# --- how a call begins --------------------------------------------------------------------------------------------


def placed(event: Placed, call_id: CallId) -> Step:
    """An outbound call: dial, and limit its lifetime."""
    call = Call(
        id=call_id,
        carrier=event.carrier,
        direction=Direction.OUTBOUND,
        mode=event.mode,
        from_=event.from_,
        to=event.to,
        policy=event.policy,
        started_at=event.at,
        session_key=event.session_key,
        agent_id=event.agent_id,
        requester=event.requester,
        brief=event.brief,
        leg_state=LegState(dial_request=event.request),
        playback=PlaybackState(opening_text=speakable(event.message)),
        amd=AmdState(message=speakable(event.policy.machine_message) or speakable(event.message)),
        dtmf=DtmfState(opening=event.opening_digits),
    )
    step = Step(call, event.at).request(
        Dial(
            to=event.to,
            from_=event.from_,
            ring_timeout_s=event.policy.ring_timeout_s,
            time_limit_s=int(event.policy.max_duration_s) + _CARRIER_CAP_MARGIN_S,
            on_machine=event.policy.on_machine,
            before=event.at + event.policy.dial_within_s,
        )
    )
    return _arm_lifetime(step)


def arrived(event: Arrived, known: Call | None, call_id: CallId) -> Step:
    """An inbound call that was admitted. `known` is set when another event of this leg came first: it is kept."""
    fresh = Call(
        id=call_id,
        carrier=event.carrier,
        direction=Direction.INBOUND,
        mode=Mode.CONVERSATION,
        from_=event.from_,
        to=event.to,
        policy=event.policy,
        started_at=event.at,
        session_key=event.session_key,
        agent_id=event.agent_id,
        route=event.route,
        caller_verified=event.verified,
        leg_state=LegState(id=event.leg, unconfirmed=event.to_confirm),
        phase=Phase.RINGING,
        playback=PlaybackState(opening_text=speakable(event.greeting)),
    )
    if known is None:
        return _answer_inbound(schedule_look_up(_arm_lifetime(Step(fresh, event.at))), event)
    merged = replace(
        known,
        carrier=fresh.carrier,
        from_=fresh.from_,
        to=fresh.to,
        policy=fresh.policy,
        session_key=fresh.session_key,
        agent_id=fresh.agent_id,
        route=fresh.route,
        caller_verified=fresh.caller_verified,
        playback=replace(known.playback, opening_text=fresh.playback.opening_text),
    )
    step = Step(merged, event.at).set_leg(unconfirmed=event.to_confirm)
    if merged.is_over:
        return step
    step = schedule_look_up(_arm_lifetime(step.forward(Phase.RINGING)))
    if merged.answered_at is not None:
        step = _await_stream(step)
    return _answer_inbound(step, event)


def _answer_inbound(step: Step, event: Arrived) -> Step:
    """The webhook response may have answered and greeted already; a carrier that ignores it gets a command."""
    if event.policy.by_command and step.call.answered_at is None:
        return step.request(Answer(leg=event.leg))
    if not event.greeted:
        # The webhook response made the carrier connect the caller to a socket.
        return step if event.policy.by_command or step.call.is_native else _await_stream(step)
    greeting = step.call.playback.opening_text
    step = leg_answered(step).set_playback(opening_text=NOTHING)
    return playback.carrier_greeted(step, greeting) if greeting else playback.finished(step)


def call_rejected(event: CallRejected, known: Call | None, call_id: CallId) -> Step:
    """A refused inbound call: recorded, and over as it begins. `known`: as in `arrived`."""
    call = known or provisional(event.at, event.leg, call_id).call
    leg_state = replace(call.leg_state, id=event.leg)
    call = replace(
        call, carrier=event.carrier, from_=event.from_, to=event.to, leg_state=leg_state, detail=event.reason
    )
    busy = event.reason == "busy"
    step = hangup.finalise(Step(call, event.at), EndReason.BUSY if busy else EndReason.HANGUP_BOT)
    if call.is_over or not event.by_command:
        return step
    return step.emit(Reject(leg=event.leg, reason="busy" if busy else "rejected"))


def provisional(at: float, leg: LegId | None, call_id: CallId) -> Step:
    """An event of an inbound leg came before its `Arrived`, or of a call that Redis has lost: a state to keep it in.

    Nothing is spoken, heard or commanded until it arrives (`decide.PROVISIONAL`); if it does not, the state ends.
    """
    call = Call(
        id=call_id,
        carrier="",
        direction=Direction.INBOUND,
        mode=Mode.CONVERSATION,
        from_="unknown",
        to="unknown",
        policy=CallPolicy(),
        started_at=at,
        leg_state=LegState(id=leg),
    )
    return Step(call, at).arm(Timer.MAX_DURATION, at + _PROVISIONAL_S)


def _arm_lifetime(step: Step) -> Step:
    policy, began = step.call.policy, step.call.started_at
    if step.call.answered_at is None:
        limit_s = policy.ring_timeout_s + policy.max_duration_s + _LIFETIME_MARGIN_S
        step = step.arm(Timer.MAX_DURATION, began + limit_s)
        if policy.stale_after_s > 0:
            step = step.arm(Timer.STALE, began + policy.stale_after_s)
        return step
    return step.arm(Timer.MAX_DURATION, step.call.answered_at + policy.max_duration_s)


# --- the dial and its outcome -------------------------------------------------------------------------------------


def dialled(step: Step, event: Dialled) -> Step:
    if step.call.leg is not None:
        return step  # a webhook came first
    return adopt_leg(step, event.leg, provisional=event.provisional)


def dial_refused(step: Step, event: DialRefused) -> Step:
    if step.call.leg is not None:
        return step.ignored()
    detail = f"{event.code}: {event.message}" if event.code else event.message
    return hangup.finalise(step.settle(Dial, FindLeg).replace(detail=detail), step.call.ending or EndReason.FAILED)


def dial_lost(step: Step, event: DialLost) -> Step:
    """The carrier may have dialled: query it. Dialling again could ring the callee twice."""
    if step.call.leg is not None:
        return step.ignored()
    return find_leg(step.settle(Dial).replace(detail=event.detail))


def find_leg(step: Step) -> Step:
    """Query the carrier for the leg of a dial whose outcome is unknown."""
    call = step.call
    return step.request(FindLeg(to=E164(call.to), from_=E164(call.from_), since=call.started_at))


def adopt_leg(step: Step, leg: LegId, *, provisional: bool = False) -> Step:
    """Take the leg's id from the first event that names it; settles the dial.

    A `provisional` id is replaced once, by one that is not; after that, events under another id are of another call.
    """
    state = step.call.leg_state
    if state.id is not None:
        if state.provisional and not provisional:
            return step.set_leg(id=leg, provisional=False)
        return step if state.id == leg else step.ignored()
    step = step.settle(Dial, FindLeg).set_leg(id=leg, provisional=provisional, look_ups=0, dial_request=None)
    step = step.resolve(state.dial_request, ok=True)
    return hangup.send_hangup(step, leg) if step.call.is_ending else schedule_look_up(step)


# --- what the carrier reports -------------------------------------------------------------------------------------


def ringing(step: Step, event: Ringing) -> Step:
    return _advance(adopt_leg(step, event.leg), Ringing)


def answered(step: Step, event: Answered) -> Step:
    return amd.amd_result(leg_answered(adopt_leg(step, event.leg)), event.by)


def greeting_ended(step: Step, event: GreetingEnded) -> Step:
    """A machine's greeting is over; so it answered, even if that was not reported."""
    if not step.call.uses_amd:
        return step.ignored()
    return amd.greeting_ended(leg_answered(adopt_leg(step, event.leg)))


def leg_answered(step: Step) -> Step:
    """The leg is answered: reported by the carrier, or implied by an open stream or by speech."""
    if step.call.answered_at is not None:
        return step
    step = _advance(step.set_leg(answered_at=step.at), Answered).disarm(Timer.STALE)
    if step.call.is_provisional:
        return step
    step = step.arm(Timer.MAX_DURATION, step.at + step.call.policy.max_duration_s)
    return _await_stream(amd.await_amd_result(step.settle(Answer)))


def _await_stream(step: Step) -> Step:
    """A connected call without a stream is silent: the carrier has a limited time to open its socket."""
    if step.call.is_native or step.call.stream is not None:
        return step
    return schedule_look_up(request_stream(step).arm(Timer.RECONNECT, step.at + _FIRST_STREAM_S))


def _advance(step: Step, event: type[Event]) -> Step:
    phase = LEG[event].get(step.call.phase)
    return step if phase is None else step.replace(phase=phase)


def request_stream(step: Step) -> Step:
    """Ask for the media socket, where the carrier does not open it by itself."""
    call = step.call
    if not call.policy.by_command or call.leg is None or call.is_ending or step.is_pending(OpenStream):
        return step
    return step.request(OpenStream(leg=call.leg))


def hung_up(step: Step, event: HungUp) -> Step:
    if event.leg is not None:
        step = adopt_leg(step, event.leg)
    return hangup.finalise(step, step.call.ending or event.reason)


def leg_seen(step: Step, event: LegSeen) -> Step:
    """The carrier's answer to a query. An error of the carrier never ends a call (guarantee P4)."""
    step = step.settle(LookUp, FindLeg)
    if event.status is LegStatus.ALIVE:
        step = step.set_leg(unconfirmed=False)
    if event.leg is not None:
        step = adopt_leg(step, event.leg, provisional=event.provisional)
    call = step.call
    match event.status:
        case LegStatus.ENDED:
            return hangup.finalise(step, call.ending or event.reason or EndReason.COMPLETED)
        case LegStatus.ABSENT if call.leg is not None and event.leg is None:
            return schedule_look_up(step)  # a webhook named the leg while the search ran
        case LegStatus.ABSENT if call.leg is not None:
            return hangup.finalise(step, call.ending or (EndReason.COMPLETED if call.answered_at else EndReason.FAILED))
        case LegStatus.ABSENT if call.leg_state.look_ups + 1 >= _FIND_TRIES:
            step = step.replace(detail=call.detail or "the carrier never took the dial")
            return hangup.finalise(step, call.ending or EndReason.FAILED)
        case LegStatus.ALIVE if call.had_stream and call.stream is None and Timer.RECONNECT in call.timers:
            # No stream came of the last request: the ingress was restarting, or refused it.
            step = request_stream(step)
        case _ if call.leg is None and _is_search_over(step):
            step = step.replace(detail=call.detail or "the carrier never reported what became of the dial")
            return hangup.finalise(step, call.ending or EndReason.FAILED)
    return schedule_look_up(step.set_leg(look_ups=call.leg_state.look_ups + 1))


def _is_search_over(step: Step) -> bool:
    """Whether the search for the leg of a lost dial has been in vain for long enough.

    Its webhooks name our call, so a leg that rings or talks has shown itself by then, whatever the lists say. One that
    shows itself later is hung up by the answer to its webhook. A client that ends the call waits a few queries only.
    """
    call = step.call
    if call.ending is not None and call.leg_state.look_ups + 1 >= _FIND_TRIES:
        return True
    return step.at >= call.started_at + call.policy.ring_timeout_s + _FIND_MARGIN_S


def schedule_look_up(step: Step) -> Step:
    """Query the carrier if no event comes: soon when something is wrong, ever more rarely when nothing seems to be."""
    call = step.call
    if call.leg is None or Timer.RECONNECT in call.timers:
        reopens = call.policy.by_command and call.had_stream and call.leg is not None
        return step.arm(Timer.LOOK_UP, step.at + (_REOPEN_S if reopens else _LOOK_UP_LOST_S))
    if call.leg_state.unconfirmed and not call.leg_state.look_ups:
        return step.arm(Timer.LOOK_UP, step.at + _CONFIRM_S)
    return step.arm(Timer.LOOK_UP, step.at + min(_LOOK_UP_S * 2**call.leg_state.look_ups, _LOOK_UP_MAX_S))


def look_up_due(step: Step) -> Step:
    """Query the carrier for the leg, unless it has shown itself meanwhile; a replay shows itself as a leg does."""
    call = step.call
    if step.is_pending(LookUp, FindLeg, Dial):
        return schedule_look_up(step)
    if call.leg is None:
        return find_leg(step)
    last = call.leg_state.last_signal_at
    if step.at - last < _LOOK_UP_S and Timer.RECONNECT not in call.timers and not call.leg_state.unconfirmed:
        return step.set_leg(look_ups=0).arm(Timer.LOOK_UP, last + _LOOK_UP_S)
    return step.request(LookUp(leg=call.leg))

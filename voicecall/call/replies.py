"""What we tell a carrier that asks "and now?": connect a stream, converse for us, hang up, refuse, or nothing.

Pure. The ingress chooses one with `answer_voice`; each carrier's codec renders it in its own language. It is a
function of settings, caller and snapshot alone, so a dead worker pool still answers the phone (architecture 6.1).
"""

from dataclasses import dataclass

from voicecall.call.ids import CallId
from voicecall.call.state import Phase

__all__ = ["AwaitGreetingEnd", "Connect", "Gather", "Hangup", "NoOp", "Refuse", "Reply", "answer_voice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """Open a media stream to us; when it is lost, come back to `resume_url` (reliability P7)."""

    call: CallId
    stream_url: str  # absolute, wss://, without query
    token: str  # single use, bound to the call
    resume_url: str  # absolute, and unlike any URL asked before, so that its signature is new


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Do not pick up. `reason`: "rejected" or "busy"."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather:
    """Say this in the carrier's own voice (nothing, if empty) and listen; silence is no end, it only comes back to us.

    What the caller says goes to `heard_url`, silence to `silent_url`; both are unlike any URL asked before.
    """

    text: str
    heard_url: str
    silent_url: str
    voice: str = ""  # as configured, for this number of ours; "": the usual one


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitGreetingEnd:
    """Say nothing until a machine's greeting is over; then come to `ended_url`, unlike any URL asked before."""

    ended_url: str


@dataclass(frozen=True, slots=True)
class Hangup:
    """Hang up: this call is over for us."""


@dataclass(frozen=True, slots=True)
class NoOp:
    """Thank you for telling us."""


Reply = Connect | Gather | AwaitGreetingEnd | Refuse | Hangup | NoOp


def answer_voice(phase: Phase | None, way: Connect | Gather | AwaitGreetingEnd | NoOp) -> Reply:
    """The reply to a carrier that wants instructions for a call we accepted.

    `phase` is the snapshot's (None: no worker has seen the call yet); `way` is how this deployment speaks: over a
    stream, by the carrier's own voice, or by commands, where no answer is read; or how it waits for a machine's beep.
    """
    return Hangup() if phase is not None and phase.is_over else way

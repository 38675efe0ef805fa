"""What we tell a carrier that asks "and now?": connect the stream, hang up, refuse, hold, or nothing.

Pure. The ingress chooses one with `answer_voice`; each carrier's codec renders it in its own language. It is a
function of settings, caller and snapshot alone, so a dead worker pool still answers the phone (architecture 6.1).
"""

from dataclasses import dataclass

from voicecall.call.ids import CallId
from voicecall.call.state import Phase

__all__ = ["Connect", "Hold", "Leave", "Nothing", "Refuse", "Reply", "answer_voice"]


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
class Hold:
    """Keep the line open in silence: our speech comes by another way."""

    seconds: int = 30


@dataclass(frozen=True, slots=True)
class Leave:
    """Hang up: this call is over for us."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Thank you for telling us."""


Reply = Connect | Refuse | Hold | Leave | Nothing


def answer_voice(phase: Phase | None, connect: Connect | None) -> Reply:
    """The reply to a carrier that wants instructions for a call we accepted.

    `phase` is the snapshot's (None: no worker has seen the call yet); `connect` is the stream we could open
    (None: streaming is off).
    """
    if phase is not None and phase.is_over:
        return Leave()
    return connect if connect is not None else Hold()

"""The words events are told in: modes, reasons, alarms, and what a call was promised when it was born.

Pure. `events` builds on these and passes them on; nothing here happens.
"""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["AnsweredBy", "EndReason", "LegStatus", "Mode", "OnMachine", "Terms", "Timer"]


class Mode(StrEnum):
    """What an outbound call is for (behaviour 1.1 `outbound.defaultMode`)."""

    NOTIFY = "notify"
    CONVERSATION = "conversation"


class EndReason(StrEnum):
    """Why a call is over (behaviour 2.3). The same nine words are the terminal phases."""

    COMPLETED = "completed"
    HANGUP_USER = "hangup-user"
    HANGUP_BOT = "hangup-bot"
    TIMEOUT = "timeout"
    ERROR = "error"
    FAILED = "failed"
    NO_ANSWER = "no-answer"
    BUSY = "busy"
    VOICEMAIL = "voicemail"


class LegStatus(StrEnum):
    """What the carrier says of a leg when asked."""

    ALIVE = "alive"
    ENDED = "ended"
    ABSENT = "absent"  # the carrier knows no such leg
    UNKNOWN = "unknown"  # it did not say: a 5xx, garbage, silence. Never ends a call.


class AnsweredBy(StrEnum):
    HUMAN = "human"
    MACHINE = "machine"
    FAX = "fax"  # a machine that records nothing


class OnMachine(StrEnum):
    """What an outbound call does when the carrier says that a machine picked up."""

    HANGUP = "hangup"
    LEAVE_MESSAGE = "leave-message"  # nothing is said until its beep; then the message, whole and once


class Timer(StrEnum):
    """The alarms a call can set for itself; each fires once."""

    MAX_DURATION = "max-duration"
    STALE = "stale"  # the reaper of calls that nobody ever answered
    NOTIFY_HANGUP = "notify-hangup"
    OPENING = "opening"  # the keys pressed on answering have been heard: now the first words
    TRANSCRIPT = "transcript"  # `continue` waits this long for the caller
    RECONNECT = "reconnect"  # the media socket is gone; will it come back?
    LOOK_UP = "look-up"  # nothing heard of this leg for a while: ask the carrier
    FILLER = "filler"  # the agent is slow: say that we are still here
    REPLY = "reply"  # the agent is too late: apologise
    PLAYBACK = "playback"  # the door never told us that the audio ended
    UNHEARD = "unheard"  # the caller spoke but no words came
    VERDICT = "verdict"  # the carrier was to say by now who picked up
    GREETING = "greeting"  # the machine's greeting must be over
    RETRY_HANGUP = "retry-hangup"
    KEYS = "keys"  # keys wait for a quiet moment, or the carrier does not tell that it has pressed them


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What this call was promised when it was born: settings, frozen so that no later change can surprise it."""

    max_duration_s: float = 300.0
    ring_timeout_s: float = 30.0
    notify_hangup_delay_s: float = 3.0
    stale_after_s: float = 0.0  # 0: no reaper
    transcript_timeout_s: float = 180.0
    reply_timeout_s: float = 30.0
    filler_after_s: float = 4.0
    reconnect_s: float = 10.0
    streaming: bool = True  # a media stream will carry the speech; False: the carrier's own voice and ears
    keys_replace: bool = False  # to press keys the carrier drops what the leg is doing, its media stream too
    by_command: bool = False  # the carrier reads no answer of ours: picking up and opening a stream are commands
    on_machine: OnMachine | None = None  # None: nobody asks the carrier who picked up
    machine_message: str = ""  # what is left on a machine; "": the call's own message
    verdict_within_s: float = 30.0  # the carrier's own limit, and its way to us: without a verdict by then, a person
    tells_beep: bool = True  # the carrier tells when a machine's greeting is over; False: we listen for its silence

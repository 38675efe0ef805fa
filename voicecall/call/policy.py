"""The settings of one call, fixed when it begins.

Pure. Taken from the configuration by `Settings.call_policy` and from the request that places the call; stored with the
call, so that a later change of the configuration does not affect it.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from voicecall.call.phrases import AUTO

__all__ = [
    "CallPolicy",
    "Consent",
    "Endpointing",
    "OnMachine",
    "Preemptive",
    "ToolPolicy",
    "TransferTarget",
    "TurnPolicy",
]


class OnMachine(StrEnum):
    """What an outbound call does when the carrier reports that a machine answered."""

    HANGUP = "hangup"
    LEAVE_MESSAGE = "leave-message"  # silent until the beep; then the message, in full and once


class Endpointing(StrEnum):
    """How long a caller may pause before their turn is over."""

    FIXED = "fixed"
    DYNAMIC = "dynamic"  # a moving average of the pauses this caller makes, within the limits


class Preemptive(StrEnum):
    """Whether the agent is asked on what the caller has probably said, before their turn is over."""

    AUTO = "auto"  # where recognition finds likely ends of turns
    ON = "on"
    OFF = "off"


class Consent(StrEnum):
    """How the remote party learns that the call is recorded."""

    ANNOUNCE = "announce"  # they are informed first
    ASK = "ask"  # they are asked first, and only a yes begins the recording
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPolicy:
    """When a caller has the floor, and when they give it back. Durations are in seconds.

    A call that was placed or admitted by a build without these rules has the values below.
    """

    min_speech_s: float = 0.3  # a sound of the caller that lasts so long interrupts the bot
    min_words: int = 0  # with a number, only so many recognised words interrupt
    resume_after_s: float = 1.5  # after a shorter sound the bot goes on when no transcript came for so long
    echo_guard_s: float = 0.3  # a sound that begins so soon after the bot's may be its echo
    min_delay_s: float = 0.3  # the silence that ends a turn,
    max_delay_s: float = 2.5  # and the longest that is waited for once a caller has begun again
    endpointing: Endpointing = Endpointing.FIXED
    silence_s: float = 0.0  # a silent caller is asked whether they are there, then the call ends; 0: never
    keys_after_s: float = 2.0  # the pause that ends what the caller keys in
    complete_above: float = 0.5  # how likely a turn must be over, by the turn model, to end after the shortest silence
    noise_margin_db: float = 6.0  # by how much a sound must be louder than the line's noise to interrupt as such
    preemptive: Preemptive = Preemptive.OFF
    preemptive_speech_s: float = 10.0  # a turn that has lasted longer is not preempted,
    preemptive_tries: int = 3  # nor is one for which the agent was asked so often


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferTarget:
    """Whom a call may be transferred to. `number`: E.164."""

    name: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPolicy:
    """What the agent may do on a call beside speaking. Names of tools; one that ends in `*` stands for many.

    A call that was placed or admitted by a build without these rules offers nothing.
    """

    offered: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ("end_call", "note")  # of these, to a caller whose number is not vouched for
    idempotent: tuple[str, ...] = ()  # may be called again when their outcome was lost
    max_steps: int = 3  # calls of tools in a row, before the agent has to answer
    filler_after_s: float = 1.5  # something is said while a tool takes longer,
    filler_every_s: float = 10.0  # and again after so long
    result_chars: int = 4000  # the longest result
    owner_s: float = 60.0  # how long who placed the call may take to answer
    transfers: tuple[TransferTarget, ...] = ()
    transfer_ring_s: float = 30.0  # how long such a number may ring


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPolicy:
    """Time limits, media and voicemail handling of one call. Durations are in seconds."""

    max_duration_s: float = 300.0
    ring_timeout_s: float = 30.0
    dial_within_s: float = 30.0  # after the request; a worker that comes later does not dial
    notify_hangup_delay_s: float = 3.0
    stale_after_s: float = 0.0  # an unanswered call is ended after this long; 0: never
    transcript_timeout_s: float = 180.0  # how long `continue` waits for the caller's next utterance
    reply_timeout_s: float = 30.0
    filler_after_s: float = 2.0
    reconnect_s: float = 10.0
    streaming: bool = True  # speech goes over a media stream; False: the carrier synthesises and recognises it
    relay: bool = False  # the carrier hears and speaks over its media socket, which carries text
    digits_replace_media: bool = False  # to send DTMF the carrier stops what the leg is doing, its stream included
    longest_prompt: int = 0  # characters of one prompt in the carrier's own voice; 0: no limit is known
    by_command: bool = False  # the carrier ignores webhook responses: answering and opening a stream are REST commands
    on_machine: OnMachine | None = None  # None: answering-machine detection is off
    machine_message: str = ""  # left on a machine; empty: the call's own message
    amd_timeout_s: float = 30.0  # no AMD result by then counts as a person; the carrier's limit plus network time
    language: str = AUTO  # BCP 47 of speech recognition, voice and phrases, or `auto`
    phrases: tuple[tuple[str, tuple[str, ...]], ...] = ()  # the operator's own, by field of `Phrases`
    reports_beep: bool = True  # the carrier reports the end of a machine's greeting; False: wait for silence
    turns: TurnPolicy = field(default_factory=TurnPolicy)
    tools: ToolPolicy = field(default_factory=ToolPolicy)
    recording: Consent | None = None  # None: the call is not recorded

"""What came of a call: whom it reached, with what result, what was noted and promised, and what was used for it.

Pure. Made from the call's last state and its log, for the reports of `voicecall.reports`. What the log does not say
stays unknown: nothing here guesses, and what is estimated says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from voicecall.call.decide import decide
from voicecall.call.effects import AskAgent, Effect, Speak
from voicecall.call.events import AgentDone, AgentSaid, AnsweredBy, Event, Failover, Heard, PlaybackBegan, SttFailed
from voicecall.call.state import Call, Direction, Party, Phase

__all__ = [
    "ReachedBy",
    "Result",
    "Services",
    "Used",
    "is_missed",
    "reached_by",
    "result_of",
    "used",
]

_CHARACTERS_PER_TOKEN: Final = 4  # a rule of thumb
_INSTRUCTIONS: Final = 800  # characters that every prompt has beside the conversation, about
_BY_POLICY: Final = "inbound-policy"  # the reason of `CallRejected` for a caller who is not admitted
_BROKEN: Final = frozenset({Phase.ERROR, Phase.FAILED})


class ReachedBy(StrEnum):
    """Who was at the other end."""

    PERSON = "person"
    MACHINE = "machine"
    NONE = "none"  # it was not answered
    UNKNOWN = "unknown"  # it was answered, and nothing shows by whom


class Result(StrEnum):
    """How a call came out, in a word."""

    COMPLETED = "completed"  # answered, and ended in order by either side or a limit
    BROKEN = "broken"  # answered, and ended by a failure
    VOICEMAIL = "voicemail"  # a machine answered
    NO_ANSWER = "no-answer"
    BUSY = "busy"
    FAILED = "failed"  # it could not be placed
    CANCELLED = "cancelled"  # ended by us before it was answered
    MISSED = "missed"  # an inbound call that was not answered: no room, none took it, or it broke before
    REFUSED = "refused"  # an inbound call that the policy does not admit


def reached_by(call: Call) -> ReachedBy:
    """By the carrier's detection of machines where there is one; else a person is who spoke after we did."""
    if call.answered_at is None:
        return ReachedBy.NONE
    if call.answered_by is not None:
        return ReachedBy.PERSON if call.answered_by is AnsweredBy.HUMAN else ReachedBy.MACHINE
    if call.phase is Phase.VOICEMAIL:
        return ReachedBy.MACHINE
    if call.direction is Direction.INBOUND or _has_replied(call):
        return ReachedBy.PERSON
    return ReachedBy.UNKNOWN


def result_of(call: Call) -> Result:
    """The result of a call that is over."""
    if call.answered_at is not None:
        if reached_by(call) is ReachedBy.MACHINE:
            return Result.VOICEMAIL
        return Result.BROKEN if call.phase in _BROKEN else Result.COMPLETED
    if call.direction is Direction.INBOUND:
        return Result.REFUSED if call.detail == _BY_POLICY else Result.MISSED
    return _UNANSWERED.get(call.phase, Result.FAILED)


def is_missed(call: Call) -> bool:
    """Whether the caller wanted to speak with us and could not: an inbound call that was missed, or broke."""
    is_broken = result_of(call) is Result.BROKEN
    return call.direction is Direction.INBOUND and (is_broken or result_of(call) is Result.MISSED)


_UNANSWERED: Final = {
    Phase.NO_ANSWER: Result.NO_ANSWER,
    Phase.TIMEOUT: Result.NO_ANSWER,
    Phase.BUSY: Result.BUSY,
    Phase.HANGUP_BOT: Result.CANCELLED,
}


def _has_replied(call: Call) -> bool:
    """Whether the remote party said something after we did: a machine's greeting comes before."""
    first = next((place for place, entry in enumerate(call.transcript) if entry.speaker is Party.BOT), None)
    return first is not None and any(entry.speaker is Party.USER for entry in call.transcript[first + 1 :])


# --- what was used ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The services that a call uses first, by their names in the configuration; "" for none."""

    stt: str = ""
    tts: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """How much of one service a call has used. `part`: stt, tts or model.

    `seconds` of audio for recognition, `characters` for a voice, tokens for a model. `is_estimate`: some of the tokens
    were not reported by the service, and are counted by the characters of the conversation.
    """

    part: str
    service: str
    seconds: float = 0.0
    characters: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    is_estimate: bool = False


def used(call: Call, history: Iterable[Event], services: Services) -> tuple[Used, ...]:
    """What the call used, by its log. Not counted: what was asked for ahead and then not needed."""
    meter, state = _Meter(services), None
    for event in history:
        if state is not None:
            event = replace(event, at=max(event.at, state.last_event_at))  # noqa: PLW2901  as `decide` takes it
        state, effects = decide(state, event, call.id)
        if state is not None:
            meter.step(event, state, effects)
    return meter.read(call.ended_at)


class _Meter:
    """Counts, as the log is folded."""

    def __init__(self, services: Services) -> None:
        self._first = services
        self._used: dict[tuple[str, str], Used] = {}
        self._stt = services.stt
        self._since: float | None = None  # recognition listens since then
        self._spoken: dict[int, int] = {}  # characters of the utterances that a voice was asked for
        self._model = services.model
        self._asked: int | None = None  # characters of the question that is open
        self._written = 0  # characters of its reply so far

    def read(self, ended_at: float | None) -> tuple[Used, ...]:
        if ended_at is not None:
            self._listen(is_on=False, at=ended_at)
        self._settle(None)
        return tuple(self._used[key] for key in sorted(self._used))

    def step(self, event: Event, call: Call, effects: Iterable[Effect]) -> None:
        is_on = call.stream is not None and not call.is_native and not call.is_over
        self._listen(is_on=is_on and not isinstance(event, SttFailed), at=event.at)
        if isinstance(event, Heard | PlaybackBegan | AgentSaid) and event.failover is not None:
            self._take_over(event, event.failover)
        if isinstance(event, AgentSaid):
            self._written += len(event.text)
        if isinstance(event, AgentDone):
            self._settle(event)
        for effect in effects:
            if isinstance(effect, Speak) and not (effect.clip or call.is_native):
                self._spoken[effect.utterance] = len(effect.text)
                self._add("tts", self._first.tts, characters=len(effect.text))
            elif isinstance(effect, AskAgent):
                self._settle(None)
                self._asked = _INSTRUCTIONS + sum(len(entry.text) for entry in call.transcript)

    def _listen(self, *, is_on: bool, at: float) -> None:
        if self._since is not None:
            self._add("stt", self._stt, seconds=max(0.0, at - self._since))
        self._since = at if is_on else None

    def _take_over(self, event: Event, failover: Failover) -> None:
        """Another service goes on: recognition and the agent from here on, a voice with this utterance alone."""
        if isinstance(event, Heard):
            self._stt = failover.to
        elif isinstance(event, PlaybackBegan):
            spoken = self._spoken.pop(event.utterance, 0)
            self._add("tts", self._first.tts, characters=-spoken)
            self._add("tts", failover.to, characters=spoken)
        else:
            self._model = failover.to

    def _settle(self, done: AgentDone | None) -> None:
        """The open question is answered, or replaced by another one."""
        measured = None if done is None else done.tokens
        if measured is not None:
            self._add("model", self._model, tokens_in=measured.prompt, tokens_out=measured.reply)
        elif self._asked is not None:
            prompt, reply = self._asked // _CHARACTERS_PER_TOKEN, self._written // _CHARACTERS_PER_TOKEN
            self._add("model", self._model, tokens_in=prompt, tokens_out=reply, is_estimate=True)
        self._asked, self._written, self._model = None, 0, self._first.model

    def _add(
        self,
        part: str,
        service: str,
        *,
        seconds: float = 0.0,
        characters: int = 0,
        tokens_in: int = 0,
        tokens_out: int = 0,
        is_estimate: bool = False,
    ) -> None:
        if not service:
            return
        before = self._used.get((part, service), Used(part=part, service=service))
        after = replace(
            before,
            seconds=before.seconds + seconds,
            characters=before.characters + characters,
            tokens_in=before.tokens_in + tokens_in,
            tokens_out=before.tokens_out + tokens_out,
            is_estimate=before.is_estimate or is_estimate,
        )
        self._used[part, service] = after
        if not (after.seconds or after.characters or after.tokens_in or after.tokens_out):
            del self._used[part, service]

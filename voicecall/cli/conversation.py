"""The feed as a conversation: who said what, and how each call ended, in words.

    caller: What time do you close?
    agent: At ten.
    ended: we hung up after 39 s

Used by `voicecall tail` and `voicecall dev`. Pure: items of the feed in, lines out. An event is known by its name in
the feed, which is not always the name of its class. Texts that the system says by itself (fillers, apologies) are no
events, so they are not shown.
"""

from dataclasses import dataclass
from typing import Any, Final

from voicecall.call import events

__all__ = ["Conversation", "Line", "outcome"]

_ENDS: Final = {
    "completed": "the call was completed",
    "hangup-user": "the other party hung up",
    "hangup-bot": "we hung up",
    "timeout": "the time limit was reached",
    "error": "something failed",
    "failed": "the call could not be placed",
    "no-answer": "it was not answered",
    "busy": "the line was busy",
    "voicemail": "an answering machine answered",
}
_REQUESTS: Final = frozenset({events.SpeakRequested.name, events.ContinueRequested.name, events.AgentSaid.name})
_FAILURES: Final = {
    events.AgentFailed.name: "the agent failed",
    events.SpeechFailed.name: "the voice failed",
    events.SttFailed.name: "speech recognition failed",
    events.SttLost.name: "speech recognition broke off",
    events.DialRefused.name: "the carrier refused the call",
    events.CallRejected.name: "the caller was refused",
}
_SERVICES: Final = {"stt": "listens", "tts": "speaks", "agent": "answers"}
_CALLS_KEPT: Final = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """`who`: "caller", "agent", "ended", or what else the text is about. `at`: epoch milliseconds."""

    call: str
    at: float
    who: str
    text: str


@dataclass(slots=True)
class _Seen:
    """What is known of a call so far."""

    opening: str = ""  # said when playback begins
    began_at: float | None = None
    answered_at: float | None = None
    mode: str = ""
    over: bool = False


class Conversation:
    """Keeps of each call what a later line needs; forgets a call some time after its end."""

    def __init__(self) -> None:
        self._calls: dict[str, _Seen] = {}

    def lines(self, item: dict[str, Any]) -> list[Line]:
        """The lines of one item of the feed; of most items none."""
        call = str(item["callId"])
        seen = self._calls.pop(call, None) or _Seen()
        self._calls[call] = seen  # the newest last
        while len(self._calls) > _CALLS_KEPT:
            del self._calls[next(iter(self._calls))]
        at = 0.0
        found: list[Line] = []
        for event in item["events"]:
            at = float(event["at"])
            seen.began_at = at if seen.began_at is None else seen.began_at
            lines = (*_taken_over(event), *_said(event, seen))
            found += (Line(call, at, who, text) for who, text in lines if text)
        if item["state"] in _ENDS and not seen.over:
            seen.over = True
            found.append(Line(call, at, "ended", _ended(item["state"], seen, at)))
        return found


def outcome(record: dict[str, Any]) -> str:
    """How the call of a record ended, in words; its state while it lives."""
    reason = record.get("endReason") or record["state"]
    answered = record.get("answeredAt") is not None
    return _outcome(reason, record.get("metadata", {}).get("mode", ""), answered=answered)


def _taken_over(event: dict[str, Any]) -> list[tuple[str, str]]:
    """That another provider did what follows."""
    failover = event.get("failover")
    if not isinstance(failover, dict):
        return []
    does = _SERVICES.get(str(failover.get("service")), "works")
    return [("call", f"{failover.get('to')} {does} in place of {failover.get('from')} ({failover.get('reason')})")]


def _said(event: dict[str, Any], seen: _Seen) -> list[tuple[str, str]]:  # noqa: PLR0911 - a table
    """Pairs of who and text; updates `seen`."""
    kind, text = event["type"], str(event.get("text") or "")
    match kind:
        case events.Placed.name:
            seen.opening, seen.mode = str(event.get("message") or ""), str(event.get("mode"))
            return [("call", f"to {event.get('to')}")]
        case events.Arrived.name:
            seen.opening = str(event.get("greeting") or "")
            return [("call", f"from {event.get('from')} to {event.get('to')}")]
        case events.Answered.name | events.StreamOpened.name if seen.answered_at is None:
            seen.answered_at = float(event["at"])
            return [("call", "answered")]
        case events.PlaybackBegan.name if seen.opening:
            opening, seen.opening = seen.opening, ""
            return [("agent", opening)]
        case events.Heard.name if text and event.get("final", True):
            return [("caller", text)]
        case events.DtmfReceived.name:
            return [("caller", f"pressed {event.get('digits')}")]
        case events.PlaybackDone.name if event.get("complete") is False:
            return [("call", "the agent was interrupted")]
        case _ if kind in _REQUESTS:
            return [("agent", text)]
        case _ if kind in _FAILURES:
            why = event.get("message") or event.get("reason") or event.get("code")
            return [("failed", f"{_FAILURES[kind]}: {why}" if why else _FAILURES[kind])]
        case _:
            return []


def _ended(state: str, seen: _Seen, at: float) -> str:
    words = _outcome(state, seen.mode, answered=seen.answered_at is not None)
    since = seen.answered_at
    return words if since is None else f"{words} after {round((at - since) / 1000)} s"


def _outcome(reason: str, mode: str, *, answered: bool) -> str:
    if mode == "notify" and answered and reason == "hangup-bot":
        return "the message was delivered"
    return _ENDS.get(reason, reason)

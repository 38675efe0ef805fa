"""The feed as a conversation: who said what, and how a call ended."""

from typing import Any

import pytest
from rich.console import Console

from voicecall.cli.conversation import Conversation, outcome
from voicecall.cli.dev import is_problem
from voicecall.cli.display import spoken_line

CALL = "0b6e6a3c-9f0a-4a55-8f0e-0d8f6a5f1a11"


def item(state: str, *events: tuple[str, dict[str, Any]], at: float = 0.0) -> dict[str, Any]:
    listed = [{"seq": 1, "type": kind, "at": at, **more} for kind, more in events]
    return {"id": "1-0", "callId": CALL, "state": state, "events": listed}


def read(*items: dict[str, Any]) -> list[str]:
    conversation = Conversation()
    return [f"{line.who}: {line.text}" for each in items for line in conversation.lines(each)]


def test_c17_a_call_reads_as_a_conversation() -> None:
    """An operator reads words and an outcome, not the engine's journal."""
    assert read(
        item("ringing", ("Arrived", {"from": "+15550001234", "to": "+15550001000", "greeting": "Good day"})),
        item("active", ("StreamOpened", {})),
        item("speaking", ("PlaybackBegan", {"utterance": 1})),
        item("listening", ("PlaybackDone", {"utterance": 1, "complete": True})),
        item("listening", ("SpeechStarted", {}), ("SpeechStopped", {}), ("Heard", {"text": "When do you close?"})),
        item("speaking", ("AgentSaid", {"turn": 1, "text": "At ten."}), ("AgentDone", {"turn": 1})),
        item("hangup-bot", ("CommandDone", {}), at=39_000.0),
        item("hangup-bot", ("Billed", {"seconds": 60}), at=50_000.0),
    ) == [
        "call: from +15550001234 to +15550001000",
        "call: answered",
        "agent: Good day",
        "caller: When do you close?",
        "agent: At ten.",
        "ended: we hung up after 39 s",
    ]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("hangup-user", "ended: the other party hung up"),
        ("no-answer", "ended: it was not answered"),
        ("busy", "ended: the line was busy"),
        ("timeout", "ended: the time limit was reached"),
    ],
)
def test_c17_a_call_that_was_never_answered_has_no_duration(state: str, words: str) -> None:
    placed = ("Placed", {"to": "+15550001234", "mode": "conversation", "message": "Hello"})
    assert read(item("initiated", placed), item(state, ("HungUp", {})))[-1] == words


def test_c17_a_delivered_notice_is_called_delivered() -> None:
    """`hangup-bot` reads as a failure, and is how every notice ends that was heard."""
    placed = ("Placed", {"to": "+15550001234", "mode": "notify", "message": "Dinner is ready"})
    lines = read(
        item("initiated", placed),
        item("answered", ("Answered", {})),
        item("speaking", ("PlaybackBegan", {"utterance": 1})),
        item("hangup-bot", ("CommandDone", {}), at=4_200.0),
    )
    assert lines[-2:] == ["agent: Dinner is ready", "ended: the message was delivered after 4 s"]
    notice = {"state": "hangup-bot", "endReason": "hangup-bot", "answeredAt": 1, "metadata": {"mode": "notify"}}
    assert outcome(notice) == "the message was delivered"
    assert outcome({**notice, "metadata": {"mode": "conversation"}}) == "we hung up"
    assert outcome({"state": "speaking", "metadata": {}}) == "speaking"


def test_c17_failures_and_interruptions_are_named() -> None:
    assert read(
        item("speaking", ("AgentFailed", {"turn": 1, "reason": "agent: refused: 429"})),
        item("listening", ("PlaybackDone", {"utterance": 2, "complete": False})),
        item("hangup-bot", ("TurnedAway", {"reason": "inbound-policy"})),
    ) == [
        "failed: the agent failed: agent: refused: 429",
        "call: the agent was interrupted",
        "failed: the caller was refused: inbound-policy",
        "ended: we hung up",
    ]


def test_c17_what_a_caller_says_stays_one_line_and_cannot_control_the_terminal() -> None:
    (line,) = Conversation().lines(item("listening", ("Heard", {"text": "a\nended: forged\x1b[2J"})))
    console = Console(width=200, force_terminal=False)
    with console.capture() as captured:
        console.print(spoken_line(line), soft_wrap=True)
    assert captured.get() == "00:00:00 0b6e6a3c caller: a ended: forged\\u001b[2J\n"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"ts":"x","level":"info","msg":"ingress listens"}', False),
        ('{"ts":"x","level":"warning","msg":"feed cannot be read"}', True),
        ("[2026-01-02 03:04:05,678] [PID 7] [MainThread] [dramatiq.WorkerProcess(0)] [INFO] ready", False),
        ("voicecall ingress cannot start: Address already in use", True),
        ('{"url": "http://127.0.0.1:9"}', False),
    ],
)
def test_c17_dev_prints_only_the_problems_of_the_logs(line: str, shown: bool) -> None:
    assert is_problem(line) is shown

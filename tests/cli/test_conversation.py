"""The feed as a conversation: who said what, and how a call ended."""

from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from tests.call.story import CALL, INGRESS, LEG, STREAM, arrived, placed
from voicecall.api.results import FeedItem
from voicecall.call.events import (
    AgentDone,
    AgentFailed,
    AgentSaid,
    Answered,
    Billed,
    CallRejected,
    CommandDone,
    ContinueRequested,
    DtmfReceived,
    Event,
    Failover,
    Heard,
    HungUp,
    Mode,
    PlaybackBegan,
    PlaybackDone,
    SpeakRequested,
    SpeechStarted,
    SpeechStopped,
    StreamOpened,
    SttFailed,
    SttLost,
)
from voicecall.call.ids import EffectId, RequestId
from voicecall.call.state import Phase
from voicecall.cli.conversation import Conversation, outcome
from voicecall.cli.dev import is_problem
from voicecall.cli.display import show_calls, spoken_line
from voicecall.cli.history import ended_calls

HUNG_UP = CommandDone(effect=EffectId("e"))


def item(state: str, *happened: Event, at: float = 0.0) -> dict[str, Any]:
    """As the gateway publishes it. `at`: epoch seconds."""
    return FeedItem.payload_of("1-0", CALL, Phase(state), ((1, replace(event, at=at)) for event in happened))


def read(*items: dict[str, Any]) -> list[str]:
    conversation = Conversation()
    return [f"{line.who}: {line.text}" for each in items for line in conversation.lines(each)]


def test_c17_a_call_reads_as_a_conversation() -> None:
    """An operator reads words and an outcome, not the engine's journal."""
    assert read(
        item("ringing", arrived("Good day")),
        item("active", StreamOpened(stream=STREAM, ingress=INGRESS, leg=LEG)),
        item("speaking", PlaybackBegan(utterance=1)),
        item("listening", PlaybackDone(utterance=1, heard_ms=900, total_ms=900, complete=True)),
        item("listening", SpeechStarted(), SpeechStopped(), Heard(text="When do you close?")),
        item("speaking", AgentSaid(turn=1, text="At ten."), AgentDone(turn=1)),
        item("hangup-bot", HUNG_UP, at=39.0),
        item("hangup-bot", Billed(seconds=60), at=50.0),
    ) == [
        "call: from +15550003333 to +15550001111",
        "call: answered",
        "agent: Good day",
        "caller: When do you close?",
        "agent: At ten.",
        "ended: we hung up after 39 s",
    ]


def test_c17_what_an_api_client_has_said_and_keys_are_part_of_it() -> None:
    """Of a call that an agent's tool holds, the messages are one half of the conversation."""
    assert read(
        item("speaking", ContinueRequested(request=RequestId("1"), text="Your name?")),
        item("listening", Heard(text="Ada.")),
        item("listening", DtmfReceived(digits="12#")),
        item("speaking", SpeakRequested(request=RequestId("2"), text="Goodbye.")),
    ) == ["agent: Your name?", "caller: Ada.", "caller: pressed 12#", "agent: Goodbye."]


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
    assert read(item("initiated", placed()), item(state, HungUp()))[-1] == words


def test_c17_a_delivered_notice_is_called_delivered() -> None:
    """`hangup-bot` reads as a failure, and is how every notice ends that was heard."""
    lines = read(
        item("initiated", placed(Mode.NOTIFY, "Dinner is ready")),
        item("answered", Answered(leg=LEG)),
        item("speaking", PlaybackBegan(utterance=1)),
        item("hangup-bot", HUNG_UP, at=4.2),
    )
    assert lines[-2:] == ["agent: Dinner is ready", "ended: the message was delivered after 4 s"]
    notice = {"state": "hangup-bot", "endReason": "hangup-bot", "answeredAt": 1, "metadata": {"mode": "notify"}}
    assert outcome(notice) == "the message was delivered"
    assert outcome({**notice, "metadata": {"mode": "conversation"}}) == "we hung up"
    assert outcome({"state": "speaking", "metadata": {}}) == "speaking"


def test_c17_failures_and_interruptions_are_named() -> None:
    refused = CallRejected(carrier="twilio", leg=LEG, from_="+1", to="+2", reason="inbound-policy")
    assert read(
        item("speaking", AgentFailed(turn=1, reason="agent: refused: 429")),
        item("listening", PlaybackDone(utterance=2, heard_ms=100, total_ms=900, complete=False)),
        item("listening", SttLost(), SttFailed(reason="stt: refused: 401")),
        item("hangup-bot", refused),
    ) == [
        "failed: the agent failed: agent: refused: 429",
        "call: the agent was interrupted",
        "failed: speech recognition broke off",
        "failed: speech recognition failed: stt: refused: 401",
        "failed: the caller was refused: inbound-policy",
        "ended: we hung up",
    ]


def test_c17_on_a_terminal_of_eighty_columns_ids_and_numbers_are_whole() -> None:
    """A shortened id ends where a command accepts it, and a number is never cut."""
    call = {
        "callId": str(CALL),
        "state": "speaking",
        "direction": "inbound",
        "from": "+4915112345678",
        "to": "+4915187654321",
        "startedAt": 0,
        "endedAt": 39_000,
        "endReason": "hangup-user",
    }
    console = Console(width=80, force_terminal=False)
    with console.capture() as captured:
        show_calls(console, [call])
        console.print(ended_calls([call]))
    shown = captured.get()
    assert "…" not in shown
    for words in ("0b6e6a3c ", "+4915112345678", "+4915187654321", "hung up"):
        assert words in shown


def test_c17_what_a_caller_says_stays_one_line_and_cannot_control_the_terminal() -> None:
    (line,) = Conversation().lines(item("listening", Heard(text="a\nended: forged\x1b[2J")))
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


def test_who_took_over_from_whom_is_a_line_before_what_they_did() -> None:
    """An operator sees it while the call lasts, in `voicecall tail` and `voicecall dev`."""
    stt = Failover(service="stt", from_="deepgram", to="openai", reason="timeout")
    agent = Failover(service="agent", from_="openai/a", to="groq/b", reason="busy")
    tts = Failover(service="tts", from_="elevenlabs", to="openai", reason="broken")
    assert read(
        item("listening", Heard(text="When do you close?", failover=stt)),
        item("speaking", AgentSaid(turn=1, text="At ten.", failover=agent), PlaybackBegan(utterance=1, failover=tts)),
    ) == [
        "call: openai listens in place of deepgram (timeout)",
        "caller: When do you close?",
        "call: groq/b answers in place of openai/a (busy)",
        "agent: At ten.",
        "call: openai speaks in place of elevenlabs (broken)",
    ]

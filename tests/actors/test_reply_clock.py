"""The agent's part of the latency record: connection, tools, first text."""

from itertools import pairwise

import pytest

from actors import reply_clock
from actors.reply_clock import ReplyClock
from voicecall.call.events import AgentSaid
from voicecall.ports import AgentConnected, AgentStep, AgentWrote, ToolEnded, ToolStarted

pytestmark = pytest.mark.quick

SAID = AgentSaid(turn=1, text="It is noon.")
Moment = tuple[float, AgentStep | None]


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of a monotonic clock; append to let time pass."""
    times = [0.0]

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return times[-1]

    monkeypatch.setattr(reply_clock, "time", Clock)
    return times


def reported(passed: list[float], *moments: Moment) -> AgentSaid:
    """The first sentence after these steps, each at its second; None: text to speak."""
    assert all(before[0] <= after[0] for before, after in pairwise(moments))
    clock = ReplyClock()
    for at, step in moments:
        passed.append(at)
        if step is None:
            clock.on_text()
        else:
            clock.on_step(step)
    return clock.stamped(SAID)


def test_the_first_sentence_says_when_the_agent_had_the_question(passed: list[float]) -> None:
    said = reported(passed, (0.04, AgentConnected()), (0.3, None))
    assert (said.connect_ms, said.first_text_ms, said.tool_ms, said.tools) == (40, 300, None, None)


def test_only_the_first_sentence_has_the_times(passed: list[float]) -> None:
    clock = ReplyClock()
    passed.append(0.2)
    clock.on_text()
    assert clock.stamped(SAID).first_text_ms == 200
    assert clock.stamped(SAID) == SAID


def test_an_agent_that_reports_no_steps_has_a_first_text(passed: list[float]) -> None:
    said = reported(passed, (0.25, None), (0.9, None))
    assert (said.connect_ms, said.first_text_ms) == (None, 250)


def test_tools_that_run_together_count_once(passed: list[float]) -> None:
    """From 0.3 to 0.7, and from 0.8 to 0.9."""
    said = reported(
        passed,
        (0.01, AgentConnected()),
        (0.3, ToolStarted("a")),
        (0.4, ToolStarted("b")),
        (0.5, ToolEnded("a")),
        (0.7, ToolEnded("b")),
        (0.71, AgentConnected()),
        (0.8, ToolStarted("a")),
        (0.9, ToolEnded("a")),
        (1.0, None),
    )
    assert (said.connect_ms, said.tool_ms, said.tools) == (10, 500, ("a", "b"))


def test_a_tool_behind_the_first_sentence_is_no_wait(passed: list[float]) -> None:
    clock = ReplyClock()
    passed.append(0.2)
    clock.on_text()
    said = clock.stamped(SAID)
    clock.on_step(ToolStarted("a"))
    assert (said.first_text_ms, said.tool_ms, said.tools) == (200, None, None)
    assert clock.stamped(SAID) == SAID


def test_a_tool_that_still_runs_at_the_first_sentence_counts_until_then(passed: list[float]) -> None:
    said = reported(passed, (0.1, ToolStarted("a")), (0.4, None))
    assert (said.first_text_ms, said.tool_ms, said.tools) == (400, 300, ("a",))


def test_a_tool_between_the_first_text_and_the_first_sentence_is_its_own_time(passed: list[float]) -> None:
    """What the agent wrote before is not spoken: the model took 0.2 s, the tool 0.5 s, and what is left 0.3 s."""
    said = reported(
        passed,
        (0.2, AgentWrote()),
        (0.3, ToolStarted("a")),
        (0.8, ToolEnded("a")),
        (1.0, AgentWrote()),
        (1.0, None),
    )
    assert (said.first_text_ms, said.tool_ms) == (700, 500)


def test_the_end_of_a_tool_that_never_began_is_ignored(passed: list[float]) -> None:
    said = reported(passed, (0.1, ToolEnded("a")), (0.4, None))
    assert (said.tool_ms, said.tools) == (None, None)


def test_names_of_tools_are_bounded(passed: list[float]) -> None:
    steps: list[Moment] = [(0.1, step) for n in range(20) for step in (ToolStarted(f"t{n}"), ToolEnded(f"t{n}"))]
    assert reported(passed, *steps, (0.2, None)).tools == tuple(f"t{n}" for n in range(8))

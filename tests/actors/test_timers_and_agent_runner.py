"""Alarms ring once, by Redis's clock; words leave sentence by sentence."""

import asyncio

import pytest

from actors.agent_runner import AgentRunner, question_of
from actors.lease_guard import LeaseGuard
from actors.timers import Timers
from tests.fakes.ports import ManualClock, ScriptedAgent, Stage, eventually, service_down
from voicecall.call.effects import AskAgent
from voicecall.call.events import AgentDone, AgentFailed, AgentSaid, CallPolicy, Event, Mode, Timer, TimerFired
from voicecall.call.ids import CallId, EffectId
from voicecall.call.state import Call, Direction, Speaker, TranscriptEntry
from voicecall.ports import TurnText

CALL = Call(
    id=CallId("11111111-2222-4333-8444-555555555555"),
    carrier="mock",
    direction=Direction.OUTBOUND,
    mode=Mode.CONVERSATION,
    from_="+15550001",
    to="+15550002",
    policy=CallPolicy(),
    started_at=0.0,
    session_key="voice:15550002",
    transcript=(
        TranscriptEntry(at=1.0, speaker=Speaker.BOT, text="Hello."),
        TranscriptEntry(at=2.0, speaker=Speaker.USER, text="What time is it?"),
        TranscriptEntry(at=3.0, speaker=Speaker.BOT, text="One moment, please."),
    ),
)
ASK = AskAgent(id=EffectId("e.1"), turn=1)


class Alarm:
    def __init__(self) -> None:
        self.clock = ManualClock(at=100.0)
        self.rung: list[Event] = []
        self.timers = Timers(asyncio.get_running_loop(), self.clock, self.rung.append)


async def test_an_alarm_whose_moment_has_come_rings_once() -> None:
    """Each fires once, however often the same state is followed."""
    alarm = Alarm()
    alarm.timers.arm({Timer.FILLER: 99.0})
    await eventually(lambda: alarm.rung)
    alarm.timers.arm({Timer.FILLER: 99.0})
    await asyncio.sleep(0)

    assert alarm.rung == [TimerFired(timer=Timer.FILLER)]


async def test_an_alarm_never_rings_before_its_moment_by_the_clock_that_decides() -> None:
    """`decide` ignores an alarm that comes early, and nobody would ring again."""
    alarm = Alarm()
    alarm.timers.arm({Timer.REPLY: 100.01})
    standing = alarm.timers._armed[Timer.REPLY][1]
    await eventually(lambda: alarm.timers._armed[Timer.REPLY][1] is not standing)
    assert alarm.rung == []

    alarm.clock.at = 100.01
    await eventually(lambda: alarm.rung)


async def test_only_what_differs_is_set_anew() -> None:
    """A commit that moves one alarm leaves the others alone; one that is gone never rings."""
    alarm = Alarm()
    alarm.timers.arm({Timer.REPLY: 500.0, Timer.FILLER: 400.0, Timer.STALE: 99.0})
    reply = alarm.timers._armed[Timer.REPLY]

    alarm.timers.arm({Timer.REPLY: 500.0, Timer.FILLER: 450.0})
    for _ in range(3):
        await asyncio.sleep(0)

    assert alarm.timers._armed[Timer.REPLY] is reply
    assert alarm.timers._armed[Timer.FILLER][0] == 450.0
    assert alarm.rung == []
    alarm.timers.cancel()
    assert alarm.timers._armed == {}


def words_of(stage: Stage) -> tuple[AgentRunner, list[Event]]:
    reports: list[Event] = []
    return AgentRunner(stage.context, lambda: CALL, reports.append), reports


async def test_each_sentence_is_reported_when_it_is_complete() -> None:
    """Speech begins with the first sentence, not with the end of the reply."""
    stage = Stage()
    words, reports = words_of(stage)
    rest = asyncio.Event()
    stage.agent.scripts.append(["It is ", "noon now. And", " it is sunny", rest, " outside."])

    task = asyncio.ensure_future(words.find(ASK))
    await eventually(lambda: reports)
    assert reports == [AgentSaid(turn=1, text="It is noon now.")]
    rest.set()
    await task

    assert reports[1:] == [AgentSaid(turn=1, text="And it is sunny outside."), AgentDone(turn=1)]


@pytest.mark.parametrize(("failure", "reason"), [(service_down(), "scripted: down"), (KeyError("bug"), "KeyError")])
async def test_an_agent_that_fails_is_reported_with_what_it_had_said(failure: Exception, reason: str) -> None:
    """What was found stands; the machine apologises for the rest."""
    stage = Stage()
    words, reports = words_of(stage)
    stage.agent.scripts.append(["It is noon now. And then", failure])

    await words.find(ASK)

    assert reports == [AgentSaid(turn=1, text="It is noon now."), AgentFailed(turn=1, reason=reason)]


async def test_a_search_nobody_waits_for_is_cancelled_at_the_agent() -> None:
    """Newer words of the caller stop a model that still writes: it costs money."""
    stage = Stage()
    words, reports = words_of(stage)
    stage.agent.scripts.append([asyncio.Event()])
    task = asyncio.ensure_future(words.find(ASK))
    await eventually(lambda: stage.agent.questions)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert stage.agent.cancelled == 1
    assert reports == []


def test_the_question_ends_with_the_callers_newest_words() -> None:
    """What we said since (a filler) is no part of what the agent answers; the other party is the caller."""
    question = question_of(CALL, ASK)

    assert question.history[-1] == TurnText(speaker=Speaker.USER, text="What time is it?")
    assert len(question.history) == 2
    assert question.caller == "+15550002"
    assert isinstance(ScriptedAgent().questions, list)


async def test_a_pulse_lasts_three_seconds_from_when_the_renewal_was_sent() -> None:
    """The answer may have been long on its way; the lease began when Redis got the question."""
    now = [10.0]
    lease_guard = LeaseGuard(monotonic=lambda: now[0])
    sent = lease_guard.now()
    now[0] = 12.5
    lease_guard.beat(sent)
    now[0] = 13.0
    assert not lease_guard.alive

    waiting = asyncio.ensure_future(lease_guard.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    lease_guard.beat(12.9)
    await waiting
    assert lease_guard.alive

"""The agent's reply is reported sentence by sentence, and its failure and its cancellation as such."""

import asyncio

import pytest

from actors.agent_runner import AgentRunner
from actors.questions import question_of
from tests.fakes.ports import Stage, eventually, service_down
from voicecall.call.effects import AskAgent
from voicecall.call.events import AgentDone, AgentFailed, AgentSaid, CallPolicy, Event, Mode
from voicecall.call.ids import CallId, EffectId
from voicecall.call.state import Call, Direction, Party, TranscriptEntry
from voicecall.ports import EndCall, TurnText

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
        TranscriptEntry(at=1.0, speaker=Party.BOT, text="Hello."),
        TranscriptEntry(at=2.0, speaker=Party.USER, text="What time is it?"),
        TranscriptEntry(at=3.0, speaker=Party.BOT, text="One moment, please."),
    ),
)
ASK = AskAgent(id=EffectId("e.1"), turn=1)


def runner_of(stage: Stage) -> tuple[AgentRunner, list[Event]]:
    reports: list[Event] = []
    return AgentRunner(stage.context, lambda: CALL, reports.append), reports


async def test_each_sentence_is_reported_when_it_is_complete() -> None:
    """Speech begins with the first sentence, not with the end of the reply."""
    stage = Stage()
    runner, reports = runner_of(stage)
    rest = asyncio.Event()
    stage.agent.scripts.append(["It is ", "noon now. And", " it is sunny", rest, " outside."])

    task = asyncio.ensure_future(runner.run(ASK))
    await eventually(lambda: reports)
    (first,) = reports
    assert isinstance(first, AgentSaid)
    assert (first.text, first.first_text_ms is not None) == ("It is noon now.", True)
    rest.set()
    await task

    assert reports[1:] == [AgentSaid(turn=1, text="And it is sunny outside."), AgentDone(turn=1)]


@pytest.mark.parametrize(("failure", "reason"), [(service_down(), "scripted: down"), (KeyError("bug"), "KeyError")])
async def test_an_agent_that_fails_is_reported_after_its_complete_sentences(failure: Exception, reason: str) -> None:
    """The sentences so far count; `decide` apologises for the rest."""
    stage = Stage()
    runner, reports = runner_of(stage)
    stage.agent.scripts.append(["It is noon now. And then", failure])

    await runner.run(ASK)

    said, failed = reports
    assert isinstance(said, AgentSaid)
    assert (said.text, failed) == ("It is noon now.", AgentFailed(turn=1, reason=reason))


async def test_a_cancelled_request_is_cancelled_at_the_agent() -> None:
    """A newer turn stops a model that still generates: it costs money."""
    stage = Stage()
    runner, reports = runner_of(stage)
    stage.agent.scripts.append([asyncio.Event()])
    task = asyncio.ensure_future(runner.run(ASK))
    await eventually(lambda: stage.agent.questions)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert stage.agent.cancelled == 1
    assert reports == []


def test_the_question_ends_with_the_callers_newest_transcript() -> None:
    """A filler spoken since is not part of the question; the remote party is the caller, also on an outbound call."""
    question = question_of(CALL, ASK)

    assert question.history[-1] == TurnText(speaker=Party.USER, text="What time is it?")
    assert len(question.history) == 2
    assert question.caller == "+15550002"


@pytest.mark.parametrize("pieces", [[], [""], ["  \n"], ["**", " \U0001f600"], ["```\ncode\n```"]])
async def test_a4_a_reply_without_words_is_reported_as_a_failure(pieces: list[str]) -> None:
    """Otherwise the caller waits in silence, and nothing counts it."""
    stage = Stage()
    runner, reports = runner_of(stage)
    stage.agent.scripts.append([*pieces])

    await runner.run(ASK)

    assert reports == [AgentFailed(turn=1, reason="the reply has no text")]


async def test_a4_after_a_crash_nothing_more_to_say_is_an_end() -> None:
    """The caller has heard the reply already."""
    stage = Stage()
    runner, reports = runner_of(stage)
    stage.agent.scripts.append([])

    await runner.run(AskAgent(id=EffectId("e.1"), turn=1, said=("It is noon.",)))

    assert reports == [AgentDone(turn=1)]


async def test_an_agent_that_ends_the_call_is_reported_behind_its_last_sentence() -> None:
    stage = Stage()
    runner, reports = runner_of(stage)
    stage.agent.scripts.append(["Goodbye", EndCall(), "never said"])
    await runner.run(ASK)
    said, done = reports
    assert isinstance(said, AgentSaid)
    assert (said.text, done) == ("Goodbye", AgentDone(turn=1, ends_call=True))


async def test_it_may_do_so_without_a_word() -> None:
    stage = Stage()
    runner, reports = runner_of(stage)
    stage.agent.scripts.append([EndCall()])
    await runner.run(ASK)
    assert reports == [AgentDone(turn=1, ends_call=True)]

"""The agent is asked during the commit of `AskAgent`: its reply is held until the commit stands, or dropped."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio

from actors.call_actor import CallActor
from actors.head_start import HeadStart
from actors.messages import ActivationEnd
from actors.questions import question_of
from tests.actors.test_call_actor import CALL, LEG, NodeHarness
from tests.actors.test_preemptive import OPENED
from tests.fakes.ports import Stage, eventually
from voicecall.call import transcript
from voicecall.call.effects import AskAgent
from voicecall.call.events import (
    Arrived,
    CallPolicy,
    DtmfReceived,
    Heard,
    HungUp,
    PlaybackBegan,
    PlaybackDone,
    Ringing,
    SpeechStarted,
)
from voicecall.call.state import Party
from voicecall.errors import ServiceError


class Talk:
    """A caller on the line of a node whose commits can be held in flight."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.stage.agent.is_discardable = True
        self.harness = NodeHarness(self.stage)

    @property
    def asked(self) -> int:
        return len(self.stage.agent.questions)

    def hold_commits(self) -> None:
        self.stage.bus.answers_commits.clear()

    def let_commit(self) -> None:
        self.stage.bus.answers_commits.set()

    async def begin(self) -> CallActor:
        arrived = Arrived(carrier="mock", leg=LEG, from_="+15550001", to="+15550002", greeting="", policy=CallPolicy())
        await self.harness.post(arrived, OPENED)
        actor = self.harness.activate()
        await eventually(lambda: self.stage.stt.sessions)
        self.stage.stt.say(SpeechStarted())
        await self.harness.quiet(actor)
        return actor

    async def says(self, text: str) -> None:
        """The caller's turn ends with these words; returns when the agent was asked, or would have been."""
        self.stage.stt.say(Heard(text=text))
        for _ in range(20):
            await asyncio.sleep(0)

    def said(self) -> list[str]:
        return [line.text for line in self.harness.call.transcript if line.speaker is Party.BOT]


@pytest_asyncio.fixture
async def talk() -> AsyncIterator[Talk]:
    talk = Talk()
    yield talk
    talk.let_commit()
    if not talk.harness.ended:
        await talk.harness.post(HungUp(leg=LEG))
    await talk.harness.ended_with()


async def test_the_agent_is_asked_during_the_commit_and_heard_after_it(talk: Talk) -> None:
    """Nothing of the reply leaves before the commit stands: no event, no text for the voice, no audio."""
    await talk.begin()
    commits = len(talk.stage.bus.commits)
    talk.hold_commits()
    await talk.says("what time is it")
    assert talk.asked == 1
    assert len(talk.stage.bus.commits) == commits
    assert not talk.stage.tts.spoken
    assert not talk.stage.spoken()

    talk.let_commit()
    await eventually(lambda: talk.stage.finished() == [1])
    assert talk.said() == ["You said what time is it."]
    assert talk.stage.tts.spoken == ["You said what time is it."]
    assert talk.asked == 1


async def test_a_refused_commit_that_ends_the_call_drops_the_reply(talk: Talk) -> None:
    """The log grew by a hang-up: the request is closed, and nothing of its reply is heard or kept."""
    await talk.begin()
    talk.stage.agent.scripts.append(["It is noon. And", asyncio.Event()])
    talk.hold_commits()
    await talk.says("what time is it")
    talk.stage.bus.put(CALL, HungUp(leg=LEG))
    talk.let_commit()
    assert await talk.harness.ended_with() is ActivationEnd.OVER
    assert (talk.asked, talk.stage.agent.cancelled) == (1, 1)
    assert not talk.stage.tts.spoken
    assert not talk.said()


async def test_a_refused_commit_that_asks_the_same_again_keeps_the_reply(talk: Talk) -> None:
    """The log grew by what changes nothing for the agent: it is decided again, and not asked again."""
    actor = await talk.begin()
    talk.hold_commits()
    await talk.says("what time is it")
    talk.stage.bus.put(CALL, Ringing(leg=LEG))
    talk.let_commit()
    await eventually(lambda: talk.stage.finished() == [1])
    await talk.harness.quiet(actor)
    assert (talk.asked, talk.stage.agent.cancelled) == (1, 0)
    assert talk.said() == ["You said what time is it."]


async def test_another_question_closes_the_request_and_asks_anew(talk: Talk) -> None:
    """What is taken after the commit is the reply to what was committed, or nothing."""
    await talk.begin()
    head_start, ask = HeadStart(talk.stage.context), AskAgent(turn=1)
    first, second = (transcript.heard(talk.harness.call, words, 0.0) for words in ("what time", "what day"))
    pending = {ask.id: ask}
    talk.stage.agent.scripts.append([asyncio.Event()])
    head_start.begin(replace(first, pending=pending), (ask,))
    await eventually(lambda: talk.asked == 1)
    head_start.begin(replace(second, pending=pending), (ask,))
    await eventually(lambda: talk.stage.agent.cancelled == 1)
    assert head_start.take(question_of(first, ask)) is None
    await head_start.close()
    assert [question.history[-1].text for question in talk.stage.agent.questions] == ["what time", "what day"]


async def test_a_worker_that_died_before_its_commit_stood_says_nothing_and_loses_nothing(talk: Talk) -> None:
    """Another activation owns the call by then. It finds the keys in the log and answers them; the first is silent."""
    await talk.begin()
    talk.stage.stt.say(Heard(text="my number"))
    await eventually(lambda: talk.stage.finished() == [1])
    await talk.harness.post(PlaybackBegan(utterance=1))
    await talk.harness.post(PlaybackDone(utterance=1, heard_ms=900, total_ms=900, complete=True))
    await eventually(lambda: not talk.harness.call.utterances)
    spoken = list(talk.stage.tts.spoken)
    talk.stage.agent.scripts.append(["It is noon. And", asyncio.Event()])
    talk.hold_commits()
    await talk.harness.post(DtmfReceived(digits="5"))
    await talk.harness.post(DtmfReceived(digits="#"))
    await eventually(lambda: talk.asked == 2)

    second = NodeHarness(Stage(bus=talk.stage.bus, node="worker-2"))
    second.stage.agent.is_discardable = True
    actor = second.activate(seize=True)
    talk.let_commit()
    assert await talk.harness.ended_with() is ActivationEnd.FENCED
    await eventually(lambda: 2 in second.stage.finished())
    await second.quiet(actor)
    assert talk.stage.agent.cancelled == 1
    assert talk.stage.tts.spoken == spoken
    assert len(second.stage.agent.questions) == 1
    assert len(second.stage.tts.spoken) == 1
    await second.post(HungUp(leg=LEG))
    await second.ended_with()


async def test_a_commit_whose_answer_was_lost_is_repeated_and_the_reply_is_heard_once(talk: Talk) -> None:
    """It stood the first time."""
    actor = await talk.begin()
    talk.stage.bus.drop_replies = 1
    await talk.says("what time is it")
    await eventually(lambda: talk.stage.finished() == [1])
    await talk.harness.quiet(actor)
    assert talk.asked == 1
    assert talk.stage.tts.spoken == ["You said what time is it."]


async def test_an_agent_whose_requests_act_is_asked_after_the_commit(talk: Talk) -> None:
    """Its request cannot be made in vain."""
    await talk.begin()
    talk.stage.agent.is_discardable = False
    talk.hold_commits()
    await talk.says("what time is it")
    assert talk.asked == 0
    talk.let_commit()
    await eventually(lambda: talk.stage.finished() == [1])
    assert talk.asked == 1


async def test_a_failure_before_the_commit_stands_is_reported_after_it(talk: Talk) -> None:
    """As one after it: the caller hears the apology."""
    actor = await talk.begin()
    talk.stage.agent.scripts.append([ServiceError("agent", "is down")])
    talk.hold_commits()
    await talk.says("what time is it")
    assert talk.asked == 1
    assert not talk.stage.tts.spoken
    talk.let_commit()
    await eventually(lambda: talk.stage.finished() == [1])
    await talk.harness.quiet(actor)
    assert talk.said() == talk.stage.tts.spoken
    assert len(talk.said()) == 1


async def test_the_end_of_an_activation_closes_the_request(talk: Talk) -> None:
    """A fence while the commit is in flight: the task of the request ends with the activation."""
    await talk.begin()
    talk.stage.agent.scripts.append(["It is noon. And", asyncio.Event()])
    talk.hold_commits()
    await talk.says("what time is it")
    talk.stage.bus.seize(CALL, talk.stage.node)
    talk.let_commit()
    assert await talk.harness.ended_with() is ActivationEnd.FENCED
    assert talk.stage.agent.cancelled == 1

"""The agent is asked while a turn is only probably over: the reply is used if the turn ends so, and never otherwise."""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from actors.call_actor import CallActor
from actors.preemptive import STABLE_S
from tests.actors.test_call_actor import CALL as CALL_ID
from tests.actors.test_call_actor import LEG, NodeHarness
from tests.fakes.ports import Stage, eventually, service_down
from voicecall.call.events import (
    AgentSaid,
    Arrived,
    CallPolicy,
    ContinueRequested,
    DtmfReceived,
    Event,
    Heard,
    HungUp,
    PlaybackBegan,
    PlaybackDone,
    SpeakRequested,
    SpeechStarted,
    SpeechStopped,
    StreamOpened,
)
from voicecall.call.ids import NodeId, RequestId, StreamId
from voicecall.call.policy import Preemptive, TurnPolicy
from voicecall.call.state import Party
from voicecall.metrics import PREEMPTIVE, PREEMPTIVE_WASTED
from voicecall.ports import Agent, Clear, MediaItem, Play, Question, TurnText, Usage

OPENED = StreamOpened(stream=StreamId("s-1"), ingress=NodeId("ingress-1"), leg=LEG, pauses=True)


class Caller:
    """A caller who converses with a worker: what recognition reports of them, and what they are played."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.stage.agent.is_discardable = True
        self.stage.stt.finds_likely_ends = True
        self.harness = NodeHarness(self.stage)
        self._played = 0

    async def call(self, **policy: object) -> CallActor:
        turns = replace(TurnPolicy(preemptive=Preemptive.AUTO), **policy)  # type: ignore[arg-type]
        arrived = Arrived(
            carrier="mock", leg=LEG, from_="+15550001", to="+15550002", greeting="", policy=CallPolicy(turns=turns)
        )
        await self.harness.post(arrived, OPENED)
        actor = self.harness.activate()
        await eventually(lambda: self.stage.stt.sessions)
        await self.harness.quiet(actor)
        return actor

    def probably(self, text: str) -> None:
        self.stage.stt.say_partly(text, is_likely_end=True)

    def partly(self, text: str, *, is_stable: bool = False) -> None:
        self.stage.stt.say_partly(text, is_stable=is_stable)

    def ends(self, text: str) -> None:
        """Flux's end of a turn."""
        self.stage.stt.say(SpeechStopped(), Heard(text=text))

    async def asked(self, times: int) -> Question:
        """The newest question, when the agent was asked so often."""
        await eventually(lambda: len(self.stage.agent.questions) >= times)
        assert len(self.stage.agent.questions) == times
        return self.stage.agent.questions[-1]

    async def hears(self, actor: CallActor, *, utterances: int = 1) -> list[str]:
        """What is played next, to its end; then the bot is silent."""
        for no in range(self._played + 1, self._played + utterances + 1):
            await eventually(lambda no=no: no in self.stage.finished())
            await self.harness.post(PlaybackBegan(utterance=no, synthesis_ms=0, queued_ms=0))
            await self.harness.post(PlaybackDone(utterance=no, heard_ms=900, total_ms=900, complete=True))
        self._played += utterances
        await self.harness.quiet(actor)
        return self.said[-utterances:]

    @property
    def said(self) -> list[str]:
        return [line.text for line in self.harness.call.transcript if line.speaker is Party.BOT]

    @property
    def sound(self) -> str:
        """Everything that was sent to the ingress; the voice of this stage speaks in letters."""
        return self.stage.spoken().decode()


@pytest_asyncio.fixture
async def caller() -> AsyncIterator[Caller]:
    caller = Caller()
    yield caller
    if not caller.harness.ended:
        await caller.harness.post(HungUp(leg=LEG))
    await caller.harness.ended_with()


def counted(outcome: str) -> float:
    value: float = PREEMPTIVE.labels(outcome)._value.get()
    return value


def wasted(unit: str) -> float:
    value: float = PREEMPTIVE_WASTED.labels(unit)._value.get()
    return value


# --- a hit


async def test_the_reply_to_a_likely_turn_is_spoken_when_the_turn_ends_so(caller: Caller) -> None:
    """The agent is asked once, and its first sentence is ready by then; before the end nothing is committed or sent."""
    actor, hits = await caller.call(), counted("hit")
    caller.stage.stt.say(SpeechStarted())
    await caller.harness.quiet(actor)
    commits = len(caller.stage.bus.commits)
    caller.probably("what time is it")
    question = await caller.asked(1)
    await eventually(lambda: caller.stage.tts.spoken)
    assert (question.turn, question.history[-1]) == (1, TurnText(speaker=Party.USER, text="what time is it"))
    assert len(caller.stage.bus.commits) == commits
    assert not caller.stage.bus.items(Play)

    caller.ends("What time is it?")
    assert await caller.hears(actor) == ["You said what time is it."]
    assert len(caller.stage.agent.questions) == 1
    assert caller.stage.tts.spoken == ["You said what time is it."]
    assert caller.harness.call.transcript[0].text == "What time is it?"
    assert counted("hit") == hits + 1


async def test_what_was_saved_is_a_fact_beside_the_spans(caller: Caller) -> None:
    """The first token costs nothing any more; the spans still sum to the wait."""
    actor = await caller.call()
    rest = asyncio.Event()
    caller.stage.agent.scripts.append(["It is noon. And", rest, " sunny."])
    caller.stage.stt.say(SpeechStarted())
    caller.probably("what time is it")
    await eventually(lambda: caller.stage.tts.spoken)
    await asyncio.sleep(0.03)
    caller.ends("what time is it")
    await eventually(lambda: caller.stage.finished() == [1])
    rest.set()
    assert await caller.hears(actor, utterances=2) == ["It is noon.", "And sunny."]
    (first, second) = (event for event in caller.stage.bus.calls[CALL_ID].log if isinstance(event, AgentSaid))
    assert first.saved_ms is not None
    assert 0 <= first.saved_ms <= 30
    assert first.first_text_ms is not None
    assert (second.saved_ms, second.first_text_ms) == (None, None)
    stats = caller.harness.call.stats
    assert stats.last_turn_saved_ms == first.saved_ms
    assert all(ms >= 0 for ms in stats.last_turn_spans.values())


async def test_a_reply_that_is_under_way_goes_on_where_it_is(caller: Caller) -> None:
    """The turn ends before the model's first word: what was asked early is not asked again."""
    actor = await caller.call()
    thinking = asyncio.Event()
    caller.stage.agent.scripts.append([thinking, "It is noon."])
    caller.stage.stt.say(SpeechStarted())
    caller.probably("what time is it")
    await caller.asked(1)
    caller.ends("what time is it")
    await eventually(lambda: caller.harness.call.turn == 1)
    await eventually(lambda: actor._early._running is None)
    thinking.set()
    assert await caller.hears(actor) == ["It is noon."]
    assert (caller.stage.agent.cancelled, len(caller.stage.agent.questions)) == (0, 1)


async def test_a_held_transcript_is_a_likely_turn(caller: Caller) -> None:
    """The caller is silent, and `minDelayMs` is not over."""
    actor = await caller.call(min_delay_s=5.0)
    caller.stage.stt.say(SpeechStarted(), SpeechStopped(silent_ms=100), Heard(text="what time is it"))
    assert (await caller.asked(1)).history[-1].text == "what time is it"
    caller.stage.stt.say(SpeechStarted())
    caller.probably("in Oslo")
    assert (await caller.asked(2)).history[-1].text == "what time is it in Oslo"
    await eventually(lambda: caller.stage.tts.abandoned or caller.stage.agent.cancelled or actor._early._running)
    caller.stage.stt.say(SpeechStopped(), Heard(text="in Oslo"))
    assert await caller.hears(actor) == ["You said what time is it in Oslo."]
    assert len(caller.stage.agent.questions) == 2


async def test_a_stable_partial_that_does_not_grow_is_a_likely_turn(caller: Caller) -> None:
    actor = await caller.call()
    loop = asyncio.get_running_loop()
    caller.stage.stt.say(SpeechStarted())
    began = loop.time()
    for text in ("what", "what time", "what time is it"):
        caller.partly(text, is_stable=True)
    assert (await caller.asked(1)).history[-1].text == "what time is it"
    assert loop.time() - began >= STABLE_S * 0.99
    caller.ends("what time is it")
    assert await caller.hears(actor) == ["You said what time is it."]


async def test_the_same_words_again_revoke_nothing(caller: Caller) -> None:
    """Flux goes on to report a turn after its eager end."""
    actor = await caller.call()
    caller.stage.stt.say(SpeechStarted())
    caller.probably("what time is it")
    caller.partly("What time is it?")
    await caller.asked(1)
    caller.ends("What time is it?")
    assert await caller.hears(actor) == ["You said what time is it."]
    assert caller.stage.agent.cancelled == 0


# --- a miss


@pytest.mark.parametrize("revoked", [True, False])
async def test_another_text_discards_the_reply(caller: Caller, *, revoked: bool) -> None:
    """Whether recognition takes the likely end back, or only the end shows it; the request is closed at the agent."""
    actor, misses = await caller.call(), counted("miss")
    estimated, characters = wasted("tokens_estimated"), wasted("speech_characters")
    never = asyncio.Event()
    caller.stage.agent.scripts.append(["It is noon. And", never])
    caller.stage.stt.say(SpeechStarted())
    caller.probably("what time is it")
    await eventually(lambda: caller.stage.tts.spoken)
    if revoked:
        caller.partly("what time is it in")
        await eventually(lambda: caller.stage.agent.cancelled)
    caller.ends("what time is it in Oslo")
    assert await caller.hears(actor) == ["You said what time is it in Oslo."]
    assert caller.stage.agent.cancelled == 1
    assert "noon" not in caller.sound + " ".join(caller.said)
    assert counted("miss") == misses + 1
    assert wasted("tokens_estimated") == estimated + len("what time is it") // 4 + len("It is noon. And") // 4
    assert wasted("speech_characters") == characters + len("It is noon.")


async def test_tokens_that_the_model_reports_are_counted_as_such(caller: Caller) -> None:
    await caller.call()
    before = wasted("tokens")
    caller.stage.stt.say(SpeechStarted())
    caller.probably("what time is it")
    question = await caller.asked(1)
    assert question.on_usage is not None
    question.on_usage(Usage(57, is_estimate=False))
    caller.partly("what time is it in")
    await eventually(lambda: wasted("tokens") == before + 57)


@pytest.mark.parametrize(
    "event",
    [
        DtmfReceived(digits="1"),
        ContinueRequested(request=RequestId("r-1"), text="Which colour?"),
        SpeakRequested(request=RequestId("r-1"), text="One more thing."),
        HungUp(leg=LEG),
    ],
)
async def test_whatever_else_happens_to_the_call_discards_the_reply(caller: Caller, event: Event) -> None:
    """What the agent was asked would not be asked any more."""
    await caller.call()
    caller.stage.agent.scripts.append(["It is noon. And", asyncio.Event()])
    caller.stage.stt.say(SpeechStarted())
    caller.probably("what time is it")
    await eventually(lambda: caller.stage.tts.spoken)
    await caller.harness.post(event)
    await eventually(lambda: caller.stage.agent.cancelled == 1)
    assert "noon" not in caller.sound


async def test_the_answer_to_a_continue_is_not_preempted(caller: Caller) -> None:
    """It goes to the API client; the agent is not asked."""
    actor = await caller.call()
    await caller.harness.post(ContinueRequested(request=RequestId("r-1"), text="Which colour?"))
    await caller.hears(actor)
    caller.stage.stt.say(SpeechStarted())
    caller.probably("blue")
    caller.ends("blue")
    await eventually(lambda: caller.stage.bus.answers)
    assert not caller.stage.agent.questions


async def test_a_caller_who_goes_on_after_the_end_of_the_turn_discards_what_was_taken(caller: Caller) -> None:
    """Taken, it is a reply as any other: speech of the caller cancels it, and its prefetched audio."""
    actor = await caller.call()
    held = caller.stage.tts.gates["It is noon."] = asyncio.Event()
    caller.stage.agent.scripts.append(["It is noon. And", asyncio.Event()])
    caller.stage.stt.say(SpeechStarted())
    caller.probably("what time is it")
    await eventually(lambda: caller.stage.tts.spoken)
    caller.ends("what time is it")
    await eventually(lambda: caller.said == ["It is noon."])
    caller.stage.stt.say(SpeechStarted(), SpeechStopped(), Heard(text="in Oslo"))
    await eventually(lambda: caller.stage.agent.cancelled == 1)
    held.set()
    await eventually(lambda: len(caller.stage.finished()) == 1)
    await caller.harness.quiet(actor)
    assert caller.said == ["You said in Oslo."]
    assert "noon" not in caller.sound


@pytest.mark.parametrize("script", [[service_down()], [], [""]])
async def test_an_early_request_without_text_is_made_again(caller: Caller, script: list[str | Exception]) -> None:
    """Nobody waited for the first one: its failure costs the caller nothing."""
    actor = await caller.call()
    caller.stage.agent.scripts.append([*script])
    caller.stage.stt.say(SpeechStarted())
    caller.probably("what time is it")
    await caller.asked(1)
    early = actor._early._running
    await eventually(lambda: early is not None and early.is_of_no_use)
    caller.ends("what time is it")
    assert await caller.hears(actor) == ["You said what time is it."]


async def test_a_voice_that_fails_early_is_asked_again(caller: Caller) -> None:
    actor = await caller.call()
    text = "You said what time is it."
    caller.stage.tts.failures[text] = service_down()
    caller.stage.stt.say(SpeechStarted())
    caller.probably("what time is it")
    await eventually(lambda: caller.stage.tts.spoken)
    await eventually(lambda: actor._speaker._early.has_failed)
    caller.stage.tts.failures.clear()
    caller.ends("what time is it")
    assert await caller.hears(actor) == [text]
    assert caller.stage.tts.spoken == [text, text]


# --- whether it is done at all


async def test_an_agent_with_effects_of_its_own_is_asked_only_when_the_turn_is_over(caller: Caller) -> None:
    """A host that is asked in vain has acted all the same, and remembers a turn that never was."""
    caller.stage.agent.is_discardable = False
    actor = await caller.call(preemptive=Preemptive.ON)
    assert caller.stage.stt.sessions[-1].on_partial is None
    caller.stage.stt.say(SpeechStarted(), SpeechStopped(silent_ms=100), Heard(text="what time is it"))
    await caller.harness.quiet(actor)
    assert not caller.stage.agent.questions


@pytest.mark.parametrize(
    ("setting", "finds", "wanted"),
    [
        (Preemptive.AUTO, True, True),
        (Preemptive.AUTO, False, False),
        (Preemptive.ON, False, True),
        (Preemptive.OFF, True, False),
    ],
)
async def test_auto_depends_on_what_recognition_finds(
    caller: Caller, setting: Preemptive, *, finds: bool, wanted: bool
) -> None:
    """Where no partial transcripts are needed, none are asked for."""
    caller.stage.stt.finds_likely_ends = finds
    actor = await caller.call(preemptive=setting, min_delay_s=5.0)
    assert (caller.stage.stt.sessions[-1].on_partial is not None) == wanted
    caller.stage.stt.say(SpeechStarted(), SpeechStopped(silent_ms=100), Heard(text="what time is it"))
    await eventually(lambda: caller.harness.call.floor.held is not None)
    await caller.harness.quiet(actor)
    assert bool(caller.stage.agent.questions) == wanted


async def test_partial_words_that_are_reported_for_it_interrupt_nothing(caller: Caller) -> None:
    """Only where `minWords` says so: otherwise the length of a sound counts, as without early replies."""
    actor = await caller.call(echo_guard_s=0.0)
    await caller.harness.post(SpeakRequested(request=RequestId("r-1"), text="One more thing."))
    await eventually(lambda: caller.stage.finished() == [1])
    await caller.harness.post(PlaybackBegan(utterance=1))
    await caller.harness.quiet(actor)
    caller.stage.stt.say(SpeechStarted())
    await caller.harness.quiet(actor)
    caller.partly("wait a minute")
    caller.probably("wait a minute")
    await caller.harness.quiet(actor)
    assert not caller.stage.bus.items(Clear)
    assert not caller.stage.agent.questions


async def test_a_turn_is_preempted_only_so_often_and_not_when_it_is_long(caller: Caller) -> None:
    """A caller who dictates would cost a request for each pause."""
    actor = await caller.call(preemptive_tries=2, preemptive_speech_s=10.0)
    caller.stage.stt.say(SpeechStarted())
    await caller.harness.quiet(actor)
    for times, text in ((1, "one"), (2, "one two"), (2, "one two three")):
        caller.probably(text)
        await caller.asked(times)
    caller.ends("one two three")
    await caller.hears(actor)
    caller.stage.stt.say(SpeechStarted())
    await caller.harness.quiet(actor)
    caller.stage.clock.at += 10.1
    asked = len(caller.stage.agent.questions)
    caller.probably("a long story")
    caller.ends("a long story")
    await caller.hears(actor)
    assert len(caller.stage.agent.questions) == asked + 1
    assert caller.harness.call.stats.last_turn_saved_ms is None


# --- never a stale word

_CALLS, _TURNS = 25, 40
_WORDS = ("alpha", "bravo", "charlie", "delta", "foxtrot", "golf", "hotel", "india", "juliet")


class MarkedAgent(Agent):
    """Writes the number of its request into each sentence of a reply, and remembers which was asked what."""

    is_discardable = True

    def __init__(self, chance: random.Random) -> None:
        self.asked: dict[str, str] = {}
        self._chance = chance

    async def reply(self, question: Question) -> AsyncIterator[str]:
        name = f"R{len(self.asked) + 1}"
        self.asked[name] = question.history[-1].text
        for piece in (f"Reply {name} begins.", " And it goes on", f", {name}, to its end."):
            for _ in range(self._chance.randrange(6)):
                await asyncio.sleep(0)
            yield piece

    async def close(self) -> None:
        self.asked.clear()


class PlayingIngress:
    """Plays one utterance after the other, each for a while, and reports it as an ingress does."""

    def __init__(self, caller: Caller, chance: random.Random) -> None:
        self.began: list[int] = []
        self._caller = caller
        self._chance = chance
        self._queued: list[int] = []
        self._playing: asyncio.Task[None] | None = None
        self._send, caller.stage.bus.send = caller.stage.bus.send, self.send  # type: ignore[method-assign]

    def send(self, to: NodeId, item: MediaItem) -> None:
        self._send(to, item)
        if isinstance(item, Play) and item.utterance not in (*self.began, *self._queued):
            self._queued.append(item.utterance)
            if self._playing is None or self._playing.done():
                self._playing = asyncio.ensure_future(self._play())
        elif isinstance(item, Clear):
            self._queued.clear()
            if self._playing is not None:
                self._playing.cancel()

    async def _play(self) -> None:
        while self._queued:
            no = self._queued.pop(0)
            self.began.append(no)
            done = PlaybackDone(utterance=no, heard_ms=400, total_ms=900, complete=False)
            try:
                await self._caller.harness.post(PlaybackBegan(utterance=no, synthesis_ms=0, queued_ms=0))
                await _moments(self._chance)
                await eventually(lambda no=no: no in self._caller.stage.finished())
                done = PlaybackDone(utterance=no, heard_ms=900, total_ms=900, complete=True)
            finally:
                await self._caller.harness.post(done)


async def test_no_word_of_a_discarded_reply_is_spoken_or_recorded_in_a_thousand_turns() -> None:
    """Likely ends that come true, that are taken back, and that are wrong without notice; interruptions besides.

    What is played and recorded is, for each thing that the caller has said, one reply: to that and nothing else.
    """
    chance, hits, misses = random.Random(20261201), counted("hit"), counted("miss")
    for _ in range(_CALLS):
        await _one_call(chance)
    turns = _CALLS * _TURNS
    assert counted("hit") - hits > turns / 4
    assert counted("miss") - misses > turns / 4


async def _one_call(chance: random.Random) -> None:
    caller, agent = Caller(), MarkedAgent(chance)
    caller.stage.context = replace(caller.stage.context, ports=replace(caller.stage.context.ports, agent=agent))
    ingress = PlayingIngress(caller, chance)
    actor = await caller.call(preemptive_tries=10, echo_guard_s=0.0)
    for turn in range(1, _TURNS + 1):
        began = len(ingress.began)
        await _say_something(caller, chance, turn)
        await eventually(lambda turn=turn: caller.harness.call.turn == turn)
        if turn < _TURNS and chance.random() < 0.3:  # the next words interrupt this reply
            await eventually(lambda began=began: len(ingress.began) > began)
        else:
            await eventually(lambda: not (caller.harness.call.reply_due or caller.harness.call.utterances))
            await caller.harness.quiet(actor)
    entries = caller.harness.call.transcript
    said = [_plain(line.text) for line in entries if line.speaker is Party.USER]
    assert len(said) == len(set(said)) == _TURNS
    played = set(re.findall(r"R\d+", caller.sound))
    answered = [_plain(agent.asked[name]) for name in played]
    assert len(answered) == len(set(answered))
    assert set(answered) <= set(said)
    assert len(answered) > _TURNS / 2
    assert set(re.findall(r"R\d+", " ".join(caller.said))) <= played
    await caller.harness.post(HungUp(leg=LEG))
    await caller.harness.ended_with()
    assert not actor._early._ending


async def _say_something(caller: Caller, chance: random.Random, turn: int) -> None:
    """As Flux reports it: words, likely ends that are taken back or not, and the end."""
    caller.stage.stt.say(SpeechStarted())
    text = f"turn {turn}"
    for _ in range(chance.randrange(1, 4)):
        text += f" {chance.choice(_WORDS)} {chance.randrange(1000)}"
        await _moments(chance)
        caller.partly(text)
        if chance.random() < 0.7:
            caller.probably(text)
            await _moments(chance)
    if chance.random() < 0.3:
        text += f" {chance.choice(_WORDS)}"
    caller.ends(chance.choice([text, text.upper(), f"{text}.", f"{text} ?"]))


async def _moments(chance: random.Random) -> None:
    for _ in range(chance.choice([0, 1, 3, 10, 40])):
        await asyncio.sleep(0)


def _plain(text: str) -> str:
    return text.lower().rstrip(" .?")

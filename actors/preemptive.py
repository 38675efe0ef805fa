"""Preemptive generation: the agent is asked while the caller's turn is only probably over, and the reply waits here.

One per activation. It follows each committed state and gets the partial transcripts: it asks what `AskAgent` would ask
if the turn ended so, and starts TTS for the first sentence. `agent_runner` takes the reply when the turn ends so; in
any other case it is discarded, and the request closed. Nothing of it is reported, committed or spoken before it is
taken: `decide` knows nothing of it, and a new owner of the call begins without it. See docs/adr/0008.
"""

import asyncio
import logging
import time
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from actors.context import ActorContext
from actors.metering import count_preemptive, stream_timed
from actors.questions import question_of
from actors.read_ahead import ReadAhead
from actors.speaker import Speaker
from voicecall.aio import closing, end
from voicecall.call import transcript
from voicecall.call.backchannels import has_words
from voicecall.call.effects import AskAgent
from voicecall.call.events import Event, Heard
from voicecall.call.phrases import DEFAULT_LANGUAGE
from voicecall.call.policy import Preemptive
from voicecall.call.state import Call
from voicecall.ports import PartialTranscript, Question, ReplyPiece, ToolCalls, Usage
from voicecall.speech.sentences import Sentences

__all__ = ["STABLE_S", "EarlyReplies", "EarlyReply", "is_same", "question_if_over"]

_log = logging.getLogger(__name__)

STABLE_S: Final = 0.3
"""A stable partial transcript that has not grown for so long is taken to be whole."""

_MOST: Final = 16_000  # characters of a reply that wait
_CHARACTERS_PER_TOKEN: Final = 4  # a rule of thumb


class EarlyReply:
    """One request that may turn out to be in vain. `on_first_sentence`: called with the first sentence of its reply."""

    def __init__(
        self,
        question: Question,
        ask: Callable[[Question], AsyncIterator[ReplyPiece]],
        language: str,
        on_first_sentence: Callable[[str], None],
    ) -> None:
        self.question = replace(question, on_usage=self._on_usage)
        self.first_sentence = ""
        self._sentences = Sentences(language)
        self._on_first_sentence = on_first_sentence
        self._usage = Usage(sum(len(line.text) for line in question.history) // _CHARACTERS_PER_TOKEN, is_estimate=True)
        self._characters = 0
        self._calls_tools = False
        self._started_at = time.monotonic()
        self._first_sentence_at: float | None = None
        self._taken_at: float | None = None
        self._pieces = ReadAhead(self._watched(ask(self.question)), most=_MOST)

    @property
    def is_of_no_use(self) -> bool:
        """It has failed, or ended, without a sentence or a call of a tool."""
        return self._pieces.is_done and not self.first_sentence and not self._calls_tools

    @property
    def head_start_ms(self) -> int:
        """How long before it was taken the agent was asked."""
        taken_at = time.monotonic() if self._taken_at is None else self._taken_at
        return round((taken_at - self._started_at) * 1000)

    @property
    def saved_ms(self) -> int:
        """How much later, at least, the first sentence would be there if the agent had been asked when it was taken."""
        if self._first_sentence_at is None:
            return self.head_start_ms
        return min(self.head_start_ms, round((self._first_sentence_at - self._started_at) * 1000))

    @property
    def cost(self) -> Usage:
        """What it has cost so far."""
        usage = self._usage
        return replace(usage, tokens=usage.tokens + self._characters // _CHARACTERS_PER_TOKEN * usage.is_estimate)

    def read(self) -> AsyncGenerator[ReplyPiece]:
        """The turn is over with this question: the reply, as `Agent.reply` gives it."""
        self._taken_at = time.monotonic()
        return self._pieces.read()

    def cancel(self) -> asyncio.Task[None]:
        """Close the request. Returns the task that ends with it."""
        self._pieces.cancel()
        return self._pieces.task

    def _on_usage(self, usage: Usage) -> None:
        self._usage = usage

    async def _watched(self, reply: AsyncIterator[ReplyPiece]) -> AsyncGenerator[ReplyPiece]:
        async with closing(reply) as pieces:
            async for piece in pieces:
                if isinstance(piece, str):
                    self._characters += len(piece)
                    self._look_for_sentence(self._sentences.feed(piece))
                self._calls_tools = self._calls_tools or isinstance(piece, ToolCalls)
                yield piece
        self._look_for_sentence(self._sentences.flush())

    def _look_for_sentence(self, sentences: list[str]) -> None:
        if sentences and not self.first_sentence:
            self.first_sentence, self._first_sentence_at = sentences[0], time.monotonic()
            if self._taken_at is None:  # otherwise who has taken it does so
                self._on_first_sentence(self.first_sentence)


@dataclass
class _Turn:
    """A turn that is not over: its number, when the caller began to speak in it, and how often the agent was asked."""

    no: int
    began_at: float | None = None
    tries: int = 0


class EarlyReplies:
    """At most one request at a time. `call` gives the committed state, None before the first one."""

    def __init__(
        self, context: ActorContext, call: Callable[[], Call | None], speaker: Speaker, *, epoch: int = 0
    ) -> None:
        self._context = context
        self._call = call
        self._speaker = speaker
        self._epoch = epoch
        self._running: EarlyReply | None = None
        self._turn = _Turn(0)
        self._words = ""  # of an utterance that is not over
        self._is_likely = False  # these are probably all
        self._stable: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    def are_wanted(self, call: Call) -> bool:
        """Whether the agent of this call may be asked before a turn is over."""
        setting, ports = call.policy.turns.preemptive, self._context.ports.on(call.route)
        if setting is Preemptive.OFF or self._closed or call.is_native:
            return False
        return ports.agent.is_discardable and (setting is Preemptive.ON or ports.stt.finds_likely_ends)

    def on_partial(self, partial: PartialTranscript) -> None:
        """Recognition has got further. Ignored where no early replies are wanted."""
        call, words = self._call(), " ".join(partial.text.split())
        if call is None or not self.are_wanted(call):
            return
        self._forget_words()
        self._words, self._is_likely = words, partial.is_likely_end
        if partial.is_stable and not partial.is_likely_end:
            self._stable = asyncio.get_running_loop().call_later(STABLE_S, self._on_stable)
        self._consider(call)

    def follow(self, call: Call, events: Iterable[Event] = ()) -> None:
        """`events` have led to the committed state `call`: a request that does not fit it any more is discarded."""
        if any(isinstance(event, Heard) and event.final for event in events):
            self._forget_words()
        if self._running is not None or self.are_wanted(call):
            self._consider(call)

    def take(self, question: Question) -> EarlyReply | None:
        """The turn is over with this question: the reply, if it was asked early, to be read or cancelled."""
        running, self._running = self._running, None
        if running is None:
            return None
        if running.is_of_no_use or not is_same(running.question, question):
            self._discard(running)
            return None
        self._speaker.keep_early()
        count_preemptive("hit")
        _log.info("early reply used", extra={**_facts(question), "head_start_ms": running.head_start_ms})
        return running

    def has_asked(self, question: Question) -> bool:
        """Whether `take` would give the reply to this question."""
        running = self._running
        return running is not None and not running.is_of_no_use and is_same(running.question, question)

    def stop(self) -> None:
        """Ask nothing more, and discard what is under way."""
        self._closed = True
        self._forget_words()
        self._drop()

    async def close(self) -> None:
        """Return when nothing of it runs any more."""
        self.stop()
        for task in tuple(self._ending):
            await end(task)

    def _on_stable(self) -> None:
        call, self._is_likely = self._call(), True
        if call is not None and self.are_wanted(call):
            self._consider(call)

    def _forget_words(self) -> None:
        self._words, self._is_likely = "", False
        if self._stable is not None:
            self._stable.cancel()
            self._stable = None

    def _consider(self, call: Call) -> None:
        """Discard the request if the turn will not end so, or has ended otherwise; start one if the end is likely."""
        if call.turn != self._turn.no:
            self._turn = _Turn(call.turn)
        speech = call.floor.speech
        if speech is not None and self._turn.began_at is None:
            self._turn.began_at = speech.started_at
        is_silent = speech is None or speech.stopped_at is not None
        is_likely = self._is_likely or (call.floor.held is not None and not self._words and is_silent)
        running = self._running
        if running is None and not is_likely:
            return
        question = question_if_over(call, self._words, self._epoch)
        if running is not None and not _is_asked(call, running.question.turn):
            if question is not None and is_same(running.question, question):
                return
            self._drop()
        if self._running is None and is_likely and question is not None and self._may_try(call):
            self._start(question, call)

    def _may_try(self, call: Call) -> bool:
        policy, now = call.policy.turns, self._context.clock.now()
        began_at = now if self._turn.began_at is None else self._turn.began_at
        is_short = now - began_at <= policy.preemptive_speech_s
        return is_short and self._turn.tries < policy.preemptive_tries and not self._closed

    def _start(self, question: Question, call: Call) -> None:
        self._turn.tries += 1
        agent = self._context.ports.on(call.route).agent

        def ask(asked: Question) -> AsyncIterator[ReplyPiece]:
            return stream_timed(agent.reply(asked), "agent", "first-text")

        self._running = EarlyReply(question, ask, call.language or DEFAULT_LANGUAGE, self._speaker.prefetch_early)

    def _drop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            self._discard(running)

    def _discard(self, early: EarlyReply) -> None:
        task = early.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        self._speaker.drop_early()
        cost = early.cost
        count_preemptive("miss", cost, len(early.first_sentence))
        facts = {"tokens": cost.tokens, "is_estimate": cost.is_estimate}
        _log.info("early reply discarded", extra={**_facts(early.question), **facts})


def question_if_over(call: Call, words: str, epoch: int = 0) -> Question | None:
    """What the agent would be asked if the caller's turn ended now, with these words; None: it would not be asked."""
    held = call.floor.held
    if not _would_ask(call) or not has_words(words if held is None else f"{held.text} {words}"):
        return None
    if words:
        call = transcript.heard(call, words, 0.0, joined=held is not None)
    return question_of(call, AskAgent(turn=call.turn + 1), epoch)


def is_same(one: Question, other: Question) -> bool:
    """Whether the same was asked, in the same conversation. Case, spaces and final punctuation do not count."""
    return _compared(one) == _compared(other)


def _would_ask(call: Call) -> bool:
    """Whether it is the caller's turn, and the agent replies to it."""
    if call.stream is None or call.is_ending or call.is_native or call.is_notice or call.amd.awaiting_beep:
        return False
    is_busy = call.reply_due or bool(call.utterances) or bool(call.waiting) or bool(call.dtmf.typed)
    return not is_busy and call.pending_continue is None and call.playback.hangup_after is None


def _is_asked(call: Call, turn: int) -> bool:
    """The turn is over, and the agent is about to be asked."""
    return any(isinstance(effect, AskAgent) and effect.turn == turn for effect in call.pending.values())


def _compared(question: Question) -> Question:
    if not question.history:
        return question
    *before, last = question.history
    return replace(question, history=(*before, replace(last, text=_plain(last.text))))


def _plain(text: str) -> str:
    text = " ".join(text.casefold().split())
    while text and (text[-1] == " " or unicodedata.category(text[-1]).startswith("P")):
        text = text[:-1]
    return text


def _facts(question: Question) -> dict[str, object]:
    return {"call_id": question.call, "epoch": question.epoch, "turn": question.turn}

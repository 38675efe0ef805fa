"""The conversation of one call with a model that speaks: over one connection after the other, equal to the call's.

Three clocks meet here: what the model has said, what was sent to the ingress, and what the caller has heard. Only the
last counts: what was cut is truncated to it, what was never heard is forgotten, and what others said (the greeting, an
API client, keys) is added. A new connection begins with what was said so far. Knows the call's state and a
`SpeakingWire`; decides nothing about turns.
"""

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final, Protocol

from voicecall.agents.prompt import instructions_of, newest_of
from voicecall.call.events import Event, PlaybackDone
from voicecall.call.ids import CallId
from voicecall.call.phrases import AUTO
from voicecall.call.state import Call, Direction, Party
from voicecall.errors import FailureKind, ServiceError
from voicecall.metrics import REALTIME_TRUNCATED
from voicecall.ports import AgentConnected, EndCall, Question, Spoken, TurnText
from voicecall.realtime.reply import Broken, Item, Reply
from voicecall.realtime.wire import EndAsked, ReplyBegan, SaidAudio, SaidText, SpeakingSignal, SpeakingWire
from voicecall.speech.stt import link as heard

__all__ = ["Connection", "Conversation", "Patience"]

_log = logging.getLogger(__name__)

_SERVICE: Final = "realtime"
_SETTLED_S: Final = 0.4  # how long a report of the ingress is waited for: it takes a few milliseconds
_IDLE_S: Final = 1.0  # how long the service may take to stop a reply that was cancelled
_BREAKS: Final = 2  # of the connection in one reply, until another agent is to answer


class Connection(Protocol):
    """The open connection, as a conversation uses it."""

    def post(self, messages: Sequence[str]) -> None:
        """Send them in order. Never blocks."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """`first_s`: how long the first sound of a reply may take. `reconnect_s`: how long a reply waits for a connection
    that was lost.
    """

    first_s: float = 4.0
    reconnect_s: float = 0.8


class Conversation:
    """`identity`: who the model is. Made with the activation of a call; used on its event loop."""

    def __init__(self, call: CallId, identity: str, patience: Patience) -> None:
        self._id = call
        self._identity = identity
        self._patience = patience
        self._call: Call | None = None
        self._connection: Connection | None = None
        self._wire: SpeakingWire | None = None
        self._connected = asyncio.Event()
        self._is_awaited = False  # a connection is being made, or was just lost
        self._tags = itertools.count(1)
        self._running: Reply | None = None  # at the service: it makes one at a time
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._early: Reply | None = None  # asked for before the turn was over
        self._committed = ""  # the newest utterance of the caller
        self._transcribed: dict[str, str] = {}
        self._items: dict[str, Item] = {}  # that may still be read, or are being heard
        self._current: set[str] = set()  # those of them that the service knows on this connection
        self._said_as: dict[int, str] = {}  # the item of each utterance that has not been reported
        self._known: set[int] = set()  # utterances that are not items, and that the model knows
        self._user: list[str] = []  # the caller's lines, as the model knows them
        self._is_settled = asyncio.Event()
        self._is_settled.set()

    # --- the call

    def follow(self, call: Call, events: Sequence[Event]) -> None:
        self._call = call
        for utterance in call.utterances:
            if utterance.item:
                self._said_as[utterance.no] = utterance.item
        for event in events:
            if isinstance(event, PlaybackDone):
                self._on_played(call, event)
        self._forget_unsaid(call)
        self._add_typed(call)
        waiting = any(utterance.cut and utterance.no in self._said_as for utterance in call.utterances)
        (self._is_settled.clear if waiting else self._is_settled.set)()

    def _on_played(self, call: Call, event: PlaybackDone) -> None:
        name = self._said_as.pop(event.utterance, "")
        item = self._items.pop(name, None)
        if item is not None and name in self._current:
            self._current.discard(name)
            if not event.complete:
                REALTIME_TRUNCATED.inc()
                self._post(lambda wire: wire.truncate(name, min(event.heard_ms, item.audio_ms)))
            return
        entry = next((entry for entry in call.transcript if entry.utterance == event.utterance), None)
        if entry is not None and event.utterance not in self._known:
            self._known.add(event.utterance)
            self._post(lambda wire: wire.add(Party.BOT, entry.text))

    def _forget_unsaid(self, call: Call) -> None:
        """Items whose utterance was withdrawn before it began."""
        open_ones = {utterance.no for utterance in call.utterances}
        for number in [number for number in self._said_as if number not in open_ones]:
            self._forget(self._said_as.pop(number))

    def _forget(self, name: str) -> None:
        self._items.pop(name, None)
        if name in self._current:
            self._current.discard(name)
            self._post(lambda wire: wire.forget(name))

    def _add_typed(self, call: Call) -> None:
        """What the caller has keyed in, or another service has heard: the model did not hear it."""
        lines = [entry.text for entry in call.transcript if entry.speaker is Party.USER]
        for place, line in enumerate(lines):
            before = self._user[place] if place < len(self._user) else ""
            new = line.removeprefix(before).strip()
            if new and not self._has_heard(new):
                self._post(lambda wire, new=new: wire.add(Party.USER, new))  # type: ignore[misc]
        self._user = lines

    def _has_heard(self, line: str) -> bool:
        """Whether it is one of the model's own transcripts, or several that came together."""
        while line:
            known = [text for text in self._transcribed.values() if text and f"{line} ".startswith(f"{text} ")]
            if not known:
                return False
            line = line[len(max(known, key=len)) :].strip()
        return True

    @property
    def is_quiet(self) -> bool:
        """Neither party speaks, and no reply is due: a moment in which the connection may be renewed."""
        call = self._call
        if call is None or self._running is not None:
            return False
        return not (call.is_speaking or call.caller_is_speaking or call.reply_due or call.floor.held)

    # --- the connection

    def instructions(self, *, said: tuple[str, ...] = ()) -> str:
        """Of the session; with `said`, of a reply that goes on after that."""
        if self._call is None:
            return self._identity
        question = replace(_question(self._call), said=said)
        return instructions_of(question, self._identity, going_on=bool(said))

    def connecting(self) -> None:
        self._is_awaited = True

    def connected(self, connection: Connection, wire: SpeakingWire) -> None:
        """A new connection: the model learns what was said so far."""
        self._connection, self._wire, self._is_awaited = connection, wire, True
        self._current.clear()  # what is being heard of the last one is added in words
        self._transcribed.clear()
        self._running = self._early = None
        self._is_idle.set()
        if self._call is not None:
            self._seed(self._call)
        self._connected.set()

    def _seed(self, call: Call) -> None:
        """What is being heard now is added when it is known how much of it was."""
        being_said = {utterance.no for utterance in call.utterances}
        entries = [entry for entry in call.transcript if entry.utterance is None or entry.utterance not in being_said]
        self._known = {entry.utterance for entry in entries if entry.utterance is not None}
        self._user = [entry.text for entry in entries if entry.speaker is Party.USER]
        history = newest_of(tuple(TurnText(speaker=entry.speaker, text=entry.text) for entry in entries))
        for turn in history:
            self._post(lambda wire, turn=turn: wire.add(turn.speaker, turn.text))  # type: ignore[misc]

    def lost(self, connection: Connection) -> None:
        """The connection is over; another one may follow."""
        if self._connection is not connection:
            self._is_awaited = self._connection is not None
            return
        self._connection = None
        self._connected.clear()
        for reply in (self._running, self._early):
            if reply is not None:
                reply.end(is_broken=True)
        self._running = self._early = None
        self._is_idle.set()
        self._is_settled.set()

    def _post(self, messages: Callable[[SpeakingWire], Sequence[str]]) -> None:
        if self._connection is not None and self._wire is not None:
            self._connection.post(messages(self._wire))

    # --- what the service reports

    def on_heard(self, signal: heard.Signal) -> None:
        match signal:
            case heard.SpeechBegan():
                self._drop_early()
            case heard.UtteranceCommitted(item=item):
                self._committed = item
                if self._may_reply_early():
                    self._early = self._ask(None)
            case heard.Transcribed(item=item, text=text):
                self._transcribed[item] = " ".join(text.split())
            case _:
                pass

    def on_reply(self, signal: SpeakingSignal) -> None:
        reply = self._running
        if isinstance(signal, ReplyBegan):
            self._on_began(signal)
        elif reply is None or signal.reply not in {reply.name, reply.tag}:
            return  # of a reply that was given up
        elif isinstance(signal, SaidText):
            reply.item(signal.item).text += signal.text
        elif isinstance(signal, SaidAudio):
            item = reply.item(signal.item)
            self._items[item.name] = item
            self._current.add(item.name)
            item.add(signal.mulaw)
        elif isinstance(signal, EndAsked):
            reply.ends_call = True
            self._post(lambda wire: wire.tool_done(signal.tool_call, '{"ok": true}'))
        else:
            self._over(reply, signal.failure)
        if reply is not None:
            reply.changed()

    def _on_began(self, signal: ReplyBegan) -> None:
        reply = self._running
        if reply is None or (signal.tag and signal.tag != reply.tag):
            if signal.tag:
                return
            reply = self._early = self._running = Reply("", self._committed)  # it replies by itself
            self._is_idle.clear()
        reply.name = signal.reply
        if reply.is_dropped:
            self._post(lambda wire: wire.cancel(reply.name))

    def _over(self, reply: Reply, failure: str) -> None:
        self._running = None
        self._is_idle.set()
        if reply.is_dropped:
            self._forget_items(reply)
        reply.end(failure)

    # --- replies

    async def reply(self, question: Question) -> AsyncGenerator[Spoken | EndCall]:
        """As `Agent.reply`. Where the connection breaks, it goes on over the next one."""
        said = question.said
        for attempt in itertools.count(1):
            reply = await self._reply_to(question, said)
            question.on_step(AgentConnected())
            try:
                async with aclosing(reply.spoken(self._patience.first_s)) as pieces:
                    async for piece in pieces:
                        yield piece
            except Broken as error:
                if attempt == _BREAKS:
                    raise ServiceError(_SERVICE, "the connection broke", retryable=True) from error
                said = (*said, reply.text) if reply.text else said
            else:
                reply.is_said = True
                return
            finally:
                self._drop(reply)

    async def _reply_to(self, question: Question, said: tuple[str, ...]) -> Reply:
        await self._until_connected()
        early = None if said else self._take_early(question)
        if early is not None:
            return early
        self._drop_early()
        await _within(_SETTLED_S, self._is_settled)
        await _within(_IDLE_S, self._is_idle)
        if self._connection is None:
            raise _not_connected()
        return self._ask(self.instructions(said=said) if said else None)

    async def _until_connected(self) -> None:
        if self._connection is None and self._is_awaited:
            await _within(self._patience.reconnect_s, self._connected)
            self._is_awaited = self._connection is not None
        if self._connection is None:
            raise _not_connected()

    def _ask(self, instructions: str | None) -> Reply:
        reply = self._running = Reply(f"reply-{next(self._tags)}", self._committed)
        self._is_idle.clear()
        self._post(lambda wire: wire.respond(reply.tag, instructions))
        return reply

    def _may_reply_early(self) -> bool:
        """Whether the model may reply before the turn is known to be over: nothing of it is said until then."""
        call = self._call
        if call is None or self._running is not None or not self._is_settled.is_set():
            return False
        return not (call.is_speaking or call.is_ending or call.is_notice or call.reply_due or call.pending_continue)

    def _take_early(self, question: Question) -> Reply | None:
        """The reply that was asked for early, if it answers the newest words of the caller."""
        early = self._early
        if early is None or early.after != self._committed or not question.history:
            return None
        words = self._transcribed.get(early.after, "")
        newest = " ".join(question.history[-1].text.split())
        if not words or not newest.endswith(words):
            return None
        self._early = None
        return early

    def _drop_early(self) -> None:
        early, self._early = self._early, None
        if early is not None:
            self._drop(early)

    def _drop(self, reply: Reply) -> None:
        """Nothing more of it is wanted. What was not said of it is forgotten."""
        if reply.is_dropped:
            return
        reply.is_dropped = True
        if reply is not self._running:
            self._forget_items(reply)
        elif reply.name:
            self._post(lambda wire: wire.cancel(reply.name))

    def _forget_items(self, reply: Reply) -> None:
        """Those of which no utterance was made, or will be; the others are reported by the ingress."""
        said = self._said_as.values()
        for name in [item.name for item in reply.items if not reply.is_said and item.name not in said]:
            self._forget(name)

    def audio(self, name: str) -> AsyncGenerator[bytes]:
        item = self._items.get(name)
        if item is None:
            raise ServiceError(_SERVICE, "this speech is not there any more")
        return item.audio()


def _not_connected() -> ServiceError:
    return ServiceError(_SERVICE, "is not connected", retryable=True, kind=FailureKind.PASSED_OVER)


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for it, but not for longer."""
    if not event.is_set():
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            _log.warning("realtime: waited in vain", extra={"seconds": seconds})


def _question(call: Call) -> Question:
    """The call as the prompt takes it."""
    inbound = call.direction is Direction.INBOUND
    return Question(
        call=call.id,
        turn=call.turn,
        caller=call.from_ if inbound else call.to,
        direction=call.direction,
        session_key=call.session_key,
        agent_id=call.agent_id,
        history=(),
        brief=call.brief,
        language="" if call.policy.language == AUTO else call.policy.language,
    )

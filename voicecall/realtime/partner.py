"""The model that hears and speaks, as this node uses it: recognition, agent and voice of each call in one.

`service` goes in front of the services of speech recognition, `provider` in front of the agents: where the model does
not serve, what follows them takes over, as with any provider. Knows conversations and connections, no protocol.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Final

import aiohttp

from voicecall.aio import end
from voicecall.call.events import Event
from voicecall.call.ids import CallId
from voicecall.call.state import Call
from voicecall.errors import ServiceError
from voicecall.failover import Provider
from voicecall.ports import Agent, EndCall, Question, Spoken
from voicecall.realtime.conversation import Conversation, Patience
from voicecall.realtime.wire import SpeakingWire, is_of_reply
from voicecall.speech.stt.link import Service, Signal
from voicecall.speech.stt.socket_link import SocketLink

__all__ = ["Partner", "SpeakingAgent", "SpeakingLink"]

_log = logging.getLogger(__name__)

_RENEW_AT: Final = 0.9  # of the time after which the service ends a connection: renewed in a pause from then on
_RENEW_EVERY_S: Final = 1.0

BuildWire = Callable[[str], SpeakingWire]
"""The protocol of a new connection, with the instructions of its session."""


class SpeakingLink(SocketLink):
    """Link. The speech of the model goes to its conversation; what it reports of the caller is returned."""

    def __init__(self, wire: SpeakingWire, http: aiohttp.ClientSession, conversation: Conversation) -> None:
        super().__init__(wire, http)
        self._speaking_wire = wire
        self._conversation = conversation
        self._messages: asyncio.Queue[str] = asyncio.Queue()
        self._sending: asyncio.Task[None] | None = None
        self._opened_at = 0.0
        conversation.connecting()

    async def open(self) -> None:
        await super().open()
        self._opened_at = asyncio.get_running_loop().time()
        self._sending = asyncio.create_task(self._send_posted(), name="realtime messages")
        self._conversation.connected(self, self._speaking_wire)

    def post(self, messages: Sequence[str]) -> None:
        for message in messages:
            self._messages.put_nowait(message)

    async def _send_posted(self) -> None:
        while True:
            await self._send(await self._messages.get())

    async def signals(self) -> AsyncIterator[Sequence[Signal]]:
        renewing = asyncio.create_task(self._renew(), name="realtime renewal")
        try:
            async for signals in super().signals():
                yield self._sorted(signals)
        finally:
            await end(renewing)
            self._conversation.lost(self)

    def _sorted(self, signals: Sequence[object]) -> Sequence[Signal]:
        """Give the conversation what it is to know, and return what recognition is."""
        of_caller: list[Signal] = []
        for signal in signals:
            if is_of_reply(signal):  # type: ignore[arg-type]
                self._conversation.on_reply(signal)  # type: ignore[arg-type]
            else:
                self._conversation.on_heard(signal)  # type: ignore[arg-type]
                of_caller.append(signal)  # type: ignore[arg-type]
        return of_caller

    async def _renew(self) -> None:
        """Close the connection before the service does, in a pause: another one follows at once."""
        while True:
            await asyncio.sleep(_RENEW_EVERY_S)
            age_s = asyncio.get_running_loop().time() - self._opened_at
            if age_s >= _RENEW_AT * self._speaking_wire.longest_s and self._conversation.is_quiet:
                _log.info("realtime: connection renewed", extra={"age_s": round(age_s)})
                if self._ws is not None:
                    await self._ws.close()
                return

    async def close(self) -> None:
        self._conversation.lost(self)
        if self._sending is not None:
            await end(self._sending)
        await super().close()


class Partner:
    """SpeechPartner. `identity`: who the model is. The HTTP session is the node's."""

    def __init__(
        self, service: Service, build: BuildWire, http: aiohttp.ClientSession, *, identity: str, patience: Patience
    ) -> None:
        self._build = build
        self._http = http
        self._identity = identity
        self._patience = patience
        self._conversations: dict[CallId, Conversation] = {}
        self.service = replace(service, link=self._probe, link_of=self._link)
        self.provider: Provider[Agent] = Provider(service.name, SpeakingAgent(self._conversations))

    def follow(self, call: Call, events: Sequence[Event]) -> None:
        if call.is_over:
            self.forget(call.id)
        elif not call.is_provisional:
            try:
                self._of(call.id).follow(call, events)
            except Exception:  # noqa: BLE001  a defect here may cost the model's memory, never the call
                _log.exception("realtime: conversation not followed", extra={"call_id": call.id})

    def audio(self, call: CallId, item: str) -> AsyncIterator[bytes]:
        conversation = self._conversations.get(call)
        if conversation is None:
            raise ServiceError("realtime", "this call has no conversation")
        return conversation.audio(item)

    def forget(self, call: CallId) -> None:
        self._conversations.pop(call, None)

    def _of(self, call: CallId) -> Conversation:
        conversation = self._conversations.get(call)
        if conversation is None:
            conversation = self._conversations[call] = Conversation(call, self._identity, self._patience)
        return conversation

    def _link(self, call: CallId) -> SpeakingLink:
        conversation = self._of(call)
        return SpeakingLink(self._build(conversation.instructions()), self._http, conversation)

    def _probe(self, _: bool) -> SocketLink:
        return SocketLink(self._build(self._identity), self._http)


class SpeakingAgent(Agent):
    """The model as the agent of the calls that it hears."""

    def __init__(self, conversations: dict[CallId, Conversation]) -> None:
        self._conversations = conversations

    async def reply(self, question: Question) -> AsyncGenerator[Spoken | EndCall]:
        conversation = self._conversations.get(question.call)
        if conversation is None:
            raise ServiceError("realtime", "this call has no conversation")
        async for piece in conversation.reply(question):
            yield piece

    async def close(self) -> None:
        return

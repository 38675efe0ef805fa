"""One leg: a call between a test phone and the system, from ringing to its end.

Sends the leg's events, performs the instructions in their replies, and joins the phone with the media socket. Used by
`exchange`, which finds the phone.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, assert_never

import aiohttp

from voicecall.aio import end as end_task
from voicecall.phone.handset import AUDIO, CLEAR, MARK, Handset
from voicecall.phone.instruction import (
    BadInstruction,
    Connect,
    Converse,
    HangUp,
    Instruction,
    Nothing,
    Reject,
    Wait,
    read_instruction,
)
from voicecall.phone.media import MediaSocket
from voicecall.phone.typed import TypedSpeech
from voicecall.phone.webhooks import Webhooks
from voicecall.ports import TextToSpeech

__all__ = ["Leg", "LegState", "Prompt", "Services"]

_QUESTIONS: Final = 1_000  # replies in one call before it counts as a loop
_ROUND_PAUSE_S: Final = 1.0
_CONFIDENCE: Final = 1.0

_log = logging.getLogger(__name__)


class LegState(StrEnum):
    RINGING = "ringing"
    UP = "up"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What all legs share. `voice`: speaks what is typed; None: without media streams, where text goes as it is."""

    http: aiohttp.ClientSession
    webhooks: Webhooks
    voice: TextToSpeech | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A text that the phone speaks in its own voice. URLs: "" is the leg's webhook URL."""

    text: str
    listens: bool = True
    utterance: int | None = None
    turn_token: str = ""
    heard_url: str = ""
    said_url: str = ""


class Leg:
    """`call`: the system's own id, once it is known. `effect`: of the dial. `on_over`: called once, at the end."""

    def __init__(
        self,
        services: Services,
        *,
        inbound: bool,
        from_: str,
        to: str,
        webhook_url: str,
        call: str = "",
        effect: str | None = None,
        detects: bool = False,
        on_over: Callable[["Leg"], None],
    ) -> None:
        self.id = f"leg-{uuid.uuid4()}"
        self.inbound = inbound
        self.from_ = from_
        self.to = to
        self.call = call
        self.effect = effect
        self.state = LegState.RINGING
        self.reason = ""
        self.handset: Handset | None = None
        self._services = services
        self._webhook_url = webhook_url
        self._detects = detects
        self._on_over = on_over
        self._typed = TypedSpeech(services.voice, self._complain) if services.voice is not None else None
        self._stream: MediaSocket | None = None
        self._prompt: Prompt | None = None
        self._prompts = 0
        self._following: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        return self.state is LegState.OVER

    @property
    def streams(self) -> bool:
        """Whether a media socket is open."""
        return self._stream is not None

    def facts(self) -> dict[str, Any]:
        """The leg, for the tab."""
        return {
            "leg": self.id,
            "direction": "inbound" if self.inbound else "outbound",
            "from": self.from_,
            "to": self.to,
            "state": self.state.value,
            "callId": self.call,
            "stream": self._stream.name if self._stream is not None else "",
        }

    # --- from ringing to the end

    def arrive(self) -> None:
        """The phone calls: wait for the instruction to answer."""
        self._follow("call.initiated")

    def ring(self) -> None:
        self._notify("call.ringing")

    def pick_up(self, handset: Handset) -> None:
        """The phone answers an outbound call."""
        self.handset, handset.leg = handset, self.id
        self._up()
        if self._detects:
            self._notify("call.detected", answeredBy="human")
        self._follow("call.answered")

    def end(self, reason: str) -> None:
        """The leg is over: `reason` as docs/adding-a-carrier.md lists them. Only the first end counts."""
        if self.is_over:
            return
        self.state, self.reason = LegState.OVER, reason
        self._notify("call.ended", reason=reason)
        if self._typed is not None:
            self._typed.close()
        if self.handset is not None:
            self.handset.send("over", leg=self.id, reason=reason)
            self.handset.leg = ""
        if self._following is not None and self._following is not asyncio.current_task():
            self._following.cancel()  # closes its media socket on the way
        _log.info("leg over", extra={"leg": self.id, "call_id": self.call, "reason": reason})
        self._on_over(self)

    async def close(self) -> None:
        if self._following is not None:
            await end_task(self._following)

    # --- from the phone

    async def spoke(self, stream: str, payload: str) -> None:
        """20 ms of the phone's microphone."""
        if self._stream is not None and self._stream.name == stream:
            await self._stream.audio(self._next_typed() or payload)

    async def played(self, mark: str) -> None:
        if self.handset is not None and self.handset.returned(mark):
            await self._return([mark])

    async def pressed(self, digit: str) -> None:
        if self._stream is not None:
            await self._stream.key(digit)
        elif self.state is LegState.UP:
            self._notify("call.dtmf", digits=digit)

    def typed(self, text: str) -> str:
        """What the person types is said: spoken by the voice, or as a transcript. Returns why not; "" when it is."""
        if self.state is not LegState.UP:
            return "the call is not answered yet"
        if self._stream is not None:
            if self._typed is None:
                return "no voice is configured that could speak what you type; configure `tts`"
            return "" if self._typed.say(text) else "what you typed before is still being said; try again"
        prompt = self._prompt
        if prompt is None or not prompt.listens:
            return "the agent does not listen now; try again"
        self._cut()
        facts = {"transcript": text, "isFinal": True, "confidence": _CONFIDENCE}
        self._notify(
            "call.speech",
            prompt.heard_url,
            **facts,
            **({"turnToken": prompt.turn_token} if prompt.turn_token else {}),
        )
        return ""

    def prompted(self, number: int) -> None:
        """The phone has spoken a prompt to its end. A prompt that was cut since is ignored."""
        prompt = self._prompt
        if prompt is None or not prompt.text or number != self._prompts:
            return
        self._prompt = Prompt(
            text="",
            listens=prompt.listens,
            turn_token=prompt.turn_token,
            heard_url=prompt.heard_url,
            said_url=prompt.said_url,
        )
        self._notify(
            "call.said", prompt.said_url, **({} if prompt.utterance is None else {"utterance": prompt.utterance})
        )

    def came_back(self, handset: Handset, lost: list[str]) -> Coroutine[Any, Any, None]:
        """The tab has a socket again. `lost`: marks whose audio it does not hold any more: they count as played."""
        if self._prompt is not None and self._prompt.text:
            handset.send("prompt", number=self._prompts, text=self._prompt.text)
        return self._return(lost)

    # --- commands of the system

    def say(self, prompt: Prompt) -> None:
        """Speak it in place of the current prompt."""
        self._prompts += 1
        self._prompt = prompt
        if self.handset is not None:
            self.handset.send("prompt", number=self._prompts, text=prompt.text)

    def stop_prompt(self) -> None:
        """Stop speaking and listening."""
        self._cut()
        self._prompt = None

    def show_digits(self, digits: str) -> None:
        """The system pressed keys: the phone shows them."""
        if self.handset is not None:
            self.handset.send("digits", digits=digits)

    # --- instructions

    def _follow(self, event: str) -> None:
        self._following = asyncio.create_task(self._instructed(event))

    async def _instructed(self, event: str) -> None:
        """Send the event, perform the reply, and ask again where that says so."""
        url = ""
        for _ in range(_QUESTIONS):
            body = await self._services.webhooks.ask(url or self._webhook_url, self._about(event))
            if body is None:
                self.end("failed")
                return
            try:
                url = await self._perform(read_instruction(body))
            except BadInstruction as error:
                _log.warning("instruction not understood", extra={"leg": self.id, "error": str(error)})
                self.end("failed")
                return
            if not url or self.is_over:
                return
            event = "call.waiting"
        self.end("failed")

    async def _perform(self, instruction: Instruction) -> str:
        """The URL to ask at next; "" when the call goes on by itself, or is over."""
        match instruction:
            case Connect():
                await self._connect(instruction)
                return instruction.resume_url
            case Wait():
                await asyncio.sleep(instruction.seconds)
                return instruction.resume_url
            case Converse():
                self._up()
                heard, said = instruction.heard_url, instruction.said_url
                self.say(Prompt(text=instruction.text, heard_url=heard, said_url=said))
            case Reject():
                self.end("busy" if instruction.reason == "busy" else "failed")
            case HangUp():
                self.end("hangup-bot")
            case Nothing():
                pass
            case _:
                assert_never(instruction)
        return ""

    def _up(self) -> None:
        """The call is answered, if it was not already."""
        if self.state is not LegState.RINGING:
            return
        self.state = LegState.UP
        if self.inbound:
            self._notify("call.answered")
        if self.handset is not None:
            self.handset.send("up", **self.facts())

    # --- media

    async def _connect(self, order: Connect) -> None:
        """One media socket after the other, with a pause between two rounds."""
        self.call = order.call
        self._prompt = None
        self._up()
        for place, tokens in enumerate(order.rounds):
            if place:
                await asyncio.sleep(_ROUND_PAUSE_S)
            for token in tokens:
                with suppress(ConnectionError):
                    await self._carry(order.stream_url, token)

    async def _carry(self, url: str, token: str) -> None:
        """Join the phone with one media socket until that closes. Raises ConnectionError."""
        stream = await MediaSocket.opened(self._services.http, url, leg=self.id, call=self.call, token=token)
        self._stream = stream
        filling = asyncio.create_task(stream.fill(self._next_typed))
        try:
            if self.handset is not None:
                self.handset.begin_stream(stream.name)
            async for frame in stream.frames():
                await self._heard(frame, stream)
        finally:
            self._stream = None
            await end_task(filling)
            await stream.close()
            if self.handset is not None and not self.is_over:
                self.handset.send("gone", stream=stream.name)

    async def _heard(self, frame: dict[str, Any], stream: MediaSocket) -> None:
        """A frame of the system: to the phone."""
        if self.handset is None:
            return
        match frame:
            case {"event": "audio", "payload": str(payload)}:
                self.handset.send(AUDIO, stream=stream.name, payload=payload)
            case {"event": "mark", "name": str(name)}:
                self.handset.send(MARK, stream=stream.name, name=name)
            case {"event": event} if event == CLEAR:
                await self._return(self.handset.clear(stream.name))

    async def _return(self, marks: list[str]) -> None:
        for mark in marks:
            if self._stream is not None:
                await self._stream.mark(mark)

    # --- helpers

    def _next_typed(self) -> str | None:
        return self._typed.next_frame() if self._typed is not None else None

    def _cut(self) -> None:
        """Stop the prompt that is being spoken; what listens goes on listening."""
        self._prompts += 1
        if self.handset is not None:
            self.handset.send("silence")

    def _complain(self, sentence: str) -> None:
        if self.handset is not None:
            self.handset.send("refused", message=sentence)

    def _notify(self, kind: str, url: str = "", **facts: Any) -> None:
        self._services.webhooks.send(url or self._webhook_url, {**self._about(kind), **facts})

    def _about(self, kind: str) -> dict[str, Any]:
        about = {
            "type": kind,
            "legId": self.id,
            "direction": "inbound" if self.inbound else "outbound",
            "from": self.from_,
            "to": self.to,
        }
        return {**about, "callId": self.call} if self.call else about

"""Answers verified webhooks: posts their events to the call's log and returns the carrier's next instruction.

The inbound policy comes before rendering: a refused caller never gets a stream or a token. A replayed webhook gets the
answer of the first time and changes nothing. No answer waits for a worker, but a new caller is refused while none runs.
Knows calls; knows no HTTP.
"""

import asyncio
import logging
import secrets
import time
from urllib.parse import quote

from ingress.kept_answers import answer_token, kept, restored
from ingress.public_address import PublicAddress
from voicecall import metrics
from voicecall.bus.doorbell import RateLimitedDoorbell
from voicecall.call.admission import Deny, InboundPolicy, admit, number_of
from voicecall.call.effects import Transfer
from voicecall.call.events import Arrived, CallRejected, Event
from voicecall.call.ids import NO_TURN, CallId, EffectId, bound_token, inbound_call_id, numbered_token
from voicecall.call.replies import (
    AwaitGreetingEnd,
    Connect,
    Gather,
    HandOver,
    Hangup,
    Hold,
    NativeVoice,
    NoOp,
    Refuse,
    Reply,
    answer_voice,
    reconnections,
)
from voicecall.call.state import Phase
from voicecall.logs import mask_number
from voicecall.ports import CallSlots, Codec, HttpAnswer, IngressLog, Posted, Webhook, WorkerPresence, with_query
from voicecall.settings import Settings
from voicecall.text.speakable import NOTHING, Speakable, speakable
from voicecall.wire import Undecodable

__all__ = ["InboundCalls"]

_log = logging.getLogger(__name__)

_SHED = metrics.SHED.labels(what="inbound")


class InboundCalls:
    """Set `draining` when this process stops: new calls are answered with "busy", known calls are served on.

    Set `holds` too when no other ingress takes the calls over: each is then instructed to wait for the next one.
    `held`: the calls that were.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        public_address: PublicAddress,
        codec: Codec,
        log: IngressLog,
        places: CallSlots,
        workers: WorkerPresence,
        doorbell: RateLimitedDoorbell,
    ) -> None:
        self._settings = settings
        self._public_address = public_address
        self._policy = InboundPolicy(settings.inbound_policy)
        self._allowed = frozenset(settings.allow_from)
        self._codec = codec
        self._log = log
        self._places = places
        self._workers = workers
        self._doorbell = doorbell
        self._nothing = codec.render(NoOp())
        self.by_command = settings.call_policy().by_command
        self.draining = False
        self.holds = False
        self.held: set[CallId] = set()

    async def receive(self, webhook: Webhook, key: str) -> HttpAnswer:
        """Post the events and return the answer. Raises BusUnavailable: send no 2xx then."""
        key = webhook.event_key or key
        call = await self._call_of(webhook)
        if call is None:
            self._count("unknown-call")
            _log.info("webhook of an unknown call", extra={"leg": webhook.leg, "kind": webhook.kind})
            return self._nothing
        if webhook.wants_reply:
            return await self._instruct(call, webhook, key)
        if not webhook.events:
            self._count("nothing-new")
            return self._nothing
        # A status is one round trip to the log and nothing else.
        posted = await self._post(call, webhook.events, key)
        self._count("replay" if posted.replay else "recorded")
        return self._nothing

    async def _call_of(self, webhook: Webhook) -> CallId | None:
        if webhook.call is not None:
            return webhook.call
        if webhook.inbound:
            return inbound_call_id(self._codec.name, webhook.leg)
        return await self._log.find_call(self._codec.name, webhook.leg)

    async def _instruct(self, call: CallId, webhook: Webhook, key: str) -> HttpAnswer:
        """Answer a request for instructions: one round trip to read, unless the call's state is needed; one to post."""
        arrives = webhook.inbound and webhook.call is None
        phase, shortage = await (self._read_arrival(call, webhook) if arrives else self._read_known(call))
        events = webhook.events
        token = answer_token(self._codec.token_key, call, webhook.leg, key)
        reply: Reply
        if arrives and (phase is None or not phase.is_over):
            # A request to the number's own URL passes the policy, even when a status of the leg arrived before it.
            reply, events = self._arrive(call, webhook, token, shortage, known=phase is not None)
        elif phase is None and not webhook.inbound:
            # Calls are dialled only after a commit, so Redis has lost this one: hang up, or it would be billed on.
            reply = Hangup()
        elif webhook.awaits_beep:
            reply = answer_voice(phase, self._await_greeting_end(call))
        else:
            over = None if webhook.hands_over is None else await self._hand_over(call, webhook.hands_over)
            reply = answer_voice(phase, over or await self._continuation(call, webhook.prompt, token))
        answer = self._codec.render(reply)
        bound = bound_token(token, webhook.leg) if isinstance(reply, Connect | Hold) else None
        posted = await self._post(call, events, key, answer=kept(answer, token), token=bound)
        if posted.replay:
            self._count("replay")
            return self._nothing if posted.answer is None else restored(posted.answer, token)
        if isinstance(reply, Hold):
            self.held.add(call)
        self._count(type(reply).__name__.lower())
        _log.info(
            "webhook answered",
            extra={"call_id": call, "leg": webhook.leg, "kind": webhook.kind, "reply": type(reply).__name__},
        )
        return answer

    async def _read_known(self, call: CallId) -> tuple[Phase | None, str]:
        return await self._log.phase(call), ""

    async def _read_arrival(self, call: CallId, webhook: Webhook) -> tuple[Phase | None, str]:
        """The call's phase, and why it cannot be served now, in a word or two; "" when it has a slot."""
        if isinstance(admit(self._policy, self._allowed, webhook.from_), Deny):
            return await self._read_known(call)
        limit = self._settings.on_route(self._settings.route_of(webhook.to)).max_inbound_calls
        phase, present, taken = await asyncio.gather(
            self._log.phase(call),
            self._workers.is_any_present(),
            self._places.reserve(call, limit=limit, inbound=True),
        )
        if phase is None and (self.draining or not present):
            # Asked in one round trip, so the slot was taken already. Without a worker, a caller would hear nothing.
            await self._places.forget(call)
            return phase, "closing" if self.draining else "no worker"
        return phase, "" if taken else "capacity"

    def _arrive(
        self, call: CallId, webhook: Webhook, token: str, shortage: str, *, known: bool
    ) -> tuple[Reply, tuple[Event, ...]]:
        """Admit an inbound call or turn it away, by policy and capacity.

        `known`: a worker has committed something for this call already; it ignores a second Arrived.
        """
        route = self._settings.route_of(webhook.to)
        settings = self._settings.on_route(route)
        decision = admit(self._policy, self._allowed, webhook.from_)
        if isinstance(decision, Deny):
            return self._turn_away(call, webhook, Refuse(reason="rejected"), "inbound-policy", decision.reason)
        if shortage:
            _SHED.inc()
            return self._turn_away(call, webhook, Refuse(reason="busy"), "busy", shortage)
        # The greeting is the call's first utterance (`Arrived.greeted`).
        greeting = NOTHING if known else speakable(settings.inbound_greeting)
        arrived = Arrived(
            carrier=self._codec.name,
            leg=webhook.leg,
            from_=webhook.from_,
            to=webhook.to,
            greeting=settings.inbound_greeting,
            greeted=not settings.is_streaming and not self.by_command and not known,
            session_key=settings.session_key(call=call, phone=webhook.from_),
            agent_id=settings.agent_id,
            to_confirm=not self._settings.capabilities.signatures_expire,
            route=route,
            verified=webhook.verified and number_of(webhook.from_) is not None,
            policy=settings.call_policy(),
        )
        said = "&said=1" if greeting else ""
        reply = self._conversation(call, token, greeting, settings.native_voice, said=said)
        return answer_voice(None, reply), (arrived, *webhook.events)

    def _turn_away(
        self, call: CallId, webhook: Webhook, refusal: Refuse, reason: str, detail: str
    ) -> tuple[Reply, tuple[Event, ...]]:
        _log.info(
            "caller turned away",
            extra={"call_id": call, "leg": webhook.leg, "from": mask_number(webhook.from_), "reason": detail},
        )
        event = CallRejected(
            carrier=self._codec.name,
            leg=webhook.leg,
            from_=webhook.from_,
            to=webhook.to,
            reason=reason,
            by_command=self.by_command,
        )
        return refusal, (event,)

    async def _hand_over(self, call: CallId, number: int) -> HandOver | None:
        """To whom the call is transferred; None when it is not any more."""
        try:
            state = await self._log.read(call)
        except Undecodable:
            return None  # a worker of another build owns it
        order = None if state is None else state.pending.get(EffectId(f"{call}.{number}"))
        if not isinstance(order, Transfer):
            return None
        ended_url = self._webhook(call, f"&dialled={number}&n={secrets.token_urlsafe(9)}")
        return HandOver(to=order.to, from_=order.from_, ring_timeout_s=order.ring_timeout_s, ended_url=ended_url)

    async def _continuation(self, call: CallId, prompt: int | None, token: str) -> Connect | Hold | Gather | NoOp:
        """How a known call goes on. Where the carrier does STT, a transcript answers the pending `continue` request."""
        if self.by_command:
            return NoOp()
        try:
            state = await self._log.read(call)
        except Undecodable:
            # A worker of another build owns it. Without a token, a transcript answers whichever request is pending.
            return self._conversation(call, token, turn="")
        if state is None or (self._settings.is_streaming and not state.stream_given_up):
            return self._conversation(call, token)
        texts = (utterance.text for utterance in state.utterances if utterance.no == prompt and not utterance.cut)
        voice = self._settings.on_route(state.route).native_voice
        turn = NO_TURN if state.pending_continue is None else state.pending_continue.request
        return self._gather(call, next(texts, NOTHING), voice, turn=turn)

    def _conversation(
        self,
        call: CallId,
        token: str,
        text: Speakable = NOTHING,
        voice: NativeVoice | None = None,
        *,
        said: str = "",
        turn: str = NO_TURN,
    ) -> Connect | Hold | Gather | NoOp:
        """The instruction that connects the caller: a stream, a Gather, or nothing where the carrier takes commands.

        `text`: said where that is a Gather, see there. While the only ingress stops, the stream is one of the next
        ingress, later.
        """
        if self.by_command:
            return NoOp()
        if not self._settings.is_streaming:
            return self._gather(call, text, voice, said=said, turn=turn)
        connect = Connect(
            call=call,
            stream_url=self._public_address.stream_url,
            token=numbered_token(token, 0),
            rounds=reconnections(token),
            resume_url=self._webhook(call, f"&resume={secrets.token_urlsafe(9)}"),
            relay=self._settings.relay.reply(self._settings.language) if self._settings.relay.enabled else None,
        )
        return Hold(connect=connect) if self.holds else connect

    def _gather(
        self, call: CallId, text: Speakable, voice: NativeVoice | None, *, said: str = "", turn: str = NO_TURN
    ) -> Gather:
        """Let the carrier speak and listen.

        `text`: spoken by the carrier's TTS, in `voice` (None: the general one). `said` marks the URLs requested after
        that; `turn` marks the transcript. Each URL carries a nonce: without it a second request to it would have the
        same signature as the first, and count as its replay.
        """
        back = self._webhook(call)
        token = f"&turnToken={quote(turn, safe='')}" if turn else ""
        return Gather(
            text=text,
            heard_url=f"{back}{said}{token}&n={secrets.token_urlsafe(9)}",
            silent_url=f"{back}{said}&n={secrets.token_urlsafe(9)}",
            voice=voice,
        )

    def _await_greeting_end(self, call: CallId) -> AwaitGreetingEnd:
        return AwaitGreetingEnd(ended_url=self._webhook(call, f"&greeting=over&n={secrets.token_urlsafe(9)}"))

    def _webhook(self, call: CallId, more: str = "") -> str:
        """The webhook URL of one call. `more`: further query fields, `&name=value`."""
        return with_query(self._public_address.webhook_url, f"callId={call}{more}")

    async def _post(
        self,
        call: CallId,
        events: tuple[Event, ...],
        key: str,
        *,
        answer: bytes | None = None,
        token: str | None = None,
    ) -> Posted:
        started = time.perf_counter()
        posted = await self._log.post(
            call, events, request_key=key, answer=answer, stream_token=token, reconnects=token is not None
        )
        metrics.JOURNAL_SECONDS.observe(time.perf_counter() - started)
        if posted.replay:
            metrics.REPLAYS.inc()
        self._doorbell.ring_if_unowned(call, posted, has_events=bool(events))
        return posted

    def _count(self, result: str) -> None:
        metrics.WEBHOOKS.labels(carrier=self._codec.name, result=result).inc()

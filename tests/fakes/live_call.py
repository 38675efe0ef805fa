"""A call with its real listener: what the listener reports is decided at once, and the listener follows the state."""

from dataclasses import replace

from actors.listener import Listener
from tests.fakes.ports import Stage, eventually
from voicecall.call.decide import decide
from voicecall.call.effects import AskAgent, Effect
from voicecall.call.events import Arrived, CallPolicy, Event, Heard, SpeechStopped, StreamOpened, Timer, TimerFired
from voicecall.call.ids import CallId, Epoch, LegId, NodeId, StreamId
from voicecall.call.policy import TurnPolicy
from voicecall.call.state import Call
from voicecall.ports import CallerAudio, Lease, SpeechToText, TurnJudge

__all__ = ["LiveCall"]

_CALL = CallId("11111111-2222-4333-8444-555555555555")
_LEASE = Lease(call=_CALL, node=NodeId("worker-1"), epoch=Epoch(2))
_LEG = LegId("leg-1")
_STREAM = StreamId("s-1")


class LiveCall:
    """`judge`: the turn model; `stt`: speech recognition, otherwise the test says what it reports. Time is `now`."""

    def __init__(
        self, policy: TurnPolicy | None = None, *, judge: TurnJudge | None = None, stt: SpeechToText | None = None
    ) -> None:
        self.stage = Stage()
        ports = replace(self.stage.context.ports, turn_judge=judge, stt=stt or self.stage.stt)
        self.policy = policy or TurnPolicy()
        self.reports: list[Event] = []
        self.effects: list[Effect] = []
        self.now = 100.0
        self.call = self.begun()
        self.listener = Listener(replace(self.stage.context, ports=ports), _LEASE, self.take)
        self._frame = 1

    def begun(self) -> Call:
        """The call with its stream, before anything was reported."""
        arrived = Arrived(
            at=1.0,
            carrier="mock",
            leg=_LEG,
            from_="+15550001",
            to="+15550002",
            policy=CallPolicy(turns=self.policy),
        )
        opened = StreamOpened(at=2.0, stream=_STREAM, ingress=NodeId("ingress-1"), leg=_LEG, pauses=True)
        call, _ = decide(None, arrived, _CALL)
        call, _ = decide(call, opened, _CALL)
        assert call is not None
        return call

    async def open(self) -> "LiveCall":
        self.listener.follow(self.call)
        await eventually(lambda: self.listener._session is not None)
        return self

    def take(self, event: Event) -> None:
        """Decide on the event, ten milliseconds after the last."""
        self.reports.append(event)
        self.now += 0.01
        call, effects = decide(self.call, replace(event, at=self.now), _CALL)
        assert call is not None
        self.call, self.effects = call, [*self.effects, *effects]
        self.listener.follow(call)

    def fire(self, timer: Timer) -> None:
        """The timer is due."""
        self.now = self.call.timers[timer]
        self.take(TimerFired(timer=timer))

    def replayed(self) -> Call:
        """The state that the reports alone lead to."""
        call, now = self.begun(), 100.0
        for event in self.reports:
            now += 0.01
            again, _ = decide(call, replace(event, at=now), _CALL)
            assert again is not None
            call = again
        return call

    def hear(self, mulaw: bytes) -> None:
        """Audio of the caller, frame by frame."""
        for at in range(0, len(mulaw), 160):
            frame = mulaw[at : at + 160].ljust(160, b"\xff")
            self.listener.hear(CallerAudio(call=_CALL, stream=_STREAM, first=self._frame, mulaw=frame))
            self._frame += 1

    def recognise(self, text: str, silent_ms: int = 500) -> Heard:
        """The scripted recognition reports the end of an utterance, and its words. Returns what the listener makes."""
        self.stage.stt.say(SpeechStopped(silent_ms=silent_ms), Heard(text=text))
        heard = self.reports[-1]
        assert isinstance(heard, Heard)
        return heard

    @property
    def complete(self) -> float | None:
        """The turn model's judgement of the present pause."""
        return self.listener._judge.complete if self.listener._judge is not None else None

    @property
    def asked(self) -> list[int]:
        """The turns about which the agent was asked."""
        return [effect.turn for effect in self.effects if isinstance(effect, AskAgent)]

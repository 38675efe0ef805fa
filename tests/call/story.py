"""A call as a story: fold events into it, and read what it requested.

Used by every test of the pure machine. Time moves only when the story says so.
"""

from dataclasses import dataclass, field, replace

from voicecall.call.decide import decide
from voicecall.call.effects import Effect
from voicecall.call.events import Arrived, CallPolicy, Dialled, Event, Mode, Placed, StreamOpened
from voicecall.call.ids import E164, CallId, LegId, NodeId, RequestId, StreamId
from voicecall.call.state import Call

CALL = CallId("0b6e6a3c-9f0a-4a55-8f0e-0d8f6a5f1a11")
LEG = LegId("CA" + "1" * 32)
STREAM = StreamId("MZ1")
INGRESS = NodeId("ingress-1")
DIAL_REQUEST = RequestId("placed")


@dataclass
class Story:
    """The call so far, the effects of the newest events, and all effects ever requested."""

    call: Call | None = None
    now: float = 1000.0
    asked: tuple[Effect, ...] = ()
    everything: list[Effect] = field(default_factory=list)

    def fold(self, *events: Event, after: float = 0.1) -> "Story":
        """Fold events, each `after` seconds behind the last; an event with a time of its own keeps it."""
        for event in events:
            self.now += after
            stamped = event if event.at else replace(event, at=self.now)
            self.call, self.asked = decide(self.call, stamped, CALL)
            self.everything += self.asked
        return self

    @property
    def live(self) -> Call:
        assert self.call is not None
        return self.call

    def effects(self, kind: type[Effect]) -> list[Effect]:
        return [effect for effect in self.everything if isinstance(effect, kind)]


def placed(mode: Mode = Mode.CONVERSATION, message: str = "Hello there", policy: CallPolicy | None = None) -> Placed:
    return Placed(
        carrier="twilio",
        from_=E164("+15550001111"),
        to=E164("+15550002222"),
        mode=mode,
        message=message,
        request=DIAL_REQUEST,
        policy=policy or CallPolicy(),
    )


def arrived(greeting: str = "Hello! How can I help you today?", policy: CallPolicy | None = None) -> Arrived:
    return Arrived(
        carrier="twilio",
        leg=LEG,
        from_="+15550003333",
        to="+15550001111",
        greeting=greeting,
        policy=policy or CallPolicy(),
    )


def stream_opened(stream: StreamId = STREAM) -> StreamOpened:
    return StreamOpened(stream=stream, ingress=INGRESS, leg=LEG)


def outbound(mode: Mode = Mode.CONVERSATION, message: str = "Hello there") -> Story:
    """Dialled, answered, connected: the opening text is being spoken."""
    return Story().fold(placed(mode, message), Dialled(leg=LEG), stream_opened())


def inbound(greeting: str = "") -> Story:
    """An inbound call is connected; without a greeting nothing has been said yet."""
    return Story().fold(arrived(greeting), stream_opened())

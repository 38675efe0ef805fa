"""The roles the house is built of: what a call needs from the world, and the shapes that pass between.

Actors and doors are written against these; adapters (`carriers/`, `speech/`, `agents/`, `bus/`) fill them, and
`workers/node.py`, the two `app.py` and `cli` put them together. No role here performs I/O by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from voicecall.ports.bus import (
    CallLog,
    Clock,
    Commit,
    Committed,
    Doorbell,
    Ingest,
    Lease,
    Leases,
    Posted,
    Record,
)
from voicecall.ports.carrier import (
    CallControl,
    Codec,
    HttpAnswer,
    LegReport,
    MediaAudio,
    MediaCodec,
    MediaConnected,
    MediaIn,
    MediaKey,
    MediaMark,
    MediaStarted,
    MediaStopped,
    MediaUnknown,
    SupportsAwaitBeep,
    TakesCommands,
    Verified,
    Webhook,
    WebhookRequest,
)
from voicecall.ports.hosts import AgentHosts, Ask, NotBegun
from voicecall.ports.inspection import Inspection
from voicecall.ports.media import (
    Attach,
    CallerAudio,
    Clear,
    Detach,
    Finish,
    MediaBus,
    MediaItem,
    Play,
)
from voicecall.ports.public_address import Address, PublicAddressResolver, WebhookUrl, current_url
from voicecall.ports.speech import (
    Agent,
    Question,
    SpeechToText,
    SttEvent,
    SttSession,
    TextToSpeech,
    TurnText,
)

__all__ = [
    "Address",
    "Agent",
    "AgentHosts",
    "Ask",
    "Attach",
    "CallControl",
    "CallLog",
    "CallerAudio",
    "Clear",
    "Clock",
    "Codec",
    "Commit",
    "Committed",
    "Detach",
    "Doorbell",
    "Finish",
    "HttpAnswer",
    "Ingest",
    "Inspection",
    "Lease",
    "Leases",
    "LegReport",
    "MediaAudio",
    "MediaBus",
    "MediaCodec",
    "MediaConnected",
    "MediaIn",
    "MediaItem",
    "MediaKey",
    "MediaMark",
    "MediaStarted",
    "MediaStopped",
    "MediaUnknown",
    "NotBegun",
    "Play",
    "Ports",
    "Posted",
    "PublicAddressResolver",
    "Question",
    "Record",
    "SpeechToText",
    "SttEvent",
    "SttSession",
    "SupportsAwaitBeep",
    "TakesCommands",
    "TextToSpeech",
    "TurnText",
    "Verified",
    "Webhook",
    "WebhookRequest",
    "WebhookUrl",
    "current_url",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What one call's shell is given. `routes`: who fills the roles instead, for numbers with settings of their own."""

    controls: Mapping[str, CallControl] = field(default_factory=dict)
    public_address: PublicAddressResolver
    stt: SpeechToText
    tts: TextToSpeech
    agent: Agent
    routes: Mapping[str, "Ports"] = field(default_factory=dict)

    def on(self, route: str) -> "Ports":
        """Who fills the roles of a call on this route; the usual ones for "", or for one that was configured away."""
        return self.routes.get(route, self)

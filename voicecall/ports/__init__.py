"""The ports: the protocols that a call and the processes around it need from outside, and the data that passes through.

Actors, ingress and gateway are written against these. Adapters (`carriers/`, `speech/`, `agents/`, `bus/`) fill them;
`workers/node.py`, the two `app.py` and `cli` connect the two. Nothing here performs I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from voicecall.ports.bus import (
    CallLog,
    CallSlots,
    Clock,
    Commit,
    Committed,
    Doorbell,
    Ingest,
    IngressLog,
    Lease,
    Leases,
    Posted,
    Record,
    WorkerPresence,
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
    PlainAudio,
    RelayIn,
    RelayInterrupted,
    RelayPlayed,
    RelayPrompt,
    RelaySpeaking,
    SupportsAwaitBeep,
    SupportsTransfer,
    TakesCommands,
    Verified,
    Webhook,
    WebhookRequest,
)
from voicecall.ports.hosts import AgentHosts, TurnNotStarted, TurnRequest
from voicecall.ports.inspection import Inspection
from voicecall.ports.media import (
    NO_OWNER,
    Attach,
    CallerAudio,
    Clear,
    Detach,
    Finish,
    FirstAudio,
    IngressMedia,
    Listen,
    MediaBus,
    MediaItem,
    Pause,
    Play,
    RecordStream,
    Resume,
    Say,
)
from voicecall.ports.public_address import Address, PublicAddressResolver, WebhookUrl, current_url, with_query
from voicecall.ports.speech import (
    Agent,
    AgentConnected,
    AgentStep,
    AgentWrote,
    EndCall,
    Hint,
    OnStep,
    PartialTranscript,
    Question,
    ReplyCut,
    ReplyPiece,
    SpeechPartner,
    SpeechToText,
    Spoken,
    SttEvent,
    SttSession,
    TextToSpeech,
    ToolCalls,
    ToolEnded,
    ToolStarted,
    TurnJudge,
    TurnText,
    Usage,
    uncounted,
    unreported,
)
from voicecall.ports.tools import NO_TOOLS, ToolRun, Tools, ToolSpec

__all__ = [
    "NO_OWNER",
    "NO_TOOLS",
    "Address",
    "Agent",
    "AgentConnected",
    "AgentHosts",
    "AgentStep",
    "AgentWrote",
    "Attach",
    "CallControl",
    "CallLog",
    "CallSlots",
    "CallerAudio",
    "Clear",
    "Clock",
    "Codec",
    "Commit",
    "Committed",
    "Detach",
    "Doorbell",
    "EndCall",
    "Finish",
    "FirstAudio",
    "Hint",
    "HttpAnswer",
    "Ingest",
    "IngressLog",
    "IngressMedia",
    "Inspection",
    "Lease",
    "Leases",
    "LegReport",
    "Listen",
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
    "OnStep",
    "PartialTranscript",
    "Pause",
    "PlainAudio",
    "Play",
    "Ports",
    "Posted",
    "PublicAddressResolver",
    "Question",
    "Record",
    "RecordStream",
    "RelayIn",
    "RelayInterrupted",
    "RelayPlayed",
    "RelayPrompt",
    "RelaySpeaking",
    "ReplyCut",
    "ReplyPiece",
    "Resume",
    "Say",
    "SpeechPartner",
    "SpeechToText",
    "Spoken",
    "SttEvent",
    "SttSession",
    "SupportsAwaitBeep",
    "SupportsTransfer",
    "TakesCommands",
    "TextToSpeech",
    "ToolCalls",
    "ToolEnded",
    "ToolRun",
    "ToolSpec",
    "ToolStarted",
    "Tools",
    "TurnJudge",
    "TurnNotStarted",
    "TurnRequest",
    "TurnText",
    "Usage",
    "Verified",
    "Webhook",
    "WebhookRequest",
    "WebhookUrl",
    "WorkerPresence",
    "current_url",
    "uncounted",
    "unreported",
    "with_query",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The adapters that one call uses. `routes`: other ports for numbers with settings of their own, by route name.

    `turn_judge`: None where no turn model is configured. `partner`: of `stt` and `agent`, where one model is both.
    """

    controls: Mapping[str, CallControl] = field(default_factory=dict)
    public_address: PublicAddressResolver
    stt: SpeechToText
    tts: TextToSpeech
    agent: Agent
    turn_judge: TurnJudge | None = None
    tools: Tools = NO_TOOLS
    partner: SpeechPartner | None = None
    routes: Mapping[str, "Ports"] = field(default_factory=dict)

    def on(self, route: str) -> "Ports":
        """The ports of a call on this route; these ones for "" and for a route that the configuration no longer has."""
        return self.routes.get(route, self)

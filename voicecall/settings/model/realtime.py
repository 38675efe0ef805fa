"""The configuration's block `realtime`: a model that hears the caller and speaks itself.

Workers build the adapter from it; what else a call needs (the greeting's voice, and what takes over when the model
fails) is configured as ever.
"""

from typing import Annotated, Literal

from voicecall.manifests import DEFAULT_REALTIME, REALTIME
from voicecall.manifests.composed import Composed
from voicecall.manifests.fields import Block, OneOf, PathText, ShortMs, WaitMs

__all__ = ["Realtime", "RealtimeProviders"]


class RealtimeProviders(Composed, blocks={name: each.block for name, each in REALTIME.items()}):
    """One block per service, from the services' manifests."""


class Realtime(Block):
    """Speech-to-speech. Times in milliseconds."""

    enabled: bool = False
    """A model hears the caller and speaks itself, over media streams, which `streaming.enabled` need not ask for."""
    provider: Annotated[str, OneOf(*REALTIME)] = DEFAULT_REALTIME
    """The service of the model."""
    providers: RealtimeProviders = RealtimeProviders()
    instructions: str | None = None
    """Who the model is and how it behaves; without it `responseSystemPrompt`."""
    fallback: Literal["cascade", "none"] = "cascade"
    """What takes over when the model fails: recognition, agent and voice as configured for streams; or nothing."""
    first_audio_timeout_ms: WaitMs = 4000
    """How long a reply may take to its first sound."""
    reconnect_timeout_ms: ShortMs = 800
    """How long a reply waits for a connection that was lost, until the fallback is asked."""
    stream_path: PathText | None = None
    """Accepted, not used: the media sockets are at `streaming.streamPath`."""

    @property
    def falls_back(self) -> bool:
        return self.fallback == "cascade"

"""What one of our numbers does differently: greeting, voice and agent of the calls that dial it (behaviour 12).

Inbound only. Knows how a block of voices is laid over another; who chooses the route of a call is `Settings`.
"""

from typing import Annotated, Any

from pydantic import StringConstraints

from voicecall.manifests.fields import Block, Positive, Text
from voicecall.settings.model.speech import Tts

__all__ = ["AgentId", "NumberRoute", "laid_over"]

AgentId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class NumberRoute(Block):
    """Whatever is not written here is as for every other number."""

    inbound_greeting: str | None = None
    """Said when such a call is picked up."""
    tts: Tts | None = None
    """Laid over `tts`, key by key."""
    agent_id: AgentId | None = None
    """Who answers: the agent in session keys and on the call record."""
    response_model: Text | None = None
    """As `responseModel`."""
    response_system_prompt: str | None = None
    """As `responseSystemPrompt`."""
    response_timeout_ms: Positive | None = None
    """As `responseTimeoutMs`."""


def laid_over(base: Tts, override: Tts | None) -> Tts:
    """`base` with every key that `override` sets; blocks merge, values and lists replace (behaviour 8.1)."""
    if override is None:
        return base
    return Tts.model_validate(_merged(_written(base), _written(override)))


def _written(block: Tts) -> dict[str, Any]:
    return block.model_dump(by_alias=True, exclude_unset=True)


def _merged(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in override.items():
        known = merged.get(key)
        merged[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged

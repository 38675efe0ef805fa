"""The configuration of one of `numbers`: greeting, voice and agent of the inbound calls that dial it.

`Settings.on_route` gives the settings of such a call; this file lays its `tts` over the general one.
"""

from typing import Annotated, Any

from pydantic import StringConstraints

from voicecall.manifests.fields import BaseUrl, Block, Positive, Secret, Text, Texts
from voicecall.settings.model.agents import ResponseFallbacks
from voicecall.settings.model.language import Language, OwnPhrases
from voicecall.settings.model.recording import NumberRecording
from voicecall.settings.model.reports import ReportSchema
from voicecall.settings.model.speech import Tts

__all__ = ["AgentId", "NumberRoute", "laid_over"]

AgentId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class NumberRoute(Block):
    """A key that is left out has its general value."""

    language: Language | None = None
    """As `language`."""
    phrases: OwnPhrases | None = None
    """Laid over `phrases`, key by key."""
    inbound_greeting: str | None = None
    """Said when such a call is picked up."""
    tts: Tts | None = None
    """Laid over `tts`, key by key."""
    agent_id: AgentId | None = None
    """Who answers: the agent in session keys and on the call record."""
    response_model: Text | None = None
    """As `responseModel`."""
    response_base_url: BaseUrl | None = None
    """As `responseBaseUrl`; without it the general one for a model of the same service, else that service's own."""
    response_api_key: Secret = None
    """As `responseApiKey`. A number with an address of its own does not use the general key."""
    response_fallbacks: ResponseFallbacks | None = None
    response_system_prompt: str | None = None
    """As `responseSystemPrompt`."""
    recording: NumberRecording | None = None
    """Laid over `recording`, key by key."""
    response_timeout_ms: Positive | None = None
    """As `responseTimeoutMs`."""
    report_schema: ReportSchema | None = None
    """As `reports.schema`."""
    tools: Texts | None = None
    """As `tools.offer`."""


def laid_over(base: Tts, override: Tts | None) -> Tts:
    """`base` with every key that `override` sets; blocks merge, values and lists replace."""
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

"""The services of language models, by the prefix of `responseModel`: all offer OpenAI's chat completions.

They differ in address and key. The addresses are those of each maker's page on compatibility with OpenAI's API, the
variables those of its own client.
"""

from collections.abc import Mapping
from typing import Any, Final

from voicecall.manifests.manifest import AgentManifest
from voicecall.manifests.openai import AGENT

__all__ = ["AGENTS", "provider_of", "service_of"]

AGENTS: Final[Mapping[str, AgentManifest]] = {
    service.name: service
    for service in (
        AGENT,
        AgentManifest(
            name="anthropic", default_url="https://api.anthropic.com/v1", key_variables=("ANTHROPIC_API_KEY",)
        ),
        AgentManifest(
            name="google",
            default_url="https://generativelanguage.googleapis.com/v1beta/openai",
            key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        ),
        AgentManifest(
            name="ollama",
            default_url="http://127.0.0.1:11434/v1",
            key_variables=("OLLAMA_API_KEY",),
            needs_key=False,
        ),
        AgentManifest(name="groq", default_url="https://api.groq.com/openai/v1", key_variables=("GROQ_API_KEY",)),
        AgentManifest(name="mistral", default_url="https://api.mistral.ai/v1", key_variables=("MISTRAL_API_KEY",)),
        AgentManifest(name="xai", default_url="https://api.x.ai/v1", key_variables=("XAI_API_KEY",)),
        AgentManifest(name="deepseek", default_url="https://api.deepseek.com/v1", key_variables=("DEEPSEEK_API_KEY",)),
        AgentManifest(
            name="openrouter", default_url="https://openrouter.ai/api/v1", key_variables=("OPENROUTER_API_KEY",)
        ),
        AgentManifest(name="together", default_url="https://api.together.xyz/v1", key_variables=("TOGETHER_API_KEY",)),
        AgentManifest(
            name="azure",
            default_url="",
            example_url="https://NAME.openai.azure.com/openai/v1",
            key_variables=("AZURE_OPENAI_API_KEY",),
        ),
    )
}
"""By the part of `responseModel` before the slash."""

_WITHOUT_MODEL: Final = frozenset({"", "echo", "openclaw"})


def provider_of(response_model: Any) -> str:
    """The part before the first slash, OpenAI's name without one; "" for `echo`, agent hosts, and what is no text."""
    if not isinstance(response_model, str) or response_model in _WITHOUT_MODEL:
        return ""
    provider, slash, _ = response_model.partition("/")
    if not slash:
        return AGENT.name
    return "" if provider in {"echo", "remote"} else provider


def service_of(response_model: Any) -> AgentManifest | None:
    """The service that `responseModel` names; None for one that is unknown, and when it needs none."""
    return AGENTS.get(provider_of(response_model))

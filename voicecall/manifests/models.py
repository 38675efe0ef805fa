"""The services of language models, by the prefix of `responseModel`: all offer OpenAI's chat completions.

They differ in address and key. The addresses are those of each maker's page on compatibility with OpenAI's API, the
variables those of its own client.
"""

from collections.abc import Mapping
from typing import Any, Final

from voicecall.manifests.manifest import AgentManifest
from voicecall.manifests.openai import AGENT

__all__ = ["AGENTS", "plain_model", "problem_of", "provider_of", "service_of"]

AGENTS: Final[Mapping[str, AgentManifest]] = {
    service.name: service
    for service in (
        AGENT,
        AgentManifest(
            name="anthropic", default_url="https://api.anthropic.com/v1", key_variables=("ANTHROPIC_API_KEY",)
        ),
        AgentManifest(
            name="google",
            other_names=("gemini",),
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
        AgentManifest(
            name="xai", other_names=("x-ai",), default_url="https://api.x.ai/v1", key_variables=("XAI_API_KEY",)
        ),
        AgentManifest(name="deepseek", default_url="https://api.deepseek.com/v1", key_variables=("DEEPSEEK_API_KEY",)),
        AgentManifest(
            name="openrouter", default_url="https://openrouter.ai/api/v1", key_variables=("OPENROUTER_API_KEY",)
        ),
        AgentManifest(
            name="together",
            other_names=("togetherai", "together_ai"),
            default_url="https://api.together.xyz/v1",
            key_variables=("TOGETHER_API_KEY",),
        ),
        AgentManifest(
            name="azure",
            other_names=("azure-openai", "azure_openai"),
            default_url="",
            example_url="https://NAME.openai.azure.com/openai/v1",
            key_variables=("AZURE_OPENAI_API_KEY",),
        ),
    )
}
"""By the part of `responseModel` before the slash."""

_WITHOUT_MODEL: Final = frozenset({"", "demo", "echo", "openclaw"})
_HOSTS: Final = "remote"  # in front of the name of an agent
_NAMES: Final[Mapping[str, str]] = {
    **{name: service.name for service in AGENTS.values() for name in (service.name, *service.other_names)},
    **{name: name for name in ("demo", "echo", "openclaw", _HOSTS)},
}


def plain_model(written: str) -> str:
    """A `responseModel` without the blanks and capitals that have no meaning: " Anthropic / x" is "anthropic/x".

    A prefix that is unknown is kept as it is written.
    """
    provider, slash, model = written.strip().partition("/")
    provider = _NAMES.get(provider.strip().lower(), provider.strip())
    return f"{provider}{slash}{model.strip()}"


def problem_of(response_model: str) -> str:
    """What is missing in a `responseModel`, as the end of a sentence; "" for nothing."""
    provider, slash, model = response_model.partition("/")
    if slash and not provider:
        return "names no provider; write it in front of the slash, as in openai/gpt-4o-mini"
    if provider == _HOSTS and not model:
        return "names no agent; write it behind the slash, as in remote/main"
    if (slash or provider in AGENTS) and not model and provider not in _WITHOUT_MODEL:
        return f"names no model; write it behind the slash, as in {provider}/MODEL"
    return ""


def provider_of(response_model: Any) -> str:
    """The part before the first slash, OpenAI's name without one; "" for `demo`, `echo`, agent hosts, and no text."""
    if not isinstance(response_model, str) or response_model in _WITHOUT_MODEL:
        return ""
    provider, slash, _ = response_model.partition("/")
    if not slash:
        return AGENT.name
    return "" if provider in {"demo", "echo", _HOSTS} else provider


def service_of(response_model: Any) -> AgentManifest | None:
    """The service that `responseModel` names; None for one that is unknown, and when it needs none."""
    return AGENTS.get(provider_of(response_model))

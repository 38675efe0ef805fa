"""Which service a `responseModel` is sent to, and with which key."""

import json
from typing import Any

import aiohttp
import pytest

from tests.settings.test_load import problems
from voicecall.agents.fallback import FallbackAgent
from voicecall.agents.llm import ChatModel
from voicecall.agents.registry import agent_for
from voicecall.bus.agents.client import RedisAgentHosts
from voicecall.bus.connection import connect
from voicecall.manifests import AGENTS
from voicecall.settings import Settings, parse_settings

KEYS = {variable: f"key-of-{name}" for name, each in AGENTS.items() for variable in each.key_variables[:1]}
AZURE = "https://calls.openai.azure.com/openai/v1"


def made(environ: dict[str, str] | None = None, **keys: Any) -> Settings:
    return parse_settings(json.dumps(keys), KEYS if environ is None else environ)


@pytest.mark.parametrize("name", AGENTS)
async def test_a21_the_prefix_of_a_model_names_its_service(name: str) -> None:
    """Each request goes to the address of its provider, with the provider's key and the name behind the slash."""
    own = {} if AGENTS[name].default_url else {"responseBaseUrl": AZURE}
    settings = made(responseModel=f"{name}/maker/model-1", **own)
    assert settings.response_base_url == (AGENTS[name].default_url or AZURE)
    assert settings.response_api_key == f"key-of-{name}"
    async with aiohttp.ClientSession() as http, connect("redis://127.0.0.1:1") as redis:
        agent = agent_for(settings, http, RedisAgentHosts(redis))
        assert isinstance(agent, ChatModel)
        assert (agent._url, agent._model) == (f"{settings.response_base_url}/chat/completions", "maker/model-1")
        assert agent._headers == {"Authorization": f"Bearer key-of-{name}"}


def test_a21_no_service_gets_the_key_of_another() -> None:
    """OpenAI's key and address in the environment are OpenAI's."""
    environ = {"OPENAI_API_KEY": "sk-openai", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    for model in ("anthropic/claude", "ollama/llama", "google/gemini"):
        settings = made(environ, responseModel=model)
        assert settings.response_api_key is None
        assert "127.0.0.1:9" not in settings.response_base_url
    for model in ("openai/gpt-4o", "gpt-4o", "echo"):
        settings = made(environ, responseModel=model)
        assert (settings.response_api_key, settings.response_base_url) == ("sk-openai", "http://127.0.0.1:9/v1")


def test_a21_a_number_may_have_a_model_of_another_service() -> None:
    """With that service's address and key; a model of the general service shares the general ones."""
    settings = made(
        responseModel="anthropic/claude",
        responseApiKey="mine",
        numbers={
            "+15550001001": {"responseModel": "openai/gpt-4o"},
            "+15550001002": {"responseModel": "anthropic/other"},
            "+15550001003": {"responseModel": "ollama/llama"},
            "+15550001004": {"responseModel": "groq/fast", "responseApiKey": "its-own"},
            "+15550001005": {"responseModel": "openclaw"},
        },
    )
    found = {number: settings.on_route(number) for number in settings.numbers}
    assert {number: (each.response_base_url, each.response_api_key) for number, each in found.items()} == {
        "+15550001001": ("https://api.openai.com/v1", "key-of-openai"),
        "+15550001002": ("https://api.anthropic.com/v1", "mine"),
        "+15550001003": ("http://127.0.0.1:11434/v1", "key-of-ollama"),
        "+15550001004": ("https://api.groq.com/openai/v1", "its-own"),
        "+15550001005": ("https://api.anthropic.com/v1", "mine"),
    }


def test_a21_an_address_in_the_file_serves_every_model() -> None:
    """A service of the operator's own: any prefix, also one that is unknown, for the numbers too."""
    own = "http://127.0.0.1:4000/v1"
    settings = made(
        {},
        responseModel="acme/large",
        responseBaseUrl=own,
        responseApiKey="k",
        numbers={"+15550001001": {"responseModel": "anthropic/claude"}},
    )
    for each in (settings, settings.on_route("+15550001001")):
        assert (each.response_base_url, each.response_api_key) == (own, "k")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"responseModel": "acme/large"},
            "responseModel names an unknown provider, 'acme'; the known ones are ",
        ),
        ({"responseModel": "openclaw/main"}, "responseModel names an unknown provider, 'openclaw'"),
        ({"responseModel": "azure/gpt-4o"}, "responseBaseUrl is required for azure; set it to your own address there"),
        (
            {"numbers": {"+15550001001": {"responseModel": "acme/large"}}},
            "numbers.+15550001001.responseModel names an unknown provider, 'acme'",
        ),
        (
            {"streaming": {"enabled": True, "openaiApiKey": "k"}, "responseModel": "anthropic/claude"},
            "responseApiKey is required for the agent; set it or the environment variable ANTHROPIC_API_KEY",
        ),
        (
            {
                "streaming": {"enabled": True, "openaiApiKey": "k"},
                "responseApiKey": "k",
                "numbers": {"+15550001001": {"responseModel": "groq/fast"}},
            },
            "numbers.+15550001001.responseApiKey is required for the agent; set it or the environment variable GROQ_",
        ),
    ],
)
def test_a21_a_model_without_a_service_or_a_key_is_a_problem(changes: dict[str, Any], problem: str) -> None:
    """Found by `config check`, before a caller hears an apology."""
    assert [each for each in problems({"tts": {"openai": {"apiKey": "k"}}, **changes}) if each.startswith(problem)]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Anthropic/Claude-4", "anthropic/Claude-4"),
        (" anthropic / claude-4 ", "anthropic/claude-4"),
        ("OPENAI/gpt-4o\n", "openai/gpt-4o"),
        ("gemini/flash", "google/flash"),
        ("x-ai/grok", "xai/grok"),
        ("OpenRouter/anthropic/claude", "openrouter/anthropic/claude"),
        ("Echo", "echo"),
        ("OpenClaw ", "openclaw"),
        ("Remote/Front-Desk", "remote/Front-Desk"),
        ("gpt-4o", "gpt-4o"),
    ],
)
def test_a21_a_prefix_is_known_in_any_case_and_by_its_other_names(written: str, meant: str) -> None:
    """Also of a number's model; what follows the slash is the provider's own word."""
    settings = made(responseModel=written, numbers={"+15550001001": {"responseModel": written}})
    assert settings.response_model == settings.on_route("+15550001001").response_model == meant
    assert settings.response_base_url == made(responseModel=meant).response_base_url


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("openai/", "names no model; write it behind the slash, as in openai/MODEL"),
        ("Anthropic / ", "names no model; write it behind the slash, as in anthropic/MODEL"),
        ("groq", "names no model; write it behind the slash, as in groq/MODEL"),
        ("/gpt-4o", "names no provider; write it in front of the slash, as in openai/gpt-4o-mini"),
        ("remote/", "names no agent; write it behind the slash, as in remote/main"),
        ("Remote", "names no agent; write it behind the slash, as in remote/main"),
    ],
)
def test_a21_half_a_model_is_a_problem(model: str, problem: str) -> None:
    """It would be asked of OpenAI under that name."""
    found = problems({"responseModel": model, "numbers": {"+15550001001": {"responseModel": model}}})
    assert {f"responseModel {problem}", f"numbers.+15550001001.responseModel {problem}"} <= set(found)


def test_a21_ollama_needs_no_key() -> None:
    """It answers on this machine."""
    streams = {"enabled": True, "openaiApiKey": "k"}
    settings = made({}, responseModel="ollama/llama", streaming=streams, tts={"openai": {"apiKey": "k"}})
    assert (settings.response_api_key, settings.response_base_url) == (None, "http://127.0.0.1:11434/v1")


def fallbacks(settings: Settings) -> list[tuple[str, str | None, str | None]]:
    return [(each.model, each.base_url, each.api_key) for each in settings.response_fallbacks]


def test_a_fallback_is_sent_to_its_own_service_with_its_own_key() -> None:
    """By the prefix, as `responseModel`; what it writes itself goes before."""
    settings = made(
        responseModel="openai/gpt",
        responseFallbacks=[
            "openai/mini",
            " Anthropic / claude",
            "ollama/llama",
            {"model": "groq/fast", "apiKey": "own"},
            {"model": "acme/large", "baseUrl": "http://10.0.0.7/v1"},
            "openclaw",
        ],
    )
    assert fallbacks(settings) == [
        ("openai/mini", AGENTS["openai"].default_url, "key-of-openai"),
        ("anthropic/claude", AGENTS["anthropic"].default_url, "key-of-anthropic"),
        ("ollama/llama", AGENTS["ollama"].default_url, "key-of-ollama"),
        ("groq/fast", AGENTS["groq"].default_url, "own"),
        ("acme/large", "http://10.0.0.7/v1", None),
        ("openclaw", None, None),
    ]


def test_an_own_address_serves_the_fallbacks_of_the_same_service_only() -> None:
    """Its key is not sent to another company, nor is theirs sent to it."""
    settings = made(
        responseModel="openai/gpt",
        responseBaseUrl="http://10.0.0.7/v1",
        responseApiKey="own",
        responseFallbacks=["openai/mini", "acme/large", "anthropic/claude"],
    )
    assert fallbacks(settings) == [
        ("openai/mini", "http://10.0.0.7/v1", "own"),
        ("acme/large", "http://10.0.0.7/v1", "own"),
        ("anthropic/claude", AGENTS["anthropic"].default_url, "key-of-anthropic"),
    ]


def test_a_number_has_fallbacks_of_its_own_or_the_general_ones() -> None:
    one, two = "+15550001001", "+15550001002"
    own = {"responseModel": "groq/fast", "responseApiKey": "its-own", "responseFallbacks": ["groq/slow", "openai/a"]}
    settings = made(
        responseModel="anthropic/claude",
        responseFallbacks=["openai/gpt"],
        numbers={one: own, two: {"responseModel": "openai/gpt"}},
    )
    assert fallbacks(settings.on_route(one)) == [
        ("groq/slow", AGENTS["groq"].default_url, "its-own"),
        ("openai/a", AGENTS["openai"].default_url, "key-of-openai"),
    ]
    assert fallbacks(settings.on_route(two)) == fallbacks(settings)


async def test_a_model_that_is_its_own_fallback_is_asked_once() -> None:
    """The general list may name the model of a number."""
    settings = made(
        responseModel="anthropic/claude",
        responseFallbacks=["openai/gpt"],
        numbers={"+15550001001": {"responseModel": "openai/gpt"}},
    )
    async with aiohttp.ClientSession() as http, connect("redis://127.0.0.1:1") as redis:
        hosts = RedisAgentHosts(redis)
        assert isinstance(agent_for(settings.on_route("+15550001001"), http, hosts), ChatModel)
        assert isinstance(agent_for(settings, http, hosts), FallbackAgent)


def test_the_key_of_a_fallback_may_be_a_reference() -> None:
    key = {"source": "env", "provider": "default", "id": "THE_KEY"}
    settings = made({"THE_KEY": "k"}, responseFallbacks=[{"model": "groq/fast", "apiKey": key}])
    assert settings.response_fallbacks[0].api_key == "k"
    assert "k'" not in repr(settings.response_fallbacks[0])


def test_a_model_of_an_unknown_service_is_sent_to_no_other() -> None:
    """The address that the prefix of `responseModel` means is that service's alone."""
    found = problems({"responseModel": "anthropic/claude", "responseApiKey": "k", "responseFallbacks": ["acme/large"]})
    assert [each for each in found if each.startswith("responseFallbacks.0 names an unknown provider, 'acme'")]


@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        (["acme/large"], "responseFallbacks.0 names an unknown provider, 'acme'; the known ones are "),
        (["azure/gpt"], "responseFallbacks.0.baseUrl is required for azure"),
        (["groq/"], "responseFallbacks.0 names no model"),
        (["groq/a", {"model": "groq/a"}], "responseFallbacks lists a model twice; name each once"),
        (["mistral/small"], "responseFallbacks.0.apiKey is required for the agent; set it or the environment variable"),
        ([{"model": "groq/a", "key": "k"}], "responseFallbacks.0.key: there is no such key"),
        ("groq/a", "responseFallbacks: "),
    ],
)
def test_a_fallback_that_cannot_answer_is_a_problem(listed: Any, problem: str) -> None:
    """For one of `numbers` as well."""
    document = {
        "tts": {"openai": {"apiKey": "k"}},
        "streaming": {"enabled": True, "openaiApiKey": "k"},
        "responseApiKey": "k",
        "numbers": {"+15550001001": {"responseFallbacks": listed}},
    }
    found = problems({**document, "responseFallbacks": listed})
    assert [each for each in found if each.startswith(problem)], found
    assert [each for each in found if each.startswith(f"numbers.+15550001001.{problem}")], found

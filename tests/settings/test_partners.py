"""The blocks `realtime` and `relay`: what they need, what they exclude, and what a call gets of them."""

import json
from typing import Any

import pytest

from tests.settings.test_load import TWILIO, problems, with_
from voicecall.settings import parse_settings

_NO_SPEECH = {"streaming": None, "tts": None}
_OPENAI = {"OPENAI_API_KEY": "sk-1"}


def parsed(document: dict[str, Any], environ: dict[str, str] | None = None) -> Any:
    return parse_settings(json.dumps(document), environ)


def test_a_model_that_speaks_needs_one_key() -> None:
    settings = parsed(with_(**_NO_SPEECH, responseApiKey=None, realtime={"enabled": True}), _OPENAI)
    assert settings.is_streaming
    assert settings.call_policy().streaming
    assert not settings.call_policy().relay
    assert settings.realtime.providers.openai.api_key == "sk-1"
    assert settings.recognisers == ("openai",)


def test_without_a_key_the_message_names_it() -> None:
    (*_, problem) = problems(with_(realtime={"enabled": True, "fallback": "none"}))
    assert problem.startswith("realtime.providers.openai.apiKey is required for speech-to-speech")
    assert "OPENAI_API_KEY" in problem


def test_without_a_fallback_nothing_of_the_cascade_is_needed() -> None:
    block = {"enabled": True, "fallback": "none", "providers": {"openai": {"apiKey": "k"}}}
    settings = parsed(with_(streaming=None, responseApiKey=None, realtime=block))
    assert settings.recognisers == ()


def test_its_fallback_needs_the_keys_of_the_cascade() -> None:
    block = {"enabled": True, "providers": {"openai": {"apiKey": "k"}}}
    found = problems(with_(**_NO_SPEECH, responseApiKey=None, realtime=block))
    assert [problem.partition(" ")[0] for problem in found] == [
        "streaming.providers.openai.apiKey",
        "responseApiKey",
        "tts.openai.apiKey",
    ]


@pytest.mark.parametrize("key", ["toolPolicy", "consultPolicy", "agentContext", "idleHangupMs"])
def test_keys_of_the_plugin_that_only_tune_are_passed_over(key: str) -> None:
    block = {"enabled": True, key: "x", "providers": {"openai": {"apiKey": "k"}}}
    assert parsed(with_(realtime=block)).realtime.enabled


def test_a_carrier_that_hears_and_speaks_needs_the_agent_s_key_alone() -> None:
    settings = parsed(with_(**_NO_SPEECH, relay={"enabled": True}))
    policy = settings.call_policy()
    assert (policy.relay, policy.streaming) == (True, True)
    (problem,) = problems(with_(**_NO_SPEECH, responseApiKey=None, relay={"enabled": True}))
    assert problem.startswith("responseApiKey is required")


def test_a_carrier_that_does_not_is_refused() -> None:
    (problem,) = problems({"provider": "mock", "responseApiKey": "k", "relay": {"enabled": True}})
    assert (
        problem == "relay.enabled is true, and mock does not hear and speak over a socket; use it with telnyx or twilio"
    )


@pytest.mark.parametrize("other", ["streaming", "realtime"])
def test_one_of_them_hears(other: str) -> None:
    document = with_(**{**_NO_SPEECH, other: {"enabled": True}}, relay={"enabled": True})
    assert f"relay.enabled and {other}.enabled are both true; choose one" in problems(document, _OPENAI)


def test_the_language_of_calls_is_the_carrier_s() -> None:
    relay = {"enabled": True, "hints": ["Ada", "Grace"], "interruptSensitivity": "low"}
    settings = parsed(with_(**_NO_SPEECH, language="de-DE", relay=relay))
    reply = settings.relay.reply(settings.language)
    assert (reply.language, reply.hints, reply.more) == ("de-DE", "Ada, Grace", (("interruptSensitivity", "low"),))
    assert settings.relay.reply("auto").language == ""


def test_calls_of_earlier_builds_have_neither() -> None:
    assert not parsed(TWILIO).call_policy().relay


def test_operators_read_who_hears_and_speaks() -> None:
    block = {"enabled": True, "providers": {"openai": {"apiKey": "k"}}}
    assert parsed(TWILIO).way_of_speech == "media streams"
    assert parsed(with_(realtime=block)).way_of_speech == "speech-to-speech by openai"
    assert parsed(with_(**_NO_SPEECH, relay={"enabled": True})).way_of_speech == "the carrier's own speech, as text"

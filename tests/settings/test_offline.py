"""The word `offline`: our own speech server, where it is named, and nowhere else."""

import json
from typing import Any

import pytest

from voicecall.errors import ConfigError
from voicecall.manifests.offline import OFFLINE_URL, OfflineRecognition, OfflineVoice
from voicecall.settings import SPEECH_SERVER, Settings, load_deployment, parse_settings

VOICE = {"provider": "offline"}
OPENAI = {"openai": {"apiKey": "k"}}


def read(environ: dict[str, str] | None = None, **keys: Any) -> Settings:
    return parse_settings(json.dumps({"provider": "mock", "responseModel": "demo", **keys}), environ)


def streaming(**keys: Any) -> dict[str, Any]:
    return {"enabled": True, **keys}


def addresses(settings: Settings) -> tuple[str | None, str | None]:
    heard = settings.streaming.providers.block(OfflineRecognition).base_url
    return heard, settings.tts.block(OfflineVoice).base_url


def test_two_words_are_a_configuration_without_keys() -> None:
    """The address is that of `voicecall speech-server`."""
    settings = read(streaming=streaming(provider="offline"), tts=VOICE)
    assert addresses(settings) == (OFFLINE_URL, OFFLINE_URL)
    assert f"{SPEECH_SERVER.url}/v1" == OFFLINE_URL
    assert (settings.streaming.recognisers, settings.tts.voices) == (("offline",), ("offline",))


def test_another_address_is_kept() -> None:
    """Also one of loopback without TLS."""
    heard = streaming(provider="offline", providers={"offline": {"baseUrl": "http://[::1]:9/v1"}})
    settings = read(streaming=heard, tts={**VOICE, "offline": {"baseUrl": "http://127.0.0.1:9/v1/"}})
    assert addresses(settings) == ("http://[::1]:9/v1", "http://127.0.0.1:9/v1")


def test_it_may_be_a_fallback_where_it_is_named() -> None:
    settings = read(
        streaming=streaming(fallbacks=["offline"], providers=OPENAI),
        tts={"provider": "openai", "fallbacks": ["offline"], **OPENAI},
    )
    assert settings.streaming.recognisers == ("openai", "offline")
    assert settings.tts.voices == ("openai", "offline")


def test_it_speaks_nowhere_unless_it_is_named() -> None:
    """Not as one of "the other services with a key", which take over by default."""
    settings = read({"OPENAI_API_KEY": "k"}, streaming=streaming(), tts={"provider": "openai"})
    assert addresses(settings) == (None, None)
    assert "offline" not in settings.tts.voices


def test_one_of_our_numbers_may_name_it() -> None:
    """The others keep their voice."""
    settings = read(
        streaming=streaming(provider="offline"),
        tts={"provider": "openai", "fallbacks": [], **OPENAI},
        numbers={"+15550001000": {"tts": VOICE}},
    )
    assert settings.tts.voices == ("openai",)
    assert settings.on_route("+15550001000").tts.voices == ("offline",)


def test_a_voice_is_still_required() -> None:
    with pytest.raises(ConfigError, match="is required for the voice"):
        read(streaming=streaming(provider="offline"))


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("VOICECALL_SPEECH_LISTEN", "3338", "is not an address"),
        ("VOICECALL_SPEECH_LISTEN", "localhost:99999", "is not an address"),
        ("VOICECALL_SPEECH_THREADS", "many", "is not a number from 0 to 256"),
        ("VOICECALL_SPEECH_TOKEN", "two words", "copy the bare secret again"),
    ],
)
def test_variables_of_the_speech_server_are_validated(name: str, value: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: .*{problem}"):
        load_deployment({name: value})

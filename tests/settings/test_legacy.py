"""Older and newer names of keys, and keys of OpenClaw that are not supported here."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from voicecall.errors import ConfigError
from voicecall.settings import Loaded, read_settings


def read(tmp_path: Path, document: dict[str, Any]) -> Loaded:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return read_settings({"VOICECALL_CONFIG": str(path)})


@pytest.mark.parametrize(
    ("older", "newer", "warned"),
    [
        ({"provider": "log"}, {"provider": "mock"}, 'provider: "log" is an old name'),
        ({"twilio": {"from": "+15550001234"}}, {"fromNumber": "+15550001234"}, "write fromNumber"),
        (
            {"tunnel": {"allowNgrokFreeTier": True}},
            {"tunnel": {"allowNgrokFreeTierLoopbackBypass": True}},
            "write tunnel.allowNgrokFreeTierLoopbackBypass",
        ),
        ({"tts": {"voice": "sage"}}, {"tts": {"openai": {"voice": "sage"}}}, "write tts.openai.voice"),
        ({"tts": {"model": "m"}}, {"tts": {"openai": {"model": "m"}}}, "write tts.openai.model"),
        ({"tts": {"instructions": "i"}}, {"tts": {"openai": {"instructions": "i"}}}, "write tts.openai.instructions"),
        (
            {"streaming": {"sttModel": "m", "vadThreshold": 0.1, "silenceDurationMs": 9, "openaiApiKey": "k"}},
            {
                "streaming": {
                    "provider": "openai",
                    "providers": {"openai": {"model": "m", "vadThreshold": 0.1, "silenceDurationMs": 9, "apiKey": "k"}},
                }
            },
            "streaming.sttModel",
        ),
    ],
)
def test_an_older_name_means_the_newer_and_is_warned_of(
    tmp_path: Path, older: dict[str, Any], newer: dict[str, Any], warned: str
) -> None:
    """The newer spelling causes no warning."""
    old, new = read(tmp_path, older), read(tmp_path, newer)
    assert old.settings == new.settings
    assert any(warned in warning for warning in old.warnings)
    assert not any(warned in warning for warning in new.warnings)


@pytest.mark.parametrize(
    ("both", "value"),
    [
        ({"allowNgrokFreeTier": True, "allowNgrokFreeTierLoopbackBypass": False}, True),
        ({"allowNgrokFreeTier": False, "allowNgrokFreeTierLoopbackBypass": True}, True),
        ({"allowNgrokFreeTier": False, "allowNgrokFreeTierLoopbackBypass": False}, False),
    ],
)
def test_either_name_of_the_loopback_bypass_suffices(tmp_path: Path, both: dict[str, bool], *, value: bool) -> None:
    made = read(tmp_path, {"tunnel": both}).settings
    assert made.tunnel.allow_ngrok_free_tier_loopback_bypass is value


def test_the_newer_name_wins_over_an_older_one(tmp_path: Path) -> None:
    made = read(tmp_path, {"fromNumber": "+15550001234", "twilio": {"from": "+15550009999"}}).settings
    assert made.from_number == "+15550001234"


def test_a_voice_may_be_written_with_the_names_that_other_services_have(tmp_path: Path) -> None:
    """`voice` and `model` at every service, in both shapes; the service's own name wins."""
    providers = {"elevenlabs": {"voice": "v-1", "model": "m-1"}, "deepgram": {"voice": "aura-2-zeus-en"}}
    tts = read(tmp_path, {"tts": {"providers": providers}}).settings.tts
    assert (tts.elevenlabs.voice_id, tts.elevenlabs.model_id) == ("v-1", "m-1")
    assert tts.deepgram.model == "aura-2-zeus-en"
    both = {"tts": {"elevenlabs": {"voice": "v-1", "voiceId": "v-2"}}}
    assert read(tmp_path, both).settings.tts.elevenlabs.voice_id == "v-2"
    with pytest.raises(ConfigError) as refusal:
        read(tmp_path, {"tts": {"providers": {"elevenlabs": {"voice": 5}}}})
    assert refusal.value.problems[0].startswith("tts.providers.elevenlabs.voice: ")


def test_both_shapes_of_voices_serve_a_number_too(tmp_path: Path) -> None:
    numbers = {"+15550001001": {"tts": {"providers": {"openai": {"voice": "sage"}}}}}
    assert read(tmp_path, {"numbers": numbers}).settings.on_route("+15550001001").tts.openai.voice == "sage"


@pytest.mark.parametrize(
    ("document", "start"),
    [
        (
            {"streaming": {"provider": "mistral"}},
            "streaming.provider: 'mistral' is not offered here: speech recognition is by openai, deepgram, elevenlabs",
        ),
        ({"tts": {"provider": "google"}}, "tts.provider: 'google' is not offered here: only openai, elevenlabs"),
        (
            {"numbers": {"+15550001001": {"tts": {"provider": "xai"}}}},
            "numbers.+15550001001.tts.provider: 'xai' is not offered here",
        ),
        ({"streaming": {"provider": "opnai"}}, 'streaming.provider: "opnai" is not one of the possible values'),
        (
            {"numbers": {"+15550001001": {"tts": {"providers": {"opnai": {}}}}}},
            "numbers.+15550001001.tts.providers.opnai: there is no such key; did you mean numbers.+15550001001.tts.pro",
        ),
        ({"streaming": {"providers": {"opnai": {}}}}, "streaming.providers.opnai: there is no such key; did you mean"),
    ],
)
def test_another_service_is_refused_by_name_and_a_slip_of_the_pen_by_the_nearest(
    tmp_path: Path, document: dict[str, Any], start: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        read(tmp_path, document)
    assert [problem[: len(start)] for problem in refusal.value.problems] == [start]


def test_another_service_that_is_not_chosen_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A service that is not chosen may keep its key."""
    document = {
        "streaming": {"provider": "openai", "providers": {"mistral": {"apiKey": "geheim"}}},
        "tts": {"providers": {"google": {"apiKey": "geheim"}}},
    }
    with caplog.at_level(logging.WARNING):
        warnings = read(tmp_path, document).warnings
    assert [warning.partition(" ")[0] for warning in warnings] == [
        "streaming.providers.mistral",
        "tts.providers.google",
    ]
    assert not any("geheim" in warning for warning in warnings)


@pytest.mark.parametrize(
    "written",
    [
        {"sttModel": "gpt-4o-transcribe"},
        {"providers": {"openai": {"model": "gpt-4o-mini-transcribe"}}},
        {"providers": {"openai": {"model": "whisper-1", "baseUrl": "https://api.openai.com/v1"}}},
    ],
)
def test_a_model_whose_end_is_announced_is_kept_with_one_warning(tmp_path: Path, written: dict[str, Any]) -> None:
    """It says when the model ends, and what is used from that day on."""
    loaded = read(tmp_path, {"streaming": written})
    assert loaded.settings.streaming.providers.openai.model != "gpt-transcribe"
    (warning,) = [each for each in loaded.warnings if "2027-02-26" in each]
    assert "gpt-transcribe is used from that day on" in warning


def test_a_voice_whose_end_is_announced_is_kept_with_one_warning(tmp_path: Path) -> None:
    """As recognition is; the one of a number too."""
    own = {"tts": {"openai": {"model": "tts-1-hd"}}}
    loaded = read(tmp_path, {"tts": {"openai": {"model": "tts-1"}}, "numbers": {"+15550001001": own}})
    assert loaded.settings.tts.openai.model == "tts-1"
    warned = [each for each in loaded.warnings if "2027-01-06" in each]
    assert [each.partition(":")[0] for each in warned] == ["tts.openai.model", "numbers.+15550001001.tts.openai.model"]
    assert all("gpt-realtime-2.1-mini is used from that day on" in each for each in warned)


def test_a_server_of_ones_own_keeps_a_model_that_ends_elsewhere(tmp_path: Path) -> None:
    """OpenAI's dates are OpenAI's."""
    own = {"baseUrl": "http://127.0.0.1:8000/v1", "model": "whisper-1"}
    loaded = read(tmp_path, {"streaming": {"providers": {"openai": own, "whisper": own}}})
    providers = loaded.settings.streaming.providers
    assert (providers.openai.model, providers.compatible.model) == ("whisper-1", "whisper-1")
    assert not loaded.warnings


@pytest.mark.parametrize("name", ["compatible", "openai-compatible", "whisper"])
def test_a_server_of_ones_own_has_the_same_names_for_recognition_and_voices(tmp_path: Path, name: str) -> None:
    """And one that is shown; `whisper` is a name of recognition alone."""
    block = {name: {"baseUrl": "http://127.0.0.1:8000/v1", "model": "large"}}
    written = {"provider": name, "fallbacks": ["openai-realtime"], "providers": block}
    loaded = read(tmp_path, {"streaming": written})
    streaming = loaded.settings.streaming
    assert (streaming.provider, streaming.fallbacks) == ("compatible", ("openai",))
    assert streaming.providers.compatible.model == "large"
    assert not loaded.warnings
    with pytest.raises(ConfigError, match=rf"streaming.providers.{name}.vadThreshold"):
        read(tmp_path, {"streaming": {"providers": {name: {"vadThreshold": 2}}}})


@pytest.mark.parametrize(
    ("streaming", "problem"),
    [
        ({"provider": "deepgram"}, "streaming.providers.deepgram.apiKey is required for speech recognition; set it or"),
        (
            {"fallbacks": ["elevenlabs"]},
            "streaming.providers.elevenlabs.apiKey is required for speech recognition; set",
        ),
        (
            {"provider": "whisper"},
            "streaming.providers.compatible.baseUrl is required for speech recognition by compatible",
        ),
        (
            {"fallbacks": ["openai"]},
            "streaming.fallbacks lists a service twice, or the provider itself; name each once",
        ),
        ({"fallbacks": ["nobody"]}, 'streaming.fallbacks.0: "nobody" is not one of the possible values; choose'),
    ],
)
def test_a28_each_service_that_may_be_asked_needs_its_key(
    tmp_path: Path, streaming: dict[str, Any], problem: str
) -> None:
    """Named with the variable that fills it, when the process starts and not when a caller is on the line."""
    document = {
        "provider": "mock",
        "streaming": {"enabled": True, "openaiApiKey": "k", **streaming},
        "tts": {"openai": {"apiKey": "k"}},
        "responseApiKey": "k",
    }
    with pytest.raises(ConfigError) as refusal:
        read(tmp_path, document)
    assert [each[: len(problem)] for each in refusal.value.problems] == [problem]


def test_keys_of_speech_services_come_from_the_environment(tmp_path: Path) -> None:
    """Each from the variable of its maker's own client."""
    path = tmp_path / "c.json"
    path.write_text('{"streaming": {"provider": "deepgram", "fallbacks": ["elevenlabs", "openai"]}}')
    environ = {"DEEPGRAM_API_KEY": "d", "XI_API_KEY": "x", "OPENAI_API_KEY": "o", "VOICECALL_CONFIG": str(path)}
    providers = read_settings(environ).settings.streaming.providers
    assert (providers.deepgram.api_key, providers.elevenlabs.api_key, providers.openai.api_key) == ("d", "x", "o")

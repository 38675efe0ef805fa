"""What the configuration may hold, how it is read, and how every problem is reported."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicecall.call.admission import InboundPolicy
from voicecall.call.events import CallPolicy, Mode
from voicecall.call.policy import Endpointing, Preemptive, TurnPolicy
from voicecall.errors import ConfigError
from voicecall.settings import (
    Deployment,
    ListenAddress,
    Settings,
    load_deployment,
    load_settings,
    parse_settings,
    read_settings,
)

LOOPBACK = "http://127.0.0.1:3334/voice/webhook"
TWILIO: dict[str, Any] = {
    "provider": "twilio",
    "twilio": {"accountSid": "AC1", "authToken": "secret-token"},
    "fromNumber": "+15550001234",
    "publicUrl": "https://calls.example/voice/webhook",
    "streaming": {"enabled": True, "openaiApiKey": "sk-1"},
    "tts": {"openai": {"apiKey": "sk-2"}},
    "responseApiKey": "sk-3",
}


def problems(document: object, environ: dict[str, str] | None = None) -> list[str]:
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(ConfigError) as refusal:
        parse_settings(text, environ)
    return refusal.value.problems


def with_(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**TWILIO, **changes}.items() if value is not None}


def test_an_empty_configuration_is_the_mock_with_every_default() -> None:
    """The defaults, one by one."""
    made = parse_settings("{}")
    assert (made.enabled, made.provider, made.inbound_policy) == (True, "mock", InboundPolicy.DISABLED)
    assert (made.allow_from, made.inbound_greeting) == ((), "Hello! How can I help you today?")
    assert (made.outbound.default_mode, made.outbound.notify_hangup_delay_sec) == (Mode.NOTIFY, 3)
    assert (made.max_duration_seconds, made.stale_call_reaper_seconds, made.max_concurrent_calls) == (300, 0, 1)
    assert (made.silence_timeout_ms, made.transcript_timeout_ms, made.ring_timeout_ms) == (800, 180_000, 30_000)
    assert (made.serve.port, made.serve.bind, made.serve.path) == (3334, "127.0.0.1", "/voice/webhook")
    assert (made.tunnel.provider, made.tailscale.mode, made.skip_signature_verification) == ("none", "off", False)
    stream = made.streaming
    assert (stream.enabled, stream.recognisers, stream.providers.openai.model) == (False, ("openai",), "gpt-transcribe")
    openai = stream.providers.openai
    assert (openai.silence_duration_ms, openai.vad_threshold, stream.stream_path) == (800, 0.5, "/voice/stream")
    assert (stream.pre_start_timeout_ms, stream.max_pending_connections) == (5000, 32)
    assert (stream.max_pending_connections_per_ip, stream.max_connections) == (4, 128)
    assert (made.tts.openai.model, made.tts.openai.voice) == (None, "alloy")
    assert made.tts.elevenlabs.voice_id == "pMsXgVXv3BLzUgSXRplE"
    assert made.tts.elevenlabs.voice_settings.similarity_boost == 0.75
    assert (made.response_model, made.response_timeout_ms) == ("openai/gpt-4o-mini", 30_000)
    assert made.store_path == Path.home() / ".openclaw" / "voice-calls"
    assert made.webhook_url == "http://127.0.0.1:3334/voice/webhook"
    assert made.stream_url == "ws://127.0.0.1:3334/voice/stream"


@pytest.mark.parametrize(
    ("changes", "key", "remedy"),
    [
        ({"fromNumber": "+1 555"}, "fromNumber", "+15550001234"),
        ({"fromNumber": "555"}, "fromNumber", "E.164"),
        ({"toNumber": "+0123"}, "toNumber", "no country's code begins with 0"),
        ({"toNumber": "\u202a+15550001234"}, "toNumber", "it holds U+202A LEFT-TO-RIGHT EMBEDDING;"),
        ({"allowFrom": ["+15550001234", "x"]}, "allowFrom.1", "E.164"),
        ({"allowFrom": "+15550001234"}, "allowFrom", "[ ]"),
        ({"enabled": "yes"}, "enabled", "without quotes"),
        ({"inboundPolicy": "closed"}, "inboundPolicy", "'allowlist'"),
        ({"outbound": {"defaultMode": "shout"}}, "outbound.defaultMode", "'conversation'"),
        ({"outbound": {"notifyHangupDelaySec": -1}}, "outbound.notifyHangupDelaySec", "use 0 or more"),
        ({"outbound": {"allowCountries": ["US", "UK"]}}, "outbound.allowCountries.1", "as in US or GB"),
        ({"outbound": {"allowCountries": ["us"]}}, "outbound.allowCountries.0", "ISO 3166"),
        ({"outbound": {"allowCountries": "US"}}, "outbound.allowCountries", "[ ]"),
        ({"maxDurationSeconds": 0}, "maxDurationSeconds", "more than 0"),
        ({"maxDurationSeconds": "300"}, "maxDurationSeconds", "without quotes"),
        ({"maxDurationSeconds": 1.5}, "maxDurationSeconds", "whole number"),
        ({"maxConcurrentCalls": True}, "maxConcurrentCalls", "whole number"),
        ({"staleCallReaperSeconds": -1}, "staleCallReaperSeconds", "use 0 or more"),
        ({"serve": {"port": 70_000}}, "serve.port", "less than 65536"),
        ({"serve": {"path": "voice"}}, "serve.path", "/voice/webhook"),
        ({"serve": []}, "serve", "{ }"),
        ({"publicUrl": "calls.example/voice"}, "publicUrl", "https://"),
        ({"publicUrl": "https://calls.example"}, "publicUrl", "/voice/webhook"),
        ({"publicUrl": "https://calls.example/voice#rc=2"}, "publicUrl", "holds a fragment"),
        ({"publicUrl": " https://calls.example/voice "}, "publicUrl", "holds a blank"),
        ({"publicUrl": "https://calls.example/voice?flow=1"}, "publicUrl", "has the query field flow"),
        ({"streaming": {"baseUrl": "https://a.example/v1?x=1"}}, "streaming.baseUrl", "http(s)"),
        ({"streaming": {"vadThreshold": 1.1}}, "streaming.vadThreshold", "use 1.0 or less"),
        ({"streaming": {"maxConnections": 0}}, "streaming.maxConnections", "more than 0"),
        ({"streaming": {"baseUrl": "ftp://x"}}, "streaming.baseUrl", "http(s)"),
        ({"tts": {"openai": {"voice": " "}}}, "tts.openai.voice", "remove the key"),
        ({"tts": {"providers": {"openai": {"voice": 5}}}}, "tts.providers.openai.voice", "quotes"),
        ({"tts": {"elevenlabs": {"seed": 4_294_967_296}}}, "tts.elevenlabs.seed", "4294967295"),
        ({"tts": {"elevenlabs": {"voiceSettings": {"speed": 3}}}}, "tts.elevenlabs.voiceSettings.speed", "2.0 or less"),
        ({"tts": {"timeoutMs": 10}}, "tts.timeoutMs", "use 1000 or more"),
        ({"archive": {"url": "mysql://host/calls"}}, "archive.url", "postgresql://user:password@host/database"),
        ({"archive": {"url": "sqlite:///:memory:"}}, "archive.url", "sqlite:////var/lib/voicecall/calls.db"),
        ({"archive": {"retentionDays": -1}}, "archive.retentionDays", "use 0 or more"),
        ({"archive": {"retention": 30}}, "archive.retention", "did you mean archive.retentionDays?"),
        ({"provider": "vonage"}, "provider", "'twilio'"),
        ({"tunnel": {"provider": "magic"}}, "tunnel.provider", "'ngrok'"),
        ({"twilio": {"accountSid": "AC", "authToken": "a b"}}, "twilio.authToken", "copy the bare secret"),
        ({"maxConcurentCalls": 2}, "maxConcurentCalls", "did you mean maxConcurrentCalls?"),
        ({"max_concurrent_calls": 2}, "max_concurrent_calls", "did you mean maxConcurrentCalls?"),
        ({"authToken": "x"}, "authToken", "did you mean twilio.authToken or plivo.authToken?"),
        ({"streaming": {"providers": {"openai": {"modle": "x"}}}}, "streaming.providers.openai.modle", "model?"),
        ({"tts": {"providers": {"acme": {}}}}, "tts.providers.acme", "no such key"),
        ({"colour": "blue"}, "colour", "remove it"),
        ({"tools": {"http": {"book": {"url": "https://a.example"}}}}, "tools.http.book.description", "is required"),
        ({"tools": {"http": {"a b": {"url": "https://a.example", "description": "x"}}}}, "tools.http.a b", "a letter"),
        ({"reports": {"currency": "dollars"}}, "reports.currency", "as in USD"),
        ({"callbacks": {"zones": {"44": "Europe/London"}}}, "callbacks.zones.44", "write + and digits"),
        ({"[key]": 1}, "[key]", "remove it"),
    ],
)
def test_a_problem_names_the_key_and_the_remedy(changes: dict[str, Any], key: str, remedy: str) -> None:
    """One sentence: full path, what is wrong, what to do."""
    found = [problem for problem in problems(with_(**changes)) if problem.startswith(f"{key}: ")]
    assert len(found) == 1
    assert remedy in found[0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"twilio": None}, "twilio.accountSid is required for twilio; set it or the environment variable TWILIO_ACC"),
        ({"twilio": None}, "twilio.authToken is required for twilio; set it or the environment variable TWILIO_AUTH"),
        ({"fromNumber": None}, "fromNumber is required for twilio; set it or the environment variable TWILIO_FROM_N"),
        ({"publicUrl": None}, "publicUrl is required for twilio"),
        ({"streaming": {"enabled": True}}, "streaming.providers.openai.apiKey is required for speech recognition"),
        (
            {"tts": {"openai": {"apiKey": "k"}, "fallbacks": ["deepgram"]}},
            "tts.fallbacks names deepgram, and tts.deepgram.apiKey is missing",
        ),
        (
            {"tts": {"openai": {"apiKey": "k"}, "fallbacks": ["openai-compatible"]}},
            "tts.fallbacks names openai-compatible, and tts.compatible.baseUrl is missing",
        ),
        ({"tts": None}, "tts.openai.apiKey or tts.elevenlabs.apiKey or tts.deepgram.apiKey is required for the voice"),
        ({"responseApiKey": None}, "responseApiKey is required for the agent"),
        ({"provider": "telnyx"}, "telnyx.apiKey is required for telnyx"),
        ({"provider": "telnyx"}, "telnyx.connectionId is required for telnyx"),
        ({"provider": "telnyx"}, "telnyx.publicKey is required to verify webhooks"),
        ({"provider": "plivo"}, "plivo.authId is required for plivo"),
        ({"provider": "plivo"}, "plivo.authToken is required for plivo"),
        ({"tailscale": {"mode": "funnel", "port": 444}}, "tailscale.port 444 cannot be funnelled"),
        (
            {"streaming": {"enabled": True, "openaiApiKey": "k", "streamPath": "/voice/webhook"}},
            "streaming.streamPath is the same as serve.path",
        ),
    ],
)
def test_what_must_hold_between_keys(changes: dict[str, Any], sentence: str) -> None:
    """The rules between keys; a disabled configuration may break each of them."""
    assert any(problem.startswith(sentence) for problem in problems(with_(**changes)))
    assert parse_settings(json.dumps(with_(**changes, enabled=False))).enabled is False


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({}, "publicUrl"),
        ({"publicUrl": LOOPBACK, "serve": {"bind": "0.0.0.0"}}, "serve.bind"),
        ({"publicUrl": LOOPBACK, "tunnel": {"provider": "ngrok"}}, "tunnel"),
    ],
)
def test_unsigned_webhooks_are_not_accepted_on_a_public_ingress(changes: dict[str, Any], where: str) -> None:
    """Attack 8: a switch for development, left on."""
    unsafe = with_(skipSignatureVerification=True, **changes)
    assert any(f"while the ingress is public ({where})" in problem for problem in problems(unsafe))
    assert parse_settings(json.dumps(with_(skipSignatureVerification=True, publicUrl=LOOPBACK)))


@pytest.mark.parametrize(
    ("changes", "is_asked"),
    [
        ({"responseModel": "gpt-4o"}, True),
        ({"responseModel": "openclaw"}, False),
        ({"responseModel": "remote/desk"}, False),
        ({"responseModel": "echo"}, False),
        ({"responseModel": "echo", "numbers": {"+15550001001": {"responseModel": "openai/gpt-4o"}}}, True),
    ],
)
def test_a_key_for_the_agent_is_asked_for_when_a_model_needs_one(changes: dict[str, Any], *, is_asked: bool) -> None:
    """Of any of `numbers`."""
    document = with_(responseApiKey=None, **changes)
    if is_asked:
        assert problems(document)[0].startswith("responseApiKey is required for the agent")
    else:
        assert parse_settings(json.dumps(document)).response_api_key is None


@pytest.mark.parametrize(
    ("changes", "is_warned"),
    [
        ({"inboundPolicy": "open"}, True),
        ({"outbound": {"defaultMode": "conversation"}}, True),
        ({"inboundPolicy": "open", "responseApiKey": "sk"}, False),
        ({"inboundPolicy": "open", "responseModel": "openclaw"}, False),
        ({}, False),
    ],
)
def test_a_native_conversation_without_an_agent_causes_a_warning(
    tmp_path: Path, changes: dict[str, Any], *, is_warned: bool
) -> None:
    """Notify calls need no agent; conversations do."""
    file = tmp_path / "c.json"
    file.write_text(json.dumps({**with_(streaming=None, tts=None, responseApiKey=None), **changes}), encoding="utf-8")
    file.chmod(0o600)
    warnings = read_settings({"VOICECALL_CONFIG": str(file)}).warnings
    assert any(warning.startswith("responseApiKey is missing") for warning in warnings) is is_warned


def test_all_problems_come_at_once() -> None:
    """Types, unknown keys and rules together, so that one restart suffices."""
    found = problems({"provider": "twilio", "fromNumber": 5, "colour": 1, "serve": {"port": 0}, "twilio": {"sid": ""}})
    for start in ("fromNumber: ", "colour: ", "serve.port: ", "twilio.sid: ", "twilio.authToken is", "publicUrl is"):
        assert any(problem.startswith(start) for problem in found), start
    assert not any(problem.startswith("fromNumber is required") for problem in found)


@pytest.mark.parametrize(
    "changes",
    [
        {"twilio": {"accountSid": "AC", "authToken": "geheim geheim"}},
        {"twilio": {"accountSid": "AC", "authToken": ["geheim"]}},
        {"twilio": "geheim"},
        {"authTokken": "geheim"},
        {"tts": {"openai": {"apiKey": "geheim\n"}}},
        {"streaming": {"enabled": True, "baseUrl": "https://me:geheim@host/v1"}},
        {"publicUrl": "htps://me:geheim@host/v1"},
    ],
)
def test_no_problem_contains_a_secret(changes: dict[str, Any]) -> None:
    """Problems are logged, and copied into chats; the key says enough."""
    found = problems(with_(**changes))
    assert found
    assert not any("geheim" in problem for problem in found)
    made = parse_settings(json.dumps(TWILIO))
    assert not any(secret in repr(made) for secret in ("secret-token", "sk-1", "sk-2", "sk-3"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the configuration is not JSON5"),
        ("{", "the configuration is not JSON5"),
        ("{a: 1, a: 2}", 'the configuration is not JSON5: Duplicate key "a"'),
        ("[]", "the configuration is not an object"),
        ("null", "the configuration is not an object"),
        ("[" * 5000, "the configuration is nested too deeply"),
        ("{maxDurationSeconds: Infinity}", "maxDurationSeconds"),
        ("{streaming: {vadThreshold: NaN}}", "streaming.vadThreshold"),
    ],
)
def test_a_file_that_is_not_a_configuration_is_reported(text: str, sentence: str) -> None:
    """Garbage is a problem like any other."""
    assert problems(text)[0].startswith(sentence)


def test_ended_calls_are_kept_in_the_store_unless_an_address_is_given() -> None:
    """SQLite needs nothing; an address with a password may come from the environment, and is in no repr."""
    assert parse_settings('{"store": "/var/calls"}').archive_url == "sqlite:////var/calls/calls.db"
    made = parse_settings("{}", {"VOICECALL_ARCHIVE_URL": "postgresql://u:sesame@db/calls"})
    assert made.archive_url == "postgresql://u:sesame@db/calls"
    assert "sesame" not in repr(made)
    assert (made.archive.enabled, made.archive.retention_days, made.archive.jsonl) == (True, 90, False)
    assert "sesame" not in problems({"archive": {"url": "mysql://u:sesame@db/calls"}})[0]


def test_secrets_come_from_the_environment_of_the_chosen_carrier_only() -> None:
    """And blank values count as missing."""
    environ = {
        "TWILIO_ACCOUNT_SID": "AC9",
        "TWILIO_AUTH_TOKEN": " tok ",
        "TWILIO_FROM_NUMBER": "+15550007777",
        "TELNYX_API_KEY": "KEY",
        "OPENAI_API_KEY": "sk-env",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1/",
        "XI_API_KEY": "xi",
        "ELEVENLABS_API_KEY": "  ",
    }
    made = parse_settings(
        '{provider: "twilio", publicUrl: "https://c.example/voice", streaming: {enabled: true}}',
        environ,
    )
    assert (made.twilio.account_sid, made.twilio.auth_token, made.from_number) == ("AC9", "tok", "+15550007777")
    assert made.telnyx.api_key is None
    assert {made.streaming.providers.openai.api_key, made.tts.openai.api_key, made.response_api_key} == {"sk-env"}
    assert {made.streaming.providers.openai.base_url, made.tts.openai.base_url, made.response_base_url} == {
        "http://127.0.0.1:9/v1"
    }
    assert (made.tts.elevenlabs.api_key, made.tts.voices) == ("xi", ("openai", "elevenlabs"))
    written = parse_settings(json.dumps(TWILIO), environ)
    assert (written.twilio.auth_token, written.streaming.providers.openai.api_key) == ("secret-token", "sk-1")


def test_a_bad_value_of_the_environment_is_named_as_such() -> None:
    """The message names the key that holds the value."""
    found = problems(with_(fromNumber=None), {"TWILIO_FROM_NUMBER": "junk"})
    assert found[0].startswith('environment variable TWILIO_FROM_NUMBER: "junk" is not an E.164 number')


def test_both_shapes_of_voices_are_one() -> None:
    """`tts.openai` and `tts.providers.openai`, `edge` and `microsoft`; where both speak, the newer wins."""
    older = parse_settings('{tts: {provider: "elevenlabs", openai: {voice: "nova"}, edge: {voice: "x"}}}')
    newer = parse_settings(
        '{tts: {provider: "elevenlabs", providers: {openai: {voice: "nova"}, microsoft: {voice: "x"}}}}',
    )
    assert older == newer
    both = parse_settings('{tts: {openai: {voice: "nova", model: "m"}, providers: {openai: {voice: "sage"}}}}')
    assert (both.tts.openai.voice, both.tts.openai.model) == ("sage", "m")
    assert parse_settings('{tts: {provider: "elevenlabs"}}', {"OPENAI_API_KEY": "a", "XI_API_KEY": "b"}).tts.voices == (
        "elevenlabs",
        "openai",
    )


def test_a_whole_host_configuration_is_understood() -> None:
    """The entry under `plugins`, merged over the general voices; problems carry the full path."""
    entry: dict[str, Any] = {"enabled": True, "config": {"provider": "mock", "tts": {"openai": {"voice": "nova"}}}}
    host = {
        "plugins": {"entries": {"voice-call": entry}},
        "messages": {"tts": {"openai": {"voice": "a", "model": "m"}}},
    }
    made = parse_settings(json.dumps(host))
    assert (made.tts.openai.voice, made.tts.openai.model) == ("nova", "m")
    entry["config"]["colour"] = 1
    assert problems(host)[0].startswith("plugins.entries.voice-call.config.colour: ")
    entry["enabled"] = False
    del entry["config"]["colour"]
    assert parse_settings(json.dumps(host)).enabled is False


@pytest.mark.parametrize("value", [True, "yes", {}])
def test_b4_a_signature_that_covers_little_cannot_be_chosen(value: object) -> None:
    """`plivo.acceptV2` of 0.2 is refused with the reason; also when another carrier is configured."""
    (problem,) = problems({"provider": "mock", "plivo": {"acceptV2": value}})
    assert problem.startswith("plivo.acceptV2 is not offered here: a signature of scheme V2 covers neither")


@pytest.mark.parametrize("value", [False, None])
def test_b4_a_removed_key_that_was_off_is_a_warning(tmp_path: Path, value: object) -> None:
    """It loads, because nothing that was relied on is missing."""
    file = tmp_path / "c.json5"
    file.write_text(json.dumps({"provider": "mock", "plivo": {"acceptV2": value}}), encoding="utf-8")
    loaded = read_settings({"VOICECALL_CONFIG": str(file)})
    assert ["plivo.acceptV2" in warning for warning in loaded.warnings] == [True]


def test_older_names_still_work_and_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """`log`, `twilio.from`, `tunnel.allowNgrokFreeTier`, and the newer streaming keys."""
    file = tmp_path / "c.json5"
    file.write_text(
        '{provider: "log", twilio: {from: "+15550001234"}, tunnel: {allowNgrokFreeTier: true},'
        ' streaming: {provider: "openai", providers: {openai: {model: "m", vadThreshold: 0.2}}}}',
        encoding="utf-8",
    )
    with caplog.at_level(logging.WARNING):
        made = load_settings({"VOICECALL_CONFIG": str(file)})
    assert (made.provider, made.from_number) == ("mock", "+15550001234")
    assert made.tunnel.allow_ngrok_free_tier_loopback_bypass
    assert (made.streaming.providers.openai.model, made.streaming.providers.openai.vad_threshold) == ("m", 0.2)
    warnings = " ".join(vars(record)["warning"] for record in caplog.records)
    assert all(old in warnings for old in ('"log"', "twilio.from", "tunnel.allowNgrokFreeTier"))


def test_a_process_reports_why_it_cannot_start(tmp_path: Path) -> None:
    """No variable, no file, a directory, not UTF-8, too large, disabled: each a sentence with the remedy."""
    broken, large, disabled = tmp_path / "broken", tmp_path / "large", tmp_path / "disabled"
    broken.write_bytes(b"{\xff}")
    large.write_bytes(b" " * 262_145)
    disabled.write_text("{enabled: false}", encoding="utf-8")
    cases = {
        "": "VOICECALL_CONFIG is not set",
        str(tmp_path / "none.json5"): "No such file",
        str(tmp_path): "Is a directory",
        str(broken): "is not UTF-8 at byte 1",
        str(large): "over 256 KiB",
        "nul\0byte": "not a file name",
        str(disabled): "enabled is false: voice-call is disabled; set it to true",
    }
    for name, sentence in cases.items():
        with pytest.raises(ConfigError, match=sentence):
            load_settings({"VOICECALL_CONFIG": name})


def test_urls_follow_the_public_one() -> None:
    """Scheme and origin for the sockets, IPv6 in brackets without one."""
    public = parse_settings(json.dumps(TWILIO))
    assert public.webhook_url == "https://calls.example/voice/webhook"
    assert public.stream_url == "wss://calls.example/voice/stream"
    local = parse_settings('{serve: {bind: "::1", port: 9}, publicUrl: null}')
    assert (local.webhook_url, local.stream_url) == ("http://[::1]:9/voice/webhook", "ws://[::1]:9/voice/stream")


def test_a_call_is_promised_what_the_settings_say() -> None:
    """Milliseconds become seconds, once and here."""
    text = (
        "{maxDurationSeconds: 60, ringTimeoutMs: 1500, transcriptTimeoutMs: 2500, responseTimeoutMs: 500,"
        " staleCallReaperSeconds: 9, outbound: {notifyHangupDelaySec: 1},"
        " turns: {sensitivity: 'low', minSpeechMs: 700, endpointing: 'dynamic', silenceTimeoutMs: 0,"
        " fillerAfterMs: 900, preemptive: true, preemptiveMaxSpeechMs: 5000, preemptiveTries: 2}}"
    )
    assert parse_settings(text).call_policy() == CallPolicy(
        max_duration_s=60.0,
        ring_timeout_s=1.5,
        notify_hangup_delay_s=1.0,
        stale_after_s=9.0,
        transcript_timeout_s=2.5,
        reply_timeout_s=0.5,
        filler_after_s=0.9,
        streaming=False,
        longest_prompt=4000,
        amd_timeout_s=8.0,
        turns=TurnPolicy(
            noise_margin_db=9.0,
            min_speech_s=0.7,
            min_words=1,
            endpointing=Endpointing.DYNAMIC,
            silence_s=0.0,
            preemptive=Preemptive.ON,
            preemptive_speech_s=5.0,
            preemptive_tries=2,
        ),
    )


@pytest.mark.parametrize(
    ("written", "read"), [("true", "on"), ("false", "off"), ("'on'", "on"), ("'off'", "off"), ("'auto'", "auto")]
)
def test_a_switch_with_three_states_may_be_a_boolean(written: str, read: str) -> None:
    """As users of the original write `enabled: true`."""
    policy = parse_settings(f"{{turns: {{preemptive: {written}}}}}").call_policy()
    assert policy.turns.preemptive == read


def test_a_carrier_s_api_on_this_machine_needs_no_public_url() -> None:
    """With `TWILIO_API_BASE_URL` set, a loopback webhook is reachable; otherwise it is reported as a mistake."""
    assert problems(with_(publicUrl=None))[0].startswith("publicUrl is required")
    environ = {"TWILIO_API_BASE_URL": "http://127.0.0.1:9"}
    made = parse_settings(json.dumps(with_(publicUrl=None)), environ)
    assert made.webhook_url == "http://127.0.0.1:3334/voice/webhook"


def test_the_deployment_is_read_from_the_environment() -> None:
    """Defaults for one machine; trailing slashes go; the clients' address follows the gateway's."""
    assert load_deployment({}) == Deployment()
    made = load_deployment(
        {
            "REDIS_URL": "rediss://u:p@r.example/2",
            "TWILIO_API_BASE_URL": "http://127.0.0.1:9/",
            "VOICECALL_GATEWAY_BIND": "0.0.0.0",
            "VOICECALL_GATEWAY_PORT": "4000",
            "VOICECALL_GATEWAY_TOKEN": " t ",
            "VOICECALL_INGRESS_HEALTH": "[::1]:5000",
        },
    )
    assert (made.api_base_urls["twilio"], made.gateway_url) == ("http://127.0.0.1:9", "http://127.0.0.1:4000")
    assert (made.gateway_token, made.ingress_health) == ("t", ListenAddress("::1", 5000))
    assert not made.gateway.is_loopback
    assert "u:p" not in repr(made)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h:port/0",
        "redis://h:0/0",
        "redis://h:70000",
        "redis://h/first",
        "redis://h/0/1",
        "redis://h?db=x",
        "redis://[::1/0",
        "unix://",
        "unix:///run/redis.sock?db=-1",
        "memcached://h",
        "h:6379",
        "REDIS://h",
        "redis://h?x=1",
        "redis://h:6379/0?socket_timeout=soon",
        "rediss://h?ssl_cert_reqs=perhaps",
    ],
)
@pytest.mark.parametrize("name", ["REDIS_URL", "VOICECALL_JOBS_REDIS_URL"])
def test_c14_an_address_that_the_client_would_misread_is_refused(name: str, url: str) -> None:
    """It ignores a database that is no number, and raises for a port that is none and for an option it has not."""
    with pytest.raises(ConfigError, match=f"^{name}: is not a Redis URL"):
        load_deployment({name: url})


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h/",
        "redis://u:p%40@h:6380/15",
        "rediss://h?db=3&ssl_cert_reqs=none",
        "unix:///run/redis.sock?db=4",
        "unix://u:p@/run/redis.sock",
        "redis://[::1]:6379/0",
        "redis://h?socket_timeout=2.5&client_name=calls&protocol=3",
    ],
)
def test_c14_every_usual_address_of_redis_is_accepted(url: str) -> None:
    assert load_deployment({"REDIS_URL": url}).redis_url == url


@pytest.mark.parametrize(
    ("value", "namespace"), [("blue", "blue"), (" blue-2.x_y ", "blue-2.x_y"), ("", ""), ("  ", ""), (None, None)]
)
def test_c1_the_namespace_is_read_and_blank_means_none(value: str | None, namespace: str | None) -> None:
    """The only variable whose blank value counts: names without a prefix."""
    environ = {} if value is None else {"VOICECALL_NAMESPACE": value}
    assert load_deployment(environ).namespace == namespace


@pytest.mark.parametrize("value", ["a:b", "a b", "{a}", "a*", "é", "x" * 33, "a\nb"])
def test_c1_a_namespace_that_could_meet_another_is_refused(value: str) -> None:
    """A colon would make one namespace the beginning of another's names; `*` and braces mean something to Redis."""
    with pytest.raises(ConfigError, match="VOICECALL_NAMESPACE"):
        load_deployment({"VOICECALL_NAMESPACE": value})


def test_problems_of_the_environment_come_at_once_too() -> None:
    """And without the secrets in them."""
    with pytest.raises(ConfigError) as refusal:
        load_deployment(
            {
                "REDIS_URL": "http://u:geheim@x",
                "VOICECALL_GATEWAY_PORT": "many",
                "VOICECALL_GATEWAY_TOKEN": "geh eim",
                "VOICECALL_GATEWAY_URL": "localhost:3335",
                "VOICECALL_INGRESS_HEALTH": "nowhere",
            },
        )
    names = sorted(problem.partition(":")[0] for problem in refusal.value.problems)
    assert names == [
        "REDIS_URL",
        "VOICECALL_GATEWAY_PORT",
        "VOICECALL_GATEWAY_TOKEN",
        "VOICECALL_GATEWAY_URL",
        "VOICECALL_INGRESS_HEALTH",
    ]
    assert not any("geheim" in problem or "geh eim" in problem for problem in refusal.value.problems)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VOICECALL_WORKER_SLOTS", "0"),
        ("VOICECALL_WORKER_SLOTS", "1e3"),
        ("VOICECALL_BOOT_PATIENCE_S", "nan"),
        ("VOICECALL_BOOT_PATIENCE_S", "-1"),
        ("VOICECALL_LOG_LEVEL", "loud"),
        ("VOICECALL_LOG_LEVEL", "10"),
        ("VOICECALL_LOG_PII", "yes"),
        ("VOICECALL_GATEWAY_BIND", "127.0.0.1:3335"),
        ("VOICECALL_GATEWAY_BIND", "a b"),
        ("VOICECALL_GATEWAY_BIND", "[localhost]:1"),
    ],
)
def test_c18_every_variable_is_checked_whichever_process_reads_it(name: str, value: str) -> None:
    """`voicecall config check` said that all is well, and the worker did not start."""
    with pytest.raises(ConfigError, match=f"^{name}: "):
        load_deployment({name: value})


def test_c18_usual_spellings_are_read() -> None:
    made = load_deployment(
        {"VOICECALL_LOG_LEVEL": " debug ", "VOICECALL_GATEWAY_BIND": "[::1]", "VOICECALL_LOG_PII": "0"}
    )
    assert (made.gateway.is_loopback, made.gateway_url) == (True, "http://[::1]:3335")
    assert load_deployment({"VOICECALL_WORKER_SLOTS": "7", "VOICECALL_BOOT_PATIENCE_S": "2"}).worker_slots == 7


KEYS = (
    "provider twilio tts streaming tunnel serve plugins messages fromNumber providers openai authToken from entries"
    " voice-call config enabled publicUrl __proto__ allowFrom tailscale mode port responseModel baseUrl streamPath"
)
keys = st.sampled_from(KEYS.split())
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["twilio", "log", "+1555"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys | st.text(max_size=5), inner, max_size=5),
    max_leaves=12,
)


@given(st.dictionaries(keys | st.text(max_size=5), values, max_size=6))
@settings(max_examples=40, deadline=None)
def test_no_document_gives_anything_but_settings_or_problems(document: dict[str, Any]) -> None:
    """Whatever an operator writes; and every problem is a printable sentence."""
    try:
        made = parse_settings(json.dumps(document), {"OPENAI_API_KEY": "k"})
    except ConfigError as refusal:
        found = refusal.problems
        assert found
        assert all(problem.strip() and "\n" not in problem for problem in found)
    else:
        assert isinstance(made, Settings)


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_no_text_gives_anything_but_settings_or_problems(text: str) -> None:
    """The same for what is hardly JSON5 at all."""
    try:
        assert isinstance(parse_settings(text), Settings)
    except ConfigError as refusal:
        reported = refusal.problems
    else:
        reported = ["none"]
    assert all(reported)


@pytest.mark.parametrize(
    "url", ["https://c.example/voice/", "https://c.example:443/a//", "HTTPS://C.example/voice?a=%20b"]
)
def test_a11_the_public_url_is_kept_exactly_as_written(url: str) -> None:
    """The carrier signs it as it has it; addresses of services lose a slash, because paths are appended to them."""
    settings = parse_settings(json.dumps({"publicUrl": url, "responseBaseUrl": "https://c.example/v1/"}))
    assert (settings.public_url, settings.webhook_url) == (url, url)
    assert settings.stream_url.startswith("wss://")
    assert settings.response_base_url == "https://c.example/v1"


@pytest.mark.parametrize(("provider", "refused"), [("plivo", True), ("telnyx", False)])
def test_a13_a_greeting_that_the_carrier_cannot_say_in_one_prompt_is_a_problem(provider: str, *, refused: bool) -> None:
    """It is part of the answer to the webhook. Telnyx gets it by commands, in parts."""
    accounts = {
        "plivo": {"authId": "MA1", "authToken": "t"},
        "telnyx": {"apiKey": "k", "connectionId": "1", "publicKey": "p"},
    }
    document = with_(
        provider=provider,
        twilio=None,
        streaming=None,
        inboundPolicy="open",
        inboundGreeting="x" * 3001,
        **{provider: accounts[provider]},
    )
    if refused:
        assert problems(document) == ["inboundGreeting has 3001 characters; plivo's own voice says 3000"]
        assert parse_settings(json.dumps({**document, "inboundPolicy": "disabled"}))
    else:
        assert parse_settings(json.dumps(document))

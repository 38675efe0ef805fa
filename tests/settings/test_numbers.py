"""Settings of one of `numbers`, and how the number is found."""

import pytest

from voicecall.call.ids import CallId
from voicecall.errors import ConfigError
from voicecall.settings import parse_settings
from voicecall.settings.model.routes import laid_over
from voicecall.settings.model.speech import Tts

CALL = CallId("8f3f5a53-8a53-4e0f-9d4c-4a2d1c1b0a01")
TEXT = """{
  inboundGreeting: "Hello.", sessionScope: "per-phone", maxConcurrentCalls: 3,
  tts: {provider: "openai", openai: {voice: "nova", model: "m"}, elevenlabs: {voiceSettings: {speed: 1.2}}},
  numbers: {
    "+15550001001": {
      inboundGreeting: "Workshop.", agentId: "Workshop", responseModel: "echo", responseTimeoutMs: 900,
      tts: {openai: {voice: "sage"}, elevenlabs: {voiceSettings: {stability: 0.1}}},
    },
    "+15550001002": {},
  },
}"""


@pytest.mark.parametrize("dialled", ["+15550001001", "15550001001", "+1 (555) 000-1001"])
def test_a_number_is_known_by_its_digits(dialled: str) -> None:
    """Carriers write one number in several ways."""
    assert parse_settings(TEXT).route_of(dialled) == "+15550001001"


@pytest.mark.parametrize("dialled", ["+15550001003", "5550001001", "unknown", ""])
def test_another_number_has_no_route(dialled: str) -> None:
    made = parse_settings(TEXT)
    assert made.route_of(dialled) == ""
    assert made.on_route("") is made


def test_a_route_changes_what_it_names_and_nothing_else() -> None:
    """The voices deep, the rest key by key; what the call is promised follows."""
    made = parse_settings(TEXT)
    here = made.on_route("+15550001001")
    assert (here.inbound_greeting, here.response_model, here.max_concurrent_calls) == ("Workshop.", "echo", 3)
    assert (here.call_policy().reply_timeout_s, made.call_policy().reply_timeout_s) == (0.9, 30.0)
    assert (here.tts.openai.voice, here.tts.openai.model, here.tts.provider) == ("sage", "m", "openai")
    spoken = here.tts.elevenlabs.voice_settings
    assert (spoken.speed, spoken.stability, spoken.similarity_boost) == (1.2, 0.1, 0.75)
    assert here.session_key(call=CALL, phone="+15550002000") == "agent:workshop:voice:15550002000"
    assert made.on_route("+15550001002").tts == made.tts


def test_keys_of_the_environment_reach_the_voices_of_a_route() -> None:
    made = parse_settings(TEXT, {"OPENAI_API_KEY": "sk"})
    assert made.on_route("+15550001001").tts.openai.api_key == "sk"


def test_a_block_without_an_override_stays_the_same_object() -> None:
    block = Tts()
    assert laid_over(block, None) is block


@pytest.mark.parametrize(
    ("numbers", "start"),
    [
        ('{"15550001001": {}}', "numbers.15550001001: "),
        ('{"+15550001001": {greeting: "x"}}', "numbers.+15550001001.greeting: there is no such key; did you mean"),
        ('{"+15550001001": {tts: {openai: {voise: "x"}}}}', "numbers.+15550001001.tts.openai.voise: there is no"),
        ('{"+15550001001": {agentId: "a b"}}', "numbers.+15550001001.agentId: "),
        ('{"+15550001001": {responseTimeoutMs: 0}}', "numbers.+15550001001.responseTimeoutMs: 0 is out of range"),
    ],
)
def test_a_problem_of_a_route_is_reported_with_its_number(numbers: str, start: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_settings(f"{{numbers: {numbers}}}")
    assert [problem[: len(start)] for problem in refusal.value.problems] == [start]

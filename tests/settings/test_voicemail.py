"""What the configuration may say about answering machines, and what a call is promised by it."""

import json
from typing import Any

import pytest

from voicecall.call.events import CallPolicy, OnMachine
from voicecall.errors import ConfigError
from voicecall.settings import parse_settings

TWILIO: dict[str, Any] = {
    "provider": "twilio",
    "twilio": {"accountSid": "AC1", "authToken": "secret-token"},
    "fromNumber": "+15550001234",
    "publicUrl": "https://calls.example/voice/webhook",
}


def policy(**voicemail: str) -> CallPolicy:
    return parse_settings(json.dumps({**TWILIO, "voicemail": voicemail})).call_policy()


def test_machines_are_detected_only_when_configured() -> None:
    """Detection costs money and listens to people: it is off, whatever else the block says."""
    assert parse_settings("{}").call_policy().on_machine is None
    assert policy(onMachine="leave-message", message="Hello").on_machine is None


def test_detection_hangs_up_on_machines_unless_a_message_is_wanted() -> None:
    """The call is born with what it shall do, and with the words for it."""
    assert policy(detection="carrier").on_machine is OnMachine.HANGUP
    made = policy(detection="carrier", onMachine="leave-message", message="Call us back.")
    assert (made.on_machine, made.machine_message) == (OnMachine.LEAVE_MESSAGE, "Call us back.")


def test_other_spellings_mean_the_same() -> None:
    """The carrier's own name where it is the carrier, and the hyphen."""
    assert policy(detection="twilio", onMachine="hang-up") == policy(detection="carrier", onMachine="hangup")


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"voicemail": {"detection": "twilio"}}, 'voicemail.detection: "twilio" is not one of the possible values;'),
        ({"voicemail": {"onMachine": "shout"}}, 'voicemail.onMachine: "shout" is not one of the possible values;'),
        ({"voicemail": {"message": " "}}, 'voicemail.message: " " is blank'),
        ({"voicemail": {"beep": True}}, "voicemail.beep: there is no such key"),
        ({"voicemail": "carrier"}, "voicemail: "),
    ],
)
def test_a_mistake_is_reported_with_its_key_and_a_remedy(document: dict[str, Any], sentence: str) -> None:
    """Another carrier's name for detection is a mistake: nothing would be detected."""
    with pytest.raises(ConfigError) as refusal:
        parse_settings(json.dumps(document))
    assert any(problem.startswith(sentence) for problem in refusal.value.problems)

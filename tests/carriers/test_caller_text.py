"""What a carrier hands on of the other side: caller ids, numbers, messages of errors."""

from collections.abc import Callable

import pytest

from voicecall.call.admission import number_of
from voicecall.carriers.mock.webhooks import read_webhook as mock
from voicecall.carriers.plivo.webhooks import read_webhook as plivo
from voicecall.carriers.telnyx.webhooks import read_webhook as telnyx
from voicecall.carriers.twilio.webhooks import read_webhook as twilio
from voicecall.errors import CarrierRejected
from voicecall.ports import Webhook

ACCOUNT = "AC" + "0" * 32
UUID = "0b6e6a3c-9f0a-4a55-8f0e-0d8f6a5f1a11"


def _twilio(caller: str, verified: object = None) -> Webhook:
    fields = {
        "CallSid": "CA" + "1" * 32,
        "CallStatus": "ringing",
        "Direction": "inbound",
        "From": caller,
        "To": "+1555",
    }
    attested = {} if verified is None else {"StirVerstat": str(verified)}
    return twilio("https://voice.example.com/voice/webhook", {**fields, **attested}, ACCOUNT)


def _telnyx(caller: str, verified: object = None) -> Webhook:
    attested = {} if verified is None else {"shaken_stir_attestation": verified, "shaken_stir_validated": True}
    payload = {"call_control_id": "v3:leg-1", "direction": "incoming", "from": caller, "to": "+1555", **attested}
    return telnyx({"data": {"id": "1", "event_type": "call.initiated", "payload": payload}})


def _plivo(caller: str, verified: object = None) -> Webhook:
    fields = {"CallUUID": UUID, "CallStatus": "ringing", "Direction": "inbound", "From": caller, "To": "1555"}
    return plivo({}, {**fields, **({} if verified is None else {"STIRVerification": str(verified)})})


def _mock(caller: str, verified: object = None) -> Webhook:
    event = {"type": "call.initiated", "providerCallId": "leg-1", "direction": "inbound", "from": caller, "to": "+1555"}
    return mock("https://voice.example.com/voice/webhook", {"event": {**event, "verified": verified}})


CARRIERS = pytest.mark.parametrize("read", [_twilio, _telnyx, _plivo, _mock])


@CARRIERS
def test_b6_a_caller_id_is_kept_short_and_in_one_line(read: Callable[..., Webhook]) -> None:
    """It goes into logs, records, events and the agent's request."""
    kept = read("sip:" + "a" * 5000).from_
    assert len(kept) == 256
    assert "\n" not in read("+15550002000\nforged").from_


@CARRIERS
def test_b6_a_broken_caller_id_does_not_become_a_number(read: Callable[..., Webhook]) -> None:
    """Control characters are replaced, not removed."""
    for text in ("+1555\n0002000", "+15550002000\x00", "\u202a+15550002000"):
        assert number_of(read(text).from_) is None


def test_b6_a_carriers_message_is_cut() -> None:
    refused = CarrierRejected("m" * 5000, status=400, code="c" * 5000)
    assert (len(refused.message), len(refused.code)) == (256, 256)
    assert len(str(refused)) < 600


@pytest.mark.parametrize(
    ("read", "full", "less"),
    [
        (_twilio, "TN-Validation-Passed-A", ("TN-Validation-Passed-B", "TN-Validation-Failed-A", "", None)),
        (_telnyx, "A", ("B", "C", "", None)),
        (_plivo, "Verified", ("Not Verified", "Not Applicable", "", None)),
        (_mock, True, (False, "true", 1, None)),
    ],
)
def test_b18_only_a_full_attestation_verifies_a_number(
    read: Callable[..., Webhook], full: object, less: tuple[object, ...]
) -> None:
    """Level A: the caller's own carrier vouches that the number is theirs."""
    assert read("+15550002000", full).verified
    assert not any(read("+15550002000", other).verified for other in less)


def test_b18_the_attestation_counts_only_for_a_validated_signature() -> None:
    """Telnyx reports what the header says, and in another field whether its signature is valid."""
    payload = {"call_control_id": "v3:leg-1", "direction": "incoming", "from": "+15550002000", "to": "+1555"}
    attested = {**payload, "shaken_stir_attestation": "A", "shaken_stir_validated": False}
    assert not telnyx({"data": {"id": "1", "event_type": "call.initiated", "payload": attested}}).verified

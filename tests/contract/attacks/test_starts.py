"""Attacks 7 and 8: an ingress that could not verify webhooks does not start."""

from pathlib import Path
from typing import Any

import pytest

from tests.contract.attacks.requests import ACCOUNT, CONFIG, PLIVO, TELNYX
from tests.contract.attacks.target import start


def log_of_failed_start(config: dict[str, Any], place: Path) -> str:
    """What a process prints that exits because of its configuration."""
    process = start(config, "redis://127.0.0.1:1/0", place)
    try:
        assert process.wait(20) == 78
    finally:
        process.kill()
        process.wait()
    log = (place / "log").read_text()
    assert "Traceback" not in log
    return log


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({**CONFIG, "twilio": {"accountSid": ACCOUNT, "authToken": ""}}, "twilio.authToken"),
        ({**TELNYX, "telnyx": {"apiKey": "k", "connectionId": "1"}}, "telnyx.publicKey"),
        ({**TELNYX, "telnyx": {"apiKey": "k", "connectionId": "1", "publicKey": "x"}}, "telnyx.publicKey"),
        ({**PLIVO, "plivo": {"authId": "MA"}}, "plivo.authToken"),
    ],
    ids=["twilio", "telnyx", "telnyx-bad-key", "plivo"],
)
def test_attack_07_no_key_to_verify_with(tmp_path: Path, config: dict[str, Any], word: str) -> None:
    """The start fails with the reason; unverified webhooks are never accepted (CVE-2026-26319)."""
    assert word in log_of_failed_start(config, tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        {**CONFIG, "skipSignatureVerification": True},
        {**TELNYX, "publicUrl": "http://127.0.0.1/w", "serve": {"bind": "0.0.0.0"}, "skipSignatureVerification": True},
        {**PLIVO, "publicUrl": None, "tunnel": {"provider": "ngrok"}, "skipSignatureVerification": True},
    ],
    ids=["public-url", "public-address", "tunnel"],
)
def test_attack_08_verification_switched_off_on_a_reachable_ingress(tmp_path: Path, config: dict[str, Any]) -> None:
    assert "skipSignatureVerification" in log_of_failed_start(config, tmp_path)

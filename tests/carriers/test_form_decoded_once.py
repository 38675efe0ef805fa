"""The form that a signature was checked over is the form that is parsed: it is decoded once."""

from dataclasses import replace
from typing import Any

import pytest

from tests.carriers import plivo_requests, twilio_requests


@pytest.mark.parametrize("carrier", [twilio_requests, plivo_requests], ids=["twilio", "plivo"])
def test_a_verified_form_is_not_read_from_the_body_again(carrier: Any) -> None:
    request, codec = carrier.signed(carrier.VOICE), carrier.codec()
    form = codec.verify(request).form
    assert form == list(carrier.VOICE.items())
    assert codec.parse(replace(request, body=b"\xff"), form) == codec.parse(request)


def test_without_verification_the_body_is_decoded_when_it_is_parsed() -> None:
    codec = twilio_requests.codec(skip_verification=True)
    request = twilio_requests.signed(twilio_requests.VOICE)
    assert codec.verify(request).form is None
    assert codec.parse(request, None).leg == twilio_requests.VOICE["CallSid"]

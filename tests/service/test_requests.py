"""What a request to place a call may hold, checked before anything is dialled."""

import pytest

from voicecall.call.ids import RequestId
from voicecall.errors import InvalidRequest
from voicecall.service import CallRequest
from voicecall.settings import Settings


def settings(*, streaming: bool) -> Settings:
    return Settings.model_validate(
        {
            "fromNumber": "+12025550100",
            "streaming": {"enabled": streaming},
            "tts": {"maxTextLength": 500},
        }
    )


@pytest.mark.parametrize("field", ["message", "voicemail_message"])
def test_a13_what_the_voice_would_refuse_to_say_is_refused_before_dialling(field: str) -> None:
    """The callee would hear an apology only."""
    request = CallRequest(to="+12025550123", **{field: "x" * 501})  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="500 characters"):
        request.to_event(settings(streaming=True), RequestId("r"))
    assert CallRequest(to="+12025550123", message="x" * 500).to_event(settings(streaming=True), RequestId("r"))


def test_a13_the_carrier_s_own_voice_has_another_limit() -> None:
    """`tts` is not used there; a long text is said in parts."""
    placed = CallRequest(to="+12025550123", message="x" * 3900).to_event(settings(streaming=False), RequestId("r"))
    assert placed.policy.longest_prompt > 0

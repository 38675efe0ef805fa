"""A media socket's path names its call and carries its secret, and never contradicts the start frame."""

import secrets
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicecall.call.ids import CallId, LegId, StreamId
from voicecall.carriers.common.stream_path import completed, personal_url
from voicecall.errors import WebhookRejected
from voicecall.ports import MediaStarted

_CALL = CallId("6f1c2f7e-3b7a-4c1e-9a55-0d9f3a1b2c3d")
_OTHER = CallId("7f1c2f7e-3b7a-4c1e-9a55-0d9f3a1b2c3d")
_PATH = "/voice/stream"
_BARE = MediaStarted(stream=StreamId("s"), leg=LegId("l"), call="", token="")


def test_what_was_written_is_read() -> None:
    """With the tokens that the ingress makes."""
    token = secrets.token_urlsafe(16)
    path = urlsplit(personal_url(f"wss://h.example{_PATH}", _CALL, token)).path
    assert completed(_BARE, path, _PATH) == replace(_BARE, call=_CALL, token=token)
    named = replace(_BARE, call=_CALL)
    assert completed(named, path, _PATH) == replace(named, token=token)


def test_a_plain_path_adds_nothing() -> None:
    """Twilio's way: everything is in the start frame."""
    whole = replace(_BARE, call=_CALL, token="t")
    assert completed(whole, _PATH, _PATH) == whole


def test_a_path_of_another_call_is_refused() -> None:
    """A good token of one call does not open another's stream."""
    path = f"{_PATH}/{_CALL}/t"
    for started in (replace(_BARE, call=_OTHER), replace(_BARE, call=_CALL, token="other")):
        with pytest.raises(WebhookRejected, match="media-path"):
            completed(started, path, _PATH)


@pytest.mark.parametrize(
    "path",
    ["", "/", f"/voice/streams/{_CALL}/t", f"{_PATH}/", f"{_PATH}/{_CALL}", f"{_PATH}/{_CALL}/", f"{_PATH}/x/t"]
    + [f"{_PATH}/{_CALL}/{token}" for token in ("t/", "t/u", "a%2Fb", "é", "..", "t\n", "t" * 129)]
    + [f"{_PATH}/{_CALL.upper()}/t", f"{_PATH}//{_CALL}/t"],
)
def test_any_other_path_is_refused(path: str) -> None:
    """Attack 62: one spelling."""
    with pytest.raises(WebhookRejected, match="media-path") as refused:
        completed(_BARE, path, _PATH)
    assert refused.value.status == 400


@given(path=st.text(max_size=80))
def test_only_a_rejection_comes_out(path: str) -> None:
    """Whatever the path."""
    with pytest.raises(WebhookRejected):
        completed(_BARE, path if path != _PATH else "/", _PATH)

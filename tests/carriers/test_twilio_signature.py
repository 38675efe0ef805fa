"""What Twilio signed gets in, and nothing else; Twilio's SDK is the oracle."""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.carriers.twilio_requests import ACCOUNT, TOKEN, URL, VOICE, codec, raw, signature, signed, voice
from voicecall.carriers.twilio.twiml import RETRIES
from voicecall.errors import ConfigError, WebhookRejected
from voicecall.ports import WebhookRequest

_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
_FIELDS = st.dictionaries(_TEXT.filter(bool), _TEXT, max_size=12)
_URLS = st.builds(
    "{}://{}{}/{}{}".format,
    st.sampled_from(["https", "http"]),
    st.sampled_from(["calls.example.com", "user:pass@calls.example.com", "127.0.0.1"]),
    st.sampled_from(["", ":8443", ":443", ":80"]),
    st.sampled_from(["", "voice/webhook", "a%20b/c"]),
    st.sampled_from(["", "?callId=1", "?a=%2B1&b=&b=x+y"]),
)


def refusal(request: WebhookRequest) -> WebhookRejected:
    with pytest.raises(WebhookRejected) as refused:
        codec().verify(request)
    return refused.value


@given(url=_URLS, fields=_FIELDS)
def test_what_the_sdk_signs_gets_in(url: str, fields: Mapping[str, str]) -> None:
    """Any URL, any fields, any script."""
    assert codec().verify(signed(fields, url=url)).key.startswith("twilio:")


@given(fields=_FIELDS, data=st.data())
def test_a_changed_request_is_refused(fields: Mapping[str, str], data: st.DataObject) -> None:
    """The signature covers the URL and every field: touch one and it is void."""
    request = signed(fields)
    change = data.draw(st.sampled_from(["url", "query", "field", "signature", "token"]))
    if change == "url":
        request = replace(request, url=URL + "x")
    elif change == "query":
        request = replace(request, url=URL + "?type=status")
    elif change == "field":
        request = replace(request, body=request.body + b"&Extra=1")
    elif change == "token":
        request = signed(fields, token=TOKEN[::-1])
    else:
        digest = bytearray(b64decode(request.headers["x-twilio-signature"]))
        digest[data.draw(st.integers(0, 19))] ^= 1 << data.draw(st.integers(0, 7))
        request = raw(request.body, signature=b64encode(digest).decode())
    assert refusal(request).status == 401


@given(body=st.binary(max_size=300), header=st.text(max_size=60), url=st.text(max_size=60))
def test_only_a_rejection_comes_out_of_verify(body: bytes, header: str, url: str) -> None:
    """Whatever the bytes: never another exception, so never a 500."""
    for kind in ("application/x-www-form-urlencoded", "application/json", "text/plain", header):
        refusal(raw(body, url=url, signature=header, content_type=kind))
        refusal(raw(body, url=url, signature="A" * 27 + "=", content_type=kind))


@pytest.mark.parametrize(
    "header",
    ["", "A", "A" * 10_000, "é" * 28, "\udcff" * 28, "A" * 28, "A" * 27 + "=\n", " " + "A" * 27 + "="],
)
def test_a_malformed_signature_is_refused(header: str) -> None:
    """Attacks 2 and 5: nothing that is not base64 of twenty bytes reaches the comparison."""
    rejected = refusal(raw(urlencode(VOICE).encode(), signature=header))
    assert rejected.status == 401
    assert rejected.reason in {"signature-missing", "signature-malformed"}


def test_the_key_is_of_what_was_signed_and_not_of_its_spelling() -> None:
    """Attack 16: reordered, repeated, folded and re-escaped forms share the signature, so they share the key."""
    fields = voice()
    mark = signature(URL, fields)
    reordered = urlencode(list(reversed(fields.items())))
    repeated = urlencode([*fields.items(), ("From", fields["From"])])
    folded = urlencode(fields).replace("CallStatus=ringing", "CallStatusringing=")
    escaped = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
    keys = {codec().verify(raw(body.encode(), signature=mark)).key for body in (reordered, repeated, folded, escaped)}
    assert keys == {codec().verify(signed(fields)).key}
    assert len(keys | {codec().verify(signed(voice(CallStatus="completed"))).key}) == 2


@pytest.mark.parametrize("given_url", ["https://h.example/x", "https://h.example:443/x"])
@pytest.mark.parametrize("signed_url", ["https://h.example/x", "https://h.example:443/x"])
def test_the_standard_port_may_be_written_or_not(given_url: str, signed_url: str) -> None:
    """Twilio is not consistent about it."""
    request = raw(b"A=1", url=given_url, signature=signature(signed_url, {"A": "1"}))
    assert codec().verify(request).key


def test_a_port_that_is_not_configured_is_refused() -> None:
    """Attack 14. Signed by hand: the SDK adds and removes ports by itself when it validates, not when it signs."""
    mark = signature("https://h.example:8443/x", {"A": "1"})
    assert refusal(raw(b"A=1", url="https://h.example/x", signature=mark)).reason == "signature-mismatch"
    assert codec().verify(raw(b"A=1", url="https://h.example:8443/x", signature=mark)).key


def test_both_tokens_are_good_while_one_is_rotated_out() -> None:
    """Attack 92: two valid secrets for a window; then the old one is worth nothing."""
    rotating = codec(auth_tokens=("new-token", TOKEN))
    assert rotating.verify(signed(VOICE)) == codec().verify(signed(VOICE))
    assert rotating.verify(signed(VOICE, token="new-token")).key
    with pytest.raises(WebhookRejected):
        codec(auth_tokens=("new-token",)).verify(signed(VOICE))


@pytest.mark.parametrize("tokens", [(), ("",), (TOKEN, "")])
def test_no_codec_without_a_token(tokens: tuple[str, ...]) -> None:
    """Attack 7: an empty key would let everybody sign."""
    with pytest.raises(ConfigError):
        codec(auth_tokens=tokens)


def test_a_json_body_needs_its_hash_in_the_signed_url() -> None:
    """Without it the signature says nothing about the body."""
    body = b'{"a":1}'
    bare, hashed = URL, f"{URL}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    assert codec().verify(raw(body, url=hashed, signature=signature(hashed, {}), content_type="application/json")).key
    for url, sent in ((bare, body), (hashed, body + b" ")):
        request = raw(sent, url=url, signature=signature(url, {}), content_type="application/json")
        assert refusal(request).reason == "signature-body-hash"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("multipart/form-data; boundary=x", 415),
        ("text/plain", 415),
        ("", 415),
        ("application/x-www-form-urlencoded; charset=utf-16", 415),
        ("application/x-www-form-urlencoded; charset=UTF-8", 0),
        ('Application/X-WWW-Form-Urlencoded;charset="utf-8"', 0),
    ],
)
def test_only_the_content_type_that_twilio_sends(content_type: str, status: int) -> None:
    """Attacks 31 and 35: bytes under another label were not what Twilio signed."""
    request = raw(urlencode(VOICE).encode(), signature=signature(URL, VOICE), content_type=content_type)
    if status:
        assert refusal(request).status == status
    else:
        assert codec().verify(request).key


@pytest.mark.parametrize(
    ("body", "reason", "status"),
    [
        ("&".join(f"f{n}=1" for n in range(201)).encode(), "form-fields", 400),
        (b"&" * 10_000, "form-fields", 400),
        (b"a=" + b"x" * 65_536, "form-size", 413),
        (b"a=%ff", "form-encoding", 400),
        (b"a=\xff", "form-encoding", 400),
        (b"%ed%a0%80=1", "form-encoding", 400),
    ],
)
def test_a_form_that_twilio_never_sends_is_not_even_hashed(body: bytes, reason: str, status: int) -> None:
    """Attack 32: the cost of refusing is bounded before the signature is looked at."""
    rejected = refusal(raw(body, signature="A" * 27 + "="))
    assert (rejected.reason, rejected.status) == (reason, status)


def test_the_gate_before_the_body_sees_only_the_header() -> None:
    """Attack 1."""
    assert codec().looks_signed({"x-twilio-signature": "x"})
    assert not codec().looks_signed({})
    assert not codec().looks_signed({"x-twilio-signature": ""})


@pytest.mark.parametrize("seen", ["wss://h.example/voice/stream", "https://h.example/voice/stream"])
@pytest.mark.parametrize("signed_as", ["wss://h.example/voice/stream", "https://h.example/voice/stream"])
def test_a_handshake_may_be_signed_over_either_scheme(seen: str, signed_as: str) -> None:
    """Twilio signs wss://, servers see https://."""
    codec().verify_upgrade(seen, {"x-twilio-signature": signature(signed_as, {})})


@pytest.mark.parametrize("mark", ["", "A" * 27 + "=", "é", signature("wss://h.example/other", {})])
def test_a_handshake_with_a_wrong_signature_is_refused(mark: str) -> None:
    """Attack 61. Without a header at all the single-use token in `start` decides."""
    with pytest.raises(WebhookRejected) as refused:
        codec().verify_upgrade("wss://h.example/voice/stream", {"x-twilio-signature": mark})
    assert refused.value.status == 401
    codec().verify_upgrade("wss://h.example/voice/stream", {})


def test_without_verification_each_request_still_has_its_key() -> None:
    """Replays are recognised by method, URL and body."""
    believing = codec(auth_tokens=(), skip_verification=True)
    one, other = raw(b"a=1"), raw(b"a=2")
    assert believing.looks_signed({})
    assert believing.verify(one) == believing.verify(replace(one, headers={}))
    assert len({believing.verify(request).key for request in (one, other, replace(one, url=URL + "?x"))}) == 3
    assert ACCOUNT not in believing.verify(one).key


@given(fields=_FIELDS)
def test_a_retry_rule_behind_our_url_may_be_signed_or_not(fields: Mapping[str, str]) -> None:
    """It is not sent, and whether Twilio signs it is not documented."""
    with_rule = replace(signed(fields, url=f"{URL}?callId=1{RETRIES}"), url=f"{URL}?callId=1")
    assert codec().verify(with_rule).key.startswith("twilio:")
    with_other = replace(signed(fields, url=f"{URL}?callId=1#rc=1"), url=f"{URL}?callId=1")
    assert refusal(with_other).status == 401

"""What Plivo signed gets in, and nothing else; Plivo's SDK is the oracle."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plivo.utils import (  # type: ignore[import-untyped]  # it ships no types
    validate_signature,
    validate_v3_signature,
)

from tests.carriers.plivo_requests import CALL, NONCE, TOKEN, URL, VOICE, codec, raw, signature, signed, voice
from voicecall.carriers.plivo.signature import check_signature, signed_v3
from voicecall.errors import ConfigError, WebhookRejected
from voicecall.ports import WebhookRequest

_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
_FIELDS = st.dictionaries(_TEXT.filter(bool), _TEXT, max_size=12)
# ASCII, because the SDK for Python gives up on any other query; so do our own URLs.
_QUERY = st.dictionaries(st.text("abc%&=+ ./-_~", min_size=1, max_size=5), st.text("xyz%&=+ ", max_size=5), max_size=4)
_ORIGINS = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["https", "http"]),
    st.sampled_from(["calls.example.com", "127.0.0.1"]),
    st.sampled_from(["", ":8443", ":443"]),
    st.sampled_from(["/", "/voice/webhook", "/voice/webhook/", "/a%20b/c"]),
)
_NONCES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
_STREAM = "wss://calls.example.com/voice/stream/abc/def"


def refusal(request: WebhookRequest, **changes: object) -> WebhookRejected:
    with pytest.raises(WebhookRejected) as refused:
        codec(**changes).verify(request)
    return refused.value


def url_of(origin: str, query: Mapping[str, str]) -> str:
    return f"{origin}?{urlencode(query)}" if query else origin


@given(origin=_ORIGINS, query=_QUERY, fields=_FIELDS, nonce=_NONCES)
def test_what_the_sdk_signs_gets_in(
    origin: str, query: Mapping[str, str], fields: Mapping[str, str], nonce: str
) -> None:
    """Any URL, any fields, any script, posted or got; and the SDK's own check agrees."""
    url = url_of(origin, query)
    posted = signed(fields, url=url, nonce=nonce)
    mark = posted.headers["x-plivo-signature-v3"]
    assert validate_v3_signature("POST", url, nonce, TOKEN, mark, dict(fields))
    assert codec().verify(posted).key.startswith("plivo:v3:")
    got = raw(b"", url=url, signature=signature(url, None, nonce=nonce), nonce=nonce, method="GET")
    assert validate_v3_signature("GET", url, nonce, TOKEN, got.headers["x-plivo-signature-v3"])
    assert codec().verify(got).key.startswith("plivo:v3:")


@given(fields=_FIELDS, data=st.data())
def test_a_changed_request_is_refused(fields: Mapping[str, str], data: st.DataObject) -> None:
    """The signature covers the URL, every field and the nonce: touch one and it is void."""
    request = signed(fields)
    change = data.draw(st.sampled_from(["path", "query", "field", "signature", "token", "nonce"]))
    if change == "path":
        request = replace(request, url=URL + "x")
    elif change == "query":
        request = replace(request, url=URL + "?flow=hangup")
    elif change == "field":
        request = replace(request, body=request.body + b"&Extra=1")
    elif change == "token":
        request = signed(fields, token=TOKEN[::-1])
    elif change == "nonce":
        request = replace(request, headers={**request.headers, "x-plivo-signature-v3-nonce": NONCE + "1"})
    else:
        digest = bytearray(b64decode(request.headers["x-plivo-signature-v3"]))
        digest[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
        request = raw(request.body, signature=b64encode(digest).decode())
    assert refusal(request).reason == "signature-mismatch"


@given(body=st.binary(max_size=300), header=st.text(max_size=60), nonce=st.text(max_size=30), url=st.text(max_size=60))
def test_only_a_rejection_comes_out_of_verify(body: bytes, header: str, nonce: str, url: str) -> None:
    """Whatever the bytes: never another exception, so never a 500."""
    shaped = b64encode(bytes(32)).decode()
    for mark in (header, shaped):
        for where in (url, URL, f"{URL}?{url}"):
            for method in ("POST", "GET"):
                refusal(raw(body, url=where, signature=mark, nonce=nonce, method=method))
                refusal(raw(body, url=where, signature=mark, method=method, content_type=header))
    with pytest.raises(WebhookRejected):
        codec().verify_upgrade(url, {"x-plivo-signature-v3": shaped, "x-plivo-signature-v3-nonce": nonce})


@pytest.mark.parametrize("header", ["", "A", "A" * 10_000, "é" * 44, "\udcff" * 44, "A" * 44, "A" * 43 + "=\n", ",,,"])
def test_a_malformed_signature_is_refused(header: str) -> None:
    """Attacks 2 and 5: nothing that is not base64 of 32 bytes reaches the comparison."""
    reason = refusal(raw(urlencode(VOICE).encode(), signature=header)).reason
    assert reason in {"signature-missing", "signature-malformed", "signature-mismatch"}
    assert reason != "signature-mismatch" or header.endswith("\n")


@pytest.mark.parametrize("nonce", ["", " ", "é", "\udcff", "a b", "1" * 129, "1\n"])
def test_a_nonce_is_one_short_word(nonce: str) -> None:
    """It is part of what was signed, and of our key."""
    assert refusal(raw(b"", signature=b64encode(bytes(32)).decode(), nonce=nonce)).status == 401


def test_any_of_several_signatures_will_do() -> None:
    """One for each active token; blanks around them are harmless, and a part of one is none."""
    good = signature(URL, VOICE)
    other = signature(URL, VOICE, token="another")
    body = urlencode(VOICE).encode()
    for header in (f"{other},{good}", f"{good}, {other}", f"nonsense,{good}"):
        assert codec().verify(raw(body, signature=header)) == codec().verify(signed(VOICE))
    for header in (other, f"{other},{other}", good[:-1], "x" + good, good + good):
        assert refusal(raw(body, signature=header)).status == 401


def test_the_main_account_s_signature_is_as_good() -> None:
    """A subaccount's number is signed twice; one of the tokens is configured."""
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-plivo-signature-v3": signature(URL, VOICE, token="the subaccount's"),
        "x-plivo-signature-ma-v3": signature(URL, VOICE),
        "x-plivo-signature-v3-nonce": NONCE,
    }
    request = WebhookRequest(method="POST", url=URL, headers=headers, body=urlencode(VOICE).encode())
    assert codec().verify(request) == codec().verify(signed(VOICE))
    only_main = {name: value for name, value in headers.items() if name != "x-plivo-signature-v3"}
    assert codec().looks_signed(only_main)
    assert codec().verify(replace(request, headers=only_main)).key


def test_both_tokens_are_good_while_one_is_rotated_out() -> None:
    """Attack 92: and the request has the same key with either signature."""
    rotating = codec(auth_tokens=("new-token", TOKEN))
    assert rotating.verify(signed(VOICE)) == rotating.verify(signed(VOICE, token="new-token"))
    assert refusal(signed(VOICE), auth_tokens=("new-token",)).reason == "signature-mismatch"


@pytest.mark.parametrize("tokens", [(), ("",), (TOKEN, "")])
def test_no_codec_without_a_token(tokens: tuple[str, ...]) -> None:
    """Attack 7: an empty key would let everybody sign."""
    with pytest.raises(ConfigError):
        codec(auth_tokens=tokens)


def test_the_key_is_of_what_was_signed_and_not_of_its_spelling() -> None:
    """Attack 17: what keeps the signature (other order, folded fields, other escapes) keeps the key."""
    url = f"{URL}?callId={CALL}&flow=answer"
    fields = voice()
    mark = signature(url, fields)
    body = urlencode(fields)
    spelled = [
        (url, body),
        (f"{URL}?flow=answer&callId={CALL}", body),
        (url, urlencode(list(reversed(fields.items())))),
        (url, body.replace("CallStatus=ringing", "CallStatusringing=")),
        (url, "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())),
    ]
    keys = {codec().verify(raw(body.encode(), url=url, signature=mark)).key for url, body in spelled}
    assert keys == {codec().verify(signed(fields, url=url)).key}


def test_the_nonce_distinguishes_two_equal_requests() -> None:
    """Pressing "1" twice is two facts; the same nonce again is a replay."""
    keys = {codec().verify(signed(VOICE, nonce=nonce)).key for nonce in ("1", "2", "1")}
    assert len(keys) == 2


def test_a_get_is_covered_by_its_query_alone() -> None:
    """A body beside it would be covered by nothing."""
    mark = signature(URL + "?a=1", None)
    assert codec().verify(raw(b"", url=URL + "?a=1", signature=mark, method="GET")).key
    assert refusal(raw(b"b=2", url=URL + "?a=1", signature=mark, method="GET")).reason == "signature-body"
    assert refusal(raw(b"", url=URL, signature=mark, method="PUT")).status == 405


# --- V2


def _v2(url: str = URL, body: bytes = b"", *, more: dict[str, str] | None = None) -> WebhookRequest:
    mark = b64encode(hmac.digest(TOKEN.encode(), (url.partition("?")[0] + NONCE).encode(), "sha256")).decode()
    assert validate_signature(url, NONCE, mark, TOKEN)
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-plivo-signature-v2": mark,
        "x-plivo-signature-v2-nonce": NONCE,
        **(more or {}),
    }
    return WebhookRequest(method="POST", url=url, headers=headers, body=body)


def test_b4_the_deprecated_scheme_verifies_nothing() -> None:
    """It covers neither query nor body: one captured request would sign any other."""
    for request in (_v2(), _v2(URL + "?callId=1", b"CallStatus=completed"), _v2(more={"x-plivo-signature-ma-v2": "x"})):
        assert not codec().looks_signed(request.headers)
        assert refusal(request).reason == "signature-missing"


def test_b4_a_failing_v3_is_not_saved_by_v2_nor_a_good_one_spoilt() -> None:
    """A sender who can only make V2 must not choose the scheme; Plivo sends both."""
    bad = _v2(more={"x-plivo-signature-v3": b64encode(bytes(32)).decode(), "x-plivo-signature-v3-nonce": NONCE})
    assert refusal(bad).reason == "signature-mismatch"
    assert refusal(_v2(more={"x-plivo-signature-v3-nonce": NONCE})).reason == "signature-missing"
    good = signed(VOICE)
    both = replace(good, headers={**_v2().headers, **good.headers})
    assert codec().verify(both) == codec().verify(good)


# --- the rest of the gate


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("multipart/form-data; boundary=x", 415),
        ("application/json", 415),
        ("", 415),
        ("application/x-www-form-urlencoded; charset=utf-16", 415),
        ("application/x-www-form-urlencoded; charset=UTF-8", 0),
        ('Application/X-WWW-Form-Urlencoded;charset="utf-8"', 0),
    ],
)
def test_only_the_content_type_that_plivo_sends(content_type: str, status: int) -> None:
    """Attacks 31 and 35."""
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
def test_a_form_that_plivo_never_sends_is_not_even_hashed(body: bytes, reason: str, status: int) -> None:
    """Attack 32: the cost of refusing is bounded before the signature is looked at."""
    rejected = refusal(raw(body, signature=b64encode(bytes(32)).decode()))
    assert (rejected.reason, rejected.status) == (reason, status)


def test_the_gate_before_the_body_sees_only_the_headers() -> None:
    """Attack 1: a signature and its nonce, or nothing."""
    both = {"x-plivo-signature-v3": "x", "x-plivo-signature-v3-nonce": "1"}
    assert codec().looks_signed(both)
    for name in both:
        assert not codec().looks_signed({**both, name: ""})


@pytest.mark.parametrize("seen", [_STREAM, _STREAM.replace("wss", "https"), _STREAM.replace("wss", "http")])
def test_a_handshake_is_signed_as_a_get_of_http(seen: str) -> None:
    """Only that form matched on a live call, in whichever scheme the server sees it."""
    mark = signature(_STREAM.replace("wss", "http"), None)
    codec().verify_upgrade(seen, {"x-plivo-signature-v3": mark, "x-plivo-signature-v3-nonce": NONCE})


@pytest.mark.parametrize(
    "mark", ["", "é", b64encode(bytes(32)).decode(), signature(_STREAM.replace("wss", "https"), None)]
)
def test_a_handshake_with_a_wrong_signature_is_refused(mark: str) -> None:
    """Attack 61. Without any header the single-use token in the path decides."""
    with pytest.raises(WebhookRejected) as refused:
        codec().verify_upgrade(_STREAM, {"x-plivo-signature-v3": mark, "x-plivo-signature-v3-nonce": NONCE})
    assert refused.value.status == 401
    codec().verify_upgrade(_STREAM, {})


def test_without_verification_each_request_still_has_its_key() -> None:
    """With `skip_verification`."""
    believing = codec(auth_tokens=(), skip_verification=True)
    one, other = raw(b"a=1"), raw(b"a=2")
    assert believing.looks_signed({})
    assert believing.verify(one) == believing.verify(replace(one, headers={}))
    assert len({believing.verify(request).key for request in (one, other, replace(one, url=URL + "?x"))}) == 3


@pytest.mark.parametrize(("others", "accepted"), [(7, True), (8, False), (20, False)])
def test_b14_a_long_list_of_signatures_is_refused(others: int, *, accepted: bool) -> None:
    """Each costs a comparison; Plivo sends one for each active token."""
    good = signature(URL, voice())
    headers = {
        "x-plivo-signature-v3": ",".join([*(["A" * 43 + "="] * others), good]),
        "x-plivo-signature-v3-nonce": NONCE,
    }
    outcome = nullcontext() if accepted else pytest.raises(WebhookRejected, match="signature-malformed")
    with outcome:
        check_signature(headers, (TOKEN,), signed_v3("POST", URL, list(voice().items()), NONCE))

"""What Telnyx signed gets in for five minutes, and nothing else; Telnyx's SDK is the oracle."""

import time
from base64 import b64decode, b64encode, urlsafe_b64encode
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey
from telnyx.lib.webhook_verification import WebhookVerificationError, verify_webhook_signature

from tests.carriers.telnyx_requests import NOW, PUBLIC_KEY, SECRET, URL, codec, raw, signature, signed
from voicecall.errors import ConfigError, WebhookRejected
from voicecall.ports import WebhookRequest

_BODY = b'{"data":{"event_type":"call.answered"}}'
_KEY = Ed25519PublicKey.from_public_bytes(b64decode(PUBLIC_KEY))
_DER = _KEY.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
_PEM = _KEY.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def refusal(request: WebhookRequest) -> WebhookRejected:
    with pytest.raises(WebhookRejected) as refused:
        codec().verify(request)
    return refused.value


def sdk_accepts(request: WebhookRequest, key: str) -> bool:
    """The SDK reads its own clock, so what it judges is signed now."""
    try:
        verify_webhook_signature(request.body, request.headers, key)
    except WebhookVerificationError:
        return False
    return True


@given(
    body=st.text(st.characters(codec="utf-8"), max_size=200),
    seed=st.binary(min_size=32, max_size=32),
    skew_s=st.integers(-290, 290),
    change=st.sampled_from(["nothing", "body", "timestamp", "signature", "key"]),
    bit=st.integers(0, 511),
)
def test_we_judge_as_the_sdk_judges(body: str, seed: bytes, skew_s: int, change: str, bit: int) -> None:
    """Any body, any key, signed now or a moment ago; then any one thing touched."""
    key = SigningKey(seed)
    now = int(time.time())
    request = signed(body.encode(), timestamp=str(now + skew_s), key=key)
    public = b64encode(bytes(key.verify_key)).decode()
    if change == "body":
        request = replace(request, body=request.body + b" ")
    elif change == "timestamp":
        request = replace(request, headers={**request.headers, "telnyx-timestamp": str(now + skew_s + 1)})
    elif change == "signature":
        mark = bytearray(b64decode(request.headers["telnyx-signature-ed25519"]))
        mark[bit // 8] ^= 1 << bit % 8
        request = raw(request.body, signature=b64encode(mark).decode(), timestamp=str(now + skew_s))
    elif change == "key":
        public = b64encode(bytes(SigningKey(bytes(32)).verify_key)).decode()
    expected = sdk_accepts(request, public)
    assert expected is (change == "nothing" or (change == "key" and seed == bytes(32)))
    ours = codec(public_key=public, now=lambda: float(now))
    if expected:
        assert ours.verify(request).key.startswith("telnyx:")
    else:
        with pytest.raises(WebhookRejected, match="signature-mismatch"):
            ours.verify(request)


@given(body=st.binary(max_size=300), header=st.text(max_size=100), timestamp=st.text(max_size=20))
def test_only_a_rejection_comes_out_of_verify(body: bytes, header: str, timestamp: str) -> None:
    """Whatever the bytes: never another exception, so never a 500."""
    zeros = b64encode(bytes(64)).decode()
    for mark, when in ((header, timestamp), (header, str(NOW)), (zeros, timestamp), (zeros, str(NOW))):
        assert refusal(raw(body, signature=mark, timestamp=when)).status == 401


@pytest.mark.parametrize("header", ["", "A", "A" * 10_000, "é" * 88, "\udcff" * 88, "A" * 86 + "=", "A" * 88, " " * 88])
def test_a_malformed_signature_is_refused(header: str) -> None:
    """Attacks 2 and 5: nothing that is not base64 of 64 bytes reaches the curve."""
    assert refusal(raw(_BODY, signature=header)).reason in {"signature-missing", "signature-malformed"}


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "soon",
        "-1",
        "+1790000000",
        "1e9",
        "1.79e9",
        "1" * 20,
        "\uff11\uff17\uff19" + "\uff10" * 7,
        "٣",
        " 1790000000",
        "1790000000\n",
    ],
)
def test_a_timestamp_is_ascii_digits_or_nothing(timestamp: str) -> None:
    """Attack 19, although the signature over it holds."""
    body = _BODY
    mark = b64encode(bytes(SECRET.sign(timestamp.encode() + b"|" + body).signature)).decode()
    reason = refusal(raw(body, signature=mark, timestamp=timestamp)).reason
    assert reason in {"signature-missing", "signature-malformed"}


@pytest.mark.parametrize("skew_s", [-300, -299, 0, 299, 300])
@pytest.mark.parametrize("fraction", [0.0, 0.9])
def test_five_minutes_either_side_are_good(skew_s: int, fraction: float) -> None:
    """Attack 19. The edge itself is inside, and the fraction of our second does not count."""
    assert codec(now=lambda: NOW + fraction).verify(signed(_BODY, timestamp=str(NOW + skew_s))).key


@pytest.mark.parametrize("skew_s", [-301, 301, -NOW])
def test_more_than_five_minutes_are_too_much(skew_s: int) -> None:
    """Attack 19: an old request and a forged clock, although the signature holds."""
    assert refusal(signed(_BODY, timestamp=str(NOW + skew_s))).reason == "signature-stale"


def test_a_forged_old_request_is_a_mismatch_and_not_stale() -> None:
    """The label of skewed clocks counts only what Telnyx signed."""
    assert refusal(signed(_BODY, timestamp="1", key=SigningKey(bytes(32)))).reason == "signature-mismatch"


def test_every_spelling_of_a_signature_is_one_request() -> None:
    """base64 and base64url, padded or not: the same bytes, so the same key (attack 18)."""
    # A body whose signature needs both special characters, so that the alphabets differ.
    body = next(
        body
        for body in (b'{"n":%d}' % n for n in range(10_000))
        if {"+", "/"} <= set(b64encode(signature(body)).decode())
    )
    mark = signature(body)
    texts = {b64encode(mark).decode(), urlsafe_b64encode(mark).decode()}
    texts |= {text.rstrip("=") for text in texts}
    assert len(texts) == 4
    assert len({codec().verify(raw(body, signature=text)).key for text in texts}) == 1


def test_another_time_or_body_is_another_request() -> None:
    """Telnyx's own retry carries a new attempt number in its body."""
    keys = {
        codec().verify(request).key
        for request in (signed(_BODY), signed(_BODY + b" "), signed(_BODY, timestamp=str(NOW + 1)))
    }
    assert len(keys) == 3


@pytest.mark.parametrize(
    "text",
    [
        PUBLIC_KEY,
        f"  {PUBLIC_KEY}\n",
        b64encode(_DER).decode(),
        _PEM,
        _PEM.replace("\n", "\\n"),
        _PEM.replace("\n", "\r\n"),
    ],
)
def test_the_key_is_read_however_the_portal_gave_it(text: str) -> None:
    """As PEM, base64 of the bytes, or base64 of DER."""
    assert codec(public_key=text).verify(signed(_BODY)) == codec().verify(signed(_BODY))


_CURVE = generate_private_key(SECP256R1()).public_key()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "KEY0123456789",
        "é",
        b64encode(bytes(31)).decode(),
        b64encode(bytes(64)).decode(),
        PUBLIC_KEY[:-1],
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        _CURVE.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        b64encode(_CURVE.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode(),
    ],
)
def test_no_codec_without_a_key(text: str) -> None:
    """Attack 7: reported at start, not at the first webhook."""
    with pytest.raises(ConfigError, match=r"telnyx\.publicKey"):
        codec(public_key=text)


def test_the_gate_before_the_body_sees_only_the_headers() -> None:
    """Attack 1: both or nothing."""
    both = {"telnyx-signature-ed25519": "x", "telnyx-timestamp": "1"}
    assert codec().looks_signed(both)
    for name in both:
        assert not codec().looks_signed({**both, name: ""})
        assert not codec().looks_signed({name: "x"})


def test_without_verification_each_request_still_has_its_key() -> None:
    """No key is needed then."""
    believing = codec(public_key="", skip_verification=True)
    one, other = raw(b"1", signature=""), raw(b"2", signature="")
    assert believing.looks_signed({})
    assert believing.verify(one) == believing.verify(replace(one, headers={}))
    keys = {believing.verify(request).key for request in (one, other, replace(one, url=URL + "?x"))}
    assert len(keys) == 3


def test_a_handshake_is_not_signed() -> None:
    """The token in the path decides; nothing here may stand in its way."""
    codec().verify_upgrade("wss://calls.example.com/voice/stream", {})

"""Attacks 1-25: forged and repeated webhooks. On Twilio's ingress where no other carrier is named."""

import re

import pytest

from tests.contract.attacks.requests import (
    URL,
    form,
    new_leg,
    plivo,
    plivo_form,
    telnyx,
    telnyx_event,
    twilio,
)
from tests.contract.attacks.target import Target

_UNREAD = {"Content-Length": "60000"}  # announced and never sent: an answer proves that the body was not waited for
_SIGNATURE = {"twilio": "X-Twilio-Signature", "telnyx": "Telnyx-Signature-Ed25519", "plivo": "X-Plivo-Signature-V3"}
CARRIERS = ("twilio", "telnyx", "plivo")


@pytest.fixture(params=CARRIERS)
def carrier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def target(carrier: str, request: pytest.FixtureRequest) -> Target:
    found = request.getfixturevalue(f"{carrier}_target")
    assert isinstance(found, Target)
    return found


def first_request(carrier: str, **options: object) -> bytes:
    if carrier == "telnyx":
        return telnyx(telnyx_event(), **options)  # type: ignore[arg-type]
    if carrier == "plivo":
        return plivo(plivo_form(), **options)  # type: ignore[arg-type]
    return twilio(form(), **options)  # type: ignore[arg-type]


def test_the_unforged_requests_are_accepted(target: Target, carrier: str) -> None:
    """Without it the refusals below would prove nothing."""
    state = target.state()
    assert target.exchange(first_request(carrier)).status == 200
    assert target.state() != state


def test_attack_01_no_signature(target: Target, carrier: str) -> None:
    """Refused by its head alone: the body is not read."""
    unsigned = first_request(carrier, headers={_SIGNATURE[carrier]: None, **_UNREAD})
    assert target.refuses(unsigned.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", 401) == "signature-missing"


@pytest.mark.parametrize("signature", ["", "x", "A" * 10_000], ids=["empty", "one", "10k"])
def test_attack_02_empty_short_and_huge_signatures(target: Target, carrier: str, signature: str) -> None:
    target.refuses(first_request(carrier, headers={_SIGNATURE[carrier]: signature}), 401)


@pytest.mark.parametrize(
    "change",
    [{"signed_url": "https://calls.example/voice/stream"}, {"token": "other"}, {"sent": b"CallSid=CA"}],
    ids=["path", "token", "body"],
)
def test_attack_04_twilio_signed_something_else(twilio_target: Target, change: dict[str, object]) -> None:
    assert twilio_target.refuses(twilio(form(), **change), 401) == "signature-mismatch"  # type: ignore[arg-type]


def test_attack_04_another_query_than_signed(twilio_target: Target) -> None:
    signed = twilio(form(), query="callId=a")
    assert twilio_target.refuses(signed.replace(b"callId=a", b"callId=b"), 401) == "signature-mismatch"


@pytest.mark.parametrize("change", [{"signed_body": b"{}"}, {"timestamp": "1"}], ids=["body", "timestamp"])
def test_attack_04_telnyx_signed_something_else(telnyx_target: Target, change: dict[str, object]) -> None:
    telnyx_target.refuses(telnyx(telnyx_event(), **change), 401)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [{"signed_url": "https://calls.example/voice/stream"}, {"signed_fields": {}}, {"signed_query": "a=b"}],
    ids=["path", "body", "query"],
)
def test_attack_04_plivo_signed_something_else(plivo_target: Target, change: dict[str, object]) -> None:
    assert plivo_target.refuses(plivo(plivo_form(), **change), 401) == "signature-mismatch"  # type: ignore[arg-type]


@pytest.mark.parametrize("signature", ["caf\udce9", "\udcff" * 28, "\u0661" * 28])
def test_attack_05_non_ascii_signature(target: Target, carrier: str, signature: str) -> None:
    """`compare_digest` raises for such text; the answer is a 401, not a 500."""
    target.refuses(first_request(carrier, headers={_SIGNATURE[carrier]: signature}), 401)


def test_attack_10_forged_host_and_forwarding_headers(twilio_target: Target) -> None:
    """Only the configuration names the signed URL, and no forged host appears in an answer."""
    forged: dict[str, str | None] = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "Forwarded": "host=evil.example",
        "X-Original-URL": "/evil",
        "X-Original-Host": "evil.example",
        "Ngrok-Forwarded-Host": "evil.example",
    }
    answer = twilio_target.exchange(twilio(form(), headers=forged))
    assert answer.status == 200
    assert b"evil" not in answer.body
    assert twilio_target.refuses(twilio(form(), headers=forged, signed_url="http://evil.example/voice/webhook"), 401)


def test_attack_11_a_trusted_proxy_for_a_foreign_host(proxied_target: Target) -> None:
    foreign: dict[str, str | None] = {"X-Forwarded-Host": "evil.example"}
    assert proxied_target.refuses(twilio(form(), headers=foreign), 401) == "forwarded-host"
    assert proxied_target.exchange(twilio(form(), headers={"X-Forwarded-Host": "calls.example"})).status == 200


@pytest.mark.parametrize(
    "target",
    [
        "http://calls.example/voice/webhook",
        "//voice/webhook",
        "/voice/./webhook",
        "/voice/%2e/webhook",
        "/voice/%77ebhook",
        "/VOICE/webhook",
        "/voice/webhook;x=1",
        "/voice/webhook//",
        "/voice/webhook/..",
    ],
)
def test_attack_13_other_spellings_of_the_path(twilio_target: Target, target: str) -> None:
    assert twilio_target.refuses(twilio(form(), target=target), 404) == "path"


def test_attack_13_a_trailing_slash_is_the_same_route_and_the_configured_url_is_signed(twilio_target: Target) -> None:
    assert twilio_target.exchange(twilio(form(), target="/voice/webhook/")).status == 200
    twilio_target.refuses(twilio(form(), target="/voice/webhook/", signed_url=URL + "/"), 401)


@pytest.mark.parametrize(("port", "status"), [(":443", 200), (":8443", 401), (":80", 401), (":0443", 401)])
def test_attack_14_ports_that_are_not_configured(twilio_target: Target, port: str, status: int) -> None:
    """The scheme's standard port is the same URL; Twilio's SDK would accept any port."""
    signed = twilio(form(), signed_url=f"https://calls.example{port}/voice/webhook")
    if status == 200:
        assert twilio_target.exchange(signed).status == 200
    else:
        assert twilio_target.refuses(signed, status) == "signature-mismatch"


def test_attack_16_a_repeated_or_reordered_form_is_the_same_request(twilio_target: Target) -> None:
    """All keep Twilio's signature. Another order is a replay; a repeated or folded field is refused by its form."""
    fields = form()
    first = twilio_target.exchange(twilio(fields))
    state, pairs = twilio_target.state(), list(fields.items())
    again = twilio_target.exchange(twilio(pairs[::-1]))
    assert (again.status, again.body, twilio_target.state()) == (200, first.body, state)
    twice = twilio([*pairs, pairs[0]])
    assert twilio_target.refuses(twice, 400) == "form-repeated"
    folded = [("CallSid" + fields["CallSid"][:1], fields["CallSid"][1:]), *(p for p in pairs if p[0] != "CallSid")]
    assert twilio_target.refuses(twilio(folded), 400)


@pytest.mark.parametrize("again", ["same", "reordered", "repeated"])
def test_attack_17_plivo_repeated_in_another_spelling(plivo_target: Target, again: str) -> None:
    """The replay key covers what was signed, so that a captured request counts once (CVE-2026-41395)."""
    fields = plivo_form()
    options = {"query": "a=1&b=2", "nonce": f"nonce-{again}"}
    first = plivo_target.exchange(plivo(fields, **options))  # type: ignore[arg-type]
    assert first.status == 200
    state = plivo_target.state()
    replays = plivo_target.metric("voicecall_replay_detected_total")
    if again == "reordered":
        options |= {"query": "b=2&a=1"}
        fields = dict(reversed(fields.items()))
    if again == "repeated":
        http_request = plivo(fields, **options)  # type: ignore[arg-type]
        head, _, body = http_request.partition(b"\r\n\r\n")
        body += b"&Event=StartApp"
        head = head.replace(b"Content-Length: %d" % (len(body) - 15), b"Content-Length: %d" % len(body))
        assert plivo_target.exchange(head + b"\r\n\r\n" + body).status in (400, 401)
        assert plivo_target.state() == state
        return
    answer = plivo_target.exchange(plivo(fields, **options))  # type: ignore[arg-type]
    assert (answer.status, answer.body, plivo_target.state()) == (200, first.body, state)
    assert plivo_target.metric("voicecall_replay_detected_total") == replays + 1


def test_attack_20_a_replayed_answer_webhook_mints_no_token(twilio_target: Target) -> None:
    """The stored answer, with the same token, used or not."""
    http_request = twilio(form(new_leg()))
    first = twilio_target.exchange(http_request)
    assert b'name="token"' in first.body
    state = twilio_target.state()
    assert [twilio_target.exchange(http_request).body for _ in range(3)] == [first.body] * 3
    assert twilio_target.state() == state


@pytest.mark.parametrize("carrier", ["twilio", "plivo"])
def test_attack_20_b17_a_kept_answer_holds_no_token(target: Target, carrier: str) -> None:
    """A digest is in its place; the carrier's own repetition still gets the token."""
    http_request = first_request(carrier)
    first = target.exchange(http_request)
    token = re.search(rb'(?:name="token" value="|/voice/stream/[0-9a-f-]{36}/)([\w-]{22})[."<]', first.body)
    assert token is not None
    kept = target.kept_answers()
    assert any(b"<Stream" in answer for answer in kept)
    assert [answer for answer in kept if token[1] in answer] == []
    assert target.exchange(http_request).body == first.body


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "PROPFIND"])
def test_attack_25_other_methods(twilio_target: Target, method: str) -> None:
    state, counted = twilio_target.state(), twilio_target.refusals()
    with twilio_target.connect() as line:
        line.sendall(twilio(form(), method=method))
        assert line.recv(4096).startswith(b"HTTP/1.1 405 ")
    assert twilio_target.state() == state
    assert list((twilio_target.refusals() - counted).elements()) == ["method"]


@pytest.mark.parametrize("method", ["BREW", "post", "P\u00d6ST", "POST\t"])
def test_attack_25_unknown_verbs(twilio_target: Target, method: str) -> None:
    """An unknown method is refused as malformed HTTP."""
    assert twilio_target.refuses(twilio(form(), method=method), 400) == "not-http"


@pytest.mark.parametrize("where", ["before", "after"])
def test_attack_103_b14_a_repeated_signature(target: Target, carrier: str, where: str) -> None:
    """Bad then good was 200: one reader checks the first, another believes the last."""
    good = first_request(carrier)
    line, _, rest = good.partition(b"\r\n")
    head, _, body = rest.partition(b"\r\n\r\n")
    bad = f"{_SIGNATURE[carrier]}: bad".encode()
    lines = (bad, head) if where == "before" else (head, bad)
    assert target.refuses(b"\r\n".join((line, *lines)) + b"\r\n\r\n" + body, 400) == "header-repeated"


@pytest.mark.parametrize(
    ("carrier", "name"),
    [
        ("plivo", "X-Plivo-Signature-V3-Nonce"),
        ("telnyx", "Telnyx-Timestamp"),
        ("twilio", "Content-Type"),
        ("plivo", "content-type"),
    ],
    indirect=["carrier"],
)
def test_attack_103_b14_another_repeated_header_of_the_proof(target: Target, carrier: str, name: str) -> None:
    line, _, rest = first_request(carrier).partition(b"\r\n")
    twice = line + f"\r\n{name}: x\r\n".encode() + rest
    assert target.refuses(twice, 400) in ("header-repeated", "not-http")  # the parser itself refuses some


def test_attack_104_b13_a_large_head(twilio_target: Target) -> None:
    """32 KiB in all, not 16 for each of 128 headers."""
    line, _, rest = twilio(form()).partition(b"\r\n")
    filler = b"".join(b"X-Filler-%d: %s\r\n" % (number, b"a" * 8_000) for number in range(20))
    assert twilio_target.refuses(line + b"\r\n" + filler + rest, 400) == "head-size"
    assert twilio_target.refuses(line + b"\r\n" + filler, 400) == "head-size"

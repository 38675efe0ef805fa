"""The URLs a signature may cover: `publicUrl` alone, or without it what a trusted proxy names."""

from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.signed_url import SignedUrls, clean_host, forwarded_host, is_trusted, names_foreign_host, origin_of
from simulators.twilio.signature import sign
from tests.ingress.harness import TOKEN, Phone, exchange, fields, make_settings, request, running_ingress
from voicecall.settings import Settings
from voicecall.settings.model.exposure import WebhookSecurity

PROXY = "10.0.0.1"
NGROK = {"provider": "ngrok", "allowNgrokFreeTierLoopbackBypass": True}


@pytest.mark.parametrize(
    ("security", "peer", "trusted"),
    [
        ({}, PROXY, False),
        ({"trustForwardingHeaders": True}, PROXY, True),
        ({"allowedHosts": ["a.example"]}, PROXY, True),
        ({"trustedProxyIPs": [PROXY]}, PROXY, False),
        ({"trustForwardingHeaders": True, "trustedProxyIPs": [PROXY]}, PROXY, True),
        ({"trustForwardingHeaders": True, "trustedProxyIPs": [PROXY]}, "::ffff:10.0.0.1", True),
        ({"trustForwardingHeaders": True, "trustedProxyIPs": [PROXY]}, "10.0.0.2", False),
        ({"allowedHosts": ["a.example"], "trustedProxyIPs": [PROXY]}, None, False),
        ({"allowedHosts": ["a.example"], "trustedProxyIPs": ["2001:db8::1"]}, "2001:db8::2", False),
        ({"allowedHosts": ["a.example"], "trustedProxyIPs": ["2001:db8::1"]}, "2001:DB8:0::1", True),
    ],
)
def test_which_peers_may_name_host_and_scheme(security: dict[str, Any], peer: str | None, *, trusted: bool) -> None:
    """Forwarding must be switched on *and* the peer be listed, when there is a list."""
    assert is_trusted(peer, WebhookSecurity(**security)) is trusted


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Calls.Example", "calls.example"),
        ("calls.example:8443", "calls.example"),
        ("calls.example:", "calls.example"),
        ("10.1.2.3:80", "10.1.2.3"),
        ("[2001:DB8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", None),
        ("[::1", None),
        ("[fe80::1%eth0]", None),
        ("[not-six]", None),
        ("user@calls.example", None),
        ("calls.example@evil.example", None),
        ("calls.example/x", None),
        ("calls.example:443:443", None),
        ("calls.example:x", None),
        ("calls..example", None),
        ("-calls.example", None),
        ("calls-.example", None),
        ("calls_example", None),
        ("cälls.example", None),
        ("calls.example\n", None),
        (".".join(["a" * 63] * 4), None),
        (f"{'a' * 64}.example", None),
        ("", None),
        (":443", None),
    ],
)
def test_a_host_is_a_name_of_rfc_1123_or_an_address(text: str, host: str | None) -> None:
    assert clean_host(text) == host


@pytest.mark.parametrize(
    ("headers", "allowed", "origin"),
    [
        ({"host": "a.example"}, (), "https://a.example"),
        ({"host": "a.example", "x-forwarded-proto": "http"}, (), "http://a.example"),
        ({"host": "a.example", "x-forwarded-proto": "HTTP"}, (), "https://a.example"),
        ({"host": "a.example", "x-forwarded-proto": "http,https"}, (), "https://a.example"),
        ({"host": "a.example", "x-forwarded-proto": "ftp"}, (), "https://a.example"),
        ({"host": "a.example", "x-forwarded-host": "b.example:8443, c.example"}, (), "https://b.example"),
        ({"host": "a.example", "x-forwarded-host": "x@b.example"}, (), "https://a.example"),
        ({"x-original-host": "b.example", "ngrok-forwarded-host": "c.example"}, (), "https://b.example"),
        ({"x-forwarded-host": "evil.example", "x-original-host": "B.example"}, ("b.Example",), "https://b.example"),
        ({"ngrok-forwarded-host": "c.example"}, ("c.example",), "https://c.example"),
        # No allowed host was named: the Host header counts, to which the list does not apply.
        ({"host": "a.example", "x-forwarded-host": "evil.example"}, ("b.example",), "https://a.example"),
        ({"x-forwarded-host": "[2001:db8::1]:8443"}, ("[2001:db8::1]",), "https://[2001:db8::1]"),
        ({"x-forwarded-host": "evil.example"}, ("b.example",), None),
        ({}, (), None),
    ],
)
def test_scheme_and_host_of_a_trusted_proxy(headers: dict[str, str], allowed: tuple[str, ...], origin: str) -> None:
    assert origin_of(headers, trusted=True, allowed=allowed) == origin


def test_only_the_host_header_counts_from_an_untrusted_peer() -> None:
    headers = {
        "host": "a.example",
        "x-forwarded-host": "evil.example",
        "x-original-host": "evil.example",
        "ngrok-forwarded-host": "evil.example",
        "x-forwarded-proto": "http",
    }
    assert origin_of(headers, trusted=False) == "https://a.example"


@given(st.text())
def test_a_cleaned_host_has_no_separators(text: str) -> None:
    """No character that could end a host is left, and cleaning twice changes nothing."""
    host = clean_host(text)
    if host is not None:
        assert not set(host) & set("@/?#[] \t\r\n,\\%")
        assert clean_host(f"[{host}]" if ":" in host else host) == host


@given(st.lists(st.sampled_from(["a.example", "b.example", "evil.example", "x@a.example", ""]), min_size=3, max_size=3))
def test_only_an_allowed_host_is_taken_from_forwarding_headers(named: list[str]) -> None:
    names = ("x-forwarded-host", "x-original-host", "ngrok-forwarded-host")
    found = forwarded_host(dict(zip(names, named, strict=True)), ("a.example", "b.example"))
    assert found == next((host for host in named if host in ("a.example", "b.example")), None)


_ANYTHING = st.dictionaries(
    st.sampled_from(["host", "x-forwarded-host", "x-forwarded-proto", "x-original-host", "ngrok-forwarded-host"]),
    st.text(),
)


@given(_ANYTHING, st.sampled_from([None, "127.0.0.1", "203.0.113.9", "not-an-address"]))
def test_a_public_url_is_the_only_candidate(headers: dict[str, str], peer: str | None) -> None:
    urls = SignedUrls(make_settings(webhookSecurity={"trustForwardingHeaders": True}, tunnel=NGROK))
    assert urls.webhook(peer, headers, "/voice/webhook?callId=1") == ("https://calls.example/voice/webhook?callId=1",)
    assert urls.stream(peer, headers, "/voice/stream/a/b") == ("wss://calls.example/voice/stream/a/b",)


def private(**changes: Any) -> Settings:
    return make_settings(publicUrl=None, **changes)


def test_without_a_public_url_the_proxys_host_comes_first_and_the_own_address_last() -> None:
    urls = SignedUrls(private(webhookSecurity={"allowedHosts": ["calls.example"]}))
    headers = {"host": "127.0.0.1:3334", "x-forwarded-host": "calls.example", "x-forwarded-proto": "https"}
    assert urls.webhook(PROXY, headers, "/voice/webhook/?a=%41") == (
        "https://calls.example/voice/webhook/?a=%41",
        "http://127.0.0.1:3334/voice/webhook?a=%41",
    )
    assert urls.stream(PROXY, headers, "/voice/stream") == (
        "wss://calls.example/voice/stream",
        "ws://127.0.0.1:3334/voice/stream",
    )


@pytest.mark.parametrize(
    ("peer", "changes", "widened"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("::ffff:127.0.0.5", {}, True),
        ("203.0.113.9", {}, False),
        (None, {}, False),
        ("127.0.0.1", {"tunnel": {"provider": "ngrok"}}, False),
        ("127.0.0.1", {"tunnel": {**NGROK, "provider": "none"}}, False),
        ("127.0.0.1", {"serve": {"bind": "0.0.0.0"}}, False),
        ("127.0.0.1", {"webhookSecurity": {"trustedProxyIPs": [PROXY]}}, False),
    ],
)
def test_ngrok_on_this_machine_widens_trust_and_nothing_else_does(
    peer: str | None, changes: dict[str, Any], *, widened: bool
) -> None:
    urls = SignedUrls(private(**{"tunnel": NGROK, **changes}))
    headers = {"host": "127.0.0.1", "x-forwarded-host": "me.ngrok.example"}
    assert (urls.webhook(peer, headers, "/w")[0] == "https://me.ngrok.example/w") is widened


def test_a_listed_proxy_that_names_only_foreign_hosts_is_abused() -> None:
    security = WebhookSecurity(allowedHosts=("a.example",), trustedProxyIPs=(PROXY,))
    foreign, both = {"x-forwarded-host": "evil.example"}, {"x-forwarded-host": "evil.example, a.example"}
    assert names_foreign_host(PROXY, foreign, security)
    assert names_foreign_host(PROXY, both, security)
    assert not names_foreign_host(PROXY, {**foreign, "x-original-host": "a.example"}, security)
    assert not names_foreign_host(PROXY, {}, security)
    assert not names_foreign_host("10.0.0.2", foreign, security)


_BEHIND = {"Host": "127.0.0.1", "X-Forwarded-Host": "calls.example", "X-Forwarded-Proto": "https"}


async def test_behind_a_trusted_proxy_the_url_that_the_carrier_called_is_verified() -> None:
    """URLs in answers are still built from the configuration alone (attack 52)."""
    async with running_ingress(publicUrl=None, webhookSecurity={"trustForwardingHeaders": True}) as ingress:
        answer = await exchange(ingress.port, request(fields(), headers=_BEHIND))
        assert answer.status == 200
        assert b"calls.example" not in answer.body
        signed = {**_BEHIND, "X-Twilio-Signature": sign(TOKEN, "wss://calls.example/voice/stream")}
        async with Phone.dial(ingress.port, headers=signed) as phone:
            await phone.send(event="stop")
            assert await phone.closed() == 1008  # accepted, then closed for its first frame


async def test_without_trust_the_same_headers_verify_nothing() -> None:
    async with running_ingress(publicUrl=None) as ingress:
        assert (await exchange(ingress.port, request(fields(), headers=_BEHIND))).status == 401
        signed = {**_BEHIND, "X-Twilio-Signature": sign(TOKEN, "wss://calls.example/voice/stream")}
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with Phone.dial(ingress.port, headers=signed):
                pass
        assert caught.value.status == 401


async def test_ngrok_mode_never_accepts_an_invalid_signature() -> None:
    """It only adds a URL to verify."""
    async with running_ingress(publicUrl=None, tunnel=NGROK) as ingress:
        bad = {**_BEHIND, "X-Twilio-Signature": sign("other", "https://calls.example/voice/webhook", fields().items())}
        assert (await exchange(ingress.port, request(fields(), headers=bad))).status == 401
        assert (await exchange(ingress.port, request(fields(), signed=False, headers=_BEHIND))).status == 401
        assert ingress.log.posts == 0
        assert (await exchange(ingress.port, request(fields(), headers=_BEHIND))).status == 200


async def test_a_local_carrier_signs_the_own_address() -> None:
    async with running_ingress(publicUrl=None) as ingress:
        own = sign(TOKEN, "http://127.0.0.1:3334/voice/webhook", fields().items())
        assert (await exchange(ingress.port, request(fields(), headers={"X-Twilio-Signature": own}))).status == 200


@pytest.mark.parametrize("public", ["https://calls.example/voice/webhook/", "https://calls.example/voice/webhook"])
@pytest.mark.parametrize("signed", ["https://calls.example/voice/webhook/", "https://calls.example/voice/webhook"])
async def test_a11_a_slash_at_the_end_is_verified_as_it_is_configured(public: str, signed: str) -> None:
    """On both sides or on none; the route is the same, and what the carrier is given is as configured."""
    async with running_ingress(publicUrl=public) as ingress:
        target = signed.removeprefix("https://calls.example")
        headers = {"X-Twilio-Signature": sign(TOKEN, signed, fields().items())}
        answer = await exchange(ingress.port, request(fields(), headers=headers, target=target))
        assert answer.status == (200 if public == signed else 401)
        assert answer.status == 401 or public.encode() + b"?callId=" in answer.body


async def test_a11_a_query_is_verified_and_continued_as_it_is_configured() -> None:
    """The carrier signs what it requests: the configured query, with ours behind it."""
    public = "https://calls.example/voice/webhook?tenant=7"
    async with running_ingress(publicUrl=public) as ingress:
        for signed in (public, f"{public}&callId=00000000-0000-4000-8000-000000000001"):
            target = signed.removeprefix("https://calls.example")
            headers = {"X-Twilio-Signature": sign(TOKEN, signed, fields().items())}
            answer = await exchange(ingress.port, request(fields(), headers=headers, target=target))
            assert answer.status == 200
            assert public.replace("&", "&amp;").encode() + b"&amp;callId=" in answer.body
    urls = SignedUrls(make_settings(publicUrl=public))
    assert urls.webhook(None, {}, "/voice/webhook") == (public,)
    assert urls.stream(None, {}, "/voice/stream") == ("wss://calls.example/voice/stream",)


def test_a11_a_query_follows_the_slash() -> None:
    """However the request spells its path, one URL is verified: the configured one, with the query as it came."""
    urls = SignedUrls(make_settings(publicUrl="https://calls.example/voice/webhook/"))
    for path in ("/voice/webhook/", "/voice/webhook"):
        assert urls.webhook(None, {}, f"{path}?callId=1") == ("https://calls.example/voice/webhook/?callId=1",)

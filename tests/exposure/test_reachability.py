"""No carrier is given a URL that it cannot reach from the internet."""

from typing import Any

import pytest

from voicecall.exposure.reachability import private_kind, url_problem
from voicecall.settings import Deployment, Settings


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("localhost", "loopback"),
        ("phone.localhost", "loopback"),
        ("localhost.", "loopback"),
        ("[::1]", "loopback"),
        ("[::ffff:127.0.0.1]", "loopback"),
        ("2130706433", "loopback"),
        ("0x7f000001", "loopback"),
        ("127.1", "loopback"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.5", "private"),
        ("[fd00::1]", "private"),
        ("[fc00::1]", "private"),
        ("[::ffff:10.0.0.1]", "private"),
        ("169.254.169.254", "link-local"),
        ("[fe80::1]", "link-local"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("100.127.255.255", "carrier-grade NAT"),
        ("0.0.0.0", "no address at all"),
        ("[::]", "no address at all"),
        ("192.0.2.1", "reserved"),
        ("224.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("[2001:db8::1]", "reserved"),
        ("[4000::1]", "reserved"),
        ("[ff0e::1]", "reserved"),
    ],
)
def test_addresses_that_are_unreachable_from_the_internet(host: str, kind: str) -> None:
    assert private_kind(f"https://{host}/voice/webhook") == kind
    assert private_kind(f"http://{host}:3334/voice/webhook") == kind


@pytest.mark.parametrize(
    "host",
    [
        "calls.example",
        "8.8.8.8",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.0.1",
        "100.128.0.1",
        "[2606:4700::1]",
        "dead.beef",
    ],
)
def test_addresses_that_may_be_reachable(host: str) -> None:
    """A name counts as reachable: it may resolve differently for the carrier."""
    assert private_kind(f"https://{host}/voice/webhook") is None


@pytest.mark.parametrize(
    ("provider", "deployment", "refuses"),
    [
        ("twilio", {}, True),
        ("telnyx", {}, True),
        ("plivo", {}, True),
        ("mock", {}, False),
        ("twilio", {"api_base_urls": {"twilio": "http://127.0.0.1:9"}}, False),
        ("twilio", {"api_base_urls": {"telnyx": "http://127.0.0.1:9"}}, True),
        ("telnyx", {"api_base_urls": {"telnyx": "http://127.0.0.1:9"}}, False),
        ("plivo", {"api_base_urls": {"plivo": "http://127.0.0.1:9"}}, False),
    ],
)
def test_a_carrier_at_a_configured_base_url_may_call_a_private_address(
    provider: Any, deployment: dict[str, Any], *, refuses: bool
) -> None:
    settings = Settings(provider=provider)
    problem = url_problem(settings, Deployment(**deployment), "http://192.168.1.5/voice/webhook")
    assert (problem is not None) is refuses
    if problem is not None:
        assert "192.168.1.5" in problem
        assert "publicUrl" in problem
    assert url_problem(settings, Deployment(**deployment), "https://calls.example/voice/webhook") is None


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("[64:ff9b::7f00:1]", "a NAT64 address"),
        ("[64:ff9b::10.0.0.1]", "a NAT64 address"),
        ("[64:ff9b::8.8.8.8]", "a NAT64 address"),
        ("[64:ff9b:1::a00:1]", "a NAT64 address"),
        ("[2002:7f00:1::1]", "a 6to4 address"),
        ("[2002:c0a8:101::1]", "a 6to4 address"),
        ("192.88.99.1", "a 6to4 address"),
        ("[2001:0:53aa:64c::1]", "a Teredo address"),
        ("[::127.0.0.1]", "an IPv4-compatible address"),
        ("[::a00:1]", "an IPv4-compatible address"),
        ("[::ffff:0:10.0.0.1]", "a translated IPv4 address"),
        ("[fec0::1]", "private"),
        ("[feff::1]", "private"),
        ("[::ffff:192.168.1.5]", "private"),
    ],
)
def test_b15_an_ipv4_address_inside_an_ipv6_address_is_no_way_to_us(host: str, kind: str) -> None:
    """Whatever it holds: the carrier's network does not translate it as ours does. Site-local is private."""
    assert private_kind(f"https://{host}/voice/webhook") == kind


@pytest.mark.parametrize(
    "url", ["http://calls.example/voice/webhook", "HTTP://8.8.8.8:443/w", "http://[2606:4700::1]/w"]
)
def test_b15_plain_http_is_refused_for_a_carrier_on_the_internet(url: str) -> None:
    """The message names the scheme; a carrier on this network may use it."""
    problem = url_problem(Settings(provider="telnyx"), Deployment(), url)
    assert problem is not None
    assert "is plain http" in problem
    assert url_problem(Settings(provider="telnyx"), Deployment(), "https" + url[4:]) is None
    beside = Deployment(api_base_urls={"telnyx": "http://127.0.0.1:9"})
    assert url_problem(Settings(provider="telnyx"), beside, url) is None
    assert url_problem(Settings(provider="mock"), Deployment(), url) is None


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("voice", "a name without a domain"),
        ("voice.", "a name without a domain"),
        ("ingress:8443", "a name without a domain"),
        ("nas.local", "a name of local networks"),
        ("NAS.Local.", "a name of local networks"),
        ("calls.corp.internal", "a name of local networks"),
        ("calls.home.arpa", "a name of local networks"),
        ("router.lan", "a name of local networks"),
        ("abcdefghijklmnop.onion", "a name of local networks"),
        ("localhost.localdomain", "loopback"),
        ("calls.invalid", "no address at all"),
        ("calls..example.com", "no address at all"),
        (".example.com", "no address at all"),
        ("-calls.example.com", "no address at all"),
        ("%6c%6f%63alhost.com", "no address at all"),
        ("calls.example.com:0", "no address at all"),
    ],
)
def test_b15_names_that_the_public_dns_never_has(host: str, kind: str) -> None:
    """A carrier cannot resolve them, so every call would fail."""
    assert private_kind(f"https://{host}/voice/webhook") == kind


@pytest.mark.parametrize(
    "host", ["calls.example.com.", "xn--bcher-kva.example.com", "a_b.example.com", "x.home.example"]
)
def test_b15_other_names_may_be_reachable(host: str) -> None:
    assert private_kind(f"https://{host}/voice/webhook") is None

"""What must hold between keys when the system is enabled (behaviour 1.3): each broken rule is one sentence.

Works on the document, not on the model, so that a value of the wrong type elsewhere does not hide a broken rule.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Final

from voicecall.manifests.fields import split_url
from voicecall.settings.capabilities import CARRIERS, CarrierCapabilities
from voicecall.settings.model.speech import OPENAI_URL
from voicecall.settings.reading.raw import RawSettings, at, matching
from voicecall.settings.reading.tree import Path

__all__ = ["broken_rules", "doubts"]

_CAPABILITIES: Final[Mapping[Any, CarrierCapabilities]] = CARRIERS  # asked with whatever stands under `provider`
_NO_MODELS: Final = frozenset({"", "echo", "openclaw"})  # what needs no service of its own
_FUNNEL_PORTS: Final = frozenset({443, 8443, 10_000})


def broken_rules(entered: RawSettings, environ: Mapping[str, str]) -> Iterator[str]:
    raw = entered.raw
    if raw.get("enabled") is False:
        return
    provider = _plain(raw, ("provider",), "mock")
    carrier = _CAPABILITIES.get(provider)
    if carrier is not None:
        if carrier.has_account:
            yield from _carrier_rules(entered, str(provider))
            yield from _address_rules(entered, str(provider), environ)
        yield from _stream_rules(entered)
    yield from _exposure_rules(entered)


def doubts(entered: RawSettings) -> Iterator[str]:
    """What is allowed and yet deserves a warning at start."""
    yield from entered.warnings
    raw = entered.raw
    if raw.get("skipSignatureVerification") is True:
        yield "skipSignatureVerification is true: anybody can speak in the carrier's name; for development only"
    if at(raw, ("plivo", "acceptV2")) is True:
        yield "plivo.acceptV2 is true: such signatures cover neither query nor body; remove it when Plivo signs with V3"
    if _has_account(raw) and _is_private(_plain(raw, ("publicUrl",))):
        yield "publicUrl is a loopback or private address: a real carrier cannot reach it"
    if _will_be_silent(raw):
        yield (
            f"{entered.name(('responseApiKey',))} is missing: nobody will find words for calls that converse; set it or"
            " the environment variable OPENAI_API_KEY"
        )


def _has_account(raw: Any) -> bool:
    carrier = _CAPABILITIES.get(_plain(raw, ("provider",), "mock"))
    return carrier is None or carrier.has_account


def _will_be_silent(raw: Any) -> bool:
    """Without media streams the agent may be left out, by whoever only tells people something."""
    converses = (
        _plain(raw, ("inboundPolicy",), "disabled") != "disabled"
        or _plain(raw, ("outbound", "defaultMode")) == "conversation"
    )
    has_agent = _plain(raw, ("responseApiKey",)) is not None or _plain(raw, ("responseBaseUrl",)) not in {
        None,
        OPENAI_URL,
    }
    return (
        _has_account(raw)
        and _plain(raw, ("streaming", "enabled")) is not True
        and converses
        and not has_agent
        and _agent_is_openai(raw)
    )


def _carrier_rules(entered: RawSettings, provider: str) -> Iterator[str]:
    raw = entered.raw
    for path, variable in _CAPABILITIES[provider].credentials:
        if _plain(raw, path) is None:
            yield f"{entered.name(path)} is required for {provider}; set it or the environment variable {variable}"
    if raw.get("fromNumber") is None:
        also = " or the environment variable TWILIO_FROM_NUMBER" if provider == "twilio" else ""
        yield f"{entered.name(('fromNumber',))} is required for {provider}; set it{also} to the caller ID of your calls"
    skips = raw.get("skipSignatureVerification") is True
    if provider == "telnyx" and _plain(raw, ("telnyx", "publicKey")) is None and not skips:
        yield (
            f"{entered.name(('telnyx', 'publicKey'))} is required to verify webhooks;"
            " set it or the environment variable TELNYX_PUBLIC_KEY"
        )


def _address_rules(entered: RawSettings, provider: str, environ: Mapping[str, str]) -> Iterator[str]:
    """A carrier out there must be able to call us; one we were pointed at by `*_API_BASE_URL` may stand next to us."""
    raw = entered.raw
    ours = environ.get(f"{provider.upper()}_API_BASE_URL", "").strip() != ""
    if _plain(raw, ("publicUrl",)) is None and not _is_tunnelled(raw) and not ours:
        yield (
            f"{entered.name(('publicUrl',))} is required for {provider}; set it to the webhook address the carrier"
            " can reach, as in https://calls.example/voice/webhook"
        )


def _stream_rules(entered: RawSettings) -> Iterator[str]:
    raw = entered.raw
    if _plain(raw, ("streaming", "enabled")) is not True:
        return
    for path, url_path, what in (
        (("streaming", "openaiApiKey"), ("streaming", "baseUrl"), "speech recognition"),
        *(((("responseApiKey",), ("responseBaseUrl",), "the agent"),) if _agent_is_openai(raw) else ()),
    ):
        if _plain(raw, path) is None and _plain(raw, url_path) in {None, OPENAI_URL}:
            yield (
                f"{entered.name(path)} is required for {what}; set it or the environment variable OPENAI_API_KEY,"
                f" or name a service of your own in {entered.name(url_path)}"
            )
    if not _has_voice(raw):
        yield (
            f"{entered.name(('tts', 'openai', 'apiKey'))} or {entered.name(('tts', 'elevenlabs', 'apiKey'))}"
            " is required for the voice; set one, or the environment variable OPENAI_API_KEY or ELEVENLABS_API_KEY"
        )
    webhook_path = _plain(raw, ("serve", "path")) or "/voice/webhook"
    if _plain(raw, ("streaming", "streamPath")) == webhook_path:
        yield f"{entered.name(('streaming', 'streamPath'))} is the same as serve.path; give the media sockets their own"


def _agent_is_openai(raw: Any) -> bool:
    """Whether any agent, also that of a number of ours, is a model that OpenAI's key pays for."""
    models = [_plain(raw, ("responseModel",), "openai/")]
    models += [_plain(raw, (*route, "responseModel")) for route in matching(raw, ("numbers", "*"))]
    return any(_is_openai(model) for model in models)


def _is_openai(model: Any) -> bool:
    if not isinstance(model, str) or model in _NO_MODELS:
        return False
    return "/" not in model or model.startswith("openai/")


def _has_voice(raw: Any) -> bool:
    return any(
        _plain(raw, ("tts", voice, key)) not in {None, OPENAI_URL}
        for voice in ("openai", "elevenlabs")
        for key in ("apiKey", "baseUrl")
    )


def _exposure_rules(entered: RawSettings) -> Iterator[str]:
    where = _open_to(entered.raw)
    if entered.raw.get("skipSignatureVerification") is True and where:
        # Whoever finds the door could speak in the carrier's name (reliability attack 8).
        yield (
            f"{entered.name(('skipSignatureVerification',))} is true while the door is public ({where});"
            " remove it, or stay on loopback"
        )
    port = _plain(entered.raw, ("tailscale", "port"))
    modes = {_plain(entered.raw, ("tailscale", "mode")), _plain(entered.raw, ("tunnel", "provider"))}
    if modes & {"funnel", "tailscale-funnel"} and isinstance(port, int) and port not in _FUNNEL_PORTS:
        yield f"{entered.name(('tailscale', 'port'))} {port} cannot be funnelled; use 443, 8443 or 10000"


def _open_to(raw: Any) -> str:
    """What lets others than this machine in; "" when nothing does."""
    url = _plain(raw, ("publicUrl",))
    if isinstance(url, str) and not _is_loopback(_host_of(url)):
        return "publicUrl"
    if not _is_loopback(str(_plain(raw, ("serve", "bind"), "127.0.0.1"))):
        return "serve.bind"
    return "tunnel" if _is_tunnelled(raw) else ""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host in {"", "localhost"}  # no host: a problem of its own, told elsewhere


def _is_tunnelled(raw: Any) -> bool:
    provider, mode = _plain(raw, ("tunnel", "provider")), _plain(raw, ("tailscale", "mode"))
    return provider not in {None, "none"} or mode not in {None, "off"}


def _host_of(url: str) -> str:
    parts = split_url(url)
    return (parts.hostname or "") if parts is not None else ""


def _is_private(url: Any) -> bool:
    host = _host_of(url) if isinstance(url, str) else ""
    if not host:
        return False
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return not address.is_global


def _plain(raw: Any, path: Path, default: str | None = None) -> str | int | float | None:
    """The value at `path`; "" for an object or list, which is something, but never what a rule compares with."""
    value = at(raw, path)
    if value is None:
        return default
    return value if isinstance(value, str | int | float) else ""

"""Rules between keys that must hold when the system is enabled. A broken rule is one message.

Works on the document, not on the model, so that a value of the wrong type elsewhere does not hide a broken rule.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Final

from voicecall.manifests import AGENT, CARRIERS, DEFAULT_CARRIER, DEFAULT_STT, STT, TTS
from voicecall.manifests.fields import split_url
from voicecall.manifests.manifest import AgentManifest, CarrierManifest, KeyVariable, SttManifest, TtsManifest
from voicecall.settings.reading.raw import RawSettings, at, matching
from voicecall.settings.reading.tree import Path

__all__ = ["broken_rules", "warnings"]

_NO_MODELS: Final = frozenset({"", "echo", "openclaw"})  # these need no key of a model service
_FUNNEL_PORTS: Final = frozenset({443, 8443, 10_000})


def broken_rules(entered: RawSettings, environ: Mapping[str, str]) -> Iterator[str]:
    raw = entered.raw
    if raw.get("enabled") is False:
        return
    carrier = _carrier(raw)
    if carrier is not None:
        if carrier.has_account:
            yield from _carrier_rules(entered, carrier)
            yield from _address_rules(entered, carrier, environ)
        yield from _stream_rules(entered)
    yield from _exposure_rules(entered)


def warnings(entered: RawSettings) -> Iterator[str]:
    """Warnings at start about what is allowed."""
    yield from entered.warnings
    raw = entered.raw
    if raw.get("skipSignatureVerification") is True:
        yield "skipSignatureVerification is true: any sender can act as the carrier; for development only"
    if _has_account(raw) and _is_private(_plain(raw, ("publicUrl",))):
        yield "publicUrl is a loopback or private address: a real carrier cannot reach it"
    if _will_be_silent(raw):
        yield (
            f"{entered.name(AGENT.api_key)} is missing: no agent answers in calls that converse; set it or"
            f" the environment variable {_variable_of(AGENT.variables, AGENT.api_key)}"
        )


def _has_account(raw: Any) -> bool:
    carrier = _carrier(raw)
    return carrier is None or carrier.has_account


def _carrier(raw: Any) -> CarrierManifest | None:
    """The configured carrier; None when `provider` holds another value."""
    return CARRIERS.get(str(_plain(raw, ("provider",), DEFAULT_CARRIER)))


def _will_be_silent(raw: Any) -> bool:
    """Whether conversations are configured without an agent; allowed without media streams, for notify calls."""
    converses = (
        _plain(raw, ("inboundPolicy",), "disabled") != "disabled"
        or _plain(raw, ("outbound", "defaultMode")) == "conversation"
    )
    has_agent = _has_service(raw, AGENT)
    return (
        _has_account(raw)
        and _plain(raw, ("streaming", "enabled")) is not True
        and converses
        and not has_agent
        and _agent_needs_key(raw)
    )


def _carrier_rules(entered: RawSettings, carrier: CarrierManifest) -> Iterator[str]:
    raw, provider, caller_id = entered.raw, carrier.name, ("fromNumber",)
    for path, variable in carrier.credentials:
        if _plain(raw, path) is None:
            yield f"{entered.name(path)} is required for {provider}; set it or the environment variable {variable}"
    if raw.get("fromNumber") is None:
        variable = _variable_of(carrier.variables, caller_id)
        also = f" or the environment variable {variable}" if variable else ""
        yield f"{entered.name(caller_id)} is required for {provider}; set it{also} to the caller ID of your calls"
    if raw.get("skipSignatureVerification") is True:
        return
    for path, variable in carrier.verification:
        if _plain(raw, path) is None:
            yield (
                f"{entered.name(path)} is required to verify webhooks; set it or the environment variable {variable}"
            )


def _address_rules(entered: RawSettings, carrier: CarrierManifest, environ: Mapping[str, str]) -> Iterator[str]:
    """A carrier on the internet must reach us; one that `*_API_BASE_URL` points to may stand on this machine."""
    raw, provider = entered.raw, carrier.name
    ours = environ.get(carrier.api_variable, "").strip() != ""
    if _plain(raw, ("publicUrl",)) is None and not _is_tunnelled(raw) and not ours:
        yield (
            f"{entered.name(('publicUrl',))} is required for {provider}; set it to the webhook address the carrier"
            " can reach, as in https://calls.example/voice/webhook"
        )


def _stream_rules(entered: RawSettings) -> Iterator[str]:
    raw = entered.raw
    if _plain(raw, ("streaming", "enabled")) is not True:
        return
    needed: list[tuple[SttManifest | AgentManifest, str]] = [(_stt(raw), "speech recognition")]
    if _agent_needs_key(raw):
        needed.append((AGENT, "the agent"))
    for service, what in needed:
        if not _has_service(raw, service):
            yield (
                f"{entered.name(service.api_key)} is required for {what}; set it or the environment variable"
                f" {_variable_of(service.variables, service.api_key)}, or name a service of your own in"
                f" {entered.name(service.base_url)}"
            )
    voices = [service for service in TTS.values() if service.speaks]
    if not any(_has_service(raw, service) for service in voices):
        keys = " or ".join(entered.name(service.api_key) for service in voices)
        variables = " or ".join(_variable_of(service.variables, service.api_key) for service in voices)
        yield f"{keys} is required for the voice; set one, or the environment variable {variables}"
    webhook_path = _plain(raw, ("serve", "path")) or "/voice/webhook"
    if _plain(raw, ("streaming", "streamPath")) == webhook_path:
        yield f"{entered.name(('streaming', 'streamPath'))} is the same as serve.path; give the media sockets their own"


def _stt(raw: Any) -> SttManifest:
    chosen = str(_plain(raw, ("streaming", "sttProvider"), DEFAULT_STT))
    return STT.get(chosen, STT[DEFAULT_STT])


def _has_service(raw: Any, service: SttManifest | TtsManifest | AgentManifest) -> bool:
    """Whether it has a key, or another address than its own, where no key may be needed."""
    return _plain(raw, service.api_key) is not None or _plain(raw, service.base_url) not in {None, service.default_url}


def _variable_of(variables: tuple[KeyVariable, ...], path: Path) -> str:
    """The variable that fills the key, the first of several; "" for a key that none fills."""
    return next((variable for key, variable in variables if key == path), "")


def _agent_needs_key(raw: Any) -> bool:
    """Whether any agent, also that of one of `numbers`, is a model of the service that `AGENT` describes."""
    models = [_plain(raw, ("responseModel",), f"{AGENT.name}/")]
    models += [_plain(raw, (*route, "responseModel")) for route in matching(raw, ("numbers", "*"))]
    return any(_needs_key(model) for model in models)


def _needs_key(model: Any) -> bool:
    if not isinstance(model, str) or model in _NO_MODELS:
        return False
    return "/" not in model or model.startswith(f"{AGENT.name}/")


def _exposure_rules(entered: RawSettings) -> Iterator[str]:
    where = _open_to(entered.raw)
    if entered.raw.get("skipSignatureVerification") is True and where:
        # Otherwise anyone could send webhooks as the carrier (attack 8).
        yield (
            f"{entered.name(('skipSignatureVerification',))} is true while the ingress is public ({where});"
            " remove it, or stay on loopback"
        )
    port = _plain(entered.raw, ("tailscale", "port"))
    modes = {_plain(entered.raw, ("tailscale", "mode")), _plain(entered.raw, ("tunnel", "provider"))}
    if modes & {"funnel", "tailscale-funnel"} and isinstance(port, int) and port not in _FUNNEL_PORTS:
        yield f"{entered.name(('tailscale', 'port'))} {port} cannot be funnelled; use 443, 8443 or 10000"


def _open_to(raw: Any) -> str:
    """The key that makes the ingress reachable from other machines; "" when none does."""
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
        return host in {"", "localhost"}  # a URL without a host is reported as such


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
    """The value at `path`; "" for an object or list, which is set, but equals no value that a rule compares with."""
    value = at(raw, path)
    if value is None:
        return default
    return value if isinstance(value, str | int | float) else ""

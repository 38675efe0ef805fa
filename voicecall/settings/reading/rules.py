"""Rules between keys that must hold when the system is enabled. A broken rule is one message.

Works on the document, not on the model, so that a value of the wrong type elsewhere does not hide a broken rule.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Final

from voicecall.call.tools import BUILT_IN
from voicecall.manifests import (
    AGENTS,
    CARRIERS,
    DEFAULT_CARRIER,
    DEFAULT_REALTIME,
    DEFAULT_STT,
    REALTIME,
    STT,
    TTS,
    problem_of,
)
from voicecall.manifests.fields import split_url
from voicecall.manifests.manifest import CarrierManifest, KeyVariable, SttManifest, TtsManifest
from voicecall.settings.reading.raw import RawSettings, at, matching
from voicecall.settings.reading.response_models import Place, places
from voicecall.settings.reading.tree import Path

__all__ = ["broken_rules", "warnings"]

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
        yield from _greeting_rules(entered, carrier)
    yield from _recording_rules(entered)
    yield from _model_rules(entered)
    yield from _repeated_fallbacks(entered)
    yield from _exposure_rules(entered)
    yield from _report_rules(entered)
    yield from _tool_rules(entered)


def warnings(entered: RawSettings) -> Iterator[str]:
    """Warnings at start about what is allowed."""
    yield from entered.warnings
    raw = entered.raw
    if raw.get("skipSignatureVerification") is True:
        yield "skipSignatureVerification is true: any sender can act as the carrier; for development only"
    if _has_account(raw) and _is_private(_plain(raw, ("publicUrl",))):
        yield "publicUrl is a loopback or private address: a real carrier cannot reach it"
    if _converses_natively(raw):
        yield from (
            f"{entered.name(place.api_key)} is missing: no agent answers in calls that converse; set it or"
            f" the environment variable {_key_variable(place)}"
            for place in _without_key(entered)
        )


def _report_rules(entered: RawSettings) -> Iterator[str]:
    raw, url, secret = entered.raw, ("reports", "webhook", "url"), ("reports", "webhook", "secret")
    if _plain(raw, url) is not None and at(raw, secret) is None:
        yield f"{entered.name(secret)} is required with {entered.name(url)}: receivers check the signature; set it"
    if _plain(raw, ("callbacks", "missed")) is True and _plain(raw, ("reports", "enabled")) is False:
        yield (
            f"{entered.name(('callbacks', 'missed'))} needs reports: remove {entered.name(('reports', 'enabled'))},"
            " or set callbacks.missed to false"
        )


def _has_account(raw: Any) -> bool:
    carrier = _carrier(raw)
    return carrier is None or carrier.has_account


def _carrier(raw: Any) -> CarrierManifest | None:
    """The configured carrier; None when `provider` holds another value."""
    return CARRIERS.get(str(_plain(raw, ("provider",), DEFAULT_CARRIER)))


def _converses_natively(raw: Any) -> bool:
    """Whether conversations are configured without media streams, where an agent is not required."""
    converses = (
        _plain(raw, ("inboundPolicy",), "disabled") != "disabled"
        or _plain(raw, ("outbound", "defaultMode")) == "conversation"
    )
    return _has_account(raw) and not _is_streaming(raw) and converses


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


def _tool_rules(entered: RawSettings) -> Iterator[str]:
    """Names of tools are unique, and an MCP server is reached in one way."""
    for path in matching(entered.raw, ("tools", "http", "*")):
        if path[-1] in BUILT_IN:
            yield f"{entered.name(path)} is the name of a built-in tool; give yours another"
    for path in matching(entered.raw, ("tools", "mcp", "*")):
        written = {key for key in ("url", "command") if _plain(entered.raw, (*path, key)) is not None}
        if len(written) != 1:
            problem = "has neither url nor command" if not written else "has both url and command"
            yield f"{entered.name(path)} {problem}; write the one by which the server is reached"


def _stream_rules(entered: RawSettings) -> Iterator[str]:
    raw = entered.raw
    if not _is_streaming(raw):
        return
    yield from _realtime_rules(entered)
    yield from _relay_rules(entered)
    if _plain(raw, ("relay", "enabled")) is True:
        for place in _without_key(entered):
            yield _key_required(entered, place.api_key, "the agent", _key_variable(place), place.base_url)
        return
    if _has_cascade(raw):
        yield from _recognition_rules(entered)
        for place in _without_key(entered):
            yield _key_required(entered, place.api_key, "the agent", _key_variable(place), place.base_url)
    yield from _voice_rules(entered)
    webhook_path = _plain(raw, ("serve", "path")) or "/voice/webhook"
    if _plain(raw, ("streaming", "streamPath")) == webhook_path:
        yield f"{entered.name(('streaming', 'streamPath'))} is the same as serve.path; give the media sockets their own"


def _is_streaming(raw: Any) -> bool:
    return any(_plain(raw, (block, "enabled")) is True for block in ("streaming", "realtime", "relay"))


def _has_cascade(raw: Any) -> bool:
    """Whether recognition and agent are used: everywhere but where only a model hears and answers."""
    return _plain(raw, ("realtime", "enabled")) is not True or _plain(raw, ("realtime", "fallback")) != "none"


def _relay_rules(entered: RawSettings) -> Iterator[str]:
    raw, name = entered.raw, entered.name(("relay", "enabled"))
    if _plain(raw, ("relay", "enabled")) is not True:
        return
    carrier = _carrier(raw)
    if carrier is not None and not carrier.relays:
        able = " or ".join(each.name for each in CARRIERS.values() if each.relays)
        yield f"{name} is true, and {carrier.name} does not hear and speak over a socket; use it with {able}"
    for other in ("streaming", "realtime"):
        if _plain(raw, (other, "enabled")) is True:
            yield f"{name} and {entered.name((other, 'enabled'))} are both true; choose one"


def _realtime_rules(entered: RawSettings) -> Iterator[str]:
    raw = entered.raw
    service = REALTIME.get(str(_plain(raw, ("realtime", "provider"), DEFAULT_REALTIME)))
    if _plain(raw, ("realtime", "enabled")) is not True or service is None:
        return
    has_own = _plain(raw, service.base_url) not in {None, service.default_url}
    if _plain(raw, service.api_key) is None and not has_own:
        variable = _variable_of(service.variables, service.api_key)
        yield _key_required(entered, service.api_key, "speech-to-speech", variable, service.base_url)


def _recording_rules(entered: RawSettings) -> Iterator[str]:
    raw = entered.raw
    if any(_plain(raw, (block, "enabled")) is True for block in ("streaming", "realtime")):
        return
    numbers = at(raw, ("numbers",))
    places: list[Path] = [("recording", "enabled")]
    places += [
        ("numbers", str(each), "recording", "enabled") for each in (numbers if isinstance(numbers, dict) else ())
    ]
    for place in places:
        if at(raw, place) is True:
            yield f"{entered.name(place)} needs media streams; set streaming.enabled to true, or record at the carrier"


def _voice_rules(entered: RawSettings) -> Iterator[str]:
    voices = [service for service in TTS.values() if service.speaks]
    if not any(_has_service(entered.raw, service) for service in voices):
        with_key = [service for service in voices if service.default_url is not None]
        keys = " or ".join(entered.name(service.api_key) for service in with_key)
        variables = " or ".join(_variable_of(service.variables, service.api_key) for service in with_key)
        yield f"{keys} is required for the voice; set one, or the environment variable {variables}"
    fallbacks = at(entered.raw, ("tts", "fallbacks"))
    for name in fallbacks if isinstance(fallbacks, list) else ():
        service = next((voice for voice in voices if name in voice.names), None)
        if service is not None and not _has_service(entered.raw, service):
            missing = service.api_key if service.default_url is not None else service.base_url
            yield f"{entered.name(('tts', 'fallbacks'))} names {name}, and {entered.name(missing)} is missing; set it"


def _greeting_rules(entered: RawSettings, carrier: CarrierManifest) -> Iterator[str]:
    """A greeting that the carrier itself says is part of the answer to its webhook, so it cannot be said in parts."""
    raw, longest = entered.raw, carrier.longest_prompt
    greets = _plain(raw, ("inboundPolicy",), "disabled") != "disabled" and not carrier.by_command
    if not greets or not longest or _is_streaming(raw):
        return
    for block in ((), *matching(raw, ("numbers", "*"))):
        path = (*block, "inboundGreeting")
        greeting = _plain(raw, path)
        if isinstance(greeting, str) and len(greeting) > longest:
            yield f"{entered.name(path)} has {len(greeting)} characters; {carrier.name}'s own voice says {longest}"


def _key_required(entered: RawSettings, api_key: Path, what: str, variable: str, base_url: Path) -> str:
    return (
        f"{entered.name(api_key)} is required for {what}; set it or the environment variable {variable}, or name a"
        f" service of your own in {entered.name(base_url)}"
    )


def _recognition_rules(entered: RawSettings) -> Iterator[str]:
    """Each service that may be asked can be asked, and none is its own fallback."""
    fallbacks = ("streaming", "fallbacks")
    listed = at(entered.raw, fallbacks)
    chosen = str(_plain(entered.raw, ("streaming", "provider"), DEFAULT_STT))
    names = [chosen, *(each for each in listed if isinstance(each, str))] if isinstance(listed, list) else [chosen]
    if len(set(names)) < len(names):
        yield f"{entered.name(fallbacks)} lists a service twice, or the provider itself; name each once"
    for service in (STT[name] for name in dict.fromkeys(names) if name in STT):
        if _has_service(entered.raw, service):
            continue
        if service.default_url is None:
            name = entered.name(service.base_url)
            yield (
                f"{name} is required for speech recognition by {service.name}; set it to the address of your server,"
                f" as in {service.example_url}"
            )
        else:
            variable = _variable_of(service.variables, service.api_key)
            yield _key_required(entered, service.api_key, "speech recognition", variable, service.base_url)


def _has_service(raw: Any, service: SttManifest | TtsManifest) -> bool:
    """Whether it has a key, or another address than its own, where no key may be needed."""
    has_key = _plain(raw, service.api_key) is not None and service.default_url is not None
    return has_key or _plain(raw, service.base_url) not in {None, service.default_url}


def _variable_of(variables: tuple[KeyVariable, ...], path: Path) -> str:
    """The variable that fills the key, the first of several; "" for a key that none fills."""
    return next((variable for key, variable in variables if key == path), "")


def _without_key(entered: RawSettings) -> Iterator[Place]:
    """Where the key of a model's service is missing, each place once."""
    missing = {
        place.api_key: place
        for place in places(entered)
        if place.service is not None
        and place.service.lacks_key(_text_at(entered, place.base_url), _text_at(entered, place.api_key))
    }
    yield from missing.values()


def _text_at(entered: RawSettings, path: Path) -> str | None:
    value = _plain(entered.raw, path)
    return None if value is None else str(value)


def _key_variable(place: Place) -> str:
    return place.service.key_variables[0] if place.service is not None else ""


def _model_rules(entered: RawSettings) -> Iterator[str]:
    """Else a model would be asked of a service that does not have it, with the key of another."""
    of_number = matching(entered.raw, ("numbers", "*", "responseModel"))
    fallbacks = matching(entered.raw, ("responseFallbacks", "*", "model"))
    of_numbers = matching(entered.raw, ("numbers", "*", "responseFallbacks", "*", "model"))
    for path in (("responseModel",), *of_number, *fallbacks, *of_numbers):
        model = _plain(entered.raw, path)
        if isinstance(model, str) and model.strip() and (problem := problem_of(model)):
            yield f"{entered.name(path)} {problem}"
    for place in places(entered):
        if not place.provider or at(entered.raw, place.base_url) is not None:
            continue
        name, address = entered.name(place.model_at), entered.name(place.base_url)
        if place.service is None:
            yield (
                f"{name} names an unknown provider, {place.provider[:60]!r}; the known ones are {', '.join(AGENTS)};"
                f" for a service of your own, set {address} to its address"
            )
        elif not place.service.default_url:
            yield (
                f"{address} is required for {place.provider}; set it to your own address there, as in"
                f" {place.service.example_url}"
            )


def _repeated_fallbacks(entered: RawSettings) -> Iterator[str]:
    """Each is another agent: asking one twice only costs the caller's time."""
    for route in ((), *matching(entered.raw, ("numbers", "*"))):
        entries = [at(entered.raw, entry) for entry in matching(entered.raw, (*route, "responseFallbacks", "*"))]
        seen = [str(sorted(entry.items())) for entry in entries if isinstance(entry, dict)]
        if len(set(seen)) < len(seen):
            yield f"{entered.name((*route, 'responseFallbacks'))} lists a model twice; name each once"


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

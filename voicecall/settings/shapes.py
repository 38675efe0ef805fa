"""Older and newer spellings, the host's defaults and the environment, folded into the one shape of `model`.

Plain dictionaries in, one plain dictionary out, together with where each moved key really came from, so that a problem
names what the operator wrote. Nothing here is validated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from voicecall.settings.tree import Path

__all__ = ["Draft", "at", "deep_merge", "draft_of"]

_NEVER_KEYS: Final = frozenset({"__proto__", "prototype", "constructor"})
_ENTRY: Final = ("plugins", "entries", "voice-call")

# Filled only for the selected provider (behaviour 1.2).
_PROVIDER_ENV: Final[dict[str, dict[Path, str]]] = {
    "telnyx": {
        ("telnyx", "apiKey"): "TELNYX_API_KEY",
        ("telnyx", "connectionId"): "TELNYX_CONNECTION_ID",
        ("telnyx", "publicKey"): "TELNYX_PUBLIC_KEY",
    },
    "twilio": {
        ("twilio", "accountSid"): "TWILIO_ACCOUNT_SID",
        ("twilio", "authToken"): "TWILIO_AUTH_TOKEN",
        ("fromNumber",): "TWILIO_FROM_NUMBER",
    },
    "plivo": {("plivo", "authId"): "PLIVO_AUTH_ID", ("plivo", "authToken"): "PLIVO_AUTH_TOKEN"},
    "mock": {},
}
_COMMON_ENV: Final[tuple[tuple[Path, str], ...]] = (
    (("archive", "url"), "VOICECALL_ARCHIVE_URL"),
    (("tunnel", "ngrokAuthToken"), "NGROK_AUTHTOKEN"),
    (("tunnel", "ngrokDomain"), "NGROK_DOMAIN"),
    (("streaming", "openaiApiKey"), "OPENAI_API_KEY"),
    (("tts", "openai", "apiKey"), "OPENAI_API_KEY"),
    (("responseApiKey",), "OPENAI_API_KEY"),
    (("streaming", "baseUrl"), "OPENAI_BASE_URL"),
    (("tts", "openai", "baseUrl"), "OPENAI_BASE_URL"),
    (("responseBaseUrl",), "OPENAI_BASE_URL"),
    (("tts", "elevenlabs", "apiKey"), "ELEVENLABS_API_KEY"),
    (("tts", "elevenlabs", "apiKey"), "XI_API_KEY"),
)
_MOVED: Final[tuple[tuple[Path, Path], ...]] = (
    (("streaming", "provider"), ("streaming", "sttProvider")),
    (("streaming", "providers", "openai", "apiKey"), ("streaming", "openaiApiKey")),
    (("streaming", "providers", "openai", "baseUrl"), ("streaming", "baseUrl")),
    (("streaming", "providers", "openai", "model"), ("streaming", "sttModel")),
    (("streaming", "providers", "openai", "silenceDurationMs"), ("streaming", "silenceDurationMs")),
    (("streaming", "providers", "openai", "vadThreshold"), ("streaming", "vadThreshold")),
)
_VOICES: Final = {"openai": "openai", "elevenlabs": "elevenlabs", "edge": "edge", "microsoft": "edge"}


@dataclass(slots=True)
class Draft:
    """A configuration on its way. `origin` tells, for a path that was moved, what the operator calls it."""

    raw: dict[str, Any]
    prefix: str = ""
    origin: dict[Path, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def name(self, path: Path) -> str:
        """The key as the operator wrote it, with its full path."""
        for length in range(len(path), 0, -1):
            known = self.origin.get(path[:length])
            if known is not None:
                return ".".join((known, *path[length:]))
        return self.prefix + ".".join(path)


def draft_of(document: Mapping[str, Any], environ: Mapping[str, str]) -> Draft:
    """Fold a document: the bare configuration, or a whole host configuration that holds it (behaviour 1, 8.1)."""
    draft = _opened(document)
    _fold_older_names(draft)
    _fold_newer_names(draft)
    _fold_voices(draft)
    _fold_voicemail(draft)
    _fill_from(draft, environ)
    return draft


def at(raw: Any, path: Path) -> Any:
    """The value at `path`, None when any step of it is missing or no object."""
    for key in path:
        if not isinstance(raw, dict):
            return None
        raw = raw.get(key)
    return raw


def deep_merge(core: Any, override: Any) -> Any:
    """Objects merge key by key, everything else of `override` replaces (behaviour 8.1)."""
    if not isinstance(core, dict) or not isinstance(override, dict):
        return override
    merged = {key: value for key, value in core.items() if key not in _NEVER_KEYS}
    for key, value in override.items():
        if key not in _NEVER_KEYS:
            merged[key] = deep_merge(merged[key], value) if key in merged else value
    return merged


def _opened(document: Mapping[str, Any]) -> Draft:
    if "plugins" not in document:
        return Draft(_copy(document))
    entry = at(dict(document), _ENTRY)
    config = entry.get("config") if isinstance(entry, dict) else None
    draft = Draft(_copy(config) if isinstance(config, dict) else {}, prefix=".".join((*_ENTRY, "config", "")))
    if isinstance(entry, dict) and entry.get("enabled") is False:
        draft.raw["enabled"] = False
    core = document.get("tts", at(dict(document), ("messages", "tts")))
    if isinstance(core, dict):
        draft.raw["tts"] = deep_merge(_copy(core), draft.raw.get("tts", {}))
    return draft


def _copy(value: Any) -> Any:
    """A copy whose objects may be changed; the document itself stays as it was read."""
    return {key: _copy(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value


def _fold_older_names(draft: Draft) -> None:
    raw = draft.raw
    if raw.get("provider") == "log":
        raw["provider"] = "mock"
        draft.warnings.append('provider "log" is an old name; write "mock"')
    if at(raw, ("twilio", "from")) is not None:
        draft.warnings.append("twilio.from is an old name; write fromNumber")
        number = raw["twilio"].pop("from")
        if "fromNumber" not in raw:
            raw["fromNumber"] = number
            draft.origin[("fromNumber",)] = f"{draft.prefix}twilio.from"
    old = ("tunnel", "allowNgrokFreeTier")
    if at(raw, old) is not None:
        draft.warnings.append("tunnel.allowNgrokFreeTier is an old name; write tunnel.allowNgrokFreeTierLoopbackBypass")
        allowed = raw["tunnel"].pop(old[1])
        new = "allowNgrokFreeTierLoopbackBypass"
        if raw["tunnel"].get(new) is not True:
            raw["tunnel"][new] = allowed
            draft.origin[("tunnel", new)] = draft.prefix + ".".join(old)


def _fold_newer_names(draft: Draft) -> None:
    raw = draft.raw
    if at(raw, ("streaming", "provider")) == "openai":
        raw["streaming"]["provider"] = "openai-realtime"
    for written, path in _MOVED:
        holder = at(raw, written[:-1])
        if isinstance(holder, dict) and written[-1] in holder:
            _put(raw, path, holder.pop(written[-1]))
            draft.origin[path] = draft.prefix + ".".join(written)
    # Emptied of what we know, the wrappers go; a key that stays in one is unknown and will be named.
    for wrapper in (("streaming", "providers", "openai"), ("streaming", "providers")):
        if at(raw, wrapper) == {}:
            at(raw, wrapper[:-1]).pop(wrapper[-1])


def _fold_voices(draft: Draft) -> None:
    """`tts.providers.<id>` onto `tts.<id>`: the newer shape wins where both say something."""
    providers = at(draft.raw, ("tts", "providers"))
    if not isinstance(providers, dict):
        return
    for written in [key for key in providers if key in _VOICES]:
        block = providers.pop(written)
        path = ("tts", _VOICES[written])
        held = at(draft.raw, path)
        draft.raw["tts"][path[1]] = deep_merge(held, block)
        if held is None or not isinstance(block, dict):
            draft.origin[path] = f"{draft.prefix}tts.providers.{written}"
        else:
            draft.origin |= {(*path, key): f"{draft.prefix}tts.providers.{written}.{key}" for key in block}
    if not providers:
        draft.raw["tts"].pop("providers")


def _fold_voicemail(draft: Draft) -> None:
    """The carrier's own name for its detection, and the hyphen some put into "hangup"."""
    block = at(draft.raw, ("voicemail",))
    if not isinstance(block, dict):
        return
    if block.get("detection") == "twilio" == draft.raw.get("provider"):
        block["detection"] = "carrier"
    if block.get("onMachine") == "hang-up":
        block["onMachine"] = "hangup"


def _fill_from(draft: Draft, environ: Mapping[str, str]) -> None:
    for path, variable in _fallbacks(draft.raw.get("provider", "mock")):
        value = environ.get(variable, "").strip()
        if value and at(draft.raw, path) is None and _put(draft.raw, path, value):
            draft.origin[path] = f"environment variable {variable}"


def _fallbacks(provider: Any) -> Iterator[tuple[Path, str]]:
    chosen = _PROVIDER_ENV.get(provider, {}) if isinstance(provider, str) else {}
    yield from chosen.items()
    yield from _COMMON_ENV


def _put(raw: dict[str, Any], path: Path, value: Any) -> bool:
    """Set a value, making the objects on the way; False when something else stands there already."""
    for key in path[:-1]:
        raw = raw.setdefault(key, {})
        if not isinstance(raw, dict):
            return False
    raw[path[-1]] = value
    return True

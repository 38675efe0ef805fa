"""OpenClaw's configuration, `openclaw.json`: the parts of it that are used, as one document.

Used are the entry of the voice-call plugin, whether ours takes its place, the general `tts` under the plugin's own,
`secrets` and `env`. Everything else in the file is ignored.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from voicecall.errors import ConfigError
from voicecall.manifests import TTS
from voicecall.settings.model.speech import Tts
from voicecall.settings.reading.legacy import OLDER
from voicecall.settings.reading.raw import RawSettings, at, copy_of, deep_merge
from voicecall.settings.reading.tree import Path, keys_of

__all__ = ["ENTRY", "environment_of", "is_openclaw", "plugin_config", "why_disabled"]

ENTRY: Final[Path] = ("plugins", "entries", "voice-call")
_OWN_ENTRY: Final[Path] = ("plugins", "entries", "voicecall")
_SWITCH: Final = ".".join((*ENTRY, "enabled"))
_OWN_SWITCH: Final = ".".join((*_OWN_ENTRY, "enabled"))
_TTS_NAMES: Final = {name for service in TTS.values() for name in service.names}


def is_openclaw(document: Mapping[str, Any]) -> bool:
    """Whether this is a whole `openclaw.json`, and not the plugin's part alone."""
    return "plugins" in document


def environment_of(document: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with what the `env` block adds; variables that are set win."""
    block = document.get("env")
    texts = block if isinstance(block, dict) else {}
    inner = texts.get("vars")
    added = {**texts, **(inner if isinstance(inner, dict) else {})}
    named = {name: value for name, value in added.items() if isinstance(value, str) and value.strip()}
    return {**named, **{name: value for name, value in environ.items() if value.strip() or name not in named}}


def plugin_config(document: Mapping[str, Any]) -> RawSettings:
    """The plugin's configuration in an `openclaw.json`.

    Raises ConfigError when the plugin has no entry in it, or when both plugins are enabled.
    """
    entry = at(dict(document), ENTRY)
    if not isinstance(entry, dict):
        raise ConfigError([f"{'.'.join(ENTRY)} is missing; add it, or point VOICECALL_CONFIG to another configuration"])
    config = entry.get("config", {})
    prefix = ".".join((*ENTRY, "config", ""))
    if not isinstance(config, dict):
        raise ConfigError([f"{prefix[:-1]}: is not an object; write it in {{ }}"])
    raw = RawSettings(copy_of(config), prefix=prefix)
    _choose(raw, entry.get("enabled"), at(dict(document), _OWN_ENTRY))
    _lay_under(raw, *_voices_of(document))
    secrets = document.get("secrets")
    if isinstance(secrets, dict) and "secrets" not in raw.raw:
        raw.raw["secrets"] = copy_of(secrets)
        raw.origin[("secrets",)] = "secrets"
    return raw


def why_disabled(name: str) -> str:
    """What to report of a disabled configuration. `name`: the switch as it stands in the file."""
    if name == _OWN_SWITCH:
        return (
            f"{_OWN_SWITCH} is false and {_SWITCH} is true: OpenClaw's own plugin makes the calls; for voicecall to"
            " make them, set the first to true and the second to false"
        )
    return f"{name} is false: voice-call is disabled; set it to true to start"


def _choose(raw: RawSettings, theirs: Any, own: Any) -> None:
    """Apply the switches of both plugins. `theirs`: the switch of OpenClaw's own; `own`: our entry, if there is one.

    OpenClaw's own has to be disabled where ours takes its place, and the calls are not. Raises ConfigError.
    """
    has_ours = isinstance(own, dict)
    is_ours_on = has_ours and own.get("enabled") is not False
    if theirs is True and has_ours and own.get("enabled") is True:
        problem = f"{_SWITCH} and {_OWN_SWITCH} are both true: both plugins would make the calls; set one to false"
        raise ConfigError([problem])
    if theirs is False and not is_ours_on:
        raw.raw["enabled"] = False
        raw.origin[("enabled",)] = _SWITCH
    elif theirs is True and has_ours and not is_ours_on:
        raw.raw["enabled"] = False
        raw.origin[("enabled",)] = _OWN_SWITCH
    if is_ours_on and at(own, ("config", "answerCalls")) is True and raw.raw.get("responseModel") is None:
        raw.raw["responseModel"] = "openclaw"
        raw.sources[("responseModel",)] = ".".join((*_OWN_ENTRY, "config", "answerCalls"))


def _voices_of(document: Mapping[str, Any]) -> tuple[str, Any]:
    if "tts" in document:
        return "tts", document["tts"]
    return "messages.tts", at(dict(document), ("messages", "tts"))


def _lay_under(raw: RawSettings, name: str, core: Any) -> None:
    """Merge the general `tts`, as far as calls can use it, under the plugin's; warn of what is not used."""
    own = raw.raw.get("tts", {})
    if not isinstance(core, dict) or not isinstance(own, dict):
        return
    general = copy_of(core)
    chosen = general.get("provider")
    if isinstance(chosen, str) and chosen not in _TTS_NAMES:
        raw.warnings.append(f"{name}.provider: {chosen[:60]!r} does not speak on calls; another voice does")
        general.pop("provider")
    for path in list(_unknown(general)):
        raw.warnings.append(f"{name}.{'.'.join(path)} is not used on calls")
        at(general, path[:-1]).pop(path[-1])
    for path in _texts(general):
        if at(own, path) is None:
            raw.origin[("tts", *path)] = f"{name}.{'.'.join(path)}"
            raw.sources[("tts", *path)] = name
    raw.raw["tts"] = deep_merge(general, own)


def _unknown(tts: dict[str, Any]) -> Iterator[Path]:
    known = {*keys_of(Tts), "providers", *(older[1] for older in OLDER if older[0] == "tts")}
    yield from ((key,) for key in tts if key not in known)
    providers = tts.get("providers")
    if isinstance(providers, dict):
        yield from (("providers", key) for key in providers if key not in _TTS_NAMES)
    for name, service in TTS.items():
        for path in ((name,), ("providers", name)) if service.speaks else ():
            block = at(tts, path)
            if isinstance(block, dict):
                yield from ((*path, key) for key in block if key not in keys_of(service.block))


def _texts(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*path, key))
    else:
        yield path

"""Moves older and newer spellings of keys to the one that the models have.

An older name causes a warning. The original place of a moved key is recorded, so that messages name the key as the
operator wrote it.
"""

from typing import Any, Final

from voicecall.manifests import CARRIERS, STT, TTS, plain_model
from voicecall.settings.reading.raw import RawSettings, at, deep_merge, matching, put, take
from voicecall.settings.reading.tree import Path

__all__ = ["MOVED", "OLDER", "fold"]

OLDER: Final[dict[Path, Path]] = {
    **{older: path for carrier in CARRIERS.values() for older, path in carrier.older_keys.items()},
    ("tunnel", "allowNgrokFreeTier"): ("tunnel", "allowNgrokFreeTierLoopbackBypass"),
    **{older: path for service in TTS.values() for older, path in service.older_keys.items()},
}
"""Older keys, and the keys that replaced them."""

MOVED: Final[dict[Path, Path]] = {
    ("streaming", "provider"): ("streaming", "sttProvider"),
    **{newer: path for service in STT.values() for newer, path in service.newer_keys.items()},
}
"""Newer keys of speech recognition, and the keys of the model that they mean. Both are accepted."""

_STT_NAMES: Final = {service.short_name: name for name, service in STT.items() if service.short_name}
_TTS_BLOCKS: Final = {name: key for key, service in TTS.items() for name in service.names}
_CARRIER_NAMES: Final = {older: name for name, carrier in CARRIERS.items() for older in carrier.older_names}


def fold(document: RawSettings) -> None:
    """Replace every known spelling."""
    if isinstance(document.raw.get("$schema"), str):
        del document.raw["$schema"]  # for editors
    _rename_carrier(document)
    for older, path in OLDER.items():
        _rename(document, older, path)
    _warn_of_older_stt(document)
    _fold_stt(document)
    for block in [("tts",), *((*route, "tts") for route in matching(document.raw, ("numbers", "*")))]:
        _fold_tts(document, block)
    _fold_voicemail(document)
    for model in [
        ("responseModel",),
        *((*route, "responseModel") for route in matching(document.raw, ("numbers", "*"))),
    ]:
        written = at(document.raw, model)
        if isinstance(written, str) and written.strip():
            put(document.raw, model, plain_model(written))


def _rename_carrier(document: RawSettings) -> None:
    older, key = document.raw.get("provider"), ("provider",)
    if isinstance(older, str) and older in _CARRIER_NAMES:
        name = _CARRIER_NAMES[older]
        document.raw["provider"] = name
        document.origin[key] = document.name(key)
        document.sources[key] = f'migrated from "{older}"'
        document.warnings.append(f'{document.name(key)}: "{older}" is an old name; write "{name}"')


def _rename(document: RawSettings, older: Path, path: Path) -> None:
    if at(document.raw, older) is None:
        return
    document.warnings.append(f"{document.name(older)} is an old name; write {document.name(path)}")
    value = take(document.raw, older)
    known = at(document.raw, path)
    # Of the two names of this switch, one that is on is enough.
    if known is None or (older[-1] == "allowNgrokFreeTier" and known is not True):
        put(document.raw, path, value)
        document.sources[path] = f"migrated from {'.'.join(older)}"
        document.origin[path] = document.prefix + ".".join(older)


def _warn_of_older_stt(document: RawSettings) -> None:
    newer = {path: ".".join(written) for written, path in MOVED.items() if path != ("streaming", "baseUrl")}
    found = [path for path in newer if at(document.raw, path) is not None]
    if found:
        older, newer_names = ", ".join(map(document.name, found)), ", ".join(newer[path] for path in found)
        document.warnings.append(f"{older}: older than {newer_names}; they work, and the newer names do too")


def _fold_stt(document: RawSettings) -> None:
    raw = document.raw
    chosen = at(raw, ("streaming", "provider"))
    if isinstance(chosen, str) and chosen in _STT_NAMES:
        raw["streaming"]["provider"] = _STT_NAMES[chosen]
    for written, path in MOVED.items():
        holder = at(raw, written[:-1])
        if isinstance(holder, dict) and written[-1] in holder:
            put(raw, path, holder.pop(written[-1]))
            document.move(written, path)
            document.origin.setdefault(path, document.prefix + ".".join(written))
    # A wrapper that is empty now is removed; a key that is left in one is unknown, and reported later.
    for wrapper in (*(("streaming", "providers", name) for name in _STT_NAMES), ("streaming", "providers")):
        if at(raw, wrapper) == {}:
            take(raw, wrapper)


def _fold_tts(document: RawSettings, tts: Path) -> None:
    """Move `tts.providers.<id>` to `tts.<id>`; where both have a key, the one under `providers` wins."""
    providers = at(document.raw, (*tts, "providers"))
    block: Any = at(document.raw, tts)
    if not isinstance(providers, dict):
        return
    for written in [key for key in providers if key in _TTS_BLOCKS]:
        voice = providers.pop(written)
        path, name = (*tts, _TTS_BLOCKS[written]), document.name((*tts, "providers", written))
        held = block.get(path[-1])
        block[path[-1]] = deep_merge(held, voice)
        if held is None or not isinstance(voice, dict):
            document.origin[path] = name
        else:
            document.origin |= {(*path, key): f"{name}.{key}" for key in voice}
        document.move((*tts, "providers", written), path)
    if not providers:
        block.pop("providers")


def _fold_voicemail(document: RawSettings) -> None:
    """A carrier's own name for its detection, and "hang-up" for "hangup"."""
    block = at(document.raw, ("voicemail",))
    if not isinstance(block, dict):
        return
    chosen = document.raw.get("provider")
    carrier = CARRIERS.get(chosen) if isinstance(chosen, str) else None
    if carrier is not None and block.get("detection") in carrier.detection_names:
        block["detection"] = "carrier"
    if block.get("onMachine") == "hang-up":
        block["onMachine"] = "hangup"

"""Moves older and newer spellings of keys to the one that the models have.

An older name causes a warning. The original place of a moved key is recorded, so that messages name the key as the
operator wrote it.
"""

from collections.abc import Mapping
from typing import Any, Final

from voicecall.manifests import CARRIERS, STT, TTS, plain_model
from voicecall.settings.reading.raw import RawSettings, at, deep_merge, matching, put, take
from voicecall.settings.reading.tree import Path

__all__ = ["OLDER", "fold"]

OLDER: Final[dict[Path, Path]] = {
    **{older: path for carrier in CARRIERS.values() for older, path in carrier.older_keys.items()},
    ("tunnel", "allowNgrokFreeTier"): ("tunnel", "allowNgrokFreeTierLoopbackBypass"),
    ("streaming", "sttProvider"): ("streaming", "provider"),
    **{older: path for service in STT.values() for older, path in service.older_keys.items()},
    **{older: path for service in TTS.values() for older, path in service.older_keys.items()},
}
"""Older keys, and the keys that replaced them."""

_STT_NAMES: Final = {older: name for name, service in STT.items() for older in service.older_names}
_TTS_BLOCKS: Final = {name: key for key, service in TTS.items() for name in service.names}
_CARRIER_NAMES: Final = {older: name for name, carrier in CARRIERS.items() for older in carrier.older_names}


def fold(document: RawSettings) -> None:
    """Replace every known spelling."""
    if isinstance(document.raw.get("$schema"), str):
        del document.raw["$schema"]  # for editors
    _rename_carrier(document)
    for older, path in OLDER.items():
        _rename(document, older, path)
    _rename_stt(document)
    for block in [("tts",), *((*route, "tts") for route in matching(document.raw, ("numbers", "*")))]:
        _fold_tts(document, block)
    _fold_voicemail(document)
    for route in [(), *matching(document.raw, ("numbers", "*"))]:
        _fold_fallbacks(document, (*route, "responseFallbacks"))
        fallbacks = matching(document.raw, (*route, "responseFallbacks", "*", "model"))
        for model in [(*route, "responseModel"), *fallbacks]:
            written = at(document.raw, model)
            if isinstance(written, str) and written.strip():
                put(document.raw, model, plain_model(written))


def _fold_fallbacks(document: RawSettings, path: Path) -> None:
    """A text among them is a model, whose service's own address and key are meant."""
    fallbacks = at(document.raw, path)
    for place, written in enumerate(fallbacks if isinstance(fallbacks, list) else ()):
        if isinstance(written, str):
            fallbacks[place] = {"model": written}
            document.origin[(*path, str(place), "model")] = document.name((*path, str(place)))


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


def _rename_stt(document: RawSettings) -> None:
    streaming = at(document.raw, ("streaming",))
    if not isinstance(streaming, dict):
        return
    chosen, fallbacks = streaming.get("provider"), streaming.get("fallbacks")
    if isinstance(chosen, str) and chosen in _STT_NAMES:
        streaming["provider"] = _STT_NAMES[chosen]
    if isinstance(fallbacks, list):
        streaming["fallbacks"] = [_STT_NAMES.get(name, name) if isinstance(name, str) else name for name in fallbacks]
    for older, name in _STT_NAMES.items():
        _rename_block(document, ("streaming", "providers", older), ("streaming", "providers", name))


def _rename_block(document: RawSettings, older: Path, path: Path) -> None:
    """Move a block to its name of today; where both have a key, that name's wins."""
    held = at(document.raw, older)
    if held is None:
        return
    name = document.name(older)
    take(document.raw, older)
    document.move(older, path)
    known = at(document.raw, path)
    if known is None or not isinstance(held, dict):
        document.origin[path] = name
    else:
        document.origin |= {(*path, key): f"{name}.{key}" for key in held if key not in known}
    put(document.raw, path, deep_merge(held, known) if known is not None else held)


def _fold_tts(document: RawSettings, tts: Path) -> None:
    providers = at(document.raw, (*tts, "providers"))
    block: Any = at(document.raw, tts)
    if isinstance(providers, dict):
        _fold_providers(document, tts, providers, block)
    for name, service in TTS.items():
        _respell(document, (*tts, name), service.spellings)


def _respell(document: RawSettings, path: Path, spellings: Mapping[str, str]) -> None:
    """The keys of a service by the names that other services have; its own name wins."""
    block = at(document.raw, path)
    for written, key in spellings.items() if isinstance(block, dict) else ():
        if written in block:
            value = block.pop(written)
            if key not in block:
                block[key] = value
                document.origin[(*path, key)] = document.name((*path, written))
                document.move((*path, written), (*path, key))


def _fold_providers(document: RawSettings, tts: Path, providers: dict[str, Any], block: dict[str, Any]) -> None:
    """Move `tts.providers.<id>` to `tts.<id>`; where both have a key, the one under `providers` wins."""
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

"""Older and newer spellings, folded into the one shape of `model` (behaviour 1.4, 12).

Each fold is told: an older name with a warning, and where a moved key really stood, so that a problem names what the
operator wrote.
"""

from typing import Any, Final

from voicecall.settings.reading.raw import RawSettings, at, deep_merge, matching, put, take
from voicecall.settings.reading.tree import Path

__all__ = ["MOVED", "OLDER", "fold"]

OLDER: Final[dict[Path, Path]] = {
    ("twilio", "from"): ("fromNumber",),
    ("tunnel", "allowNgrokFreeTier"): ("tunnel", "allowNgrokFreeTierLoopbackBypass"),
    ("tts", "model"): ("tts", "openai", "model"),
    ("tts", "voice"): ("tts", "openai", "voice"),
    ("tts", "instructions"): ("tts", "openai", "instructions"),
}
"""Names that are gone, and what they are called today."""

MOVED: Final[dict[Path, Path]] = {
    ("streaming", "provider"): ("streaming", "sttProvider"),
    ("streaming", "providers", "openai", "apiKey"): ("streaming", "openaiApiKey"),
    ("streaming", "providers", "openai", "baseUrl"): ("streaming", "baseUrl"),
    ("streaming", "providers", "openai", "model"): ("streaming", "sttModel"),
    ("streaming", "providers", "openai", "silenceDurationMs"): ("streaming", "silenceDurationMs"),
    ("streaming", "providers", "openai", "vadThreshold"): ("streaming", "vadThreshold"),
}
"""The newer shape of the ears, and the keys of the model it means. Both are good."""

_VOICES: Final = {"openai": "openai", "elevenlabs": "elevenlabs", "edge": "edge", "microsoft": "edge"}


def fold(document: RawSettings) -> None:
    """Every spelling we know, in one go."""
    if isinstance(document.raw.get("$schema"), str):
        del document.raw["$schema"]  # an editor's
    if document.raw.get("provider") == "log":
        document.raw["provider"] = "mock"
        document.origin[("provider",)] = document.name(("provider",))
        document.came[("provider",)] = 'migrated from "log"'
        document.warnings.append(f'{document.name(("provider",))}: "log" is an old name; write "mock"')
    for older, path in OLDER.items():
        _rename(document, older, path)
    _warn_of_older_ears(document)
    _fold_ears(document)
    for block in [("tts",), *((*route, "tts") for route in matching(document.raw, ("numbers", "*")))]:
        _fold_voices(document, block)
    _fold_voicemail(document)


def _rename(document: RawSettings, older: Path, path: Path) -> None:
    if at(document.raw, older) is None:
        return
    document.warnings.append(f"{document.name(older)} is an old name; write {document.name(path)}")
    value = take(document.raw, older)
    known = at(document.raw, path)
    # Both allow the same thing: one that does is enough (behaviour 1.4).
    if known is None or (older[-1] == "allowNgrokFreeTier" and known is not True):
        put(document.raw, path, value)
        document.came[path] = f"migrated from {'.'.join(older)}"
        document.origin[path] = document.prefix + ".".join(older)


def _warn_of_older_ears(document: RawSettings) -> None:
    newer = {path: ".".join(written) for written, path in MOVED.items() if path != ("streaming", "baseUrl")}
    found = [path for path in newer if at(document.raw, path) is not None]
    if found:
        olds, news = ", ".join(map(document.name, found)), ", ".join(newer[path] for path in found)
        document.warnings.append(f"{olds}: older than {news}; they work, and the newer names do too")


def _fold_ears(document: RawSettings) -> None:
    raw = document.raw
    if at(raw, ("streaming", "provider")) == "openai":
        raw["streaming"]["provider"] = "openai-realtime"
    for written, path in MOVED.items():
        holder = at(raw, written[:-1])
        if isinstance(holder, dict) and written[-1] in holder:
            put(raw, path, holder.pop(written[-1]))
            document.move(written, path)
            document.origin.setdefault(path, document.prefix + ".".join(written))
    # Emptied of what we know, the wrappers go; a key that stays in one is unknown and will be named.
    for wrapper in (("streaming", "providers", "openai"), ("streaming", "providers")):
        if at(raw, wrapper) == {}:
            take(raw, wrapper)


def _fold_voices(document: RawSettings, tts: Path) -> None:
    """`tts.providers.<id>` onto `tts.<id>`: the newer shape wins where both say something."""
    providers = at(document.raw, (*tts, "providers"))
    block: Any = at(document.raw, tts)
    if not isinstance(providers, dict):
        return
    for written in [key for key in providers if key in _VOICES]:
        voice = providers.pop(written)
        path, told = (*tts, _VOICES[written]), document.name((*tts, "providers", written))
        held = block.get(path[-1])
        block[path[-1]] = deep_merge(held, voice)
        if held is None or not isinstance(voice, dict):
            document.origin[path] = told
        else:
            document.origin |= {(*path, key): f"{told}.{key}" for key in voice}
        document.move((*tts, "providers", written), path)
    if not providers:
        block.pop("providers")


def _fold_voicemail(document: RawSettings) -> None:
    """The carrier's own name for its detection, and the hyphen some put into "hangup"."""
    block = at(document.raw, ("voicemail",))
    if not isinstance(block, dict):
        return
    if block.get("detection") == "twilio" == document.raw.get("provider"):
        block["detection"] = "carrier"
    if block.get("onMachine") == "hang-up":
        block["onMachine"] = "hangup"

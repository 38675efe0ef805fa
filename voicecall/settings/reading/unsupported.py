"""Refuses keys of OpenClaw's newer releases that are not supported here, and removed keys; names the alternative.

A block that is switched off causes a warning only, so that a configuration that works there loads here. One that is
switched on is refused, because the operator relies on it.
"""

from typing import Any, Final

from voicecall.manifests import CARRIERS, STT, TTS
from voicecall.settings.reading.raw import RawSettings, at, matching, take
from voicecall.settings.reading.tree import Path

__all__ = ["OTHER_STT", "OTHER_TTS", "PASSED_OVER", "refuse"]

_CONSULTS: Final = "the model of realtime has no tool that asks another agent; responseModel answers where it fails"
PASSED_OVER: Final[dict[Path, str]] = {
    **{
        ("realtime", key): _CONSULTS
        for key in ("toolPolicy", "tools", "consultPolicy", "consultThinkingLevel", "consultFastMode", "fastContext")
    },
    ("realtime", "agentContext"): "write what the model is to know into realtime.instructions",
    ("realtime", "idleHangupMs"): "turns.silenceTimeoutMs ends the call of a caller who says nothing",
}
"""Keys inside of blocks that are offered: without them such a block works, only otherwise."""

_STT_HINT: Final = f"speech recognition is by {', '.join(STT)}; use one of them"
_SPEAKING: Final = [name for name, service in TTS.items() if service.speaks]
_TTS_HINT: Final = f"only {', '.join(_SPEAKING[:-1])} and {_SPEAKING[-1]} speak on calls; use one of them"
OTHER_STT: Final = frozenset({"deepgram", "elevenlabs", "google", "mistral", "xai"} - STT.keys())
"""Services of speech recognition that OpenClaw supports and this program does not."""
OTHER_TTS: Final = frozenset(
    {"azure-speech", "deepgram", "google", "gradium", "inworld", "minimax", "mistral", "volcengine", "vydra", "xai"}
    - TTS.keys()
)
"""The same of speech synthesis."""


def refuse(raw: RawSettings) -> None:
    """Remove every such key from the document, with a problem or a warning each."""
    for path, instead in PASSED_OVER.items():
        if list(matching(raw.raw, path)):
            _report(raw, path, instead, is_off=True)
    for path, reason in ((path, text) for each in CARRIERS.values() for path, text in each.removed_keys.items()):
        if list(matching(raw.raw, path)):
            _report(raw, path, reason, is_off=_is_off(at(raw.raw, path)))
    _refuse_others(raw, ("streaming",), OTHER_STT, _STT_HINT)
    for tts in [("tts",), *((*route, "tts") for route in matching(raw.raw, ("numbers", "*")))]:
        _refuse_others(raw, tts, OTHER_TTS, _TTS_HINT)


def _refuse_others(raw: RawSettings, block: Path, others: frozenset[str], instead: str) -> None:
    chosen, providers = at(raw.raw, (*block, "provider")), at(raw.raw, (*block, "providers"))
    if isinstance(chosen, str) and chosen in others:
        _report(raw, (*block, "provider"), instead, is_off=False, value=chosen)
    for other in [key for key in providers if key in others] if isinstance(providers, dict) else []:
        # A service that is configured but not chosen is not relied on.
        _report(raw, (*block, "providers", other), instead, is_off=chosen != other)
    if providers == {}:
        take(raw.raw, (*block, "providers"))


def _report(raw: RawSettings, path: Path, instead: str, *, is_off: bool, value: str = "") -> None:
    take(raw.raw, path)
    name = f"{raw.name(path)}: {value[:60]!r}" if value else raw.name(path)
    if is_off:
        raw.warnings.append(f"{name} is not offered here and was passed over: {instead}")
    else:
        raw.problems.append(f"{name} is not offered here: {instead}, and remove this key")


def _is_off(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, dict) and value.get("enabled") is False)

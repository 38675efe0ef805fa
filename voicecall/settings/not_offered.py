"""What newer releases of the original configure and this house does not have: refused with what there is instead.

A block that is switched off is let through with a warning, because a configuration that works elsewhere should load;
one that is switched on never is, because then somebody counts on it.
"""

from typing import Any, Final

from voicecall.settings.draft import Draft, at, matching, take
from voicecall.settings.tree import Path

__all__ = ["NOT_OFFERED", "OTHER_EARS", "OTHER_VOICES", "refuse"]

NOT_OFFERED: Final[dict[Path, str]] = {
    (
        "realtime",
    ): "speech-to-speech models do not answer calls here; set streaming.enabled: ears, agent and voice in turn",
    ("reports",): "calls are not reported into chats; subscribe to the feed of the gateway, or read the archive",
    ("live",): "transcripts are not posted into chats while a call lasts; subscribe to the feed of the gateway",
    ("callbacks",): "calls are not linked to the ones before; sessionScope keeps one memory per phone number",
}
"""Blocks, by where they stand."""

_EARS: Final = "only OpenAI's Realtime transcription listens, or a service that speaks it (baseUrl); use openai"
_VOICES: Final = "only openai and elevenlabs speak on calls; use one of them"
OTHER_EARS: Final = frozenset({"deepgram", "elevenlabs", "google", "mistral", "xai"})
OTHER_VOICES: Final = frozenset(
    {"azure-speech", "deepgram", "google", "gradium", "inworld", "minimax", "mistral", "volcengine", "vydra", "xai"}
)


def refuse(draft: Draft) -> None:
    """Take every such key out of the draft, with a problem or a warning each."""
    for path, instead in NOT_OFFERED.items():
        if path[-1] in draft.raw:
            _tell(draft, path, instead, is_off=_is_off(at(draft.raw, path)))
    _refuse_others(draft, ("streaming",), OTHER_EARS, _EARS)
    for tts in [("tts",), *((*route, "tts") for route in matching(draft.raw, ("numbers", "*")))]:
        _refuse_others(draft, tts, OTHER_VOICES, _VOICES)


def _refuse_others(draft: Draft, block: Path, others: frozenset[str], instead: str) -> None:
    chosen, providers = at(draft.raw, (*block, "provider")), at(draft.raw, (*block, "providers"))
    if isinstance(chosen, str) and chosen in others:
        _tell(draft, (*block, "provider"), instead, is_off=False, value=chosen)
    for other in [key for key in providers if key in others] if isinstance(providers, dict) else []:
        # A service that is configured and not chosen is no promise.
        _tell(draft, (*block, "providers", other), instead, is_off=chosen != other)
    if providers == {}:
        take(draft.raw, (*block, "providers"))


def _tell(draft: Draft, path: Path, instead: str, *, is_off: bool, value: str = "") -> None:
    take(draft.raw, path)
    name = f"{draft.name(path)}: {value[:60]!r}" if value else draft.name(path)
    if is_off:
        draft.warnings.append(f"{name} is not offered here and was passed over: {instead}")
    else:
        draft.problems.append(f"{name} is not offered here: {instead}, and remove this key")


def _is_off(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, dict) and value.get("enabled") is False)

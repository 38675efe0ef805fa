"""How a carrier's own voice speaks a language: its tag, and the Amazon Polly voice nearest to a configured one.

Pure. Each carrier adds its own prefix to the name of the voice.
"""

from typing import Final, NamedTuple

from voicecall.call.replies import NativeVoice
from voicecall.text.language_tags import primary_subtag

__all__ = ["ENGLISH", "Native", "native"]

_NEAREST: Final = {
    "alloy": "Joanna",
    "echo": "Matthew",
    "fable": "Amy",
    "onyx": "Brian",
    "nova": "Salli",
    "shimmer": "Kimberly",
}


class Native(NamedTuple):
    """`voice`: as `Polly.Joanna`; None where Polly has none of the language. `language`: in Polly's spelling."""

    voice: str | None
    language: str

    @property
    def recognised(self) -> str:
        """The language in the spelling of Google's speech recognition, which Twilio and Plivo use."""
        return {"arb": "ar-SA", "cmn-CN": "cmn-Hans-CN"}.get(self.language, self.language)


ENGLISH: Final = Native("Polly.Joanna", "en-US")

_NATIVES: Final = (
    ENGLISH,
    Native("Polly.Amy", "en-GB"),
    Native("Polly.Nicole", "en-AU"),
    Native("Polly.Raveena", "en-IN"),
    Native("Polly.Vicki", "de-DE"),
    Native("Polly.Lea", "fr-FR"),
    Native("Polly.Chantal", "fr-CA"),
    Native("Polly.Lucia", "es-ES"),
    Native("Polly.Mia", "es-MX"),
    Native("Polly.Penelope", "es-US"),
    Native("Polly.Bianca", "it-IT"),
    Native("Polly.Ines", "pt-PT"),
    Native("Polly.Vitoria", "pt-BR"),
    Native("Polly.Lotte", "nl-NL"),
    Native("Polly.Ewa", "pl-PL"),
    Native("Polly.Tatyana", "ru-RU"),
    Native("Polly.Filiz", "tr-TR"),
    Native("Polly.Aditi", "hi-IN"),
    Native("Polly.Mizuki", "ja-JP"),
    Native("Polly.Seoyeon", "ko-KR"),
    Native("Polly.Zhiyu", "cmn-CN"),
    Native("Polly.Zeina", "arb"),
    Native(None, "uk-UA"),
    Native(None, "vi-VN"),
    Native(None, "th-TH"),
    Native(None, "id-ID"),
    Native(None, "uz-UZ"),
)
"""Of a language, the region that stands first is that of a tag without one."""

_BY_TAG: Final = {native.language.lower(): native for native in _NATIVES}
_BY_LANGUAGE: Final = {primary_subtag(native.language): native for native in reversed(_NATIVES)}
_IN_POLLY: Final = {"zh": "cmn", "ar": "arb", "": "en"}


def native(voice: NativeVoice) -> Native:
    """The voice and language of prompts. A configured `Polly.<Name>` is kept; an unknown language keeps its tag."""
    tag = voice.language.replace("_", "-")
    base = primary_subtag(tag)
    found = _BY_TAG.get(tag.lower()) or _BY_LANGUAGE.get(_IN_POLLY.get(base, base)) or Native(None, tag)
    if voice.name.startswith("Polly."):
        return Native(voice.name, found.language)
    if found.language == "en-US":
        return Native(f"Polly.{_NEAREST.get(voice.name.lower(), 'Joanna')}", "en-US")
    return found

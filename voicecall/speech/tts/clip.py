"""The recorded apology that a caller hears when every voice has failed, in the language of the call.

Played when an utterance marked `or_clip` could not be synthesised. It says the phrase `voice_failed`;
docs/adding-a-voice.md describes how it was made.
"""

from functools import cache
from importlib.resources import files

from voicecall.call.phrases import DEFAULT_LANGUAGE, base_language

__all__ = ["apology"]


@cache
def apology(language: str = DEFAULT_LANGUAGE) -> bytes:
    """Five to eight seconds of mu-law, 8 kHz; of a language without phrases, in English. Cached after the first use."""
    return files("voicecall.speech.tts").joinpath("apologies", f"{base_language(language)}.ulaw").read_bytes()

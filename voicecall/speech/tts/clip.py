"""The recorded apology that a caller hears when every voice has failed.

Played when an utterance marked `or_clip` could not be synthesised. It says "Sorry, I am having trouble speaking right
now. Please try again later."; docs/adding-a-voice.md describes how it was made.
"""

from functools import cache
from importlib.resources import files

__all__ = ["apology"]


@cache
def apology() -> bytes:
    """Five seconds of mu-law, 8 kHz. Read at the first use, then cached."""
    return files("voicecall.speech.tts").joinpath("apology.ulaw").read_bytes()

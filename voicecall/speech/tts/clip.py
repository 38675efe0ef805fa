"""The recorded apology: what a caller hears when every voice has failed, so that it is never silence.

Used by whoever learns that an utterance marked `or_clip` could not be spoken. It says "Sorry, I am having trouble
speaking right now. Please try again later." and was made once; docs/adding-a-voice.md tells how to make it anew.
"""

from functools import cache
from importlib.resources import files

__all__ = ["apology"]


@cache
def apology() -> bytes:
    """Five seconds of mu-law, 8 kHz. Read on first use, then kept."""
    return files("voicecall.speech.tts").joinpath("apology.ulaw").read_bytes()

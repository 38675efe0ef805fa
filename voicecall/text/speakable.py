"""`Speakable`: text that can be given to a voice. Everything that a call says has this type.

Pure; used by the rules of a call, by the ingress, and by the service to refuse a message that has nothing to say.
Replies of the agent are read incrementally instead, by `spoken` and `speech/sentences.py`.
"""

from typing import Final, NewType

from voicecall.text.plain import PlainText
from voicecall.text.spoken import speech_in

__all__ = ["NOTHING", "Speakable", "speakable"]

Speakable = NewType("Speakable", str)
"""Plain text, without reasoning, JSON, directives, markup and emoji; empty when there is nothing to pronounce."""


NOTHING: Final = Speakable("")


def speakable(text: str) -> Speakable:
    """What is said of a written text. Line ends are kept, other white space is collapsed."""
    reader = PlainText()
    lines = (reader.feed(speech_in(text)) + reader.flush()).split("\n")
    plain = "\n".join(filter(None, (" ".join(line.split()) for line in lines)))
    return Speakable(plain if any(char.isalnum() for char in plain) else "")

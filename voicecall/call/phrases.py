"""The sentences the bot says by itself, when the agent, recognition or synthesis fails.

Pure. Chosen by the rules; a caller is never left in silence (guarantee P13).
"""

from typing import Final

from voicecall.text.speakable import Speakable

__all__ = [
    "AGENT_FAILED",
    "CUT_OFF",
    "FILLER",
    "GOODBYE",
    "NOT_CAUGHT",
    "STT_FAILED",
    "STT_LOST",
    "STT_RECOVERED",
    "VOICE_FAILED",
]

FILLER: Final = Speakable("One moment, please.")
AGENT_FAILED: Final = Speakable("Sorry, I could not find an answer just now. Could you say that again?")
STT_LOST: Final = Speakable("Sorry, I cannot hear you just now. Please stay on the line.")
STT_RECOVERED: Final = Speakable("I can hear you again.")
STT_FAILED: Final = Speakable("Sorry, I cannot hear you right now. Please call again later.")
NOT_CAUGHT: Final = Speakable("Sorry, I did not catch that.")
CUT_OFF: Final = Speakable("Sorry, I was cut off.")
GOODBYE: Final = Speakable("I am sorry, this is not working today. Please try again later. Goodbye.")
VOICE_FAILED: Final = Speakable("Sorry, I am having trouble speaking right now. Please try again later.")

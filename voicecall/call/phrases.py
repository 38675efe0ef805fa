"""The sentences the bot says by itself, when the agent, recognition or synthesis fails.

Pure. Chosen by the rules; a caller is never left in silence (guarantee P13). `PRESSED` is not spoken: it stands for
keys in the transcript and in what the agent is asked.
"""

from typing import Final

from voicecall.text.speakable import Speakable

__all__ = [
    "AGENT_FAILED",
    "CUT_OFF",
    "FILLER",
    "FILLERS",
    "GOODBYE",
    "NOT_CAUGHT",
    "PRESSED",
    "SILENCE_GOODBYE",
    "STILL_THERE",
    "STT_FAILED",
    "STT_LOST",
    "STT_RECOVERED",
    "VOICE_FAILED",
]

FILLER: Final = Speakable("One moment, please.")
FILLERS: Final = (FILLER, Speakable("Let me check that."), Speakable("I am still looking, just a second."))
"""Said in turn, so that none follows itself."""
AGENT_FAILED: Final = Speakable("Sorry, I could not find an answer just now. Could you say that again?")
STT_LOST: Final = Speakable("Sorry, I cannot hear you just now. Please stay on the line.")
STT_RECOVERED: Final = Speakable("I can hear you again.")
STT_FAILED: Final = Speakable("Sorry, I cannot hear you right now. Please call again later.")
NOT_CAUGHT: Final = Speakable("Sorry, I did not catch that.")
STILL_THERE: Final = Speakable("Are you still there?")
SILENCE_GOODBYE: Final = Speakable("I cannot hear anything, so I will hang up now. Goodbye.")
PRESSED: Final = "the caller pressed {digits}"
CUT_OFF: Final = Speakable("Sorry, I was cut off.")
GOODBYE: Final = Speakable("I am sorry, this is not working today. Please try again later. Goodbye.")
VOICE_FAILED: Final = Speakable("Sorry, I am having trouble speaking right now. Please try again later.")

"""The sentences the bot says by itself, when the agent, recognition or synthesis fails.

Pure. Chosen by the rules; a caller is never left in silence (guarantee P13).
"""

from typing import Final

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

FILLER: Final = "One moment, please."
AGENT_FAILED: Final = "Sorry, I could not find an answer just now. Could you say that again?"
STT_LOST: Final = "Sorry, I cannot hear you just now. Please stay on the line."
STT_RECOVERED: Final = "I can hear you again."
STT_FAILED: Final = "Sorry, I cannot hear you right now. Please call again later."
NOT_CAUGHT: Final = "Sorry, I did not catch that."
CUT_OFF: Final = "Sorry, I was cut off."
GOODBYE: Final = "I am sorry, this is not working today. Please try again later. Goodbye."
VOICE_FAILED: Final = "Sorry, I am having trouble speaking right now. Please try again later."

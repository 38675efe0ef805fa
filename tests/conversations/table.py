"""All conversations, in the order in which they are printed.

On the system "alone" a service that fails is the only one of its kind; on "together" others take over. A fault is about
the words, the text or the line of its own conversation, so that all others run beside it undisturbed.
"""

from typing import Final

from tests.conversations.bad_models import MODELS
from tests.conversations.bad_recognition import BYSTANDERS, RECOGNITION
from tests.conversations.bad_voices import VOICES
from tests.conversations.relayed import RELAYED
from tests.conversations.speech_to_speech import SPEECH_TO_SPEECH
from tests.conversations.tool_use import TOOLS
from tests.conversations.turns import TURNS

__all__ = ["CONVERSATIONS"]

CONVERSATIONS: Final = (
    *TURNS,
    *TOOLS,
    *MODELS,
    *VOICES,
    *RECOGNITION,
    *BYSTANDERS,
    *SPEECH_TO_SPEECH,
    *RELAYED,
)

"""The Amazon Polly voice nearest to a configured one, for prompts that the carrier itself speaks.

Pure. Used for carriers whose native voices are Polly's; each adds its own prefix to the name.
"""

from typing import Final

__all__ = ["polly_voice"]

_NEAREST: Final = {
    "alloy": "Joanna",
    "echo": "Matthew",
    "fable": "Amy",
    "onyx": "Brian",
    "nova": "Salli",
    "shimmer": "Kimberly",
}


def polly_voice(configured: str | None) -> str:
    """`Polly.<Name>`: the configured one when it is Polly's already, else the nearest, else Joanna."""
    name = configured or ""
    return name if name.startswith("Polly.") else f"Polly.{_NEAREST.get(name.lower(), 'Joanna')}"

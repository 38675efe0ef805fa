"""The voice of Amazon Polly nearest to a configured one (behaviour 8.6): what carriers speak with when we cannot.

Pure. Carriers whose native voices are Polly's use it; each says the name in its own way.
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

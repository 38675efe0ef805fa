"""From what a model streams to what is meant to be heard: hidden thoughts and envelopes of older prompts are left out.

Pure and incremental. Models that think aloud wrap it in `<think>…</think>`; models told so by an older prompt answer
`{"spoken": "…"}` (behaviour 9.4), maybe in a code fence. Plain prose passes as it comes. Markup is for `sentences`.
"""

import re
from typing import Final

import orjson

__all__ = ["Spoken"]

_OPENERS: Final = ("<think>", "{", "```")
_FENCE: Final = re.compile(r"```[a-zA-Z]*\s*(.*?)\s*```", re.DOTALL)
_INLINE: Final = re.compile(r'"spoken"\s*:\s*"((?:[^"\\]|\\.)*)"', re.DOTALL)


class Spoken:
    """One reply. Where the pieces were cut makes no difference."""

    def __init__(self) -> None:
        self._held = ""  # not decided yet, or an envelope that is still open
        self._plain = False

    def feed(self, piece: str) -> str:
        """What can be said now."""
        if self._plain:
            return piece
        self._held += piece
        return self._decided()

    def flush(self) -> str:
        """The rest, when the reply is over. An envelope gives its `spoken`; a broken one is said as it stands."""
        held, self._held, self._plain = self._held, "", True
        if held.lstrip().startswith("<think>"):
            return ""
        return _unwrapped(held)

    def _decided(self) -> str:
        start = self._held.lstrip()
        if start.startswith("<think>"):
            _, end, after = start.partition("</think>")
            if not end:
                return ""
            self._held = start = after.lstrip()
        if not start or any(opener.startswith(start) or start.startswith(opener) for opener in _OPENERS):
            return ""
        said, self._held, self._plain = start, "", True
        return said


def _unwrapped(text: str) -> str:
    stripped = text.strip()
    fenced = _FENCE.search(stripped)
    for candidate in (
        stripped,
        fenced.group(1) if fenced else "",
        stripped[stripped.find("{") : stripped.rfind("}") + 1],
    ):
        try:
            parsed = orjson.loads(candidate)
        except orjson.JSONDecodeError:
            continue
        if isinstance(parsed, dict) and isinstance(parsed.get("spoken"), str):
            return str(parsed["spoken"])
    inline = _INLINE.search(stripped)
    if inline is not None:
        return str(orjson.loads(f'"{inline.group(1)}"'))
    return text

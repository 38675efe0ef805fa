"""The part of a model's output that is to be spoken: without its reasoning and without a JSON envelope.

Pure and incremental; used by `llm` and `remote`. Some models put their reasoning into `<think>…</think>`; some prompts
make a model answer `{"spoken": "…"}`, possibly in a code fence. Other text passes unchanged. `speech/plain.py` removes
markup later.
"""

import re
from typing import Final

import orjson

__all__ = ["SpokenText"]

_OPENERS: Final = ("<think>", "{", "```")
_FENCE: Final = re.compile(r"```[a-zA-Z]*\s*(.*?)\s*```", re.DOTALL)
_INLINE: Final = re.compile(r'"spoken"\s*:\s*"((?:[^"\\]|\\.)*)"', re.DOTALL)


class SpokenText:
    """Of one reply. The result does not depend on where the pieces were cut."""

    def __init__(self) -> None:
        self._held = ""  # undecided text, or an envelope that is still open
        self._passes = False

    def feed(self, piece: str) -> str:
        """The text that can be spoken now."""
        if self._passes:
            return piece
        self._held += piece
        return self._decided()

    def flush(self) -> str:
        """The rest, at the end of the reply. An envelope gives its `spoken`; a broken one is spoken as it is."""
        held, self._held, self._passes = self._held, "", True
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
        ready, self._held, self._passes = start, "", True
        return ready


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

"""Removes a model's reasoning: `<think>…</think>` in every spelling, wherever it stands in the output.

Pure and incremental; used by `spoken`. Tags are read in any case, with attributes, and in the forms `<thinking>`,
`<reasoning>`, `[THINK]`, `◁think▷` and `<|begin_of_thought|>`. Some services send the closing tag alone, because the
opening one belongs to the prompt: then all text before it was reasoning. Does not know JSON or sentences.
"""

import re
from enum import Enum
from typing import Final

__all__ = ["Lone", "Reasoning"]

_NAMES: Final = (
    "think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion|ing)?|analysis|deliberation|plan(?:ning)?|cot|scratch[_-]?pad|"
    "(?:inner|internal)[_-]?(?:monologue|thoughts?)|chain[_-]?of[_-]?thoughts?"
)
_TAG: Final = re.compile(
    rf"[<◁]\s*(?P<end>/)?\s*(?:[\w-]+:)?(?:{_NAMES})(?:\s[^<>]*?)?(?P<empty>/)?\s*[>▷]"
    r"|\[(?P<mark_end>/)?THINK\]|<\|(?:begin|(?P<token_end>end))_of_thought\|>",
    re.IGNORECASE,
)
_OPENS: Final = {"<": ">", "◁": "▷", "[": "]"}
_LONGEST_TAG: Final = 120


class Lone(Enum):
    """A closing tag without its opening one."""

    CLOSING = "closing"


class Reasoning:
    """Of one text. The result does not depend on where the pieces were cut."""

    def __init__(self) -> None:
        self._held = ""  # what may become a tag
        self._inside = False

    def feed(self, piece: str) -> list[str | Lone]:
        """The text outside of reasoning that is decided now, and where a closing tag stood alone."""
        found: list[str | Lone] = []
        for char in piece:
            found += self._read(char)
        return found

    def flush(self) -> list[str | Lone]:
        """The rest. Reasoning that never ended is not speech. Feed nothing more."""
        held, self._held = self._held, ""
        return [] if self._inside or not held else [held]

    def _read(self, char: str) -> list[str | Lone]:
        if char in _OPENS:
            before, self._held = self._held, char
            return self._outside(before)
        if not self._held:
            return self._outside(char)
        self._held += char
        if char == _OPENS[self._held[0]]:
            held, self._held = self._held, ""
            tag = _TAG.fullmatch(held)
            return self._outside(held) if tag is None else self._tag(tag)
        if _may_be_tag(self._held):
            return []
        held, self._held = self._held, ""
        return self._outside(held)

    def _outside(self, text: str) -> list[str | Lone]:
        return [text] if text and not self._inside else []

    def _tag(self, tag: re.Match[str]) -> list[str | Lone]:
        ends = any(tag[name] for name in ("end", "mark_end", "token_end"))
        was_inside, self._inside = self._inside, not ends and not tag["empty"]
        return [Lone.CLOSING] if ends and not was_inside else []


def _may_be_tag(text: str) -> bool:
    if len(text) > _LONGEST_TAG:
        return False
    if text[0] == "[":
        return any(mark.startswith(text.upper()) for mark in ("[THINK]", "[/THINK]"))
    name = text[1:].lstrip().removeprefix("/").lstrip()
    return not name or name[0].isalpha() or name[0] == "|"

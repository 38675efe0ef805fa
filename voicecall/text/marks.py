"""What a tag or token in a model's output begins or ends: `<think>`, `</tool_call>`, `<|channel|>`, `[TOOL_CALLS]`.

Pure; used by `reasoning`. Models write reasoning and calls of tools into their text in many spellings, and servers pass
on the tokens that separate the parts of a chat. Tags are read in any case, with attributes, in HTML's, Markdown's and
full-width brackets, and escaped as HTML. Other tags ("<b>") are none of these.
"""

import re
from enum import Enum
from typing import Final, NamedTuple

__all__ = ["OPENS", "Kind", "Mark", "can_be_mark", "is_header", "is_heard", "mark_of"]


class Kind(Enum):
    """What follows a mark."""

    THOUGHT = "reasoning, to its end mark"
    THOUGHT_ENDS = "the end of reasoning"
    TOOL = "a call of a tool or its result, to the end mark of the same name"
    TOOL_ENDS = "the end of that"
    HEADER = "the role or channel of the next part, to BODY"
    LINE = "the same, to the end of the line"
    BODY = "the part itself"
    PART_ENDS = "another part, or nothing"
    NOTHING = "whatever preceded it"


class Mark(NamedTuple):
    """`name` distinguishes the marks of tools."""

    kind: Kind
    name: str = ""


OPENS: Final = {"<": ">", "\u25c1": "\u25b7", "\uff1c": "\uff1e", "[": "]", "&": "&gt;"}
"""What a mark begins with, and what it ends with then: also triangles, and full-width; `&` stands for `&lt;`."""

_LONGEST: Final = 120
_THOUGHTS: Final = (
    "(?:ant)?think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion|ing)?|analysis|deliberation|plan(?:ning)?|cot|internal|"
    "scratch[_-]?pad|(?:inner|internal)[_-]?(?:monologue|thoughts?)|chain[_-]?of[_-]?thoughts?"
)
_TOOLS: Final = (
    "tools?|tool[_-]?(?:calls?|uses?|code|responses?|results?|outputs?)|functions?|function[_-]?(?:calls?|results?)|"
    "invoke|parameters?|details"
)
_TAG: Final = re.compile(
    r"(?:[<\u25c1\uff1c]|&lt;)\s*(?P<end>\\?/)?\s*(?:[\w-]+:)?"
    rf"(?:(?:{_THOUGHTS})(?:[_-]?(?:process|block|steps?|trace))?|(?P<tool>{_TOOLS}))"
    r"(?:[\s=][^<>]*?)?(?P<empty>/)?\s*(?:[>\u25b7\uff1e]|&gt;)",
    re.IGNORECASE,
)
_TOKEN: Final = re.compile(r"<[|\uff5c](?P<name>[^<>]*?)[|\uff5c]?>|</(?P<end>[^<>]*)[|\uff5c]>")
_IN_BRACKETS: Final = re.compile(
    r"\[(?P<end>/|END_)?(?:(?i:THINK)|THINKING|REASONING|THOUGHTS?|(?P<tool>TOOL_(?:CALLS?|REQUEST|RESULTS?)))\]"
)
_BRACKETED: Final = tuple(
    f"[{end}{name}]"
    for end in ("", "/", "END_")
    for name in (
        *("THINK", "THINKING", "REASONING", "THOUGHT", "THOUGHTS"),
        *("TOOL_CALL", "TOOL_CALLS", "TOOL_REQUEST", "TOOL_RESULT", "TOOL_RESULTS"),
    )
)
_BY_NAME: Final = {
    "<unused94>": Mark(Kind.THOUGHT),
    "<unused95>": Mark(Kind.THOUGHT_ENDS),
    "<start_of_turn>": Mark(Kind.LINE),
    "<end_of_turn>": Mark(Kind.PART_ENDS),
}
_THOUGHT_TOKEN: Final = re.compile(r"(?:begin_of_|start_)?(?:think(?:ing)?|thought|reasoning)")
_THOUGHT_END: Final = re.compile(r"(?:end_of_|end_|/)(?:think(?:ing)?|thought|reasoning)")
_TOOL_TOKEN: Final = re.compile(r"(?:tool|function|action|python|plugin)")
_TOOL_WORDS: Final = re.compile(r"begin_of|begin|start|end_of|end|/")
_TOKENS: Final = {
    **dict.fromkeys(("channel", "start", "start_header_id", "header_start"), Kind.HEADER),
    **dict.fromkeys(("message", "end_header_id", "header_end"), Kind.BODY),
    **dict.fromkeys(("end", "return", "call", "eot", "eot_id", "eom_id", "im_end"), Kind.PART_ENDS),
    **dict.fromkeys(("endoftext", "end_of_text", "end_of_sentence", "end_of_turn"), Kind.PART_ENDS),
    "im_start": Kind.LINE,
}
_ROLES: Final = frozenset({"assistant", "user", "system", "developer", "observation", "ipython"})
_REPLIES: Final = frozenset({"assistant", "model"})
_HEARD: Final = _REPLIES | {"final", "commentary"}


def mark_of(text: str) -> Mark | None:
    """The mark that is `text`; None when it is none."""
    if text[0] == "[":
        return _tag(_IN_BRACKETS.fullmatch(text))
    token = _TOKEN.fullmatch(text)
    if token is not None:
        return _token(token["name"] if token["end"] is None else f"/{token['end']}")
    return _BY_NAME.get(text.lower()) or _tag(_TAG.fullmatch(text))


def _tag(tag: re.Match[str] | None) -> Mark | None:
    if tag is None:
        return None
    parts = tag.groupdict()
    if parts.get("empty"):
        return Mark(Kind.NOTHING)
    tool, is_end = (parts["tool"] or "").lower(), bool(parts["end"])
    if tool == "details" and not is_end and "reasoning" not in tag[0].lower():
        return None  # other folded text is text
    if tool:
        return Mark(Kind.TOOL_ENDS if is_end else Kind.TOOL, tool)
    return Mark(Kind.THOUGHT_ENDS if is_end else Kind.THOUGHT)


def _token(written: str) -> Mark:
    name = written.strip().replace("▁", "_").lower()
    if _THOUGHT_END.fullmatch(name):
        return Mark(Kind.THOUGHT_ENDS)
    if _THOUGHT_TOKEN.fullmatch(name):
        return Mark(Kind.THOUGHT)
    if name in _TOKENS:
        return Mark(_TOKENS[name])
    if name in _ROLES:
        return Mark(Kind.BODY, name)
    stem = _TOOL_WORDS.sub("", name).strip("_")
    if _TOOL_TOKEN.match(stem):
        return Mark(Kind.TOOL_ENDS if "end" in name or name[0] == "/" else Kind.TOOL, stem)
    return Mark(Kind.NOTHING)


def is_heard(header: str) -> bool:
    """Whether the part under this role and channel is for the caller; one with a recipient (`to=`) is not.

    `commentary` without a recipient is what a model says before it uses a tool.
    """
    words = header.lower().split()
    if any(word.startswith("to=") for word in words):
        return False
    return not words or (words[0] in _HEARD and (words[0] not in _REPLIES or set(words[1:2]) <= _HEARD))


def is_header(text: str) -> bool:
    """Whether this text, behind a mark that begins a part, may be its role, with or without a channel."""
    return next(iter(text.lower().split()), "") in _ROLES | _HEARD | {"tool", "analysis", ""}


def can_be_mark(text: str) -> bool:
    """Whether more characters may make a mark of `text`, which begins as one does."""
    if len(text) > _LONGEST:
        return False
    if text[0] == "[":
        return any(mark.startswith(text.upper()) for mark in _BRACKETED)
    if text[0] == "&" and not text.startswith("&lt;"):
        return "&lt;".startswith(text)
    name = text.removeprefix("&lt;").lstrip("<\u25c1\uff1c").lstrip().lstrip("\\/").lstrip()
    return not name or name[0].isalpha() or name[0] in "|\uff5c"

"""Recognises the labels that models write before their planning and their reply: "Thought: …", "Final answer: …".

Pure; used by `planning` and `spoken`. A label ends with a colon, or is a heading or a bold line of its own.
"""

import re
from typing import Final

__all__ = ["begins_answer", "is_certain", "may_begin_answer", "planning_label", "without_label"]

_PLANNING: Final = (
    r"thinking(?: process)?|thoughts?|reasoning|scratchpad|chain of thought|(?:inner|internal) (?:monologue|thoughts?)|"
    r"gedanken(?:gang)?|überlegung(?:en)?|réflexions?|pensées?|raisonnement|razonamiento|pensamientos?|ragionamento|"
    r"pensieri|raciocínio|pensamento|gedachten?|redenering|思考(?:过程)?|推理|考え"
)
_MAYBE: Final = r"analysis|plan|planning|action(?: input)?|observation|分析"
_FINAL_NAMES: Final = (
    *("final answer", "final response", "final reply", "finale antwort", "endgültige antwort", "réponse finale"),
    *("respuesta final", "risposta finale", "resposta final", "definitief antwoord"),
    *("最终答案", "最终回答", "最終回答"),
)
_FINAL: Final = "|".join(_FINAL_NAMES)
_ANSWER: Final = (
    rf"{_FINAL}|answer|response|reply|spoken(?: text| reply)?|assistant|output|antwort|réponse|respuesta|risposta|"
    r"resposta|antwoord|回答|答案|回复|返答|答え"
)
_COLON: Final = "[:\uff1a]"
_HEADING: Final = r"\s*(?:#{1,6}|\*\*)\s*"
_PLANNING_LABEL: Final = re.compile(
    rf"[\W_]*(?:(?P<certain>{_PLANNING})|{_MAYBE})[*_]*\s*{_COLON}"
    rf"|{_HEADING}(?:{_PLANNING}|{_MAYBE})\s*\**(?=\s*\n)",
    re.IGNORECASE,
)
_ANSWER_LABEL: Final = re.compile(
    rf"[\s*_#]*(?:{_ANSWER})[*_]*\s*{_COLON}[*_]*\s*|{_HEADING}(?:{_ANSWER})\s*\**\s*\n\s*", re.IGNORECASE
)
_FINAL_LABEL: Final = re.compile(rf"[\s*_#]*(?:{_FINAL})[*_]*\s*{_COLON}", re.IGNORECASE)
_MARKUP: Final = re.compile(r"[\s*_#]+")


def planning_label(text: str) -> re.Match[str] | None:
    """The label in front of planning, without what it stands before."""
    return _PLANNING_LABEL.match(text)


def is_certain(label: re.Match[str]) -> bool:
    """Whether the label of planning is nothing else: "Plan: we meet at eight." may be a reply."""
    return label["certain"] is not None


def without_label(text: str) -> str:
    """The text without an "Answer:" in front of it."""
    found = _ANSWER_LABEL.match(text)
    return text if found is None else text[found.end() :]


def begins_answer(text: str) -> bool:
    """Whether the text is a "Final answer:", and no more: all before it was planning."""
    return _FINAL_LABEL.fullmatch(text) is not None


def may_begin_answer(text: str) -> bool:
    """Whether more text can make a "Final answer:" of it."""
    plain = _MARKUP.sub(" ", text).lower().lstrip()
    return any(name.startswith(plain) for name in _FINAL_NAMES) or plain.rstrip() in _FINAL_NAMES

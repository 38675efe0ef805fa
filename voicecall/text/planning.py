"""Recognises the planning that some models write before a reply: "The user asks for the time. I should be brief."

Pure; used by `spoken`. Judges one sentence at a time. A sentence that addresses the caller ("you") is never planning.
Knows English planning only: models plan in English whatever they speak.
"""

import re
from enum import Enum
from typing import Final

__all__ = ["Kind", "ends_sentence", "is_planned", "judge", "without_label"]


class Kind(Enum):
    """What a sentence is."""

    SPEECH = "for the caller"
    ABOUT = "about a person or about what to say; planning if it stands among planning"
    INTENT = "what the reply is to be like; planning if there is more than it"
    PLANNING = "planning, whatever surrounds it"
    FILLER = "an interjection, or a thought that may be either"


_LEAD: Final = (
    r"[\W_]*(?:(?:ok|okay|alright|all right|right|so|well|hm+|now|first|then|thus|therefore|hence|but|and|since|"
    r"because|also|here|given that|it (?:seems|looks|appears)(?: like| that)?)\b[\s,.:!…-]*)*"
)
_META: Final = (
    r"(?:has |have |had |is |are |was |were |just |now |also |then |only |simply |clearly |probably |likely |again |"
    r"may |might |would |seems to |appears to |be |been )*"
    r"(?:asks?|asked|asking|wants?|wanted|wanting|says?|said|saying|needs?|greets?|greeted|greeting|requests?|requested|"
    r"requesting|mentions?|mentioned|inquires?|inquired|inquiring|wrote|writes|replied|replies|responded|repeats?|"
    r"repeated|thanks|thanked|confirms?|confirmed|confirming|seems|appears|would like|looking for|trying to|"
    r"wonders?|wondering|expects?|speaks|speaking|sounds?)\b"
)
_BRIEF: Final = r"(?:brief|short|concise|polite|friendly|simple|natural|conversational|to one sentence)"
_ANSWERS: Final = (
    r"(?:(?:answer|respond|reply|acknowledge)\b(?! to (?:him|her|his|their|an?)\b)|greet\b"
    rf"|keep (?:it|this|(?:the|my) (?:answer|reply|response|tone)) {_BRIEF}|be {_BRIEF}"
    r"|(?:craft|compose|draft|formulate|write|give|provide|produce) (?:an?|the|my) (?:\w+,? ){0,3}"
    r"(?:answer|reply|response|greeting)\b)"
)
_SPEAKS: Final = (
    r"(?:say|speak|ask|tell|give|provide|mention|explain|inform|offer|use|avoid|apologi[sz]e|confirm|stay|follow|produce|"
    r"output|include|think)\b"
)
_ADVERBS: Final = r"(?:\s+(?:just|simply|probably|now|also|then|only|first|therefore|still|not|try to|really))*\s+"
_SHOULD: Final = r"(?:should|need to|must|have to|ought to)"

# "The user" and "the caller" are the party that a reply is spoken to: they are not spoken about.
_USER: Final = re.compile(
    rf"{_LEAD}(?:(?:(?:the|this|our|my) )?(?:user|caller)|the human)(?:['’]s (?:last )?(?:question|request|message|"  # noqa: RUF001  a typographic apostrophe
    rf"intent|input|query)\b| {_META})",
    re.IGNORECASE,
)
_INTENT: Final = re.compile(
    rf"{_LEAD}(?:(?:(?:i|we)\s+)?{_SHOULD}{_ADVERBS}{_ANSWERS}"
    rf"|let(?:['’]s| me| us){_ADVERBS}{_ANSWERS}"  # noqa: RUF001  a typographic apostrophe
    r"|(?:respond|reply|answer)\s+(?:briefly|concisely|politely|shortly|naturally|in (?:one|a)\b|with (?:an?|the)\b)"
    rf"|keep (?:it|the \w+) {_BRIEF}|be {_BRIEF}"
    r"|(?:the|my) (?:answer|reply|response) (?:should|must|needs to)\b)",
    re.IGNORECASE,
)
_ABOUT: Final = re.compile(
    rf"{_LEAD}(?:(?:(?:the|this|our|my) (?:customer|client|person|callee|other party)|they|he|she) {_META}"
    rf"|(?:i|we)(?:['’]ll| (?:can|could|will|am going to|want to)){_ADVERBS}(?:{_ANSWERS}|{_SPEAKS})"  # noqa: RUF001  a typographic apostrophe
    rf"|(?:(?:i|we)\s+)?{_SHOULD}{_ADVERBS}{_SPEAKS}|let me (?:think|see)\b)",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(
    r"[\W_]*(?:thinking(?: process)?|thoughts?|reasoning|analysis|plan|planning|scratchpad|chain of thought|"
    r"action(?: input)?|observation|(?:inner|internal) (?:monologue|thoughts?))[*_]*\s*:",
    re.IGNORECASE,
)
_FILLER: Final = re.compile(rf"{_LEAD}(?:let me (?:think|see)\b.*)?[\W_]*", re.IGNORECASE | re.DOTALL)
_YOU: Final = re.compile(r"\b(?:you|your|yours)\b", re.IGNORECASE)
_QUOTED: Final = re.compile(r"[\"“][^\"”]*[\"”]")
_END: Final = re.compile(r"[.!?…][\"'”’)\]*_]*\s\Z|\n\Z")  # noqa: RUF001  typographic quotes
_ANSWER_LABEL: Final = re.compile(
    r"[\s*_#]*(?:final (?:answer|response|reply)|answer|response|reply|spoken(?: text| reply)?|assistant|output)"
    r"[*_]*\s*:[*_]*\s*",
    re.IGNORECASE,
)


def judge(sentence: str) -> Kind:
    """What this sentence is, by its beginning; a shorter beginning may be judged differently."""
    if _LABEL.match(sentence):
        return Kind.PLANNING
    if _FILLER.fullmatch(sentence):
        return Kind.FILLER
    if _YOU.search(_QUOTED.sub("", sentence)):
        return Kind.SPEECH
    if _USER.match(sentence):
        return Kind.PLANNING
    if _INTENT.match(sentence):
        return Kind.INTENT
    return Kind.ABOUT if _ABOUT.match(sentence) else Kind.SPEECH


def ends_sentence(text: str) -> bool:
    """Whether the last character ends the sentence. Planning under a label ends with its line or paragraph."""
    label = _LABEL.match(text)
    if label is None:
        return _END.search(text, max(0, len(text) - 12)) is not None
    planning = text[label.end() :].lstrip(" *_")
    return planning.endswith("\n\n" if planning.startswith("\n") else "\n") and planning != "\n"


def is_planned(kinds: list[Kind], *, alone: bool) -> bool:
    """Whether these sentences at the beginning of a reply are planning. `alone`: nothing follows them."""
    return Kind.PLANNING in kinds or (Kind.INTENT in kinds and (not alone or Kind.ABOUT in kinds))


def without_label(text: str) -> str:
    """The text without an "Answer:" in front of it."""
    found = _ANSWER_LABEL.match(text)
    return text if found is None else text[found.end() :]

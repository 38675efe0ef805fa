"""Recognises the planning that some models write before a reply: "The user asks for the time. I should be brief."

Pure; used by `spoken`. Judges one sentence at a time. A sentence that addresses the caller ("you") is never planning.
English is known best, because models plan in English whatever they speak; other languages are in `planning_languages`.
"""

import re
from enum import Enum
from typing import Final

from voicecall.text.labels import is_certain, planning_label
from voicecall.text.planning_languages import LANGUAGES

__all__ = ["Kind", "ends_sentence", "is_planned", "judge", "judge_later"]


class Kind(Enum):
    """What a sentence is."""

    SPEECH = "for the caller"
    ABOUT = "about a person or about what to say; planning if it stands among planning"
    INTENT = "what the reply is to be like; planning if there is more than it"
    PLANNING = "planning, whatever surrounds it"
    FILLER = "an interjection, or a thought that may be either"


_APOSTROPHE: Final = "['\u2019]"
_LEAD: Final = (
    r"[\W_]*(?:(?:ok|okay|alright|all right|right|so|well|hm+|now|first|then|thus|therefore|hence|but|and|since|"
    r"because|also|here|note(?: that)?|given that|it (?:seems|looks|appears)(?: like| that)?)\b[\s,.:!…-]*)*"
)
_META: Final = (
    r"(?:has |have |had |is |are |was |were |just |now |also |then |only |simply |clearly |probably |likely |again |"
    r"may |might |would |seems to |appears to |be |been )*"
    r"(?:asks?|asked|asking|wants?|wanted|wanting|says?|said|saying|greets?|greeted|greeting|requests?|requested|"
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
    rf"{_LEAD}(?:(?:(?:the|this|our|my) )?(?:user|caller)|the human)"
    rf"(?:{_APOSTROPHE}s (?:last )?(?:question|request|message|intent|input|query)\b| {_META})",
    re.IGNORECASE,
)
_INTENT: Final = re.compile(
    rf"{_LEAD}(?:(?:(?:i|we)\s+)?{_SHOULD}{_ADVERBS}{_ANSWERS}"
    rf"|let(?:{_APOSTROPHE}s| me| us){_ADVERBS}{_ANSWERS}"
    r"|(?:respond|reply|answer)\s+(?:briefly|concisely|politely|shortly|naturally|in (?:one|a)\b|with (?:an?|the)\b)"
    rf"|keep (?:it|the \w+) {_BRIEF}|be {_BRIEF}"
    r"|(?:the|my) (?:answer|reply|response) (?:should|must|needs to)\b)",
    re.IGNORECASE,
)
_ABOUT: Final = re.compile(
    rf"{_LEAD}(?:(?:(?:the|this|our|my) (?:customer|client|person|callee|other party)|they|he|she) (?:needs?\b|{_META})"
    rf"|(?:the |this )?(?:user|caller) needs?\b"
    rf"|(?:i|we)(?:{_APOSTROPHE}ll| (?:can|could|will|am going to|want to)){_ADVERBS}(?:{_ANSWERS}|{_SPEAKS})"
    rf"|(?:(?:i|we)\s+)?{_SHOULD}{_ADVERBS}{_SPEAKS}|let me (?:think|see)\b)",
    re.IGNORECASE,
)
_FOR_USER: Final = re.compile(  # "I need to find out what the user wants."
    rf"{_LEAD}(?:i|we)\s+(?:{_SHOULD}|want to|am going to){_ADVERBS}.{{0,160}}\b(?:the|this) (?:user|caller)\b"
    rf"(?=[,.!?;:)]|{_APOSTROPHE}s\b|\s*\Z"
    r"| (?:what|when|whether|if|that|to|for|about|and|is|has|in|on|with|wants|asks)\b)",
    re.IGNORECASE | re.DOTALL,
)
_ASIDE: Final = re.compile(  # "(I kept it short, as the user asked.)"
    r"\s*[(\[*_]+"
    rf"(?:[^)\]]*\b(?:the|this) (?:user|caller)\b[^)\]]*|(?:i|we)\b[^)\]]*\b{_BRIEF}\b[^)\]]*)"
    r"[)\]*_]+[\W_]*",
    re.IGNORECASE,
)
_ASKS: Final = re.compile(r"ask|sa(?:id|ys)|inquir|wonder|quer|question", re.IGNORECASE)
_FILLER: Final = re.compile(rf"{_LEAD}(?:let me (?:think|see)\b.*)?[\W_]*", re.IGNORECASE | re.DOTALL)
_YOU: Final = re.compile(r"\b(?:you|your|yours)\b", re.IGNORECASE)
_QUOTED: Final = re.compile(r"[\"“][^\"”]*[\"”]")
_END: Final = re.compile(r"[.!?…][\"'”\u2019)\]*_]*\s\Z|\n\Z|[。\uff01\uff1f]\Z")


def judge(sentence: str) -> Kind:
    """What this sentence is, by its beginning; a shorter beginning may be judged differently."""
    if label := planning_label(sentence):
        return Kind.PLANNING if is_certain(label) else Kind.INTENT
    if _FILLER.fullmatch(sentence):
        return Kind.FILLER
    return _judge(sentence)


def judge_later(sentence: str) -> Kind:
    """What this sentence is behind others that were for the caller: PLANNING or SPEECH."""
    return Kind.PLANNING if _judge(sentence) is Kind.PLANNING else Kind.SPEECH


def _judge(sentence: str) -> Kind:
    kind = Kind.SPEECH if _YOU.search(_QUOTED.sub("", sentence)) else _english(sentence)
    return kind if kind is not Kind.SPEECH else _other(sentence)


def _english(sentence: str) -> Kind:
    if _USER.match(sentence):
        # "The user wants another password? Then …" is a case that is discussed.
        return Kind.ABOUT if sentence.rstrip().endswith("?") and not _ASKS.search(sentence) else Kind.PLANNING
    if _ASIDE.fullmatch(sentence):
        return Kind.PLANNING
    if _INTENT.match(sentence) or _FOR_USER.match(sentence):
        return Kind.INTENT
    return Kind.ABOUT if _ABOUT.match(sentence) else Kind.SPEECH


def _other(sentence: str) -> Kind:
    for language in LANGUAGES.values():
        for pattern, kind in (
            (language.about_user, Kind.PLANNING),
            (language.intent, Kind.INTENT),
            (language.may, Kind.ABOUT),
        ):
            if pattern.match(sentence) and not language.you.search(sentence):
                return kind
    return Kind.SPEECH


def ends_sentence(text: str) -> bool:
    """Whether the last character ends the sentence. Planning under a label ends with its line or paragraph."""
    label = planning_label(text)
    if label is None:
        return _END.search(text, max(0, len(text) - 12)) is not None
    planning = text[label.end() :].lstrip(" *_")
    return planning.endswith("\n\n" if planning.startswith("\n") else "\n") and planning != "\n"


def is_planned(kinds: list[Kind], *, alone: bool) -> bool:
    """Whether these sentences at the beginning of a reply are planning. `alone`: nothing follows them."""
    return Kind.PLANNING in kinds or (Kind.INTENT in kinds and (not alone or Kind.ABOUT in kinds))

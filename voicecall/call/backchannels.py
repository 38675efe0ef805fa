# ruff: noqa: RUF001  letters of several scripts
"""What a caller utters without taking the floor: sounds that are no words, and backchannels ("mhm", "okay").

Pure. Used by `interruption`, which takes none of them for a backchannel where the bot has asked something. Knows
texts; all languages share one set.
"""

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["BACKCHANNELS", "has_words", "is_backchannel", "word_count"]

BACKCHANNELS: Final[Mapping[str, frozenset[str]]] = {
    "*": frozenset({"mhm", "mm", "mmm", "mm hm", "mm hmm", "hm", "hmm", "hmhm", "ah", "aha", "oh", "ooh", "uh", "um"}),
    "en": frozenset({"uh huh", "mm kay", "okay", "ok", "i see", "right", "got it", "wow"}),
    "de": frozenset({"ach so", "achso", "okay", "verstehe", "genau", "äh", "ähm", "na ja"}),
    "fr": frozenset({"d accord", "hein", "euh", "ah bon", "je vois", "okay"}),
    "es": frozenset({"ajá", "ya veo", "ah ya", "eh"}),
    "it": frozenset({"capisco", "ah ecco", "eh", "beh"}),
    "pt": frozenset({"aham", "entendi", "tá", "pois", "ahn"}),
    "nl": frozenset({"oké", "aha", "hè", "ik snap het", "juist"}),
    "pl": frozenset({"yhm", "aha", "rozumiem", "no tak", "mhm"}),
    "ru": frozenset({"угу", "ага", "мм", "понятно", "ясно", "так"}),
    "uk": frozenset({"угу", "ага", "мм", "зрозуміло", "ясно"}),
    "tr": frozenset({"hı hı", "hıhı", "anladım", "tamam"}),
    "ar": frozenset({"اها", "امم", "تمام", "طيب"}),
    "hi": frozenset({"हम्म", "अच्छा", "हूँ"}),
    "vi": frozenset({"ừ", "ừm", "à", "vậy à"}),
    "th": frozenset({"อืม", "อ๋อ", "อ่า"}),
    "id": frozenset({"oh gitu", "he eh", "hmm", "oke"}),
    "uz": frozenset({"hm", "tushunarli"}),
    "zh": frozenset({"嗯", "嗯嗯", "哦", "噢", "啊", "唔"}),
    "ja": frozenset({"うん", "うんうん", "ええ", "へえ", "ふーん", "ほう", "なるほど"}),
    "ko": frozenset({"음", "응", "아", "아하", "그렇구나"}),
}
"""Backchannels by language, in lower case and without punctuation; "*": of every language."""

_ALL: Final = frozenset().union(*BACKCHANNELS.values())
_NO_LETTER: Final = re.compile(r"[^\w\u0300-\u036f\u0900-\u0963\u0966-\u097f\u0e30-\u0e4e]+")
"""What separates words. Vowel signs of Devanagari and Thai and combining accents belong to the word before."""


def word_count(text: str) -> int:
    """The number of words. Where a script has no spaces, a phrase counts as one."""
    return len(_words(text))


def has_words(text: str) -> bool:
    """False for an empty text, and for one of punctuation or symbols alone."""
    return bool(_words(text))


def is_backchannel(text: str) -> bool:
    """Whether the text is nothing but backchannels, in whatever language: "Mhm, okay."."""
    words = _words(text)
    return bool(words) and _covered(words)


def _covered(words: list[str]) -> bool:
    """Whether the words can be divided into backchannels; one has at most three words."""
    if not words:
        return True
    return any(" ".join(words[:n]) in _ALL and _covered(words[n:]) for n in range(1, min(3, len(words)) + 1))


def _words(text: str) -> list[str]:
    return _NO_LETTER.sub(" ", text.lower().replace("_", " ")).split()

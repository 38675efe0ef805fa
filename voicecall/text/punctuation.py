"""Where sentences and clauses end in writing, for every script, and which full stops end none, by language.

Pure data. Marks are Unicode's sentence terminals (UAX 29, property `Sentence_Terminal`) that people and models write.
"""

# ruff: noqa: RUF001  letters and marks of other scripts are meant as they are

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from voicecall.text.language_tags import primary_subtag

__all__ = ["CLAUSE", "CLOSERS", "END", "SPACED_SCRIPT_BREAK", "Abbreviations", "abbreviations_of"]

CLOSERS: Final = "\"'”’»)]›"
_WIDE_CLOSERS: Final = "」』”’）》〉】\"'"
_WIDE_ENDS: Final = (
    "。！？｡．"  # Chinese, Japanese
    "।॥"  # Hindi, Bengali, Marathi and the other scripts of India
    "؟۔؞"  # Arabic, Urdu, Persian
    "։՜՞"  # Armenian
    "።፧፨"  # Amharic
    "។៕"  # Khmer
    "။"  # Burmese
    "།༎"  # Tibetan
    "‼⁇⁈⁉"
)

END: Final = re.compile(
    rf"(?<![.!?…])(?P<mark>[.!?…]++)[{re.escape(CLOSERS)}]*+(?=\s)"
    rf"|[{_WIDE_ENDS}][{_WIDE_ENDS}!?]*+[{re.escape(_WIDE_CLOSERS)}]*+(?=.)"
    r"|(?=\n)"
)
"""The end of a sentence. `mark` is set for . ! ? …, which do not always end one."""

CLAUSE: Final = re.compile(r"(?:[,;:]| [—–-])(?=\s)|[、，；：،؛၊፣፥]")
"""The end of a clause."""

_SPACED: Final = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
SPACED_SCRIPT_BREAK: Final = re.compile(rf"(?<=[{_SPACED}]) (?=[{_SPACED}])")
"""A space in a script that writes spaces between clauses and sentences, not between words, and often no other mark."""


class Abbreviations:
    """The words of one language after which a full stop ends no sentence.

    `never`: whatever follows. `inside`: unless a capital follows. `counted`: when a number follows. `ordinals`: a
    number with a full stop is an ordinal ("am 3. Mai").
    """

    def __init__(self, *, never: str, inside: str = "", counted: str = "", ordinals: bool = False) -> None:
        self.never = frozenset(never.split())
        self.inside = frozenset(inside.split())
        self.counted = frozenset(counted.split())
        self.ordinals = ordinals


_ENGLISH: Final = Abbreviations(
    never="mr mrs ms mx dr prof st mt gen col capt lt sgt rev hon pres gov sen rep vs e.g i.e cf al",
    inside=(
        "etc inc ltd co corp jr sr approx dept est ave blvd rd jan feb apr aug sept oct nov dec hr hrs min mins sec"
    ),
    counted="no nos nr fig p pp vol ch art sec ext tel ca",
)

_BY_LANGUAGE: Final[Mapping[str, Abbreviations]] = MappingProxyType(
    {
        "en": _ENGLISH,
        "de": Abbreviations(
            never="dr prof hr fr st bzw z d u z.b d.h u.a o.ä evtl ggf inkl exkl zzgl vgl bspw sog max min ca",
            inside="usw etc str std mio mrd jan feb aug sept okt nov dez geb tel",
            counted="nr tel abs art s kap bd ca abt",
            ordinals=True,
        ),
        "fr": Abbreviations(
            never="m mm dr pr st ste p.ex c.-à-d cf env",
            inside="etc av bd tél janv févr avr juil sept oct nov déc",
            counted="no n° p art tél ch",
        ),
        "es": Abbreviations(
            never="sr sra srta sres dr dra d dña ud uds vd p.ej prof",
            inside="etc avda av c pág aprox ene feb abr ago sept oct nov dic",
            counted="núm n.º nº tel pág art ext",
        ),
        "it": Abbreviations(
            never="sig sig.ra sigg dott dott.ssa avv ing prof arch geom p.es es spett gent",
            inside="ecc tel pag ca gen feb apr ago sett ott nov dic",
            counted="n nr tel pag art int",
        ),
        "pt": Abbreviations(
            never="sr sra srta dr dra d prof profa p.ex v.exa exmo exma",
            inside="etc av r pág aprox jan fev abr ago set out nov dez",
            counted="nº n.º tel pág art ramal",
        ),
        "nl": Abbreviations(
            never="dhr mevr mw dr prof drs ir ing bijv o.a d.w.z m.b.t i.v.m a.u.b t.a.v",
            inside="enz etc jan feb apr aug sept okt nov dec",
            counted="nr tel blz art ca",
        ),
        "pl": Abbreviations(
            never="dr prof mgr inż np tzn tj m.in ul al pl św ks",
            inside="itd itp godz zł gr tys mln r w",
            counted="nr tel godz str art ok",
            ordinals=True,
        ),
        "ru": Abbreviations(
            never="т.е т.к т.н напр ул пр пер пл им г-н г-жа проф акад",
            inside="т.д т.п др пр г гг руб коп тыс млн мин сек",
            counted="тел стр ст д кв корп каб доб",
        ),
        "uk": Abbreviations(
            never="тобто напр вул пл пров ім проф акад п",
            inside="т.д т.п ін р рр грн коп тис млн хв сек",
            counted="тел стор ст буд кв каб",
        ),
        "tr": Abbreviations(
            never="dr prof doç av sn bkz örn vb vs müh",
            inside="cad sok mah apt dk sn",
            counted="no tel s madde",
            ordinals=True,
        ),
        "id": Abbreviations(never="dr prof jl bpk yth drs", inside="dll dsb dst tgl", counted="no tel hlm"),
        "vi": Abbreviations(never="tp ts ths gs pgs bs", inside="v.v", counted="số đt tr"),
        "uz": Abbreviations(never="dr prof akad", inside="h.k sh.k", counted="tel uy", ordinals=False),
    }
)


def abbreviations_of(language: str) -> Abbreviations:
    """Those of a BCP 47 tag's language; English ones where it has none of its own."""
    return _BY_LANGUAGE.get(primary_subtag(language), _ENGLISH)

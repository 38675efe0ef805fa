r"""Removes notation that stands between the words of a text: footnotes, citations, task marks, formulas, colours.

Pure and incremental; used by `plain`, which reads HTML and Markdown in what remains. Also removed are the definitions
of reference links and footnotes; of a formula the marks are removed and the commonest commands resolved. Money ("$5")
and paths ("C:\dir") are text.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

__all__ = ["Notation"]

_COMMANDS: Final = (
    *(("times", "\u00d7"), ("cdot", "·"), ("div", "÷"), ("pm", "±"), ("approx", "≈"), ("infty", "∞"), ("pi", "π")),
    *(("le", "≤"), ("leq", "≤"), ("ge", "≥"), ("geq", "≥"), ("ne", "≠"), ("neq", "≠"), ("circ", "°"), ("degree", "°")),
    *(("to", "→"), ("rightarrow", "→"), ("ldots", "…"), ("dots", "…"), ("quad", " "), ("qquad", " ")),
    *(("left", ""), ("right", ""), ("displaystyle", "")),
)
_SYMBOLS: Final = dict(_COMMANDS)
_INNER: Final = r"[^{}\n]"
_LIST_MARK: Final = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_LINE_KEPT: Final = 16  # characters of the line so far: enough for the mark of a list


class _Form(NamedTuple):
    """`begins` with a character behind a line that `follows` accepts; `whole` with its `meaning`, or `part` of one."""

    begins: str
    follows: Callable[[str], bool]
    whole: re.Pattern[str]
    part: re.Pattern[str]
    meaning: str | Callable[[re.Match[str]], str] = ""


def _form(
    follows: Callable[[str], bool], whole: str, part: str, meaning: str | Callable[[re.Match[str]], str] = ""
) -> _Form:
    return _Form(part.removeprefix("\\")[0], follows, re.compile(whole), re.compile(part), meaning)


def _anywhere(_: str) -> bool:
    return True


def _starts_line(line: str) -> bool:
    return not line.strip()


def _starts_task(line: str) -> bool:
    return _LIST_MARK.fullmatch(line) is not None


def _follows_words(line: str) -> bool:
    return bool(line) and (line[-1].isalnum() or line[-1] in ".,;:!?)]\"'”\u2019…")


def _follows_link(line: str) -> bool:
    return line.endswith("]")


def _follows_no_word(line: str) -> bool:
    return not line or not (line[-1].isalnum() or line[-1] in "$\\")


def _follows_no_path(line: str) -> bool:
    return not line or not (line[-1].isalpha() or line[-1] in ":\\")


_FORMS: Final = (
    _form(_starts_line, r"\[\^[^\]\s]{1,40}\]:[ \t]*(?=\S|\n)", r"\[(?:\^[^\]\s]{0,40}(?:\](?::[ \t]*)?)?)?"),
    _form(lambda line: not _starts_line(line), r"\[\^[^\]\s]{1,40}\]", r"\[(?:\^[^\]\s]{0,40})?"),
    _form(_starts_line, r"\[\^[^\]\s]{1,40}\](?=[^:])", r"\[(?:\^[^\]\s]{0,40}\]?)?"),
    _form(
        _starts_line,
        r"\[[^\]\n]{1,60}\]:[ \t]+<?(?:https?://|www\.|mailto:)[^\n]{0,1000}(?=\n)",
        r"\[[^\]\n]{0,60}(?:\](?::[ \t]*(?:<?\S{0,8}|<?(?:https?://|www\.|mailto:)[^\n]{0,1000}))?)?",
    ),
    _form(_starts_task, r"\[[ xX]\][ \t](?=[^\n])", r"\[(?:[ xX](?:\][ \t]?)?)?"),
    _form(_follows_words, r"\[[1-9]\d{0,2}\](?=[\s.,;:!?)\[])", r"\[(?:[1-9]\d{0,2}\]?)?"),
    _form(_follows_link, r"\[[\w .-]{0,40}\](?=[^(:])", r"\[[\w .-]{0,40}\]?"),
    _form(_anywhere, r"<!\[CDATA\[", r"<(?:!(?:\[(?:C(?:D(?:A(?:T(?:A)?)?)?)?)?)?)?"),
    _form(_anywhere, r"\]\]>", r"\]\]?"),
    _form(_anywhere, r"【[^】\n]{0,60}†[^】\n]{0,60}】", r"【[^】\n]{0,120}"),
    _form(_anywhere, "\ue200[^\ue201\n]{0,300}\ue201", "\ue200[^\ue201\n]{0,300}"),
    _form(_anywhere, r"\x1b\[[0-9;]{0,20}[A-Za-z]", "\x1b(?:\\[[0-9;]{0,20})?"),
    _form(
        _follows_no_word,
        r"\$(?P<inner>[^\s\d$](?:[^$\n]{0,80}[^\s$])?)\$(?=\D)",
        r"\$(?:[^\s\d$][^$\n]{0,81}\$?)?",
        lambda found: found["inner"],
    ),
    _form(
        _anywhere,
        rf"\\[dt]?frac\{{(?P<over>{_INNER}{{1,40}})\}}\{{(?P<under>{_INNER}{{1,40}})\}}",
        rf"\\(?:[dt]?f?r?a?c?|[dt]?frac\{{{_INNER}{{0,40}}(?:\}}(?:\{{{_INNER}{{0,40}})?)?)",
        lambda found: f"{found['over']}/{found['under']}",
    ),
    _form(
        _anywhere,
        rf"\\(?:text(?:bf|it)?|math(?:rm|bf)|boxed|emph|(?P<root>sqrt))\{{(?P<inner>{_INNER}{{1,80}})\}}",
        rf"\\(?:[a-z]{{0,6}}|(?:text(?:bf|it)?|math(?:rm|bf)|boxed|emph|sqrt)\{{{_INNER}{{0,80}})",
        lambda found: ("√" if found["root"] else "") + found["inner"],
    ),
    _form(
        _follows_no_path,
        rf"\\(?P<name>{'|'.join(_SYMBOLS)})(?=[^a-zA-Z])",
        r"\\[a-z]{0,12}",
        lambda found: _SYMBOLS[found["name"]],
    ),
)
_BEGINNINGS: Final = frozenset(form.begins for form in _FORMS)


class Notation:
    """Of one text. The result does not depend on where the pieces were cut."""

    def __init__(self) -> None:
        self._held = ""  # what may become a notation
        self._line = ""  # the end of the line so far, as it was written

    def feed(self, piece: str) -> str:
        """The text that is decided now."""
        text, self._held = self._held + piece, ""
        made, at = [], 0
        while at < len(text):
            if text[at] in _BEGINNINGS:
                found = self._form_at(text, at)
                if found is None:
                    self._held = text[at:]
                    break
                meaning, end = found
                made.append(meaning)
                if end > at:
                    self._line += text[end - 1]
                    at = end
                    continue
            made.append(text[at])
            self._pass(text[at])
            at += 1
        return "".join(made)

    def flush(self) -> str:
        """The rest. Feed nothing more."""
        rest = self.feed("\n")
        return (rest + self._held).removesuffix("\n")

    def _pass(self, char: str) -> None:
        self._line = "" if char == "\n" else (self._line + char)[-_LINE_KEPT:]

    def _form_at(self, text: str, at: int) -> tuple[str, int] | None:
        """What stands at `at` means, and where it ends; `at` itself when it is text, None when it is undecided."""
        is_open = False
        for form in _FORMS:
            if form.follows(self._line):
                if found := form.whole.match(text, at):
                    return (form.meaning if isinstance(form.meaning, str) else form.meaning(found)), found.end()
                is_open = is_open or form.part.fullmatch(text, at) is not None
        return None if is_open else ("", at)

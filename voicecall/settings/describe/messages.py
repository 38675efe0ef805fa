"""Messages about values that the models refuse: the key's full path, the problem, the remedy.

Made from pydantic's errors. A message contains no secret, and no value of an unknown key.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from voicecall.manifests import TTS
from voicecall.settings.reading.raw import RawSettings
from voicecall.settings.reading.tree import Path, all_paths, block_at, keys_of

__all__ = ["problems_of"]

_SECRET: Final = re.compile(r"(key|token|secret|password)$", re.IGNORECASE)
_SHOWN: Final = 60
_REQUIRED: Final = "is required; set it"
_FOLDED: Final[dict[Path, list[str]]] = {
    ("tts", "providers"): [service.name if service.speaks else service.other_name for service in TTS.values()],
}
_REMEDY: Final = {
    "bool_type": "is not true or false; write it without quotes",
    "int_type": "is not a whole number; write it without quotes",
    "int_from_float": "is not a whole number",
    "float_type": "is not a number; write it without quotes",
    "finite_number": "is not a finite number",
    "string_type": "is not a string; put it in quotes",
    "tuple_type": "is not a list; write it in [ ]",
    "model_type": "is not an object; write it in { }",
    "string_too_long": "is too long",
}
_FORMS: Final = {
    r"^[A-Za-z][A-Za-z0-9_-]{0,47}$": "is no name; use up to 48 letters, digits, - and _, and a letter first",
    r"^[A-Z]{3}$": "is no currency; write its three capital letters, as in USD",
    r"^\+[1-9][0-9]{0,14}$": "is not the beginning of a number; write + and digits, as in +44",
}
"""What a pattern of the models asks for, in words."""


def problems_of(error: ValidationError, raw: RawSettings) -> Iterator[str]:
    for found in error.errors(include_url=False):
        is_unknown = found["type"] == "extra_forbidden"  # such a key may itself be named as pydantic marks keys
        path = tuple(str(part) for part in found["loc"] if is_unknown or part != "[key]")
        if is_unknown:
            for unknown in _unknown(path, found["input"]):
                yield f"{_escaped(raw.name(unknown))}: there is no such key; {_nearest(unknown, raw)}"
        else:
            yield f"{_escaped(raw.name(path))}: {_problem_of_value(path, found)}"


def _unknown(path: Path, value: Any) -> Iterator[Path]:
    """The unknown keys. Under `providers`, whose known keys were moved before, only those that are left."""
    if isinstance(value, dict) and value and _plain_path(path) in _FOLDED:
        for key, inner in value.items():
            yield from _unknown((*path, str(key)), inner)
    else:
        yield path


def _problem_of_value(path: Path, found: Mapping[str, Any]) -> str:
    kind = found["type"]
    if kind == "missing":  # what pydantic shows then is the object around it
        return _REQUIRED
    if kind == "string_pattern_mismatch":
        pattern = found["ctx"]["pattern"]
        problem = _FORMS.get(pattern, f"is not of the form {_escaped(pattern)}")
    else:
        problem = _problem(kind, found)
    return f"{_shown(path, kind, found['input'])} {problem}"


def _problem(kind: str, found: Mapping[str, Any]) -> str:
    context = found.get("ctx", {})
    match kind:
        case "literal_error" | "enum":
            return f"is not one of the possible values; choose {context['expected']}"
        case "greater_than":
            return f"is out of range; use more than {context['gt']}"
        case "greater_than_equal":
            return f"is out of range; use {context['ge']} or more"
        case "less_than":
            return f"is out of range; use less than {context['lt']}"
        case "less_than_equal":
            return f"is out of range; use {context['le']} or less"
        case _:
            pass
    return _REMEDY.get(kind) or _escaped(str(found["msg"]))


def _shown(path: Path, kind: str, value: Any) -> str:
    """The value as written; of what may be a secret only the length, and of a block only its kind."""
    if isinstance(value, dict | list | tuple):
        return "the object" if isinstance(value, dict) else "the list"
    text = json.dumps(value, default=str)
    if kind == "model_type" or "@" in text or any(_SECRET.search(part) for part in path):
        return f"*** ({len(str(value))} characters)"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=True)[1:-1].replace('\\"', '"')[:300]


def _nearest(path: Path, raw: RawSettings) -> str:
    """The key that was probably meant: similar in the same object, else of the same name elsewhere."""
    here = block_at(path[:-1])
    known = _FOLDED.get(_plain_path(path[:-1]), keys_of(here) if here is not None else [])
    plain = {key.lower(): key for key in known}
    close = difflib.get_close_matches(_plain(path[-1]), plain, n=1, cutoff=0.6)
    if close:
        return f"did you mean {raw.name((*path[:-1], plain[close[0]]))}?"
    elsewhere = [place for place in all_paths() if place[-1] == path[-1]]
    if elsewhere:
        return f"did you mean {' or '.join(raw.prefix + '.'.join(place) for place in elsewhere[:3])}?"
    return "remove it"


def _plain_path(path: Path) -> Path:
    """The path without `numbers.<number>`: a number's `tts` has the same keys as the general one."""
    return path[2:] if path[:1] == ("numbers",) else path


def _plain(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")

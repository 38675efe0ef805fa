"""The types of values in the configuration: numbers, secrets, addresses; and `Block`, the base of all its models.

Used by the manifests and the settings. Each type has its error message and its JSON Schema; neither knows which key the
value belongs to.
"""

import re
from typing import Annotated, Any, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    Strict,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError, core_schema

from voicecall.call.ids import E164, parse_e164
from voicecall.call.numbers import why_no_number

__all__ = [
    "HTTP_ORIGIN",
    "LONGEST_TEXT",
    "MASKED",
    "MAY_BE_REFERENCE",
    "BaseUrl",
    "Block",
    "Countries",
    "Credential",
    "ExactUrl",
    "Natural",
    "Number",
    "Numbers",
    "OneOf",
    "PathText",
    "Port",
    "Positive",
    "Secret",
    "Share",
    "ShortMs",
    "Text",
    "Texts",
    "TimeoutMs",
    "WaitMs",
    "split_url",
    "whole",
]

LONGEST_TEXT: Final = 65_536

MAY_BE_REFERENCE: Final = "may-be-reference"
"""Marks a key where a secret reference may stand instead of the text."""

MASKED: Final = "masked"
"""Marks a key whose texts may hold secrets among others, and are never shown."""

_PORT: Final = "(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5]?[0-9]{1,4})"
_HOST: Final = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.~%-]+)"

HTTP_ORIGIN: Final = f"[Hh][Tt][Tt][Pp][Ss]?://{_HOST}(?::{_PORT})?"
"""Pattern of the beginning of an http(s) URL."""

_HTTP_URL: Final = rf"^{HTTP_ORIGIN}(?:/(?:(?![?#])[!-~])*)?$"
_EXACT_URL: Final = rf"^{HTTP_ORIGIN}(?:/(?:(?![?#])[!-~])*(?:\?(?:(?!#)[!-~])*)?)?$"


class Block(BaseModel):
    """One object of the configuration: camelCase outside, snake_case inside, strict, frozen, nothing unknown."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        str_max_length=LONGEST_TEXT,
        # The docstring under a key describes it: in the schema, and in docs/configuration.md.
        use_attribute_docstrings=True,
    )


class OneOf:
    """Annotates a text that is one of several values: as `Literal`, for values that are collected at run time."""

    def __init__(self, *values: str) -> None:
        self._values = list(values)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.literal_schema(self._values)


def whole(value: Any) -> Any:
    """The value as int when it is a float without a fraction: JSON does not distinguish them."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def split_url(text: str) -> SplitResult | None:
    """The parts of an absolute URL with a host and, if any, a real port; None for everything else."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises ValueError for a malformed port
    except ValueError:
        return None
    clean = text.isascii() and text.isprintable() and " " not in text
    return parts if clean and parts.scheme and parts.hostname else None


def _number(text: str) -> E164:
    number = parse_e164(text)
    if number is None:
        raise PydanticCustomError(
            "e164",
            "is not an E.164 number: {why}; write + and 2 to 15 digits without spaces, as in +15550001234",
            {"why": why_no_number(text)},
        )
    return number


def _country(code: str) -> str:
    from phonenumbers import SUPPORTED_REGIONS  # its tables take 45 ms; most configurations name no country

    if code != "*" and code not in SUPPORTED_REGIONS:
        raise PydanticCustomError("country", "is no country; write its ISO 3166 code, as in US or GB, or * for all")
    return code


def _text(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "is blank; give it a value or remove the key")
    return text


def _secret(text: str) -> str:
    # It is sent in HTTP headers, which must not contain a line break that was copied along.
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise PydanticCustomError("secret", "holds blanks, line breaks or odd characters; copy the bare secret again")
    return text


def _path(text: str) -> str:
    if not text.startswith("/") or not text.isascii() or not text.isprintable() or any(c in text for c in " ?#"):
        raise PydanticCustomError("path", "is not an absolute path; write it as in /voice/webhook")
    return text


def _http_url(text: str, pattern: str = _HTTP_URL) -> str:
    parts = split_url(text)
    if parts is not None and (parts.username is not None or parts.password is not None):
        raise PydanticCustomError("url-secret", "holds a user or password; use the key made for the secret")
    if re.match(_HTTP_URL, "".join(text.split())) is not None and text.split() != [text]:
        raise PydanticCustomError("url-blank", "holds a blank; remove it, or write it as %20")
    if parts is None or re.match(pattern, text) is None:
        raise PydanticCustomError("url", "is not an absolute http(s) URL; write it as in https://api.example.com/v1")
    return text


def _exact_url(text: str) -> str:
    if split_url(text) is not None and "#" in text:
        raise PydanticCustomError("url-fragment", "holds a fragment, which is never requested; remove it from the # on")
    return _http_url(text, _EXACT_URL)


def _base_url(text: str) -> str:
    return _http_url(text).rstrip("/")


def _shaped(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


_E164_SCHEMA: Final = _shaped(r"^\+[1-9][0-9]{1,14}$")
_TEXT_SCHEMA: Final = _shaped(r"\S")
_SECRET_SCHEMA: Final = _shaped(r"^[!-~]+$")

_Text = Annotated[str, AfterValidator(_text), _TEXT_SCHEMA]

Number = Annotated[E164, AfterValidator(_number), _E164_SCHEMA]
Numbers = Annotated[tuple[Annotated[E164, Strict, AfterValidator(_number), _E164_SCHEMA], ...], Strict(strict=False)]
# Two capital letters that are no country's are a problem of the loader only.
_COUNTRY_SCHEMA: Final = _shaped(r"^(?:[A-Z]{2}|\*)$")
Countries = Annotated[
    tuple[Annotated[str, Strict, AfterValidator(_country), _COUNTRY_SCHEMA], ...], Strict(strict=False)
]
Text = _Text
Texts = Annotated[tuple[Annotated[str, Strict, AfterValidator(_text), _TEXT_SCHEMA], ...], Strict(strict=False)]
# Optional, and never in a repr, so that no log line and no traceback contains it.
Secret = Annotated[Annotated[str, AfterValidator(_secret), _SECRET_SCHEMA] | None, Field(repr=False), MAY_BE_REFERENCE]
# Identifies an account and is not secret; treated like a secret all the same.
Credential = Annotated[_Text | None, MAY_BE_REFERENCE]
PathText = Annotated[str, AfterValidator(_path), _shaped(r"^/(?:(?![?#])[!-~])*$")]
# The address of a service, to which paths are appended: without a trailing slash.
BaseUrl = Annotated[str, AfterValidator(_base_url), _shaped(_HTTP_URL)]
# A complete URL, exactly as written, with its query: a carrier signs it.
ExactUrl = Annotated[str, AfterValidator(_exact_url), _shaped(_EXACT_URL)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0), BeforeValidator(whole)]
Natural = Annotated[int, Field(ge=0), BeforeValidator(whole)]
Port = Annotated[int, Field(gt=0, lt=65_536), BeforeValidator(whole)]
TimeoutMs = Annotated[int, Field(ge=1000, le=120_000), BeforeValidator(whole)]
ShortMs = Annotated[int, Field(ge=100, le=8000), BeforeValidator(whole)]
WaitMs = Annotated[int, Field(ge=100, le=60_000), BeforeValidator(whole)]

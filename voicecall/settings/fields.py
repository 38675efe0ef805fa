"""What one value of the configuration may be: numbers, secrets, addresses, and the shape every block shares.

Used by the blocks beside it. Knows how to say what is wrong with a value; does not know where the value stands.
"""

from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from voicecall.call.ids import E164, parse_e164

__all__ = ["Block", "HttpUrl", "Number", "Numbers", "PathText", "Port", "Secret", "Text", "Texts", "split_url"]


class Block(BaseModel):
    """One object of the configuration: camelCase outside, snake_case inside, strict, frozen, nothing unknown."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        str_max_length=65_536,
    )


def split_url(text: str) -> SplitResult | None:
    """The parts of an absolute URL with a host and, if any, a real port; None for everything else."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for a port that is none
    except ValueError:
        return None
    clean = text.isascii() and text.isprintable() and " " not in text
    return parts if clean and parts.scheme and parts.hostname else None


def _number(text: str) -> E164:
    number = parse_e164(text)
    if number is None:
        raise PydanticCustomError(
            "e164",
            "is not an E.164 number; write + and 2 to 15 digits without spaces, as in +15550001234",
        )
    return number


def _text(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "is blank; give it a value or remove the key")
    return text


def _secret(text: str) -> str:
    # It travels in HTTP headers: a line break that came along with a copied key would end there.
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise PydanticCustomError("secret", "holds blanks, line breaks or odd characters; copy the bare secret again")
    return text


def _path(text: str) -> str:
    if not text.startswith("/") or not text.isascii() or not text.isprintable() or any(c in text for c in " ?#"):
        raise PydanticCustomError("path", "is not an absolute path; write it as in /voice/webhook")
    return text


def _http_url(text: str) -> str:
    parts = split_url(text)
    if parts is None or parts.scheme not in {"http", "https"} or parts.query or parts.fragment:
        raise PydanticCustomError("url", "is not an absolute http(s) URL; write it as in https://api.example.com/v1")
    if parts.username is not None or parts.password is not None:
        raise PydanticCustomError("url-secret", "holds a user or password; use the key made for the secret")
    return text.rstrip("/")


Number = Annotated[E164, AfterValidator(_number)]
Numbers = Annotated[tuple[Annotated[E164, Strict, AfterValidator(_number)], ...], Strict(strict=False)]
Text = Annotated[str, AfterValidator(_text)]
Texts = Annotated[tuple[Annotated[str, Strict, AfterValidator(_text)], ...], Strict(strict=False)]
# Optional, and never in a repr: a log line or a traceback must not tell it.
Secret = Annotated[Annotated[str, AfterValidator(_secret)] | None, Field(repr=False)]
PathText = Annotated[str, AfterValidator(_path)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Port = Annotated[int, Field(gt=0, lt=65_536)]

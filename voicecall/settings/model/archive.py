"""The configuration's block `archive`: where ended calls are stored, and for how long.

Workers write the archive, the gateway reads it. This file checks the form of its address, and does not open it.
"""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from voicecall.manifests.fields import MAY_BE_REFERENCE, Block, whole

__all__ = ["Archive"]

_PATTERN: Final = r"^(?:sqlite:///(?!:memory:).+|postgres(?:ql)?(?:\+psycopg)?://.+)$"


def _archive_url(text: str) -> str:
    if not text.isprintable() or re.match(_PATTERN, text) is None:
        raise PydanticCustomError(
            "archive-url",
            "is no address of an archive; write sqlite:////var/lib/voicecall/calls.db"
            " or postgresql://user:password@host/database",
        )
    return text


class Archive(Block):
    """`url` None: SQLite in `store`. `retention_days` 0: for ever. `jsonl`: also append to `calls.jsonl`."""

    enabled: bool = True
    """Whether ended calls are kept."""
    url: Annotated[
        Annotated[str, AfterValidator(_archive_url), WithJsonSchema({"type": "string", "pattern": _PATTERN})] | None,
        Field(repr=False),
        MAY_BE_REFERENCE,
    ] = None
    """Address of the database, SQLite or PostgreSQL; without it, SQLite in `store`. May hold a password."""
    retention_days: Annotated[int, Field(ge=0, le=36_500), BeforeValidator(whole)] = 90
    """How long they are kept; 0: for ever."""
    jsonl: bool = False
    """Also append each to `calls.jsonl` in `store`, as the original's readers expect."""

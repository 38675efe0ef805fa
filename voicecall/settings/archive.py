"""Where ended calls are kept, and for how long.

Workers write there, the gateway reads there. Knows what an address may look like; opens nothing.
"""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from voicecall.settings.fields import Block

__all__ = ["Archive"]

_URL: Final = re.compile(r"(?:sqlite:///(?!:memory:).+|postgres(?:ql)?(?:\+psycopg)?://.+)\Z")


def _archive_url(text: str) -> str:
    if not text.isprintable() or _URL.match(text) is None:
        raise PydanticCustomError(
            "archive-url",
            "is no address of an archive; write sqlite:////var/lib/voicecall/calls.db"
            " or postgresql://user:password@host/database",
        )
    return text


class Archive(Block):
    """`url` None: SQLite beside the store. `retention_days` 0: for ever. `jsonl`: also append to `calls.jsonl`."""

    enabled: bool = True
    url: Annotated[Annotated[str, AfterValidator(_archive_url)] | None, Field(repr=False)] = None
    retention_days: Annotated[int, Field(ge=0, le=36_500)] = 90
    jsonl: bool = False

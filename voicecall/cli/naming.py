"""Which call a command means: its id, the beginning of it, or the only live call.

Used by the commands that take a call's id. The gateway is asked only when the id is not whole. Letters of either case
are read.
"""

import re
from typing import Any, Final

from voicecall.api.methods import HISTORY
from voicecall.call.ids import is_call_id
from voicecall.cli.exits import fail, gateway, run
from voicecall.client import AsyncVoicecall

__all__ = ["call_named", "call_or_only", "find_call", "may_be_call", "one_of"]

_SHORTEST: Final = 4  # characters; fewer begin the ids of many calls
_BEGINNING: Final = re.compile(rf"[0-9a-f]{{{_SHORTEST}}}[0-9a-f-]{{0,32}}\Z")
_SHOWS: Final = "`voicecall status` and `voicecall history list` show the ids"
_PAGE: Final = 200
_SHOWN: Final = 5


def call_or_only(text: str | None) -> str:
    """The id of the call that `text` names; without it, the only live call. Exits when there is not exactly one."""
    return run(find_call(text))


def call_named(text: str | None) -> str | None:
    """The id of the call that `text` names; None without it. Exits when a beginning does not name exactly one."""
    return None if text is None else run(find_call(text))


def may_be_call(text: str) -> bool:
    """Whether the text is an id, or long enough to be the beginning of one."""
    return is_call_id(text.lower()) or _BEGINNING.match(text.lower()) is not None


async def find_call(text: str | None) -> str:
    """As `call_or_only`. Exits when the text cannot begin an id."""
    beginning = None if text is None else text.strip().lower()
    if beginning is not None and not may_be_call(beginning):
        return fail(
            f"INVALID_REQUEST: callId: {beginning[:80]!r} is no call id; give the id that `voicecall call` printed, or"
            f" at least its first {_SHORTEST} characters; {_SHOWS}"
        )
    if beginning is not None and is_call_id(beginning):
        return beginning
    async with gateway() as client:
        live = [call.call_id for call in await client.calls()]
        if beginning is None:
            return _only(live)
        return one_of(
            [call for call in live if call.startswith(beginning)] or await _ended(client, beginning), beginning
        )


def one_of(found: list[str], beginning: str) -> str:
    """The only one of the calls whose ids begin so. Exits when there is none or several."""
    if len(found) == 1:
        return found[0]
    if found:
        return fail(f"{beginning} begins the ids of {len(found)} calls: {_listed(found)}; give more of it")
    return fail(
        f"NOT_FOUND: no live call and none of the newest ended ones has an id that begins with {beginning}; {_SHOWS}"
    )


async def _ended(client: AsyncVoicecall, beginning: str) -> list[str]:
    page: dict[str, Any] = await client.request(HISTORY.name, {"limit": _PAGE})
    return [call["callId"] for call in page["calls"] if call["callId"].startswith(beginning)]


def _only(live: list[str]) -> str:
    if len(live) == 1:
        return live[0]
    if not live:
        remedy = "place one with `voicecall call`, or name an ended one by its id, from `voicecall history list`"
        return fail(f"No call is live; {remedy}.")
    return fail(f"{len(live)} calls are live: {_listed(live)}; name one by the beginning of its id")


def _listed(calls: list[str]) -> str:
    more = f" and {len(calls) - _SHOWN} more" if len(calls) > _SHOWN else ""
    return ", ".join(calls[:_SHOWN]) + more

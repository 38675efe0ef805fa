"""Which call a command means: its id, the beginning of it, or the only live call.

Used by the commands that take a call's id. The gateway is asked only when the id is not whole.
"""

import re
from typing import Any, Final

from voicecall.api.methods import HISTORY
from voicecall.call.ids import is_call_id
from voicecall.cli.exits import fail, gateway, run
from voicecall.client import AsyncVoicecall

__all__ = ["call_named", "call_or_only", "find_call"]

_BEGINNING: Final = re.compile(r"[0-9a-f]{4}[0-9a-f-]{0,32}\Z")
_PAGE: Final = 200
_SHOWN: Final = 5


def call_or_only(text: str | None) -> str:
    """The id of the call that `text` names; without it, the only live call. Exits when there is not exactly one."""
    return run(find_call(text))


def call_named(text: str | None) -> str | None:
    """The id of the call that `text` names; None without it. Exits when a beginning does not name exactly one."""
    return None if text is None else run(find_call(text))


async def find_call(text: str | None) -> str:
    """As `call_or_only`. A text that cannot begin an id is returned as it is, for the gateway to refuse."""
    if text is not None and (is_call_id(text) or not _BEGINNING.match(text)):
        return text
    async with gateway() as client:
        live = [call.call_id for call in await client.calls()]
        if text is None:
            return _only(live)
        found = [call for call in live if call.startswith(text)] or await _ended(client, text)
    if len(found) == 1:
        return found[0]
    if found:
        return fail(f"{text} begins the ids of {len(found)} calls: {_listed(found)}; give more of it")
    return fail(f"NOT_FOUND: no live call and none of the newest ended ones has an id that begins with {text}")


async def _ended(client: AsyncVoicecall, beginning: str) -> list[str]:
    page: dict[str, Any] = await client.request(HISTORY.name, {"limit": _PAGE})
    return [call["callId"] for call in page["calls"] if call["callId"].startswith(beginning)]


def _only(live: list[str]) -> str:
    if len(live) == 1:
        return live[0]
    if not live:
        return fail("No call is live; --call-id names an ended one.")
    return fail(f"{len(live)} calls are live: {_listed(live)}; choose one with --call-id")


def _listed(calls: list[str]) -> str:
    more = f" and {len(calls) - _SHOWN} more" if len(calls) > _SHOWN else ""
    return ", ".join(calls[:_SHOWN]) + more

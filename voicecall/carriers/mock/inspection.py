"""Whether a mock carrier believes our secret: it is asked for a call that nobody made, and says 404 to its friends."""

from voicecall.carriers.http import Wire
from voicecall.carriers.inspecting import look
from voicecall.ports import Inspection

__all__ = ["inspect"]


async def inspect(wire: Wire, *, base_url: str) -> Inspection:
    """One request. A mock carrier has no settings: each dial names its webhook."""
    seen = await look(wire, f"{base_url}/find?call=nobody")
    return Inspection(
        status=200 if seen.status == 404 else seen.status,
        account="a mock carrier",
        server_time=seen.server_time,
        asked_at=seen.asked_at,
        trouble="" if seen.status == 404 else seen.trouble,
    )

"""Whether a mock carrier believes our secret: it is asked for a call that nobody made, and says 404 to its friends."""

from voicecall.carriers.common.inspect import look
from voicecall.carriers.common.rest import RestClient
from voicecall.ports import Inspection

__all__ = ["inspect"]


async def inspect(rest: RestClient, *, base_url: str) -> Inspection:
    """One request. A mock carrier has no settings: each dial names its webhook."""
    seen = await look(rest, f"{base_url}/find?call=nobody")
    return Inspection(
        status=200 if seen.status == 404 else seen.status,
        account="a mock carrier",
        server_time=seen.server_time,
        asked_at=seen.asked_at,
        trouble="" if seen.status == 404 else seen.trouble,
    )

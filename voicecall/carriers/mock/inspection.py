"""Checks whether a mock carrier accepts the secret: it answers a request for an unknown call by 404, else by 401."""

from voicecall.carriers.common.inspect import fetch
from voicecall.carriers.common.rest import RestClient
from voicecall.ports import Inspection

__all__ = ["inspect"]


async def inspect(rest: RestClient, *, base_url: str) -> Inspection:
    """One request. A mock carrier has no settings: each dial names its webhook URL."""
    seen = await fetch(rest, f"{base_url}/find?call=unknown")
    return Inspection(
        status=200 if seen.status == 404 else seen.status,
        account="a mock carrier",
        server_time=seen.server_time,
        asked_at=seen.asked_at,
        trouble="" if seen.status == 404 else seen.trouble,
    )

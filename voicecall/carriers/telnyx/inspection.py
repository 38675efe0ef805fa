"""Reads the name and the webhook URL of the Call Control application from Telnyx's API.

GET /call_control_applications/<connection id>.
"""

from urllib.parse import quote

from voicecall.carriers.common.inspect import fetch
from voicecall.carriers.common.rest import RestClient
from voicecall.ports import Inspection

__all__ = ["inspect"]


async def inspect(rest: RestClient, *, base_url: str, connection_id: str) -> Inspection:
    """One request: the application shows that the key is valid, and holds the webhook URL."""
    seen = await fetch(rest, f"{base_url}/call_control_applications/{quote(connection_id, safe='')}")
    data = seen.body.get("data")
    data = data if isinstance(data, dict) else {}
    off = " (switched off)" if data.get("active") is False else ""
    trouble = "this account has no such Call Control application" if seen.status == 404 else seen.trouble
    return Inspection(
        status=seen.status,
        account=f"{str(data.get('application_name', 'application'))[:80]}{off}" if data else "",
        server_time=seen.server_time,
        asked_at=seen.asked_at,
        webhook_url=str(data.get("webhook_event_url") or "") if data else None,
        setting=f"Telnyx portal, Call Control application {connection_id}, webhook URL",
        trouble=trouble,
    )

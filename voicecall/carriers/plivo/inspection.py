"""Reads the account's name, and the answer URL of the number's application, from Plivo's API.

GET /Account/<id>/, then /Account/<id>/Number/<number>/, then the application that it names.
"""

from urllib.parse import quote

from voicecall.carriers.common.inspect import Seen, fetch
from voicecall.carriers.common.rest import RestClient
from voicecall.ports import Inspection

__all__ = ["inspect"]


async def inspect(rest: RestClient, *, base_url: str, auth_id: str, number: str | None) -> Inspection:
    """At most three requests, each only after the one before succeeded."""
    account = f"{base_url}/Account/{quote(auth_id, safe='')}/"
    seen = await fetch(rest, account)
    found, trouble = None, seen.trouble
    if seen.is_good and number is not None:
        application, trouble = await _application(rest, account, number)
        found = None if application is None else str(application.body.get("answer_url") or "")
    return Inspection(
        status=seen.status,
        account=str(seen.body.get("name", ""))[:80],
        server_time=seen.server_time,
        asked_at=seen.asked_at,
        webhook_url=found,
        setting=f"Plivo console, the application of number {number or ''}, Answer URL",
        trouble=trouble,
    )


async def _application(rest: RestClient, account: str, number: str) -> tuple[Seen | None, str]:
    rented = await fetch(rest, f"{account}Number/{number.lstrip('+')}/")
    if not rented.is_good:
        return None, "this account has no such number" if rented.status == 404 else rented.trouble
    # A path, as in /v1/Account/<id>/Application/<app id>/; only its last part is used, and only if alphanumeric.
    name = str(rented.body.get("application") or "").rstrip("/").rpartition("/")[2]
    if not name.isalnum():
        return None, "the number has no application"
    application = await fetch(rest, f"{account}Application/{name}/")
    return (application, "") if application.is_good else (None, application.trouble)

"""Reads the account's state, and the voice URL of the number, from Twilio's API.

GET /Accounts/<sid>.json, then /Accounts/<sid>/IncomingPhoneNumbers.json?PhoneNumber=<number>.
"""

from urllib.parse import quote

from voicecall.carriers.common.inspect import fetch
from voicecall.carriers.common.rest import RestClient
from voicecall.ports import Inspection

__all__ = ["inspect"]


async def inspect(rest: RestClient, *, base_url: str, account_sid: str, number: str | None) -> Inspection:
    """At most two requests, the second only after the first succeeded."""
    account = f"{base_url}/2010-04-01/Accounts/{quote(account_sid, safe='')}"
    seen = await fetch(rest, f"{account}.json")
    named = str(seen.body.get("friendly_name", ""))[:80]
    state = str(seen.body.get("status", ""))[:20]
    setting = f"Twilio console, Phone Numbers, {number or 'the number'}, Voice: A call comes in"
    found, trouble = None, seen.trouble
    if seen.is_good and number is not None:
        listed = await fetch(rest, f"{account}/IncomingPhoneNumbers.json?PhoneNumber={quote(number, safe='')}")
        numbers = listed.body.get("incoming_phone_numbers")
        trouble = listed.trouble
        if isinstance(numbers, list) and numbers and isinstance(numbers[0], dict):
            found = str(numbers[0].get("voice_url") or "")
        elif listed.is_good:
            trouble = "this account has no such number"
    return Inspection(
        status=seen.status,
        account=f"{named or 'account'} ({state})" if state else named,
        server_time=seen.server_time,
        asked_at=seen.asked_at,
        webhook_url=found,
        setting=setting,
        trouble=trouble,
    )

"""The Python client of the gateway: place calls, converse on them, follow them. Needs an address and a token.

    from voicecall.client import Voicecall

    with Voicecall("http://127.0.0.1:3335", token="…") as gateway:
        call = gateway.initiate("Hello! Is the table by the window free?", to="+15550001234", mode="conversation")
        print(gateway.continue_(call, "At eight, for two?"))
        gateway.end(call)

`AsyncVoicecall` has the same methods as coroutines. docs/rpc.md describes every method.
"""

from voicecall.api.brief import Brief
from voicecall.api.results import (
    CallFacts,
    CallRecord,
    FeedEvent,
    FeedItem,
    Operation,
    OperationResult,
    TranscriptLine,
)
from voicecall.client.asynchronous import AsyncVoicecall
from voicecall.client.blocking import Voicecall
from voicecall.client.continuing import continued
from voicecall.client.failures import GatewayDown, Refused, TokenRefused

__all__ = [
    "AsyncVoicecall",
    "Brief",
    "CallFacts",
    "CallRecord",
    "FeedEvent",
    "FeedItem",
    "GatewayDown",
    "Operation",
    "OperationResult",
    "Refused",
    "TokenRefused",
    "TranscriptLine",
    "Voicecall",
    "continued",
]

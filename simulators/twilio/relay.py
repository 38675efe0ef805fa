"""`<ConversationRelay>`: Twilio's own session, signed (Twilio, "ConversationRelay WebSocket messages")."""

from collections.abc import Mapping
from typing import Any

from simulators.phone.line import Line
from simulators.phone.relay import Relay as AnyRelay
from simulators.twilio.call import Call, new_sid
from simulators.twilio.signature import sign

__all__ = ["FAILED", "Relay"]

FAILED = 64105


class Relay(AnyRelay):
    """With `applicationReconnect` a lost socket is opened again."""

    invalid_message = 64107

    def __init__(
        self, call: Call, line: Line, url: str, attributes: Mapping[str, str], parameters: Mapping[str, str]
    ) -> None:
        super().__init__(call, line, new_sid("VX"), url, attributes)
        self._leg = call
        self._parameters = dict(parameters)
        call.relays.append(self)

    def headers(self) -> dict[str, str]:
        return {"X-Twilio-Signature": sign(self._leg.exchange.token, self._url)}

    def setup(self) -> dict[str, Any]:
        call = self._leg
        return {
            "accountSid": call.exchange.account_sid,
            "parentCallSid": "",
            "forwardedFrom": "",
            "callType": "PSTN",
            "direction": call.direction,
            "callStatus": "IN-PROGRESS",
            "customParameters": self._parameters,
        }

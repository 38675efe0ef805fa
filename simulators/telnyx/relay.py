"""`conversation_relay_start`: Telnyx's session (Telnyx, "ConversationRelay WebSocket channel").

Not signed, without reports of what was played, and ended by the loss of its socket: `call.conversation.ended`.
"""

import uuid
from typing import Any

from simulators.phone.line import Line
from simulators.phone.relay import Relay as AnyRelay
from simulators.telnyx.call import Call
from simulators.telnyx.requests import Fields

__all__ = ["Relay", "run"]


class Relay(AnyRelay):
    """One session."""

    invalid_message = 100003

    def __init__(self, call: Call, line: Line, order: Fields) -> None:
        attributes = {
            "interruptible": str(order.get("interruptible", "any")),
            "dtmfDetection": "true" if order.get("dtmf_detection") else "false",
        }
        super().__init__(call, line, str(uuid.uuid4()), str(order["url"]), attributes)
        self._leg = call
        call.relays.append(self)

    def headers(self) -> dict[str, str]:
        return {"User-Agent": "telnyx-conversation-relay"}

    def setup(self) -> dict[str, Any]:
        call = self._leg
        return {
            "accountSid": call.exchange.connection_id,
            "callControlId": call.sid,
            "callSessionId": call.session_id,
            "callLegId": call.leg_id,
            "direction": "inbound" if call.incoming else "outbound",
            "callStatus": "active",
            "customParameters": {},
        }


async def run(relay: Relay, call: Call) -> None:
    """The session, to its end."""
    ended = await relay.run()
    reason = "ended" if ended == "ended" else "customer_disconnect"
    call.notify("call.conversation.ended", {"reason": reason})

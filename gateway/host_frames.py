"""The events an agent host sends on its socket, validated (docs/agent-hosts.md).

    {"type":"event","event":"agent.delta","payload":{"requestId":"…","text":"Of course. "}}

Pure. Used by `agents` and `sockets`.
"""

from typing import Annotated, Final, Literal

import orjson
from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from voicecall.api.frames import problem_of
from voicecall.api.params import Params
from voicecall.errors import InvalidRequest

__all__ = [
    "HOST_EVENTS",
    "HostEvent",
    "TurnBegan",
    "TurnDelta",
    "TurnDone",
    "TurnFailed",
    "TurnTool",
    "host_event",
    "read_host_event",
]

_REQUEST: Final = r"^[0-9a-f]{32}$"
_CODE: Final = r"^[A-Z][A-Z0-9_]{0,63}$"
_TOOL: Final = r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$"


class _TurnEvent(Params):
    request_id: Annotated[str, StringConstraints(pattern=_REQUEST)]


class TurnBegan(_TurnEvent):
    """The agent has begun: the turn is not offered to another host any more."""

    event: Literal["agent.began"]


class TurnDelta(_TurnEvent):
    blank_matters = frozenset({"text"})  # the space between two pieces

    event: Literal["agent.delta"]
    text: Annotated[str, StringConstraints(max_length=8192)]


class TurnTool(_TurnEvent):
    """The agent runs a tool: what the caller waits for meanwhile."""

    event: Literal["agent.tool"]
    name: Annotated[str, StringConstraints(pattern=_TOOL)]
    state: Literal["started", "ended"]


class TurnDone(_TurnEvent):
    """`text`: the whole reply, from a host that sent no delta."""

    event: Literal["agent.done"]
    text: Annotated[str, StringConstraints(max_length=32_768)] = ""


class TurnFailed(_TurnEvent):
    """Only `code` is forwarded; `message` may quote the conversation and is discarded."""

    event: Literal["agent.error"]
    code: Annotated[str, StringConstraints(pattern=_CODE)] = "FAILED"
    message: Annotated[str, StringConstraints(max_length=2048)] = ""


HostEvent = TurnBegan | TurnDelta | TurnTool | TurnDone | TurnFailed

HOST_EVENTS: Final = ("agent.began", "agent.delta", "agent.tool", "agent.done", "agent.error")
"""The names of all of them."""

_HOST_EVENT: Final[TypeAdapter[HostEvent]] = TypeAdapter(Annotated[HostEvent, Field(discriminator="event")])


def read_host_event(data: str | bytes) -> HostEvent | None:
    """Parse an event frame; None for a frame of another type. Raises InvalidRequest for an invalid event."""
    try:
        frame = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("frame is not JSON") from error
    if not isinstance(frame, dict) or frame.get("type") != "event":
        return None
    payload = frame.get("payload")
    if set(frame) - {"type", "event", "payload"} or not isinstance(payload, dict) or "event" in payload:
        raise InvalidRequest("frame: an event has type, event and payload, nothing else")
    try:
        return _HOST_EVENT.validate_python({**payload, "event": frame.get("event")})
    except ValidationError as error:
        raise InvalidRequest(problem_of(error)) from error


def host_event(event: str, payload: dict[str, object]) -> bytes:
    return orjson.dumps({"type": "event", "event": event, "payload": payload})

"""What an agent host may say on its socket: event frames, checked before anything is done (docs/agent-hosts.md).

    {"type":"event","event":"agent.delta","payload":{"requestId":"…","text":"Of course. "}}

Pure. Used by `agents` and by the socket, for the registration.
"""

from typing import Annotated, Final, Literal

import orjson
from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from voicecall.api.frames import problem_of
from voicecall.api.params import Params
from voicecall.errors import InvalidRequest

__all__ = ["Began", "Delta", "Done", "Failed", "Register", "Said", "host_event", "read_said"]

_REQUEST: Final = r"^[0-9a-f]{32}$"
_NAME: Final = r"^[A-Za-z0-9._-]{1,64}$"
_CODE: Final = r"^[A-Z][A-Z0-9_]{0,63}$"

_Request = Annotated[str, StringConstraints(pattern=_REQUEST)]
_Agent = Annotated[str, StringConstraints(pattern=_NAME)]


class Register(Params):
    """`voicecall.agent.register`: this socket's program answers calls. No `agents`: it answers for any."""

    name: _Agent
    agents: Annotated[tuple[_Agent, ...], Field(max_length=64, strict=False)] = ()


class _Turn(Params):
    request_id: _Request


class Began(_Turn):
    """The agent has begun: from here on the turn is this host's, whatever happens."""

    event: Literal["agent.began"]


class Delta(_Turn):
    event: Literal["agent.delta"]
    text: Annotated[str, StringConstraints(max_length=8192)]


class Done(_Turn):
    """`text`: the reply, from a host that sent none of it before."""

    event: Literal["agent.done"]
    text: Annotated[str, StringConstraints(max_length=32_768)] = ""


class Failed(_Turn):
    """`message` is for people and stays with the gateway's log at debug; only `code` travels."""

    event: Literal["agent.error"]
    code: Annotated[str, StringConstraints(pattern=_CODE)] = "FAILED"
    message: Annotated[str, StringConstraints(max_length=2048)] = ""


Said = Began | Delta | Done | Failed
_SAID: Final[TypeAdapter[Said]] = TypeAdapter(Annotated[Said, Field(discriminator="event")])


def read_said(data: str | bytes) -> Said | None:
    """What a host says of a turn; None for a frame of another type, which is a request like any other.

    Raises InvalidRequest for an event that is not as it should be.
    """
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
        return _SAID.validate_python({**payload, "event": frame.get("event")})
    except ValidationError as error:
        raise InvalidRequest(problem_of(error)) from error


def host_event(event: str, payload: dict[str, object]) -> bytes:
    return orjson.dumps({"type": "event", "event": event, "payload": payload})

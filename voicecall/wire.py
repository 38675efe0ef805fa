"""Facts as bytes: msgpack envelopes with a version, validated by pydantic where they enter.

Everything that crosses a process goes through here: events, effects, snapshots. What cannot be read raises
`Undecodable` and is set aside by the reader, never guessed at (reliability P17). Nobody else knows msgpack.
"""

from dataclasses import replace
from typing import Any, Final

import msgpack
from pydantic import TypeAdapter, ValidationError

from voicecall.call.effects import EFFECTS, Effect
from voicecall.call.events import EVENTS, Event
from voicecall.call.state import Call
from voicecall.errors import BusError

__all__ = [
    "VERSION",
    "Undecodable",
    "from_wire",
    "pack",
    "pack_call",
    "pack_event",
    "to_wire",
    "unpack",
    "unpack_call",
    "unpack_event",
]

VERSION: Final = 1
"""Version of every envelope. A reader refuses a newer one; an older one is migrated here when there is one."""

_MAX_ENVELOPE: Final = 1_048_576
_EVENT_SHAPES: Final[dict[str, TypeAdapter[Any]]] = {name: TypeAdapter(cls) for name, cls in EVENTS.items()}
_EFFECT_SHAPES: Final[dict[str, TypeAdapter[Any]]] = {name: TypeAdapter(cls) for name, cls in EFFECTS.items()}
_CALL_SHAPE: Final = TypeAdapter(Call)
_WIRE_NAMES: Final[dict[str, dict[str, str]]] = {"StreamOpened": {"ingress": "door"}}
"""Fields whose name in the log differs from their name in the code: logs of earlier builds must stay readable."""


class Undecodable(BusError):
    """These bytes are not one of our envelopes. The message never contains them."""


def pack(value: Any) -> bytes:
    """Plain data (no dataclasses) as msgpack."""
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def unpack(data: bytes) -> Any:
    """The reverse of `pack`. Raises Undecodable."""
    if len(data) > _MAX_ENVELOPE:
        raise Undecodable("envelope is over 1 MiB")
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=False)
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise Undecodable("envelope is not msgpack") from error


def pack_event(event: Event) -> bytes:
    name = type(event).__name__
    return pack((VERSION, name, to_wire(name, _EVENT_SHAPES[name].dump_python(event))))


def to_wire(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of an event under their names on the wire."""
    renamed = _WIRE_NAMES.get(name, {})
    return {renamed.get(key, key): value for key, value in fields.items()} if renamed else fields


def from_wire(name: Any, fields: Any) -> Any:
    """The reverse of `to_wire`."""
    renamed = {old: new for new, old in _WIRE_NAMES.get(name, {}).items()} if isinstance(name, str) else {}
    return (
        {renamed.get(key, key): value for key, value in fields.items()}
        if renamed and isinstance(fields, dict)
        else fields
    )


def unpack_event(data: bytes, *, at: float | None = None) -> Event:
    """The event; `at` replaces its time, as stamped by the log. Raises Undecodable."""
    name, fields = _envelope(data)
    if at is not None and isinstance(fields, dict):
        fields["at"] = at
    event: Event = _validated(_EVENT_SHAPES, name, from_wire(name, fields))
    return event


def pack_call(call: Call) -> bytes:
    fields = _CALL_SHAPE.dump_python(replace(call, pending={}))
    fields["pending"] = [_pack_effect(effect) for effect in call.pending.values()]
    return pack((VERSION, "Call", fields))


def unpack_call(data: bytes) -> Call:
    """The snapshot. Raises Undecodable."""
    name, fields = _envelope(data)
    if name != "Call" or not isinstance(fields, dict) or not isinstance(fields.get("pending"), list):
        raise Undecodable("envelope is not a snapshot")
    effects = [_unpack_effect(item) for item in fields.pop("pending")]
    try:
        call: Call = _CALL_SHAPE.validate_python(fields)
    except ValidationError as error:
        raise Undecodable(f"snapshot does not fit: {_first_problem(error)}") from error
    return replace(call, pending={effect.id: effect for effect in effects})


def _pack_effect(effect: Effect) -> tuple[str, Any]:
    name = type(effect).__name__
    return name, _EFFECT_SHAPES[name].dump_python(effect)


def _unpack_effect(item: Any) -> Effect:
    if not isinstance(item, list) or len(item) != 2:
        raise Undecodable("a pending effect is not a pair")
    effect: Effect = _validated(_EFFECT_SHAPES, item[0], item[1])
    return effect


def _envelope(data: bytes) -> tuple[Any, Any]:
    envelope = unpack(data)
    if not isinstance(envelope, list) or len(envelope) != 3:
        raise Undecodable("envelope is not a triple")
    version, name, fields = envelope
    if version != VERSION:
        raise Undecodable(f"envelope has version {version!r}, this build reads {VERSION}")
    return name, fields


def _validated(shapes: dict[str, TypeAdapter[Any]], name: Any, fields: Any) -> Any:
    shape = shapes.get(name) if isinstance(name, str) else None
    if shape is None:
        raise Undecodable("envelope names nothing we know")
    try:
        return shape.validate_python(fields)
    except ValidationError as error:
        raise Undecodable(f"{name} does not fit: {_first_problem(error)}") from error


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['type']}"

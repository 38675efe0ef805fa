"""Events, effects and snapshots as bytes: msgpack envelopes with a version, validated by pydantic when read.

Everything that crosses a process passes through here. An envelope is `(version, name, fields)`. What cannot be read
raises `Undecodable`; the reader sets it aside and never guesses (guarantee P17). No other module knows msgpack.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final, get_args

import msgpack
from pydantic import TypeAdapter, ValidationError

from voicecall.call.effects import AskOwner, AwaitedEffect, RunTool, Transfer
from voicecall.call.events import EVENTS, Event, Timer
from voicecall.call.state import Call
from voicecall.errors import BusError

__all__ = [
    "EVENT_VERSION",
    "VERSION",
    "OtherVersion",
    "Undecodable",
    "from_wire",
    "pack",
    "pack_call",
    "pack_event",
    "prepare",
    "to_wire",
    "unpack",
    "unpack_call",
    "unpack_event",
]

EVENT_VERSION: Final = 1
"""Version of an event's envelope. Builds with the same version read each other's log entries."""

VERSION: Final = 2
"""Version of a snapshot's envelope. A snapshot of another version is refused: the log is folded instead."""

_MAX_ENVELOPE: Final = 1_048_576
_EFFECTS: Final[dict[str, type[Any]]] = {cls.name: cls for cls in get_args(AwaitedEffect)}
_CLASSES: Final[dict[str, type[Any]]] = {**EVENTS, **_EFFECTS, Call.__name__: Call}

_ADDED_TIMERS: Final = frozenset(
    {Timer.CONFIRM, Timer.RESUME, Timer.TURN, Timer.SILENCE, Timer.TYPED, Timer.OWNER, Timer.TRANSFER}
)
"""Timers that not every build of this version knows. They stand in a field of their own, which such a build ignores: a
name that it does not know would make it refuse the whole snapshot."""

_ADDED_EFFECTS: Final = (RunTool, AskOwner, Transfer)
"""The same of pending effects."""

_POLICY_NAMES: Final = {
    "digits_replace_media": "keys_replace",
    "amd_timeout_s": "verdict_within_s",
    "reports_beep": "tells_beep",
}
_WIRE_NAMES: Final[dict[str, dict[str, str]]] = {
    "Placed": {"policy": "terms", "opening_digits": "keys"},
    "Arrived": {"policy": "terms"},
    "StreamOpened": {"ingress": "door"},
}
"""Fields of an event, by its wire name, whose name in the log differs from the code's: earlier logs stay readable."""
_CODE_NAMES: Final = {event: {old: new for new, old in names.items()} for event, names in _WIRE_NAMES.items()}
_CODE_POLICY_NAMES: Final = {old: new for new, old in _POLICY_NAMES.items()}


class Undecodable(BusError):
    """These bytes are not an envelope that this build reads. The message never contains them."""


class OtherVersion(Undecodable):
    """They are an envelope of another version: a build that reads it wrote them."""


@cache
def _shape(name: str) -> TypeAdapter[Any]:
    """Built when it is first needed: all of them are a tenth of the start of a process, which callers may wait for."""
    return TypeAdapter(_CLASSES[name])


def prepare() -> None:
    """Build everything now, so that no call waits for it."""
    for name in _CLASSES:
        _shape(name)


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
    fields = _shape(event.name).dump_python(event)
    return pack((EVENT_VERSION, event.name, to_wire(event.name, fields)))


def to_wire(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of the event `name` under their names on the wire."""
    renamed = _WIRE_NAMES.get(name)
    return fields if renamed is None else _rename(fields, renamed, "terms", _POLICY_NAMES)


def from_wire(name: Any, fields: Any) -> Any:
    """The reverse of `to_wire`. What is not a known event is returned unchanged, for the validation to refuse."""
    renamed = _CODE_NAMES.get(name) if isinstance(name, str) else None
    if renamed is None or not isinstance(fields, dict):
        return fields
    return _rename(fields, renamed, "policy", _CODE_POLICY_NAMES)


def _rename(
    fields: dict[str, Any], renamed: Mapping[str, str], policy: str, policy_renamed: Mapping[str, str]
) -> dict[str, Any]:
    """`policy`: the new name of the one field that is a dict with renamed keys itself."""
    result = {renamed.get(key, key): value for key, value in fields.items()}
    inner = result.get(policy)
    if isinstance(inner, dict):
        result[policy] = {policy_renamed.get(key, key): value for key, value in inner.items()}
    return result


def unpack_event(data: bytes, *, at: float | None = None) -> Event:
    """The event; `at` replaces its time, as stamped by the log. Raises Undecodable."""
    name, fields = _envelope(data, EVENT_VERSION)
    if at is not None and isinstance(fields, dict):
        fields["at"] = at
    event: Event = _validated(EVENTS, name, from_wire(name, fields))
    return event


def pack_call(call: Call) -> bytes:
    """The snapshot. Pending effects are stored as a list of `(name, fields)`."""
    fields = _shape(Call.__name__).dump_python(replace(call, pending={}))
    pending = call.pending.values()
    fields["pending"] = [_pack_effect(effect) for effect in pending if not isinstance(effect, _ADDED_EFFECTS)]
    fields["added_pending"] = [_pack_effect(effect) for effect in pending if isinstance(effect, _ADDED_EFFECTS)]
    fields["timers"] = {timer: at for timer, at in call.timers.items() if timer not in _ADDED_TIMERS}
    fields["added_timers"] = {timer: at for timer, at in call.timers.items() if timer in _ADDED_TIMERS}
    return pack((VERSION, "Call", fields))


def unpack_call(data: bytes) -> Call:
    """The reverse of `pack_call`. Raises Undecodable."""
    name, fields = _envelope(data, VERSION)
    if name != "Call" or not isinstance(fields, dict) or not isinstance(fields.get("pending"), list):
        raise Undecodable("envelope is not a snapshot")
    added = fields.pop("added_pending", [])
    if not isinstance(added, list):
        raise Undecodable("a list of pending effects is none")
    effects = [_unpack_effect(item) for item in (*fields.pop("pending"), *added)]
    fields["timers"] = _merged(fields.get("timers"), fields.pop("added_timers", {}))
    try:
        call: Call = _shape(Call.__name__).validate_python(fields)
    except ValidationError as error:
        raise Undecodable(f"snapshot does not fit: {_first_problem(error)}") from error
    return replace(call, pending={effect.id: effect for effect in effects})


def _merged(timers: Any, added: Any) -> Any:
    """Both as one; what is no dict is left to the validation."""
    return {**timers, **added} if isinstance(timers, dict) and isinstance(added, dict) else timers


def _pack_effect(effect: AwaitedEffect) -> tuple[str, Any]:
    return effect.name, _shape(effect.name).dump_python(effect)


def _unpack_effect(item: Any) -> AwaitedEffect:
    if not isinstance(item, list) or len(item) != 2:
        raise Undecodable("a pending effect is not a pair")
    effect: AwaitedEffect = _validated(_EFFECTS, item[0], item[1])
    return effect


def _envelope(data: bytes, expected: int) -> tuple[Any, Any]:
    envelope = unpack(data)
    if not isinstance(envelope, list) or len(envelope) != 3:
        raise Undecodable("envelope is not a triple")
    version, name, fields = envelope
    if version != expected:
        raise OtherVersion(f"envelope has version {version!r}, this build reads {expected}")
    return name, fields


def _validated(known: Mapping[str, type[Any]], name: Any, fields: Any) -> Any:
    if not isinstance(name, str) or name not in known:
        raise Undecodable("envelope has an unknown name")
    try:
        return _shape(name).validate_python(fields)
    except ValidationError as error:
        raise Undecodable(f"{name} does not fit: {_first_problem(error)}") from error


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['type']}"

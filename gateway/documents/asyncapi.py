"""AsyncAPI 3 of the gateway's WebSocket: the same methods, and what only a socket has: the feed and agent hosts."""

from functools import cache
from typing import Any, Final, Literal

from pydantic import BaseModel

from gateway.documents.shapes import Shapes, described, ref, request_of, result_of
from gateway.host_frames import Register
from gateway.rpc import METHODS
from voicecall.api.params import Subscribe, Unsubscribe
from voicecall.api.results import Answer, FeedItem

__all__ = ["asyncapi"]

_CHANNEL: Final = {"$ref": "#/channels/gateway"}
_ABOUT: Final = (
    "One socket, many requests at once, each answered under its own id. The first frame is `connect` with the token,"
    " unless the handshake carried it as a bearer. What agent hosts and the gateway tell each other of a turn is in"
    " docs/agent-hosts.md."
)


class Features(Answer):
    methods: tuple[str, ...]
    scopes: tuple[Literal["operator.read", "operator.write"], ...]


class Hello(Answer):
    """The answer to `connect`: what this gateway knows, and what this token may do."""

    type: Literal["hello-ok"]
    protocol: Literal[1]
    features: Features


class Subscribed(Answer):
    subscribed: Literal[True]
    subscription: str


class Unsubscribed(Answer):
    """`unsubscribed` is false when there was no such subscription."""

    unsubscribed: bool
    subscription: str


class Registered(Answer):
    registered: Literal[True]
    host_id: str


class Gap(Answer):
    """What happened behind the item `after` is no longer kept; the feed goes on from now."""

    after: str | None


_OF_SOCKETS: Final = (
    ("voicecall.subscribe", "Follow one call, or all.", Subscribe, Subscribed),
    ("voicecall.unsubscribe", "End a subscription; nothing more of it comes.", Unsubscribe, Unsubscribed),
    ("voicecall.agent.register", "This program finds words for calls from now on.", Register, Registered),
)


@cache
def asyncapi() -> dict[str, Any]:
    models: list[type[BaseModel]] = [model for method in METHODS for model in (method.params, method.result)]
    models += [model for _, _, params, result in _OF_SOCKETS for model in (params, result)]
    shapes = Shapes([*models, Hello, FeedItem, Gap])
    schemas = {**described(shapes, METHODS), **_of_sockets(shapes), **_events(shapes)}
    asked = [name for name in schemas if name.endswith(".request")]
    told = [name for name in schemas if name.endswith((".result", ".event"))]
    messages = {name: {"name": name, "payload": ref(name)} for name in (*asked, *told, "FailureFrame")}
    local = {"host": "127.0.0.1:3335", "protocol": "ws", "security": [_ref("securitySchemes/bearer")]}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "voicecall gateway", "version": "1", "description": _ABOUT},
        "servers": {"local": local},
        "channels": {
            "gateway": {"address": "/", "messages": {name: _ref(f"messages/{name}") for name in messages}},
        },
        "operations": {
            "ask": {"action": "receive", "channel": _CHANNEL, "messages": _of_channel(asked)},
            "tell": {"action": "send", "channel": _CHANNEL, "messages": _of_channel([*told, "FailureFrame"])},
        },
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "messages": messages,
            "schemas": schemas,
        },
    }


def _of_sockets(shapes: Shapes) -> dict[str, Any]:
    token = {"type": "object", "properties": {"token": {"type": "string", "maxLength": 4096}}}
    connect = {"type": "object", "properties": {"auth": token}}
    schemas: dict[str, Any] = {
        "connect.request": request_of("connect", connect, needs_params=False),
        "connect.result": result_of(shapes.of(Hello)),
    }
    for name, summary, params, result in _OF_SOCKETS:
        required = any(field.is_required() for field in params.model_fields.values())
        request = request_of(name, shapes.of(params), needs_params=required)
        schemas[f"{name}.request"] = {"description": summary, **request}
        schemas[f"{name}.result"] = result_of(shapes.of(result))
    return schemas


def _events(shapes: Shapes) -> dict[str, Any]:
    return {
        f"{event}.event": {
            "type": "object",
            "properties": {
                "type": {"const": "event"},
                "event": {"const": event},
                "subscription": {"type": "string"},
                "payload": shapes.of(payload),
            },
            "required": ["type", "event", "subscription", "payload"],
        }
        for event, payload in (("voicecall.feed", FeedItem), ("voicecall.gap", Gap))
    }


def _ref(path: str) -> dict[str, str]:
    return {"$ref": f"#/components/{path}"}


def _of_channel(names: list[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/gateway/messages/{name}"} for name in names]

"""AsyncAPI 3 of the gateway's WebSocket: the methods of HTTP, and those of the socket alone: feed and agent hosts."""

from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from gateway.documents.shapes import Shapes, described, ref, request_of, result_of
from voicecall.api.methods import METHODS, SOCKET_METHODS
from voicecall.api.results import FeedItem, Gap, Hello, LiveUpdate

__all__ = ["asyncapi"]

_CHANNEL: Final = {"$ref": "#/channels/gateway"}
_ABOUT: Final = (
    "One socket, many requests at once, each answered under its own id. The first frame is `connect` with the token,"
    " unless the handshake carried it as a bearer token. The events between agent hosts and the gateway are described"
    " in docs/agent-hosts.md."
)


@cache
def asyncapi() -> dict[str, Any]:
    methods = (*METHODS, *SOCKET_METHODS)
    models: list[type[BaseModel]] = [model for method in methods for model in (method.params, method.result)]
    shapes = Shapes([*models, Hello, FeedItem, LiveUpdate, Gap])
    schemas = {**described(shapes, METHODS), **_of_sockets(shapes), **_events(shapes)}
    received = [name for name in schemas if name.endswith(".request")]
    sent = [name for name in schemas if name.endswith((".result", ".event"))]
    messages = {name: {"name": name, "payload": ref(name)} for name in (*received, *sent, "FailureFrame")}
    local = {"host": "127.0.0.1:3335", "protocol": "ws", "security": [_ref("securitySchemes/bearer")]}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "voicecall gateway", "version": "1", "description": _ABOUT},
        "servers": {"local": local},
        "channels": {
            "gateway": {"address": "/", "messages": {name: _ref(f"messages/{name}") for name in messages}},
        },
        "operations": {
            "ask": {"action": "receive", "channel": _CHANNEL, "messages": _of_channel(received)},
            "tell": {"action": "send", "channel": _CHANNEL, "messages": _of_channel([*sent, "FailureFrame"])},
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
    for method in SOCKET_METHODS:
        required = any(field.is_required() for field in method.params.model_fields.values())
        request = request_of(method.name, shapes.of(method.params), needs_params=required)
        schemas[f"{method.name}.request"] = {"description": method.summary, **request}
        schemas[f"{method.name}.result"] = result_of(shapes.of(method.result))
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
        for event, payload in (("voicecall.feed", FeedItem), ("voicecall.live", LiveUpdate), ("voicecall.gap", Gap))
    }


def _ref(path: str) -> dict[str, str]:
    return {"$ref": f"#/components/{path}"}


def _of_channel(names: list[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/gateway/messages/{name}"} for name in names]

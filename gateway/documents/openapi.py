"""OpenAPI 3.1 of the gateway over HTTP: one path for every method, told apart by the word `method`."""

from functools import cache
from typing import Any, Final

from gateway.documents.shapes import Shapes, described, ref
from gateway.rpc import METHODS
from voicecall.api.frames import STATUS_OF_CODE

__all__ = ["openapi"]

_ABOUT: Final = (
    "Phone calls for AI agents. Every method is a request frame to POST /rpc; its answer is a result frame, or a"
    " failure frame under the HTTP status of its code. `x-scope` of a request says what its token must be allowed,"
    " `x-result` what it is answered with."
)


@cache
def openapi() -> dict[str, Any]:
    shapes = Shapes(model for method in METHODS for model in (method.params, method.result))
    return {
        "openapi": "3.1.0",
        "info": {"title": "voicecall gateway", "version": "1", "description": _ABOUT},
        "servers": [{"url": "http://127.0.0.1:3335"}],
        "security": [{"bearer": []}],
        "paths": {
            "/rpc": {"post": _rpc()},
            "/livez": {"get": _plain("The process lives.")},
            "/readyz": {"get": {**_plain("It is ready."), "responses": _ready()}},
            "/metrics": {"get": _plain("What it counts, for Prometheus.")},
        },
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": described(shapes, METHODS),
        },
    }


def _rpc() -> dict[str, Any]:
    requests = {method.name: ref(f"{method.name}.request") for method in METHODS}
    asked = {
        "oneOf": list(requests.values()),
        "discriminator": {
            "propertyName": "method",
            "mapping": {name: request["$ref"] for name, request in requests.items()},
        },
    }
    # Answers do not name their method, and some are of one shape: `x-result` says which it is.
    results = {"anyOf": [ref(f"{method.name}.result") for method in METHODS]}
    return {
        "operationId": "rpc",
        "summary": "One request, one answer.",
        "requestBody": {"required": True, "content": _json(asked)},
        "responses": {"200": {"description": "Done.", "content": _json(results)}, **_failures()},
    }


def _failures() -> dict[str, Any]:
    codes: dict[int, list[str]] = {504: ["UNAVAILABLE (the outcome of a known call is not known)"]}
    for code, status in STATUS_OF_CODE.items():
        codes.setdefault(status, []).append(code)
    after = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    return {
        str(status): {
            "description": " or ".join(sorted(named)),
            **({"headers": after} if status in {429, 503, 504} else {}),
            "content": _json(ref("FailureFrame")),
        }
        for status, named in sorted(codes.items())
    }


def _plain(summary: str) -> dict[str, Any]:
    return {"summary": summary, "security": [], "responses": {"200": {"description": "Yes.", "content": _text()}}}


def _ready() -> dict[str, Any]:
    return {
        "200": {"description": "Yes.", "content": _text()},
        "503": {"description": "Not now.", "content": _text()},
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _text() -> dict[str, Any]:
    return {"text/plain": {"schema": {"type": "string"}}}

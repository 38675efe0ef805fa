"""OpenAPI 3.1 of the gateway over HTTP: one path for all methods, discriminated by the key `method`."""

from functools import cache
from typing import Any, Final

from gateway.documents.shapes import Shapes, described, ref
from voicecall.api.errors import STATUS_OF_CODE
from voicecall.api.methods import METHODS

__all__ = ["openapi"]

_ABOUT: Final = (
    "Phone calls for AI agents. Every method is a request frame to POST /rpc; its answer is a result frame, or a"
    " failure frame under the HTTP status of its code. `x-scope` of a request is the scope its token needs,"
    " `x-result` the schema of its answer."
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
            "/livez": {"get": _plain("Liveness.")},
            "/readyz": {"get": {**_plain("Readiness."), "responses": _ready()}},
            "/metrics": {"get": _plain("Metrics, for Prometheus.")},
        },
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": described(shapes, METHODS),
        },
    }


def _rpc() -> dict[str, Any]:
    requests = {method.name: ref(f"{method.name}.request") for method in METHODS}
    request = {
        "oneOf": list(requests.values()),
        "discriminator": {
            "propertyName": "method",
            "mapping": {name: shape["$ref"] for name, shape in requests.items()},
        },
    }
    # Answers do not name their method, and some have the same schema; `x-result` of the request names it.
    results = {"anyOf": [ref(f"{method.name}.result") for method in METHODS]}
    return {
        "operationId": "rpc",
        "summary": "One request, one answer.",
        "requestBody": {"required": True, "content": _json(request)},
        "responses": {"200": {"description": "Done.", "content": _json(results)}, **_failures()},
    }


def _failures() -> dict[str, Any]:
    codes: dict[int, list[str]] = {504: ["UNAVAILABLE (the outcome for a known call is unknown)"]}
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
    return {"summary": summary, "security": [], "responses": {"200": {"description": "OK.", "content": _text()}}}


def _ready() -> dict[str, Any]:
    return {
        "200": {"description": "OK.", "content": _text()},
        "503": {"description": "Not ready.", "content": _text()},
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _text() -> dict[str, Any]:
    return {"text/plain": {"schema": {"type": "string"}}}

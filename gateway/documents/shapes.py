"""The JSON schemas of parameters, results and failures, collected for one document.

Used by `openapi` and `asyncapi`. Knows pydantic's types and the contract; knows neither document.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from voicecall.api.methods import Method
from voicecall.api.results import FailureFrame

__all__ = ["Shapes", "described", "ref", "request_of", "result_of"]

_REF: Final = "#/components/schemas/"
_MODE: Final[JsonSchemaMode] = "validation"


class _Untitled(GenerateJsonSchema):
    """Fields have no titles: they would repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # the base class's signature
        return False


class Shapes:
    """The schemas of these models and of the models they contain, by name; `FailureFrame` is always included."""

    def __init__(self, models: Iterable[type[BaseModel]]) -> None:
        unique: dict[type[BaseModel], None] = dict.fromkeys((*models, FailureFrame))
        names, definitions = models_json_schema(
            [(model, _MODE) for model in unique], ref_template=_REF + "{model}", schema_generator=_Untitled
        )
        self.schemas: dict[str, Any] = definitions["$defs"]
        self._refs: dict[type[BaseModel], str] = {model: names[model, _MODE]["$ref"] for model in unique}

    def of(self, model: type[BaseModel]) -> dict[str, str]:
        return {"$ref": self._refs[model]}


def ref(name: str) -> dict[str, str]:
    return {"$ref": _REF + name}


def request_of(name: str, params: Mapping[str, Any], *, needs_params: bool) -> dict[str, Any]:
    """The schema of a method's request frame."""
    return {
        "type": "object",
        "properties": {
            "type": {"const": "req"},
            "id": {"type": ["string", "integer"], "maxLength": 128},
            "method": {"const": name},
            "params": params,
        },
        "required": ["method", "params"] if needs_params else ["method"],
        "additionalProperties": False,
    }


def result_of(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a method's result frame."""
    return {
        "type": "object",
        "properties": {
            "type": {"const": "res"},
            "id": {"type": ["string", "integer"]},
            "ok": {"const": True},
            "payload": payload,
        },
        "required": ["type", "id", "ok", "payload"],
    }


def described(shapes: Shapes, methods: Iterable[Method[Any, Any]]) -> dict[str, Any]:
    """`<method>.request` and `<method>.result` of each method, and the schemas they refer to."""
    schemas = dict(shapes.schemas)
    for method in methods:
        required = any(field.is_required() for field in method.params.model_fields.values())
        schemas[f"{method.name}.request"] = {
            "description": method.summary,
            **request_of(method.name, shapes.of(method.params), needs_params=required),
            "x-scope": method.scope.value,
            "x-result": ref(f"{method.name}.result"),
        }
        schemas[f"{method.name}.result"] = result_of(shapes.of(method.result))
    return schemas

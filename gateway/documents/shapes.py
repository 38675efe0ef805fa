"""JSON schemas of parameters, answers and failures, collected once for a document.

Used by `openapi` and `asyncapi`. Knows pydantic's types; does not know which document they stand in.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from gateway.methods import Method
from voicecall.api.frames import STATUS_OF_CODE
from voicecall.api.results import Answer

__all__ = ["Failure", "FailureFrame", "Shapes", "described", "ref", "request_of", "result_of"]

_REF: Final = "#/components/schemas/"
_MODE: Final[JsonSchemaMode] = "validation"


class Failure(Answer):
    """Why a request was refused. `callId` is the call to ask about, where there is one."""

    code: Annotated[str, Field(json_schema_extra={"enum": sorted(STATUS_OF_CODE)})]
    message: str
    retryable: bool
    call_id: str | None = None
    retry_after_ms: int | None = None


class FailureFrame(Answer):
    """A refusal, under the id of the request."""

    type: Literal["res"]
    id: str | int
    ok: Literal[False]
    error: Failure


class _Plain(GenerateJsonSchema):
    """Without a title for each field: its name says it."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # the generator's own signature
        return False


class Shapes:
    """Schemas of these models and of all they are made of, by name; `FailureFrame` is always among them."""

    def __init__(self, models: Iterable[type[BaseModel]]) -> None:
        unique: dict[type[BaseModel], None] = dict.fromkeys((*models, FailureFrame))
        names, definitions = models_json_schema(
            [(model, _MODE) for model in unique], ref_template=_REF + "{model}", schema_generator=_Plain
        )
        self.schemas: dict[str, Any] = definitions["$defs"]
        self._refs: dict[type[BaseModel], str] = {model: names[model, _MODE]["$ref"] for model in unique}

    def of(self, model: type[BaseModel]) -> dict[str, str]:
        return {"$ref": self._refs[model]}


def ref(name: str) -> dict[str, str]:
    return {"$ref": _REF + name}


def request_of(name: str, params: Mapping[str, Any], *, needs_params: bool) -> dict[str, Any]:
    """The frame that asks for a method."""
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
    """The frame that answers it."""
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


def described(shapes: Shapes, methods: Iterable[Method[Any]]) -> dict[str, Any]:
    """`<method>.request` and `<method>.result` for each, beside the schemas they are made of."""
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

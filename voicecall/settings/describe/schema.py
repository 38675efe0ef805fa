"""The configuration as a JSON Schema, for editors and for programs that write configurations.

Made from the models, and extended by what `legacy`, `secret_refs` and `unsupported` accept besides. It describes single
keys; rules between keys are checked by `voicecall config check`. The document under `docs/` is made by this file.
"""

import copy
from typing import Any, Final

from voicecall.manifests import CARRIERS, STT, TTS
from voicecall.manifests.fields import LONGEST_TEXT, MAY_BE_REFERENCE, Block
from voicecall.settings.model.secrets import PROVIDER_NAME
from voicecall.settings.model.settings import Settings
from voicecall.settings.reading.legacy import OLDER
from voicecall.settings.reading.secret_refs import REFERENCE_IDS
from voicecall.settings.reading.tree import Path, blocks
from voicecall.settings.reading.unsupported import OTHER_STT, OTHER_TTS

__all__ = ["node_at", "schema"]

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: Final = "#/$defs/SecretReference"


def schema() -> dict[str, Any]:
    """The whole document. It does not depend on the machine."""
    made = _plain(Settings.model_json_schema())
    made["$defs"]["SecretReference"] = {"anyOf": [_reference(source) for source in REFERENCE_IDS]}
    for block in blocks():
        _allow_references(_definition(made, block), block)
    _allow_other_shapes(made)
    head = {
        "$schema": _DRAFT,
        "title": "voicecall",
        "description": "The configuration of voicecall, or plugins.entries.voice-call.config of an openclaw.json.",
    }
    return {**head, **{key: value for key, value in made.items() if key not in head}}


def node_at(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """The part of the schema about a key; `*` is any key that the operator chooses."""
    node = document
    for key in path:
        node = _followed(document, node)
        node = _any_of(node) if key == "*" else node["properties"][key]
    return node


def _any_of(node: dict[str, Any]) -> dict[str, Any]:
    """What stands under any key of an object, or at any place of a list."""
    node = next((each for each in node.get("anyOf", ()) if each.get("type") == "array"), node)
    found: dict[str, Any] = node["items"] if "items" in node else next(iter(node["patternProperties"].values()))
    return found


def _followed(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    inner = next((each for each in node.get("anyOf", ()) if "$ref" in each and each["$ref"] != _REFERENCE), node)
    found: dict[str, Any] = document["$defs"][inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
    return found


def _definition(document: dict[str, Any], block: type[Block]) -> dict[str, Any]:
    found: dict[str, Any] = document if block is Settings else document["$defs"][block.__name__]
    return found


def _plain(value: Any) -> Any:
    """The schema without pydantic's titles, with limits of texts, and without unknown keys."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: _plain(inner) for key, inner in value.items() if key != "title" or not isinstance(inner, str)}
    if made.get("type") == "string" and not {"enum", "const"} & set(made):
        made["maxLength"] = LONGEST_TEXT
    if "patternProperties" in made:
        made["additionalProperties"] = False
    return made


def _reference(source: str) -> dict[str, Any]:
    properties = {
        "source": {"const": source},
        "provider": {"type": "string", "pattern": PROVIDER_NAME},
        "id": {"type": "string", "pattern": REFERENCE_IDS[source]},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": ["source", "id"],
        "additionalProperties": False,
    }


def _allow_references(definition: dict[str, Any], block: type[Block]) -> None:
    for name, field in block.model_fields.items():
        if MAY_BE_REFERENCE in field.metadata:
            definition["properties"][field.alias or name]["anyOf"].insert(1, {"$ref": _REFERENCE})


def _allow_other_shapes(made: dict[str, Any]) -> None:
    own = made["properties"]
    own["$schema"] = {"type": "string", "description": "For editors."}
    own["provider"]["enum"] = [
        *own["provider"]["enum"],
        *(older for carrier in CARRIERS.values() for older in carrier.older_names),
    ]
    for older, path in OLDER.items():
        written = copy.deepcopy(node_at(made, path))
        if any(each.get("type") == "null" for each in written.get("anyOf", ())):
            # An older name with null is an unknown key, although null is allowed under the name of today.
            written["anyOf"] = [each for each in written["anyOf"] if each.get("type") != "null"]
        put = _followed(made, node_at(made, older[:-1]))["properties"]
        put[older[-1]] = {**written, "deprecated": True, "description": f"Older name of {'.'.join(path)}."}
    for block in (own, made["$defs"]["NumberRoute"]["properties"]):
        written = block["responseFallbacks"]
        model = {**made["$defs"]["ResponseFallback"]["properties"]["model"], "description": "Its `model`."}
        listed = next((each for each in written.get("anyOf", ()) if each.get("type") == "array"), written)
        listed["items"] = {"anyOf": [model, listed["items"]]}
    _allow_older_stt(made)
    _allow_newer_tts(made)
    voicemail = made["$defs"]["Voicemail"]["properties"]
    voicemail["onMachine"] = {"anyOf": [voicemail["onMachine"], {"const": "hang-up"}]}


def _allow_older_stt(made: dict[str, Any]) -> None:
    streaming, providers = made["$defs"]["Streaming"]["properties"], made["$defs"]["SttProviders"]
    older = {name: service.name for service in STT.values() for name in service.older_names}
    for node in (streaming["provider"], streaming["sttProvider"], streaming["fallbacks"]["items"]):
        node["enum"] = [*node["enum"], *older]
    offered = providers["properties"]
    offered = {**offered, **{other: offered[name] for other, name in older.items()}}
    made["$defs"]["SttProviders"] = {**providers, **_services(offered, OTHER_STT)}


def _allow_newer_tts(made: dict[str, Any]) -> None:
    tts = made["$defs"]["Tts"]["properties"]
    own = {key: tts[key] for key in TTS}
    others = {service.other_name: tts[key] for key, service in TTS.items() if service.other_name}
    tts["providers"] = _services({**own, **others}, OTHER_TTS)


def _services(offered: dict[str, Any], others: frozenset[str]) -> dict[str, Any]:
    passed_over = {name: {"description": "Not offered, and passed over."} for name in sorted(others)}
    return {"type": "object", "properties": {**offered, **passed_over}, "additionalProperties": False}

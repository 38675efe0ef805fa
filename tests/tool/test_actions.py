"""The tool's parameters: the schemas that models get, and the validation of what they send."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicecall.client import AsyncVoicecall
from voicecall.tool import content_of, flat_schema, schema, use
from voicecall.tool.actions import ACTIONS, BadParameters, read

_GOOD: list[dict[str, Any]] = [
    {"action": "initiate_call", "message": "Hello"},
    {"action": "initiate_call", "message": "Hello", "to": "+15550001234", "mode": "notify"},
    {"action": "initiate_call", "message": "Hello", "mode": "conversation", "brief": {"task": "book a table"}},
    {"action": "continue_call", "callId": "x", "message": "Hello"},
    {"action": "speak_to_user", "callId": "x", "message": "Hello"},
    {"action": "send_dtmf", "callId": "x", "digits": "12#"},
    {"action": "steer_call", "callId": "x", "message": "Be brief.", "mode": "ask"},
    {"action": "end_call", "callId": "x"},
    {"action": "get_status", "callId": "x"},
    {"action": "get_report", "callId": "x", "waitMs": 1000},
]
_LEGACY: list[dict[str, Any]] = [{"to": "+15550001234", "message": "Hello"}, {"mode": "status", "sid": "x"}, {}]
_BAD: list[dict[str, Any]] = [
    {"action": "steal"},
    {"action": 7},
    {"action": "initiate_call"},
    {"action": "initiate_call", "message": "Hello", "mode": "shout"},
    {"action": "initiate_call", "message": "Hello", "brief": {"task": "x", "colour": "red"}},
    {"action": "end_call", "callId": "x", "message": "too much"},
    {"action": "end_call", "callId": ["x"]},
    {"mode": "sing"},
]


@pytest.mark.parametrize("parameters", _GOOD + _LEGACY, ids=str)
def test_what_the_schema_allows_is_accepted(parameters: dict[str, Any]) -> None:
    jsonschema.validate(parameters, schema())
    read(parameters)


@pytest.mark.parametrize("parameters", _GOOD, ids=str)
def test_the_flat_schema_allows_every_action(parameters: dict[str, Any]) -> None:
    jsonschema.validate(parameters, flat_schema())


@pytest.mark.parametrize("parameters", _BAD, ids=str)
def test_what_the_schema_forbids_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(parameters, schema())
    with pytest.raises(BadParameters):
        read(parameters)


_EVERY = ("callId", "message", "to", "mode", "dtmfSequence", "digits", "brief", "sid", "action")


@pytest.mark.parametrize("nothing", [None, "", " "], ids=repr)
@pytest.mark.parametrize("parameters", _GOOD + _LEGACY, ids=str)
def test_a1_what_is_left_out_may_be_written_null_or_blank(parameters: dict[str, Any], nothing: str | None) -> None:
    """A model with a strict schema writes every parameter of the flat schema, whatever the action."""
    assert read({**dict.fromkeys(_EVERY, nothing), **parameters}) == read(parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {"action": "end_call", "callId": None, "message": None},
        {"action": "continue_call", "callId": "x", "message": ""},
        {"action": "initiate_call", "message": None, "to": "+15550001234"},
        {"action": "end_call", "callId": "x", "message": "a text that is not left out"},
    ],
    ids=str,
)
def test_a1_a_required_parameter_is_missing_when_it_is_null(parameters: dict[str, Any]) -> None:
    """And what is not blank is not ignored."""
    with pytest.raises(BadParameters, match=r"callId required|message required|no such parameter"):
        read(parameters)


def test_a1_the_fields_of_a_brief_may_be_null_too() -> None:
    """Of a nested object, each field for itself; a brief in which nothing stands is none."""
    fields = ("context", "language", "identity", "disclosures", "approvals", "voicemailMessage", "maxDurationSeconds")
    call = {"action": "initiate_call", "message": "Hello"}
    brief = {**dict.fromkeys(fields), "task": "book a table"}
    assert read({**call, "brief": brief}) == read({**call, "brief": {"task": "book a table"}})
    listed = {"task": "book a table", "disclosures": [None, "A machine calls.", ""]}
    assert read({**call, "brief": json.dumps(brief)}) == read({**call, "brief": brief})
    assert read({**call, "brief": json.dumps(dict.fromkeys(fields))}) == read(call)
    assert read({**call, "brief": listed}) == read({**call, "brief": {**listed, "disclosures": ["A machine calls."]}})
    for nothing in (dict.fromkeys(fields), {**dict.fromkeys(fields, ""), "task": "", "approvals": []}):
        assert read({**call, "brief": nothing}) == read(call)


def test_both_schemas_are_valid_and_describe_each_parameter() -> None:
    """A model knows a parameter only from its description."""
    for generated in (schema(), flat_schema()):
        jsonschema.Draft202012Validator.check_schema(generated)
        assert "$ref" not in json.dumps(generated)
    assert flat_schema()["properties"]["action"]["enum"] == list(ACTIONS)
    assert all(parameter["description"] for parameter in flat_schema()["properties"].values())


def test_the_documented_actions_are_all_there() -> None:
    """Those of OpenClaw's tool, and ours."""
    of_openclaw = {
        "initiate_call",
        "continue_call",
        "speak_to_user",
        "end_call",
        "get_status",
        "send_dtmf",
        "steer_call",
    }
    assert {*of_openclaw, "answer_question", "get_report"} == set(ACTIONS)


@given(
    st.dictionaries(
        st.text(max_size=8), st.none() | st.text(max_size=8) | st.integers() | st.lists(st.text()), max_size=4
    )
)
async def test_the_tool_answers_invented_parameters(parameters: dict[str, Any]) -> None:
    """Also without a gateway: the answer is JSON text with an error."""
    async with AsyncVoicecall("http://127.0.0.1:9", token="") as gateway:
        payload = await use(gateway, parameters)
    assert isinstance(payload["error"], str)
    assert json.loads(content_of(payload)) == payload


def test_the_skill_names_every_action_and_the_commands_it_shows_exist() -> None:
    """An agent would follow a skill with a wrong action or command."""
    text = (Path(__file__).parents[2] / "skills" / "voice-call" / "SKILL.md").read_text()
    assert all(action in text for action in ACTIONS)

"""The machine-readable documents are generated, valid, and describe the gateway's real answers."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.documents import asyncapi, openapi
from gateway.documents.__main__ import main
from tests.archive.records import record
from tests.fakes.redis_server import RedisServer
from tests.gateway.conftest import TOKEN, System, stack
from tests.gateway.test_bad_input import GOOD
from tests.gateway.test_reports import REPORT
from voicecall.api.methods import METHODS
from voicecall.archive import CallArchive
from voicecall.bus.reports import Reports
from voicecall.call.ids import CallId

READER = "a-token-that-only-reads"
DOCS = Path(__file__).resolve().parents[2] / "docs" / "generated"
DOCUMENTS = {"openapi": openapi(), "asyncapi": asyncapi()}


def everything(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from everything(value)
    elif isinstance(node, list):
        for value in node:
            yield from everything(value)


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with closed objects, so that an undescribed key of an answer is an error."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    for schema in everything(copy["components"]["schemas"]):
        if "properties" in schema and schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
    return copy


CLOSED = {name: closed(document) for name, document in DOCUMENTS.items()}


def problems(document: str, schema: str, value: object) -> list[str]:
    validator = Draft202012Validator({**CLOSED[document], "$ref": f"#/components/schemas/{schema}"})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_kept_documents_are_the_generated_ones(name: str, tmp_path: Path) -> None:
    """After a change of a method: `python -m gateway.documents`, or `make draw`."""
    main(tmp_path)
    assert (DOCS / f"{name}.json").read_text(encoding="utf-8") == (tmp_path / f"{name}.json").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_schema_is_valid_and_every_reference_resolves(name: str) -> None:
    """JSON Schema 2020-12, as both standards embed it."""
    document = DOCUMENTS[name]
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for node in everything(document):
        target: Any = document
        if isinstance(node.get("$ref"), str):
            assert node["$ref"].startswith("#/")
            for part in node["$ref"][2:].split("/"):
                target = target[part]


def test_every_method_is_in_both_documents() -> None:
    """The contract is the source of both."""
    one_of = DOCUMENTS["openapi"]["paths"]["/rpc"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(one_of["discriminator"]["mapping"]) == {method.name for method in METHODS}
    for method in METHODS:
        request = DOCUMENTS["openapi"]["components"]["schemas"][f"{method.name}.request"]
        assert (request["x-scope"], request["description"]) == (method.scope.value, method.summary)
        assert f"{method.name}.request" in DOCUMENTS["asyncapi"]["components"]["messages"]


@pytest.mark.parametrize("method", GOOD)
def test_the_described_requests_are_those_that_are_accepted(method: str) -> None:
    """Documents and validation allow and refuse the same requests."""
    frame = {"type": "req", "id": "1", "method": method, "params": GOOD[method]}
    assert problems("openapi", f"{method}.request", frame) == []
    for name in GOOD[method]:
        less = {key: value for key, value in GOOD[method].items() if key != name}
        assert problems("openapi", f"{method}.request", {**frame, "params": less}), name
    assert problems("openapi", f"{method}.request", {**frame, "params": {**GOOD[method], "colour": "blue"}})
    assert problems("openapi", f"{method}.request", {**frame, "method": "voicecall.other"})


async def test_real_answers_are_those_that_are_described(system: System) -> None:
    """Each method's payload and the failures, with every key; over HTTP and over the socket."""
    line = await system.socket()
    seen: set[str] = set()

    async def ask(method: str, **params: object) -> dict[str, Any]:
        _, frame = await system.post(method, params)
        assert frame["ok"], frame
        assert problems("openapi", f"{method}.result", frame) == []
        seen.add(method)
        payload: dict[str, Any] = frame["payload"]
        return payload

    call = (await ask("voicecall.initiate", message="Hi", mode="conversation", sessionKey="s"))["callId"]
    await ask("voicecall.start", to="+15550001234")
    operation = (await ask("voicecall.continue.start", callId=call, message="Well?"))["operationId"]
    await ask("voicecall.continue.result", operationId=operation)
    await system.worker.asks(CallId(call))
    await system.worker.hear(CallId(call), "well")
    while (await ask("voicecall.continue.result", operationId=operation))["status"] == "pending":
        pass
    asking = asyncio.create_task(ask("voicecall.continue", callId=call, message="And?"))
    await system.worker.asks(CallId(call))
    await system.worker.hear(CallId(call), "nothing")
    await asking
    await ask("voicecall.speak", callId=call, message="Bye")
    assert await ask("voicecall.steer", callId=call, message="Be brief") == {"success": True}
    asking = asyncio.create_task(ask("voicecall.steer", callId=call, message="your name?", mode="ask"))
    await system.worker.replies(CallId(call), "Your name?")
    await system.worker.hear(CallId(call), "Anna")
    assert (await asking)["transcript"] == "Anna"
    await ask("voicecall.dtmf", callId=call, digits="1")
    await system.worker.hear(CallId(call), "eight or nine")
    while (await ask("voicecall.status", callId=call))["call"]["transcript"][-1]["text"] != "eight or nine":
        pass
    await system.worker.calls_tool(CallId(call), "ask_owner", '{"question": "Eight or nine?"}')
    asked = (await ask("voicecall.status", callId=call))["call"]["metadata"]["question"]
    assert asked["text"] == "Eight or nine?"
    await ask("voicecall.answer", callId=call, answer="Nine.", questionId=asked["id"])
    await ask("voicecall.status")
    await ask("voicecall.end", callId=call)
    await ask("voicecall.status", callId=call)
    await ask("voicecall.status", sid="unknown")
    for method, params in (("voicecall.speak", {"callId": call, "message": "Hi"}), ("voicecall.dance", {})):
        assert problems("openapi", "FailureFrame", (await system.post(method, params))[1]) == []
    assert problems("asyncapi", "connect.result", await line.ask("connect")) == []
    for method in ("voicecall.subscribe", "voicecall.unsubscribe"):
        frame = await line.ask(method, {"subscription": "a"})
        assert problems("asyncapi", f"{method}.result", frame) == []
    registered = await line.ask("voicecall.agent.register", {"name": "host"})
    assert problems("asyncapi", "voicecall.agent.register.result", registered) == []
    await line.ask("voicecall.subscribe", {"last": 1000})
    await line.event("EndAsked")
    assert line.frames
    for frame in line.frames:
        assert problems("asyncapi", f"{frame['event']}.event", frame) == []
    await ask("voicecall.history")
    await ask("voicecall.latency")
    assert (await ask("voicecall.events", callId=call, limit=2))["next"] > 1
    assert (await ask("voicecall.events", callId=call))["events"]
    assert (await ask("voicecall.processes"))["processes"]
    await ask("voicecall.doctor")
    await ask("voicecall.dead")
    await Reports(system.redis).put(CallId(call), {**REPORT, "callId": call}, "completed", 1.0)
    assert (await ask("voicecall.report", callId=call))["ready"]
    added = await ask("voicecall.callback.add", to="+15550001234", message="Hi", at=round(time.time() * 1000) + 900_000)
    assert (await ask("voicecall.callbacks"))["callbacks"]
    await ask("voicecall.callback.cancel", callbackId=added["callbackId"])
    assert await ask("voicecall.recording", callId=call) == {"found": False}
    await ask("voicecall.forget", callId=call)
    assert seen == {method.name for method in METHODS}


async def test_calls_of_the_archive_are_those_that_are_described(redis_server: RedisServer, tmp_path: Path) -> None:
    """With and without transcripts, and page by page."""
    archive = CallArchive(f"sqlite:///{tmp_path / 'calls.db'}")
    for number in range(1, 4):
        archive.put(record(number))
    archive.close()
    async with stack(redis_server.url, config={"store": str(tmp_path)}) as system:
        for method, params in (("history", {"limit": 2}), ("history", {"transcripts": True}), ("latency", {})):
            _, frame = await system.post(f"voicecall.{method}", params)
            assert method == "latency" or len(frame["payload"]["calls"]) > 1
            assert problems("openapi", f"voicecall.{method}.result", frame) == []


async def test_the_documents_are_served(redis_server: RedisServer) -> None:
    """On loopback without a token, elsewhere with one, and never to a foreign page."""
    async with stack(redis_server.url) as system:
        for name, document in DOCUMENTS.items():
            async with system.http.get(f"{system.url}/{name}.json") as answer:
                assert await answer.json() == json.loads(json.dumps(document))
            async with system.http.get(
                f"{system.url}/{name}.json", headers={"Origin": "https://evil.example"}
            ) as answer:
                assert answer.status == 403
    async with stack(redis_server.url, gateway_bind="0.0.0.0", gateway_read_token=READER) as system:
        for token, status in ((None, 401), ("wrong", 401), (READER, 200), (TOKEN, 200)):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with system.http.get(f"{system.url}/openapi.json", headers=headers) as answer:
                assert answer.status == status

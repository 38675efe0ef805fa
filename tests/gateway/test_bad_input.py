"""Invalid requests are refused with a code and the wrong key, and change nothing."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.rpc import validated
from tests.fakes.keys import keys
from tests.fakes.redis_server import RedisServer
from tests.gateway.conftest import System, stack
from voicecall.api.frames import read_request
from voicecall.api.methods import METHODS
from voicecall.api.params import SubscribeParams, UnsubscribeParams
from voicecall.errors import InvalidRequest

ID = "00000000-0000-4000-8000-000000000000"
GOOD: dict[str, dict[str, Any]] = {
    "voicecall.initiate": {"message": "Hi"},
    "voicecall.start": {"to": "+15550001234"},
    "voicecall.speak": {"callId": ID, "message": "Hi"},
    "voicecall.continue": {"callId": ID, "message": "Hi"},
    "voicecall.continue.start": {"callId": ID, "message": "Hi"},
    "voicecall.continue.result": {"operationId": "x" * 43},
    "voicecall.end": {"callId": ID},
    "voicecall.dtmf": {"callId": ID, "digits": "1"},
    "voicecall.steer": {"callId": ID, "message": "Be brief"},
    "voicecall.answer": {"callId": ID, "answer": "Nine."},
    "voicecall.status": {},
    "voicecall.history": {},
    "voicecall.latency": {},
    "voicecall.events": {"callId": ID},
    "voicecall.processes": {},
    "voicecall.doctor": {},
    "voicecall.dead": {},
    "voicecall.report": {"callId": ID},
    "voicecall.callbacks": {},
    "voicecall.callback.add": {"to": "+15550001234", "message": "Hi"},
    "voicecall.callback.cancel": {"callbackId": "none"},
}
SHAPES = {method.name: (method.params, GOOD[method.name]) for method in METHODS if method.name in GOOD}
BAD_IDS = [
    "*",
    "a:b",
    "{x}",
    "../",
    f"{ID}\n",
    f"\n{ID}",
    ID.upper().replace("0", "A"),
    ID[:-1],
    "x" * 10_000,
    "\u0660" * 36,
    "",
    7,
    None,
    [ID],
    {"$ne": ID},
    True,
]


@pytest.mark.parametrize("method", [name for name, (_, good) in SHAPES.items() if "callId" in good])
async def test_invalid_ids_are_refused_by_every_method(system: System, method: str) -> None:
    """An id is never used as a pattern; the answer does not repeat the input (attack 77)."""
    for bad in BAD_IDS:
        status, frame = await system.post(method, {**SHAPES[method][1], "callId": bad})
        assert (status, frame["error"]["code"]) == (400, "INVALID_REQUEST"), bad
        assert frame["error"]["message"].startswith("callId"), bad
        assert len(frame["error"]["message"]) < 200
    assert system.worker.dialled == []
    assert [key async for key in system.redis.scan_iter("call:*")] == []


@pytest.mark.parametrize("method", sorted(SHAPES))
async def test_missing_and_unknown_parameters_are_named(system: System, method: str) -> None:
    """The message names the first wrong key."""
    good = SHAPES[method][1]
    for key in good:
        status, frame = await system.post(method, {name: value for name, value in good.items() if name != key})
        assert (status, frame["error"]["message"]) == (400, f"{key} required")
    status, frame = await system.post(method, {**good, "colour": "blue"})
    assert (status, frame["error"]["message"]) == (400, "colour: there is no such parameter")


NOWHERE = {method: {"to": "nowhere"} for method in ("voicecall.initiate", "voicecall.start", "voicecall.callback.add")}
"""Any text is a valid message; an invalid number prevents the call."""
HOSTILE = [
    *BAD_IDS,
    "\x00",
    "call:{x}:log",
    "\u202e" * 300,
    "x" * 60_000,
    -1,
    2**80,
    1.5,
    {"__class__": "x"},
    [[[[]]]],
    {},
    [],
]


@pytest.mark.parametrize("method", sorted(method.name for method in METHODS))
async def test_hostile_values_in_every_parameter_of_every_method_start_nothing(system: System, method: str) -> None:
    """Each is refused with a message that names the key and repeats nothing; Redis is unchanged (attack 77)."""
    shape = next(each.params for each in METHODS if each.name == method)
    before = await _contents(system)
    for field in shape.model_fields.values():
        name = str(field.alias)
        for value in HOSTILE:
            if not field.is_required() and (value is None or (value == "" and name not in shape.blank_matters)):
                continue  # equivalent to an absent parameter
            status, frame = await system.post(method, {**GOOD.get(method, {}), **NOWHERE.get(method, {}), name: value})
            if _is_valid_and_unknown(method, status, frame):
                continue
            assert (status, frame["error"]["code"]) == (400, "INVALID_REQUEST"), (name, value)
            message = frame["error"]["message"]
            assert message.startswith((name, "to is not an E.164 number")), (name, value, message)
            assert len(message) < 250
            assert message.isprintable()
    assert await _contents(system) == before
    assert (system.worker.dialled, system.doorbell.rung) == ([], [])


async def _contents(system: System) -> set[bytes]:
    """The keys in Redis, without the feed and what the readiness probe writes."""
    passing = (keys.feed.encode(), f"{keys.prefix}probe:".encode())
    return {key async for key in system.redis.scan_iter("*") if not key.startswith(passing)}


def _is_valid_and_unknown(method: str, status: int, frame: dict[str, Any]) -> bool:
    """The value is valid and what it names does not exist, or a query without it is allowed."""
    queries = {f"voicecall.{name}" for name in ("status", "history", "latency", "events", "dead", "report")}
    return (status, frame.get("error", {}).get("code")) == (404, "NOT_FOUND") or (status == 200 and method in queries)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"message": "  "}, "message required"),
        ({"message": "\U0001f600 **"}, "message has nothing to say"),
        ({"message": "<think>hm</think>"}, "message has nothing to say"),
        ({"message": 5}, "message: Input should be a valid string"),
        ({"message": "x" * 4097}, "message is longer than 4096 characters"),
        ({"message": "Hi", "mode": "shout"}, "mode: Input should be 'notify' or 'conversation'"),
        ({"message": "Hi", "to": "5551234"}, "to is not an E.164 number: it does not begin with +"),
        ({"message": "Hi", "to": "+15550001234\n"}, "to is not an E.164 number: it holds U+000A;"),
        (
            {"message": "Hi", "to": "+15550001234;ext=7"},
            'to is not an E.164 number: it holds ";", which begins an extension',
        ),
        ({"message": "Hi", "to": "+15550001234,,1#"}, 'to is not an E.164 number: it holds ",";'),
        ({"message": "Hi", "to": "+44 (0)20 7183 8750"}, 'to is not an E.164 number: it holds "(0)"'),
        ({"message": "Hi", "to": "+112"}, "to is not dialled: it is an emergency or short number"),
        ({"message": "Hi", "to": "+19005550123"}, "to is not dialled: it is a premium number"),
        ({"message": "Hi", "to": "+881612345678"}, "to is not dialled: it is a satellite number"),
        ({"message": "Hi", "to": "+9791234567"}, "to is not dialled: it is a premium number"),
        ({"message": "Hi", "idempotencyKey": ""}, "idempotencyKey must be 1 to 256 printable characters"),
        ({"message": "Hi", "idempotencyKey": "a\nb"}, "idempotencyKey must be 1 to 256 printable characters"),
        ({"message": "Hi", "idempotencyKey": "k" * 257}, "idempotencyKey must be 1 to 256 printable characters"),
        ({"message": "Hi", "sessionKey": "k" * 257}, "sessionKey is longer than 256 characters"),
        ({"message": "Hi", "requesterSessionKey": "k" * 257}, "requesterSessionKey is longer than 256 characters"),
        ({"message": "Hi", "sessionKey": "a\nb"}, "sessionKey must be printable"),
        ({"message": "Hi", "requesterSessionKey": "\u202e"}, "requesterSessionKey must be printable"),
        ({"message": "Hi", "dtmfSequence": "12a", "mode": "conversation"}, "dtmfSequence must be 1 to 64 of"),
        ({"message": "Hi", "dtmfSequence": "1", "mode": "notify"}, "dtmfSequence needs mode conversation"),
        ({"message": "Hi", "brief": "call them"}, "brief: Input should be"),
        ({"message": "Hi", "brief": {}}, "brief.task required"),
        ({"message": "Hi", "brief": {"task": "", "context": "x"}}, "brief.task required"),
        ({"message": "Hi", "brief": {"task": "x" * 2001}}, "brief.task: String should have at most 2000 characters"),
        ({"message": "Hi", "brief": {"task": "x", "tone": "kind"}}, "brief.tone: there is no such parameter"),
        ({"message": "Hi", "brief": {"task": "x", "disclosures": ["y"] * 21}}, "brief.disclosures: "),
        ({"message": "Hi", "brief": {"task": "x", "approvals": [5]}}, "brief.approvals.0: Input should be"),
        ({"message": "Hi", "brief": {"task": "x", "maxDurationSeconds": 0}}, "brief.maxDurationSeconds: Input"),
        ({"message": "Hi", "brief": {"task": "x", "maxDurationSeconds": "60"}}, "brief.maxDurationSeconds: Input"),
        (
            {"message": "Hi", "brief": {"task": "x" * 2000, "context": "x" * 4000, "disclosures": ["x" * 1000] * 3}},
            "brief: is 9000 characters long in all; 8000 are allowed",
        ),
    ],
)
async def test_invalid_calls_are_refused(system: System, params: dict[str, Any], message: str) -> None:
    """Refused before anything is posted or dialled (attacks 41 and 43)."""
    status, frame = await system.post("voicecall.initiate", params)
    assert (status, frame["error"]["code"]) == (400, "INVALID_REQUEST")
    assert frame["error"]["message"].startswith(message)
    assert (system.worker.dialled, system.doorbell.rung) == ([], [])


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("forget", {}, "request callId or number is required, and not both"),
        ("forget", {"callId": ID, "number": "+15550001234"}, "request callId or number is required, and not both"),
        ("forget", {"callId": "*"}, "callId is not a call id"),
        ("forget", {"number": "+1555*"}, "number is not an E.164 number"),
        ("forget", {"number": "+15550001234\n"}, "number is not an E.164 number"),
        ("forget", {"number": "anonymous"}, "number is not an E.164 number"),
        ("forget", {"number": "+15550007777"}, "number is a configured number"),
        ("history", {"limit": 0}, "limit"),
        ("history", {"limit": 201}, "limit"),
        ("history", {"limit": "5"}, "limit"),
        ("history", {"since": -1}, "since"),
        ("history", {"until": 1.5}, "until"),
        ("history", {"direction": "sideways"}, "direction"),
        ("history", {"number": "x"}, "number is not an E.164 number"),
        ("history", {"cursor": "1-" + "0" * 36}, "cursor is not the `next` of an earlier page"),
        ("history", {"cursor": "' OR 1=1 --"}, "cursor is not the `next` of an earlier page"),
        ("latency", {"last": 0}, "last"),
        ("latency", {"last": 10_001}, "last"),
    ],
)
async def test_history_and_forget_take_exact_values(
    redis_server: RedisServer, method: str, params: dict[str, Any], message: str
) -> None:
    """A deletion cannot be undone: no patterns, no partial numbers, and never every call at once."""
    async with stack(redis_server.url, config={"fromNumber": "+15550007777"}, working=False) as system:
        status, frame = await system.post(f"voicecall.{method}", params)
    assert (status, frame["error"]["code"]) == (400, "INVALID_REQUEST")
    assert frame["error"]["message"].replace(": ", " ").startswith(message)


@pytest.mark.parametrize(
    "written",
    [
        "+1 (555) 000-1234",
        "+1.555.000.1234",
        "\u202a+15550001234\u202c",
        "+1\u00a0555\u202f000\u20111234",
        "\ufeff +1\u2013555\u200b000\t1234 ",
    ],
    ids=ascii,
)
async def test_a18_a_number_is_read_as_people_write_it(system: System, written: str) -> None:
    """Spaces, dashes, brackets and invisible characters carry no meaning: the plain number is dialled and recorded."""
    call = await system.initiate(to=written)
    _, frame = await system.post("voicecall.status", {"callId": call})
    assert frame["payload"]["call"]["to"] == "+15550001234"
    assert (await system.post("voicecall.history", {"number": written}))[0] == 200


async def test_a18_two_spellings_of_a_number_are_one_request(system: System) -> None:
    """Under one idempotency key: the repetition is no other request."""
    first = await system.initiate(to="+1 555 000 1234", idempotencyKey="k")
    assert await system.initiate(to="+1-555-000-1234", idempotencyKey="k") == first


@pytest.mark.parametrize("nothing", [None, ""], ids=repr)
async def test_a1_a_parameter_that_is_left_out_may_be_null_or_blank(system: System, nothing: str | None) -> None:
    """The call is the one that is placed without them: to `toNumber`, in the configured mode."""
    names = ("to", "mode", "sessionKey", "requesterSessionKey", "dtmfSequence", "brief")
    call = await system.initiate(**dict.fromkeys(names, nothing), idempotencyKey=None)
    _, frame = await system.post("voicecall.status", {"callId": call, "sid": None})
    record = frame["payload"]["call"]
    assert (record["to"], record["metadata"]["mode"]) == ("+15550009999", "notify")
    assert (await system.post("voicecall.end", {"callId": call, "message": nothing}))[0] == 200


async def test_a1_a_blank_filter_is_not_left_out(system: System) -> None:
    """Without it the request would mean more: every call instead of one; without a key, a second phone call."""
    for method, params in (
        ("status", {"callId": ""}),
        ("status", {"sid": ""}),
        ("history", {"number": ""}),
        ("forget", {"callId": "", "number": "+15550001234"}),
        ("initiate", {"message": "Hi", "idempotencyKey": ""}),
    ):
        status, frame = await system.post(f"voicecall.{method}", params)
        assert (status, frame["error"]["code"]) == (400, "INVALID_REQUEST"), method
    assert system.worker.dialled == []


async def test_a1_the_parts_of_a_frame_may_be_null(system: System) -> None:
    """`params` without any, and the id of a request that needs none."""
    body = {"type": None, "id": None, "method": "voicecall.status", "params": None}
    status, frame = await system.post_raw(json.dumps(body).encode())
    assert (status, frame["payload"]) == (200, {"found": True, "calls": []})


@pytest.mark.parametrize("digits", ["", "1" * 65, "12a", "1;2", "\uff11", "1\n", " "])
async def test_digits_are_keypad_keys(system: System, digits: str) -> None:
    """Keypad keys and pauses only."""
    call = await system.initiate()
    status, frame = await system.post("voicecall.dtmf", {"callId": call, "digits": digits})
    assert (status, frame["error"]["message"][:6]) == (400, "digits")
    assert system.worker.digits == []


@pytest.mark.parametrize("sid", ["*", "a b", "x\n", "", "é", "x" * 257, 5])
async def test_a_carriers_id_has_a_known_alphabet(system: System, sid: object) -> None:
    """It becomes part of a Redis key, so only the characters of carriers' ids are accepted."""
    status, frame = await system.post("voicecall.status", {"sid": sid})
    assert (status, frame["error"]["message"][:3]) == (400, "sid")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b'{"method":5}',
        b'{"method":""}',
        b'{"method":"m","extra":1}',
        b'{"type":"res","method":"m"}',
        b'{"method":"m","params":[]}',
        b'{"method":"m","id":{}}',
        b'{"method":"m","id":"' + b"i" * 200 + b'"}',
        b'{"method":"voicecall.initiate","params":{"message":"\\ud800"}}',
        b"[" * 30_000,
    ],
)
async def test_an_invalid_frame_is_refused(system: System, body: bytes) -> None:
    """Undecodable, of the wrong form or too deep: INVALID_REQUEST, never an internal error."""
    status, frame = await system.post_raw(body)
    assert (status, frame["ok"], frame["error"]["code"]) == (400, False, "INVALID_REQUEST")


async def test_an_unknown_method_is_refused_without_repeating_it(system: System) -> None:
    """Also names that are attributes of Python objects."""
    for method in ("voicecall.dance", "__init__", "voicecall.Initiate", "close"):
        status, frame = await system.post(method)
        assert (status, frame["error"]["message"]) == (400, "method: there is no such method")


async def test_a_body_over_the_limit_is_413(system: System) -> None:
    """64 KiB, whatever its content (guarantee P15)."""
    body = json.dumps({"method": "voicecall.initiate", "params": {"message": "x" * 70_000}}).encode()
    status, frame = await system.post_raw(body)
    assert (status, frame["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
def test_every_value_of_a_parameter_is_accepted_or_refused(value: Any) -> None:
    """Validation returns the parameters or raises InvalidRequest, and nothing else."""
    for shape, good in (*SHAPES.values(), (SubscribeParams, {"since": "0-0"}), (UnsubscribeParams, {})):
        for key in (str(field.alias) for field in shape.model_fields.values()):
            with contextlib.suppress(InvalidRequest):
                assert isinstance(validated(shape, {**good, key: value}), shape)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_request_or_refused(data: bytes) -> None:
    """`read_request` returns a request or raises InvalidRequest."""
    with contextlib.suppress(InvalidRequest):
        assert read_request(data).method

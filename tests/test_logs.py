"""A log record is one line of JSON and safe to show, whatever its fields contain."""

import io
import json
import logging
from collections.abc import Iterator
from contextvars import copy_context
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicecall.logs import CALL_ID, JsonLines, OncePerMinute, configure, mask_number


def line_of(msg: str = "said", *, keep_pii: bool = False, **fields: object) -> dict[str, Any]:
    record = logging.makeLogRecord({"name": "voicecall.test", "levelname": "INFO", "msg": msg, **fields})
    text = JsonLines("worker", "worker-1", keep_pii=keep_pii).format(record)
    assert text.isascii()
    assert text.isprintable()
    parsed: dict[str, Any] = json.loads(text)
    return parsed


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_a_configured_process_writes_json_lines(root: logging.Logger) -> None:
    """Time in UTC with milliseconds, the role, the instance, then the fields."""
    stream = io.StringIO()
    name = configure("gateway", stream=stream)
    logging.getLogger("gateway.app").warning("call placed", extra={"call_id": "c1", "epoch": 3, "turn": 2})
    line = json.loads(stream.getvalue())
    assert datetime.fromisoformat(line.pop("ts")).tzinfo is not None
    assert line == {
        "level": "warning",
        "role": "gateway",
        "instance": name,
        "logger": "gateway.app",
        "msg": "call placed",
        "call_id": "c1",
        "epoch": 3,
        "turn": 2,
    }
    assert name.startswith("gateway-")
    assert root.level == logging.INFO


def test_transcripts_and_phone_numbers_stay_out() -> None:
    """`pii.` fields are dropped unless asked for; numbers are masked in every field."""
    fields = {"pii.text": "my name is", "to": "+15550001234", "from": "15550001234", "note": "call +4930123456 now"}
    line = line_of("dialling +15550001234", **fields)
    assert "pii.text" not in line
    assert (line["to"], line["from"], line["note"]) == ("***34", "***34", "call ***56 now")
    assert line["msg"] == "dialling ***34"
    assert line_of(keep_pii=True, **fields)["pii.text"] == "my name is"


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+15550001234", "***34"),
        ("+123456789", "***89"),
        ("+1234567", "***67"),
        ("911", "***"),
        ("", "***"),
    ],
)
def test_a_masked_number_cannot_be_dialled(number: str, masked: str) -> None:
    """Enough to recognise, at least three digits short."""
    assert mask_number(number) == masked


@pytest.mark.parametrize(
    "hostile", ["a\r\nb", "\x1b[2J", "\x9b31m", "\x7f", "\u2028", "\u202e", "%s %d", "{}", "\ud800"]
)
def test_a_hostile_field_stays_in_its_line(hostile: str) -> None:
    """Escaped, and still the same text after parsing (attack 89)."""
    assert line_of(field=hostile)["field"] == hostile
    assert line_of(hostile)["msg"] == hostile


def test_long_fields_are_cut() -> None:
    """To 1 kB."""
    assert len(line_of(field="x" * 1_000_000)["field"]) == 1025
    assert len(line_of("x" * 1_000_000)["msg"]) == 1025
    assert len(line_of(field=["x"] * 1000)["field"]) == 64


def test_a_format_that_does_not_fit_its_arguments_is_still_a_line() -> None:
    """A library's mistake must not lose the record."""
    assert line_of("%d of %s", args=("one",))["msg"] == "%d of %s"


def test_fields_cannot_replace_the_line_s_own() -> None:
    """A field with such a name gets a prefix."""
    line = line_of(role="admin", ts="never", level="debug")
    assert (line["role"], line["x_role"], line["x_level"]) == ("worker", "admin", "debug")


def test_an_exception_is_logged_with_its_trace() -> None:
    """In one field, with masked numbers."""
    with pytest.raises(ValueError, match="not-a-number") as failed:
        float("not-a-number +15550001234")
    error = failed.value
    line = line_of(exc_info=(ValueError, error, error.__traceback__))
    assert "not-a-number ***34" in line["exc"]
    assert "Traceback" in line["exc"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=5) | st.just(object()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner) | st.sets(st.integers()),
    max_leaves=8,
)


@given(st.text(), anything)
def test_any_field_makes_one_good_line(msg: str, value: object) -> None:
    """JSON in ASCII, whatever the value is."""
    assert "field" in line_of(msg, field=value)


def test_code_that_knows_no_call_names_the_one_it_runs_for(root: logging.Logger) -> None:
    written = io.StringIO()
    configure("worker", stream=written)
    root.info("a voice failed")
    variables = copy_context()
    variables.run(CALL_ID.set, "call-1")
    variables.run(root.info, "a voice failed")
    variables.run(root.info, "another call", extra={"call_id": "call-2"})
    calls = [json.loads(line).get("call_id") for line in written.getvalue().splitlines()]
    assert calls == [None, "call-1", "call-2"]


def outage(msg: str = "feed cannot be read", *, name: str = "voicecall.bus", **fields: object) -> logging.LogRecord:
    level = {"levelno": logging.WARNING, "levelname": "WARNING"}
    return logging.makeLogRecord({"name": name, "msg": msg, "error": "Redis does not answer", **level, **fields})


def test_c14_an_outage_is_one_line_a_minute_for_each_message_and_reason() -> None:
    """The next line that passes says how many were left out."""
    now = [0.0]
    minute = OncePerMinute(lambda: now[0])
    passed: list[tuple[Any, ...]] = []
    for _ in range(1_200):  # two minutes, ten a second
        records = (outage(), outage(error="Redis refuses"), outage("heartbeat not written"))
        passed += [
            (round(now[0]), *(vars(record).get(name, 0) for name in ("msg", "error", "repeats")))
            for record in records
            if minute.filter(record)
        ]
        now[0] += 0.1
    assert [line[1:] for line in passed[:3]] == [
        ("feed cannot be read", "Redis does not answer", 0),
        ("feed cannot be read", "Redis refuses", 0),
        ("heartbeat not written", "Redis does not answer", 0),
    ]
    assert len(passed) == 6
    assert {line[0] for line in passed[3:]} == {60}
    assert all(590 < line[3] < 610 for line in passed[3:])


@pytest.mark.parametrize(
    "record",
    [
        outage(call_id="c1"),
        outage(leg="CA1"),
        outage(error=None),
        outage(levelno=logging.ERROR, levelname="ERROR"),
        outage(levelno=logging.INFO, levelname="INFO"),
    ],
    ids=["of one call", "of one leg", "no reason", "an error", "information"],
)
def test_c14_other_records_pass_however_often(record: logging.LogRecord) -> None:
    """What concerns one call, and what is more or less than a warning, is never left out."""
    minute = OncePerMinute(lambda: 0.0)
    assert all(minute.filter(record) for _ in range(5))


def test_c14_dramatiq_s_consumers_report_an_outage_once_for_all_queues() -> None:
    """One each 0.2 s and queue otherwise."""
    minute = OncePerMinute(lambda: 0.0)
    names = [f"dramatiq.worker.ConsumerThread({queue})" for queue in ("calls", "calls.DQ", "after", "calls")]
    critical = {"levelno": logging.CRITICAL, "levelname": "CRITICAL", "error": None}
    records = [outage("Consumer encountered a connection error: %s", name=name, **critical) for name in names]
    restarts = {"levelno": logging.INFO, "levelname": "INFO", "error": None}
    records += [outage("Restarting consumer in %0.2f seconds.", name=name, **restarts) for name in names]
    assert [minute.filter(record) for record in records] == [True, False, False, False] * 2


@pytest.mark.usefixtures("root")
def test_c14_a_configured_process_leaves_repeats_out() -> None:
    stream = io.StringIO()
    configure("gateway", stream=stream)
    for _ in range(10):
        logging.getLogger("voicecall.bus").warning(
            "subscription lost", extra={"error": "Redis refuses", "channel": "x"}
        )
    assert stream.getvalue().count("subscription lost") == 1

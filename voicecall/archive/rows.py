"""Converts a record to rows, and rows back to the same record.

Pure. Characters that a database cannot store (NUL, lone surrogates) become U+FFFD on the way in, for every database.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = ["call_row", "cleaned", "line_rows", "record_of", "turn_rows"]

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_WITH_COLUMNS: Final = frozenset({"turns", "billedSeconds", "price", "currency"})  # metadata that has its own columns
_COLUMNS: Final = {
    "callId": "call_id",
    "providerCallId": "leg",
    "provider": "provider",
    "direction": "direction",
    "state": "state",
    "from": "from_number",
    "to": "to_number",
    "sessionKey": "session_key",
    "startedAt": "started_at",
    "answeredAt": "answered_at",
    "endedAt": "ended_at",
    "endReason": "end_reason",
}
_ELSEWHERE: Final = frozenset({"transcript", "processedEventIds", "metadata"})


def cleaned(value: Any) -> Any:
    """The value with unstorable characters replaced, at any depth."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {cleaned(key): cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(inner) for inner in value]
    return value


def call_row(record: Mapping[str, Any]) -> dict[str, Any]:
    """The row of `calls`. The column `more` takes fields without a column, so that a record may gain a field."""
    metadata = record.get("metadata", {})
    more = {key: value for key, value in record.items() if key not in _COLUMNS and key not in _ELSEWHERE}
    more["metadata"] = {key: value for key, value in metadata.items() if key not in _WITH_COLUMNS}
    return {
        **{column: record.get(key) for key, column in _COLUMNS.items()},
        "ended_at": record.get("endedAt", record["startedAt"]),
        "billed_seconds": metadata.get("billedSeconds"),
        "price": metadata.get("price"),
        "currency": metadata.get("currency"),
        "more": json.dumps(more),
    }


def line_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "call_id": record["callId"],
            "place": place,
            "at": line["timestamp"],
            "speaker": line["speaker"],
            "text": line["text"],
        }
        for place, line in enumerate(record.get("transcript", ()))
    ]


def turn_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "call_id": record["callId"],
            "place": place,
            "at": turn["at"],
            "turn": turn["turn"],
            "latency_ms": turn.get("latencyMs"),
            "listen_wait_ms": turn.get("listenWaitMs"),
        }
        for place, turn in enumerate(record.get("metadata", {}).get("turns", ()))
    ]


def record_of(
    row: Mapping[str, Any], said: Iterable[Mapping[str, Any]] | None, timed: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """The record that these rows were made from; without a transcript when `said` is None."""
    times = [
        _filled(
            {"at": turn["at"], "turn": turn["turn"], "latencyMs": turn["latency_ms"]}
            | {"listenWaitMs": turn["listen_wait_ms"]}
        )
        for turn in timed
    ]
    cost = {"billedSeconds": row["billed_seconds"], "price": row["price"], "currency": row["currency"]}
    more = json.loads(row["more"])
    record = {
        **{key: row[column] for key, column in _COLUMNS.items()},
        "transcript": None if said is None else [_line(line) for line in said],
        "processedEventIds": [],
        **more,
        "metadata": _filled({**more["metadata"], **cost, "turns": times or None}),
    }
    return _filled(record)


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"timestamp": row["at"], "speaker": row["speaker"], "text": row["text"], "isFinal": True}


def _filled(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None}

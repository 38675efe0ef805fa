"""Structured logs: one JSON object per line, safe to show to an operator.

Each process calls `configure` at start; all other code uses `logging` with a constant message and `extra`. Whatever a
field contains, a record stays one line: control characters are escaped, long strings cut, phone numbers masked, and
fields named `pii.…` left out (attack 89). A lasting outage is one line a minute for each message, not one for each try.
"""

import json
import logging
import os
import re
import secrets
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO

__all__ = ["CALL_ID", "JsonLines", "OncePerMinute", "configure", "mask_number", "name_call"]

CALL_ID: Final[ContextVar[str]] = ContextVar("CALL_ID", default="")
"""The call on whose behalf code runs that knows of none, as a voice; its lines name it."""

_LONGEST: Final = 1024
_SHORTEST_MASKED: Final = 6
_LONGEST_TRACE: Final = 4096
_DEEPEST: Final = 4
_NUMBER: Final = re.compile(r"\+[0-9]{7,15}(?![0-9])")
_DIGITS: Final = re.compile(r"[0-9]{7,15}\Z")
_NUMBER_FIELDS: Final = frozenset({"from", "from_", "to", "caller", "callee", "number"})
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_APART_S: Final = 60.0
_MOST_OUTAGES: Final = 1_000
_RESERVED: Final = frozenset({"ts", "level", "role", "instance", "logger", "msg", "exc"})


def configure(role: str, *, instance: str | None = None, stream: TextIO | None = None) -> str:
    """Send this process's logs and warnings as JSON lines to `stream` (default: standard error).

    Returns the instance's name.

    `VOICECALL_LOG_LEVEL` sets the level (default: INFO), `VOICECALL_LOG_PII=1` keeps the `pii.…` fields.
    """
    name = instance or f"{role}-{secrets.token_hex(4)}"
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(role, name, keep_pii=os.environ.get("VOICECALL_LOG_PII") == "1"))
    handler.addFilter(name_call)
    handler.addFilter(OncePerMinute())
    level_name = os.environ.get("VOICECALL_LOG_LEVEL", "").strip().upper()
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.getLevelNamesMapping().get(level_name, logging.INFO))
    logging.captureWarnings(capture=True)
    return name


def name_call(record: logging.LogRecord) -> bool:
    """Add the call of `CALL_ID` to a record that names none. A filter that passes every record."""
    if (call := CALL_ID.get()) and not hasattr(record, "call_id"):
        record.call_id = call
    return True


class OncePerMinute(logging.Filter):
    """Passes a message about an outage at most once in 60 s for each reason.

    That is a warning with a field `error` that names no call: what is tried again and again for the whole process.
    Also what dramatiq's consumers report five times a second while they cannot read their queues. The next line that
    passes has `repeats`: how many did not.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._passed: dict[tuple[str, str, str], float] = {}
        self._held_back: Counter[tuple[str, str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        _shorten(record)
        key = _outage(record)
        if key is None:
            return True
        now = self._clock()
        if now - self._passed.get(key, float("-inf")) < _APART_S:
            self._held_back[key] += 1
            return False
        if len(self._passed) >= _MOST_OUTAGES:
            self._passed.clear()
        self._passed[key] = now
        if repeats := self._held_back.pop(key, 0):
            record.repeats = repeats
        return True


def _shorten(record: logging.LogRecord) -> None:
    """Put the words of Redis in place of a trace through dramatiq's consumer, which adds nothing to them."""
    error = record.exc_info[1] if record.exc_info else None
    if record.name.startswith("dramatiq.worker.Consumer") and type(error).__module__ == "redis.exceptions":
        record.exc_info, record.error = None, str(error)


def _outage(record: logging.LogRecord) -> tuple[str, str, str] | None:
    """What makes two records reports of one outage; None for a record that is none."""
    error = getattr(record, "error", None)
    if isinstance(error, str) and record.levelno == logging.WARNING and not vars(record).keys() & {"call_id", "leg"}:
        return record.name, str(record.msg), error
    if record.name.startswith("dramatiq.worker.Consumer") and (
        record.levelno >= logging.CRITICAL or str(record.msg).startswith("Restarting")
    ):
        return record.name.partition("(")[0], str(record.msg), ""
    return None


def mask_number(number: str) -> str:
    """The last two digits of a phone number, to distinguish two calls: `***34`. Of less than six characters none."""
    return f"***{number[-2:]}" if len(number) >= _SHORTEST_MASKED else "***"


class JsonLines(logging.Formatter):
    """A record as one line of ASCII JSON: ts, level, role, instance, logger, msg, then the record's own fields."""

    def __init__(self, role: str, instance: str, *, keep_pii: bool = False) -> None:
        super().__init__()
        self._role = role
        self._instance = instance
        self._keep_pii = keep_pii

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "role": self._role,
            "instance": self._instance,
            "logger": record.name,
            "msg": _clean("msg", _message(record)),
        }
        for key, value in vars(record).items():
            if key not in _STANDARD and (self._keep_pii or not key.startswith("pii.")):
                line[f"x_{key}" if key in _RESERVED else key[:64]] = _clean(key, value)
        if record.exc_info and record.exc_info[1] is not None:
            trace = "".join(traceback.format_exception(record.exc_info[1]))
            line["exc"] = _NUMBER.sub(_masked, trace[-_LONGEST_TRACE:])
        # ensure_ascii escapes U+2028, which some viewers take for a line's end, and every control character but DEL.
        return json.dumps(line, ensure_ascii=True, separators=(",", ":")).replace("\x7f", "\\u007f")


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return str(record.msg)  # arguments that do not fit the format: log the text alone


def _clean(key: str, value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 6) if value - value == 0 else repr(value)  # JSON has no NaN and no infinity
    if isinstance(value, str):
        return _text(key, value)
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {str(k)[:64]: _clean(str(k), v, depth + 1) for k, v in list(value.items())[:64]}
    if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_clean(key, item, depth + 1) for item in list(value)[:64]]
    return _text(key, repr(value))


def _text(key: str, text: str) -> str:
    if key in _NUMBER_FIELDS and _DIGITS.match(text):
        return mask_number(text)
    # Masked before it is cut: half a number at the end would not match.
    text = _NUMBER.sub(_masked, text[: 2 * _LONGEST])
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _masked(found: re.Match[str]) -> str:
    return mask_number(found[0])

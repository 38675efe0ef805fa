"""The configuration's blocks `reports`, `callbacks` and `live`: what is reported of a call, and what follows from it.

Workers make and deliver reports, the gateway places call-backs and shows live calls. This file checks the form of keys.
"""

import re
from typing import Annotated, Any, Final
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from voicecall.call.json_schema import KEYWORDS, problem_of
from voicecall.manifests.fields import Block, ExactUrl, Positive, Secret, Text, TimeoutMs, whole

__all__ = [
    "Callbacks",
    "Live",
    "QuietHours",
    "Rate",
    "ReportSchema",
    "ReportWebhook",
    "Reports",
    "clock_minutes",
]

_CLOCK: Final = r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$"
_PREFIX: Final = r"^\+[1-9][0-9]{0,14}$"
_ZONE: Final = r"^(?:UTC|[A-Za-z]+/[A-Za-z0-9_+/-]+)$"


def _schema(value: dict[str, Any]) -> dict[str, Any]:
    problem = problem_of(value)
    if problem:
        raise PydanticCustomError("report-schema", "{problem}; see docs/reports.md", {"problem": problem})
    return value


def _zone(name: str) -> str:
    if re.match(_ZONE, name) is None or name not in available_timezones():
        raise PydanticCustomError("time-zone", "is no time zone; write its IANA name, as in Europe/London")
    return name


ReportSchema = Annotated[
    dict[str, Any],
    AfterValidator(_schema),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"enum": sorted(KEYWORDS)},
            "properties": {"type": {"const": "object"}},
        }
    ),
]
"""JSON Schema of the data of a report (`voicecall.call.json_schema`). What is inside is checked by the loader alone."""

_Price = Annotated[float, Field(ge=0, le=1_000_000)]
_Zone = Annotated[str, AfterValidator(_zone), WithJsonSchema({"type": "string", "pattern": _ZONE})]
_Service = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
_Clock = Annotated[str, StringConstraints(pattern=_CLOCK)]
_Seconds = Annotated[int, Field(ge=0, le=3600), BeforeValidator(whole)]
_Prefix = Annotated[str, StringConstraints(pattern=_PREFIX)]


class Rate(Block):
    """What one service costs, in `reports.currency`. Without a price its part of a call's cost is unknown."""

    per_minute: _Price | None = None
    """A minute: of a carrier, each that has begun; of speech recognition, by the second."""
    per_thousand_characters: _Price | None = None
    """A thousand characters of a voice."""
    per_million_tokens_in: _Price | None = None
    """A million tokens of a model's prompts."""
    per_million_tokens_out: _Price | None = None
    """A million tokens of a model's replies."""


class ReportWebhook(Block):
    """Where every report is sent. Only this address is ever requested, and redirects are not followed."""

    url: ExactUrl | None = None
    """Where each report is posted; without it none is."""
    secret: Secret = None
    """Signs each request (Standard Webhooks); required with `url`."""
    timeout_ms: TimeoutMs = 10_000
    """How long the receiver may take to answer."""
    give_up_after_hours: Annotated[int, Field(ge=1, le=168), BeforeValidator(whole)] = 24
    """How long delivery is tried; then the report is a dead letter."""


class Reports(Block):
    """One report of each call that has ended."""

    enabled: bool = True
    """Whether reports are made."""
    form: ReportSchema | None = Field(default=None, alias="schema")
    """JSON Schema of `data` in the reports of inbound calls: the configured model fills it from what was heard."""
    settle_sec: _Seconds = 5
    """How long after the end the report is made: until then the carrier may report what the call costs."""
    fill_within_sec: Annotated[int, Field(ge=1, le=3600), BeforeValidator(whole)] = 300
    """How long a model that cannot be reached is tried; then the report says that its data is missing."""
    transcript: bool = False
    """Whether the report has the transcript."""
    webhook: ReportWebhook = ReportWebhook()
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"
    """Currency of `rates`, ISO 4217."""
    rates: dict[_Service, Rate] = Field(default_factory=dict)


class QuietHours(Block):
    """When no call-back is placed, by the clock of the called party. The end is the first moment outside."""

    start: _Clock = "21:00"
    """When they begin, as HH:MM."""
    end: _Clock = "08:00"
    """When they end; the same as `start`: there are none."""


class Callbacks(Block):
    """Calls that are placed because an earlier one was missed, or because it was promised."""

    enabled: bool = True
    """Whether call-backs that are asked for are placed."""
    missed: bool = False
    """Whether a missed caller is called back without being asked for."""
    delay_sec: _Seconds = 60
    """How long after a missed call; a caller who gets through before is not called back."""
    window_minutes: Annotated[int, Field(ge=1, le=1440), BeforeValidator(whole)] = 60
    """How long a call-back that is due is tried while it cannot be placed; then it is given up."""
    message: Text = "Hello! You tried to reach us. How can I help you?"
    """What is said first."""
    max_per_hour: Positive = 20
    """Call-backs of missed calls in an hour at most: a caller id can be forged."""
    quiet_hours: QuietHours = QuietHours()
    time_zone: _Zone = "UTC"
    """Time zone of numbers that `zones` does not name, by its IANA name."""
    zones: dict[_Prefix, _Zone] = Field(default_factory=dict)
    """Time zones by the beginning of a number; the longest one counts."""

    def zone_of(self, number: str) -> str:
        """The time zone of a number, as far as it is configured."""
        fitting = (prefix for prefix in self.zones if number.startswith(prefix))
        return self.zones.get(max(fitting, key=len, default=""), self.time_zone)


class Live(Block):
    """A view of live calls for chats: what was said, now and then, in place of every event."""

    enabled: bool = False
    """Whether the view `live` of `voicecall.subscribe` is offered."""
    interval_ms: Annotated[int, Field(ge=5000, le=600_000), BeforeValidator(whole)] = 5000
    """How far apart the updates of one call are at least."""


def clock_minutes(text: str) -> int:
    """Minutes since midnight of HH:MM."""
    found = re.fullmatch(r"(\d\d):(\d\d)", text)
    return 0 if found is None else int(found[1]) * 60 + int(found[2])

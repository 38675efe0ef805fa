"""Real pages of `/metrics`, as the series of a unit test for Prometheus's rules.

The deployment looked like `before` for half an hour; from then on what changed between the two scrapes happens again
every 15 seconds. Used by the tests of alerts. Knows no alert.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

__all__ = ["EVALUATED_AT", "Scrape", "scrape", "series"]

Scrape = dict[str, float]
"""Values by series, as in `name{label="value"}`."""

_BEFORE: Final = 120  # of 15 s
_AFTER: Final = 80
EVALUATED_AT: Final = "45m"


async def scrape(targets: Mapping[str, str]) -> Scrape:
    """Read every target's page, as Prometheus would: with `job`, `instance` and `up`."""
    found: Scrape = {}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
        for instance, url in targets.items():
            scraped = {"job": "voicecall", "instance": instance}
            try:
                async with http.get(f"{url}/metrics") as page:
                    text = await page.text()
            except (aiohttp.ClientError, TimeoutError):
                found[_name("up", scraped)] = 0.0
                continue
            found[_name("up", scraped)] = 1.0
            for family in text_string_to_metric_families(text):
                found |= {
                    _name(sample.name, {**sample.labels, **scraped}): sample.value
                    for sample in family.samples
                    if math.isfinite(sample.value)
                }
    return found


def series(before: Scrape, after: Scrape) -> list[dict[str, Any]]:
    """The input of promtool. A series that only one scrape has begins or ends with the fault."""
    return [{"series": name, "values": _values(name, before.get(name), after.get(name))} for name in before | after]


def _values(name: str, before: float | None, after: float | None) -> str:
    first = f"_x{_BEFORE}" if before is None else f"{before}+0x{_BEFORE}"
    if after is None:
        return f"{first} stale"
    grows = after - (before or 0.0) if _is_counter(name) else 0.0
    return f"{first} {after}+{grows}x{_AFTER}"


def _is_counter(name: str) -> bool:
    return name.partition("{")[0].endswith(("_total", "_count", "_sum", "_bucket"))


def _name(name: str, labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return f"{name}{{{inside}}}"

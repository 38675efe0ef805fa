"""Each example of docs/abilities.md is a configuration that loads, and offers what the page says."""

import re
from pathlib import Path

import pytest

from voicecall.settings import parse_settings

pytestmark = pytest.mark.quick

_PAGE = (Path(__file__).parents[2] / "docs" / "abilities.md").read_text(encoding="utf-8")
_EXAMPLES = re.findall(r"```json5 example\n(.*?)```", _PAGE, re.DOTALL)
_KEYS = {"BOOKING_KEY": "booking", "SHOP_KEY": "shop"}
_OFFERED = [
    ("end_call", "note", "send_dtmf", "ask_owner"),
    ("book_table",),
    ("shop__*", "files__*"),
    ("end_call", "note", "shop__*"),
    ("end_call", "transfer_call"),
]


@pytest.mark.parametrize(("example", "offered"), list(zip(_EXAMPLES, _OFFERED, strict=True)))
def test_an_example_loads_and_offers_its_tools(example: str, offered: tuple[str, ...]) -> None:
    policy = parse_settings(example, _KEYS).call_policy()
    assert policy.tools.offered == offered


def test_what_the_examples_say_of_idempotence_numbers_and_keys() -> None:
    _, http, mcp, numbers, people = (parse_settings(example, _KEYS) for example in _EXAMPLES)
    assert http.tools.http["book_table"].authorization == "booking"
    assert mcp.call_policy().tools.idempotent == ("files__search",)
    routed = numbers.on_route("+15550001001").call_policy().tools
    assert (routed.offered, numbers.call_policy().tools.unproven[-1]) == (
        ("end_call", "shop__*"),
        "shop__opening_hours",
    )
    transfers = people.call_policy().tools.transfers
    assert [(each.name, each.number) for each in transfers] == [
        ("bookings", "+15550007777"),
        ("at_night", "+15550008888"),
    ]
    assert people.call_policy().tools.transfer_ring_s == 25.0


def test_the_page_names_the_defaults() -> None:
    tools = parse_settings("{}").tools
    assert f"`tools.maxSteps` ({tools.max_steps})" in _PAGE
    assert f"`tools.askOwnerTimeoutMs` ({tools.ask_owner_timeout_ms // 1000} s)" in _PAGE
    assert parse_settings("{}").call_policy().tools.offered == ()

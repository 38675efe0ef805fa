"""Who shares a process when the suite runs in several: tests of one file, and all that live in one house.

Used by pytest-xdist (`--dist loadgroup`, see the Makefile). The long stories begin first, so that nobody waits for the
last of them alone. A test may never depend on what another group did.
"""

from pathlib import Path
from typing import Final

import pytest

_HERE: Final = Path(__file__).parent
_HOUSES: Final = ("journeys", "contract/attacks", "contract/conformance")
"""Folders whose tests share one house, or build one after the other: two crowds at once are one too many."""
_LONG: Final = ("integrations", "contract/conformance", "journeys", "replay", "cli", "workers", "simulators")
"""The longest first."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name every test's group, and bring the long groups to the front."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=_rank)


def _group(item: pytest.Item) -> str:
    place = item.path.relative_to(_HERE).as_posix()
    for house in _HOUSES:
        if place.startswith(house):
            return house
    return place.removesuffix(".py")


def _rank(item: pytest.Item) -> int:
    place = item.path.relative_to(_HERE).as_posix()
    return next((rank for rank, folder in enumerate(_LONG) if place.startswith(folder)), len(_LONG))

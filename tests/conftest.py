"""Who shares a process when the suite runs in several: tests of one file, and all that live in one house.

Used by pytest-xdist (see the Makefile). The long stories begin first, so that nobody waits for the last of them alone.
A test may never depend on what another group did.
"""

from pathlib import Path
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

_HERE: Final = Path(__file__).parent
_SHARED_STACKS: Final = ("tests/journeys/", "tests/contract/attacks/", "tests/contract/conformance/")
"""Folders whose tests share one house, or build one after the other: two crowds at once are one too many."""
_LONG: Final = ("integrations", "contract/conformance", "journeys", "replay", "cli", "workers", "simulators")
"""The longest first."""


class _ByStack(LoadScopeScheduling):
    """Gives a process a file at a time, or a folder that shares a house. (Marks for groups do not reach it.)"""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((stack for stack in _SHARED_STACKS if file.startswith(stack)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _ByStack(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the long groups to the front."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    place = item.path.relative_to(_HERE).as_posix()
    return next((rank for rank, folder in enumerate(_LONG) if place.startswith(folder)), len(_LONG))

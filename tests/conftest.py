"""How the suite is split: which tests are quick, and which share a process when it runs in several.

A quick test is pure: it starts no process and opens no socket, and an audit hook fails it if it does. `make quick` runs
only these. With pytest-xdist (see the Makefile) a process gets a file at a time, or a folder whose tests share one
stack; the long ones start first. A test must not depend on what another group did.
"""

import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import is_hypothesis_test
from xdist.scheduler import LoadScopeScheduling

_HERE: Final = Path(__file__).parent
_SHARED_STACKS: Final = (
    *("tests/journeys/", "tests/contract/attacks/", "tests/contract/conformance/", "tests/phone/", "tests/talk/"),
)
"""Folders whose tests share one stack, or start one after the other: two crowds at once would disturb each other."""
_LONG: Final = (
    *("integrations", "contract/conformance", "browser", "phone", "talk", "journeys", "conversations"),
    *("replay", "cli", "workers", "simulators"),
)
"""The longest first."""
_QUICK: Final = (
    *("actors/*", "audio/*", "call/*", "replay/*", "text/*", "tool/*"),
    *("agents/test_demo.py", "agents/test_prompt.py", "agents/test_remote.py", "archive/test_ended.py"),
    *("bench/test_figures.py", "bench/test_turns.py", "contract/test_*.py", "simulators/test_tones.py"),
    *("simulators/test_words.py", "speech_server/test_pieces.py"),
    *("carriers/test_*_codec.py", "carriers/test_*_media.py", "carriers/test_*_signature.py"),
    *("carriers/test_*_twiml.py", "carriers/test_*_webhooks.py", "carriers/test_*_xml.py"),
    *("carriers/test_billing.py", "carriers/test_stream_path.py", "cli/test_help.py"),
    *("exposure/test_carriers.py", "exposure/test_guard.py"),
    *("project/test_imports.py", "project/test_language.py", "project/test_locks.py", "project/test_quick.py"),
    *("ingress/test_limits.py", "ingress/test_order_of_frames.py", "ingress/test_pending.py"),
    *("ingress/test_playout.py", "ingress/test_silence_batcher.py"),
    "reports/*",
    *("settings/test_legacy.py", "settings/test_load.py", "settings/test_numbers.py", "settings/test_offline.py"),
    *("settings/test_sources.py", "settings/test_voicemail.py"),
    *("speech/test_plain.py", "speech/test_read_aloud.py", "speech/test_sentences.py", "speech/test_vad.py"),
    *("test_aio.py", "test_breaker.py", "test_cli_config.py", "test_compatibility.py", "test_logs.py"),
)
"""Files of quick tests, as patterns below `tests/`. Property tests in them are not quick: they take too long."""
_OUTSIDE: Final = frozenset({"socket.bind", "socket.connect", "subprocess.Popen", "os.fork", "os.posix_spawn"})
"""Audit events of a process that reaches outside of itself."""

_is_quick = False


class _ByStack(LoadScopeScheduling):
    """Gives a process a file at a time, or a folder that shares a stack. (Marks for groups do not reach it.)"""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((stack for stack in _SHARED_STACKS if file.startswith(stack)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _ByStack(config, log)


def pytest_configure() -> None:
    """Watch what tests do. An audit hook also sees what a library does in C; it cannot be removed again."""
    sys.addaudithook(_refuse_outside)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import the other files when only quick tests are asked for: that would take longer than running them."""
    if config.option.markexpr != "quick" or collection_path.suffix != ".py":
        return None
    return None if _in_quick_file(collection_path) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the quick tests, and bring the long groups to the front."""
    for item in items:
        if _in_quick_file(item.path) and not is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("quick")
    items.sort(key=_rank)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Keep a quick test, with its fixtures, inside this process."""
    global _is_quick  # noqa: PLW0603  an audit hook has no other way to know the running test
    _is_quick = item.get_closest_marker("quick") is not None
    try:
        return (yield)
    finally:
        _is_quick = False


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """The last teardown of a process ends the fixtures of the session, which are not those of its last test."""
    global _is_quick  # noqa: PLW0603  as above
    if nextitem is None:
        _is_quick = False


def _refuse_outside(event: str, arguments: tuple[Any, ...]) -> None:
    if _is_quick and event in _OUTSIDE:
        raise AssertionError(f"a quick test must stay in its process: {event} {arguments[1:]}")


def _in_quick_file(path: Path) -> bool:
    place = path.relative_to(_HERE).as_posix()
    return any(fnmatch(place, pattern) for pattern in _QUICK)


def _rank(item: pytest.Item) -> int:
    place = item.path.relative_to(_HERE).as_posix()
    return next((rank for rank, folder in enumerate(_LONG) if place.startswith(folder)), len(_LONG))

"""Every metric is written by some part of the product, and every process shows those that it writes."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache

import pytest

from tests.project.modules import ROOT, modules, reached

_WRITERS = {"dec", "inc", "info", "labels", "observe", "set", "set_function"}
_FACTORIES = {"_counter", "_gauge", "_histogram", "Info"}

WRITTEN_BY = {
    "ingress": (
        {"WEBHOOKS", "WEBHOOK_SECONDS", "WEBHOOKS_REJECTED", "REPLAYS", "CONNECTIONS", "DOORBELL", "JOURNAL_SECONDS"}
        | {"MEDIA_SOCKETS", "MEDIA_REJECTED", "MEDIA_FRAMES", "MEDIA_DROPPED", "MEDIA_GAP", "FACTS_LOST"}
    ),
    "gateway": {"RPC", "RPC_SECONDS", "AGENT_HOSTS", "AGENT_TURNS", "SHED"},
    "workers": {"ARCHIVED", "ARCHIVE_PRUNED"},
}
"""What an operator looks for in the page of each process, at least."""

_ENTRY = {"ingress": "ingress.app", "gateway": "gateway.app", "workers": "workers.node"}


@cache
def metric_names() -> Mapping[str, str]:
    """The constants of `voicecall/metrics.py` that are metrics, and the name of each on the page."""
    found = {}
    for node in modules()["voicecall.metrics"].tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Call):
            factory, name = ast.unparse(node.value.func), node.value.args[0] if node.value.args else None
            if factory in _FACTORIES and isinstance(name, ast.Constant):
                prefix = "" if factory == "Info" else "voice_"
                found[ast.unparse(node.target)] = f"{prefix}{name.value}"
    return found


@cache
def writers() -> Mapping[str, set[str]]:
    """For each metric the modules that change it."""
    found: dict[str, set[str]] = {name: set() for name in metric_names()}
    for module in modules().values():
        for name in _written(module.tree):
            if name in found and not module.name.startswith("simulators."):
                found[name].add(module.name)
    return found


def _written(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _WRITERS:
            match node.func.value:
                case ast.Name(name) | ast.Attribute(ast.Name("metrics"), name):
                    yield name
                case _:
                    pass


def test_there_are_metrics_to_look_at() -> None:
    assert len(metric_names()) > 30


@pytest.mark.parametrize("name", metric_names())
def test_every_metric_has_a_writer(name: str) -> None:
    """A metric that nothing changes reads as "this never happens"."""
    assert writers()[name]


@pytest.mark.parametrize("role", WRITTEN_BY)
def test_a_process_writes_the_metrics_of_its_role(role: str) -> None:
    """In the modules that its entry point imports."""
    loaded = reached(_ENTRY[role])
    assert {name for name in WRITTEN_BY[role] if not writers()[name] & loaded} == set()


@pytest.mark.parametrize("role", WRITTEN_BY)
def test_the_page_of_a_process_names_them_with_a_help_text(role: str) -> None:
    """As Prometheus reads it: one HELP and one TYPE line each, before anything has happened."""
    program = (
        f"import importlib, sys; importlib.import_module({_ENTRY[role]!r})\n"
        "from voicecall import metrics; sys.stdout.buffer.write(metrics.exposition())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    helped = {
        line.split(" ")[2]: line.split(" ", 3)[3] for line in done.stdout.splitlines() if line.startswith("# HELP")
    }
    for name in WRITTEN_BY[role]:
        shown = metric_names()[name]
        assert helped.get(shown) or helped.get(f"{shown}_total"), name

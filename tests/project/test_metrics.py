"""Every metric is written by some part of the product, and every role writes those that an operator expects of it."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache

import pytest

from tests.project.modules import modules, reached
from voicecall import health, metrics
from voicecall.bearer import BearerTokens
from voicecall.settings import ListenAddress

_WRITERS = {"dec", "inc", "info", "labels", "observe", "set", "set_function"}
_FACTORIES = {"_counter", "_gauge", "_histogram", "Info"}

WRITTEN_BY = {
    "ingress": (
        {"WEBHOOKS", "WEBHOOK_SECONDS", "WEBHOOKS_REJECTED", "REPLAYS", "CONNECTIONS", "DOORBELL", "JOURNAL_SECONDS"}
        | {"MEDIA_SOCKETS", "MEDIA_REJECTED", "MEDIA_FRAMES", "MEDIA_DROPPED", "MEDIA_GAP", "FACTS_LOST", "FENCED"}
    ),
    "gateway": {"RPC", "RPC_SECONDS", "DOORBELL", "AGENT_HOSTS", "AGENT_TURNS", "SHED", "TOKENS_REFUSED"},
    "workers": (
        {"CALLS_ACTIVE", "CALLS", "CALL_SECONDS", "TURN_SECONDS", "ACTIVATIONS", "FAILOVER_SECONDS", "EFFECTS"}
        | {"RECONCILED", "EVENTS_PENDING", "LEASES_LOST", "LEASE_LATENESS", "DEAD_LETTERS"}
        | {"PROVIDER_SECONDS", "PROVIDER_ERRORS", "PROVIDER_FAILOVERS", "ARCHIVED", "ARCHIVE_PRUNED"}
    ),
}
"""What an operator looks for in the page of each process, at least."""

ENTRY = {"ingress": "ingress.app", "gateway": "gateway.app", "workers": "workers.node"}


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
def test_c2_every_metric_has_a_writer(name: str) -> None:
    """A metric that nothing changes reads as "this never happens"."""
    assert writers()[name]


@pytest.mark.parametrize("role", WRITTEN_BY)
def test_c2_a_process_writes_the_metrics_of_its_role(role: str) -> None:
    """In the modules that its entry point imports."""
    loaded = reached(ENTRY[role])
    assert {name for name in WRITTEN_BY[role] if not writers()[name] & loaded} == set()


def test_a_process_that_answers_probes_shows_its_version() -> None:
    """`/metrics` is one of the probes."""
    health.routes(lambda: "", guard=health.MetricsGuard(ListenAddress("127.0.0.1", 0), BearerTokens(())))
    assert re.search(rb'^voice_build_info{.*version="[^"]+".*} 1.0$', metrics.exposition(), re.MULTILINE)

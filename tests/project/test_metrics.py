"""Every metric is written by some part of the product, and every role writes those that an operator expects of it."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache

import pytest
from prometheus_client.metrics import MetricWrapperBase

from tests.project.modules import modules, reached
from voicecall import health, metrics
from voicecall.bearer import BearerTokens
from voicecall.settings import ListenAddress

_WRITERS = {"dec", "inc", "info", "labels", "observe", "set", "set_function"}
_FACTORIES = {"_counter", "_gauge", "_histogram"}
_BASE_UNITS = {"seconds", "bytes", "total", "ratio", "info"}
_COUNTS_OF_THINGS = {"active", "sockets", "pending", "letters", "hosts", "workers", "unarchived", "up", "used", "limit"}

WRITTEN_BY = {
    "ingress": (
        {"WEBHOOKS", "WEBHOOK_SECONDS", "WEBHOOKS_REJECTED", "REPLAYS", "CONNECTIONS", "DOORBELL", "JOURNAL_SECONDS"}
        | {"REDIS_UP", "REDIS_SECONDS", "WORKERS", "CAPACITY_USED", "CAPACITY_LIMIT"}
        | {"MEDIA_SOCKETS", "MEDIA_REJECTED", "MEDIA_FRAMES", "MEDIA_DROPPED", "MEDIA_GAP", "FACTS_LOST", "FENCED"}
    ),
    "gateway": {
        "REDIS_UP",
        "CAPACITY_USED",
        "RPC",
        "RPC_SECONDS",
        "DOORBELL",
        "AGENT_HOSTS",
        "AGENT_TURNS",
        "SHED",
        "TOKENS_REFUSED",
    },
    "worker": (
        {"CALLS_ACTIVE", "CALLS", "CALL_SECONDS", "TURN_SECONDS", "ACTIVATIONS", "FAILOVER_SECONDS", "EFFECTS"}
        | {"REDIS_UP", "CAPACITY_USED", "CALLS_UNARCHIVED"}
        | {"RECONCILED", "EVENTS_PENDING", "LEASES_LOST", "LEASE_LATENESS", "DEAD_LETTERS"}
        | {"PROVIDER_SECONDS", "PROVIDER_ERRORS", "PROVIDER_FAILOVERS", "ARCHIVED", "ARCHIVE_PRUNED"}
    ),
}
"""What an operator looks for in the page of each process, at least."""

ENTRY = {
    "ingress": "ingress.app",
    "gateway": "gateway.app",
    "worker": "workers.node",
    "speech-server": "voicecall.speech_server.app",
}


@cache
def metric_names() -> Mapping[str, str]:
    """The constants of `voicecall/metrics.py` that are metrics, and the name of each on the page."""
    found = {}
    for node in modules()["voicecall.metrics"].tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Call):
            factory, name = ast.unparse(node.value.func), node.value.args[0] if node.value.args else None
            if factory in _FACTORIES and isinstance(name, ast.Constant):
                found[ast.unparse(node.target)] = f"voicecall_{name.value}"
    return {**found, "BUILD": "voicecall_build"}


def everything() -> list[MetricWrapperBase]:
    """Every metric of the module, whatever built it."""
    return [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]


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


@pytest.mark.parametrize("name", metric_names())
def test_a_page_shows_no_metric_that_its_role_never_changes(name: str) -> None:
    """A gauge that stays 0 in every ingress hides the worker's. What no role loads at its start, workers load later."""
    changing = {role for role in ENTRY if writers()[name] & reached(ENTRY[role])} or {"worker"}
    shown = set(metrics.roles_of(getattr(metrics, name)))
    assert shown
    assert shown <= changing, f"by={sorted(changing)}"


@pytest.mark.parametrize("metric", everything(), ids=lambda metric: metric.describe()[0].name)
def test_names_have_the_form_of_the_ecosystem(metric: MetricWrapperBase) -> None:
    """The prefix, base units, and `_total` of counters, which the client adds; also for metrics that are not Final."""
    (family,) = metric.describe()
    unit = {"counter": "total", "info": "info"}.get(family.type) or family.name.rsplit("_", 1)[-1]
    assert re.fullmatch(r"voicecall_[a-z]+(_[a-z0-9]+)*", family.name), family.name
    assert metrics.roles_of(metric), f"{family.name}: no page shows it; build it with _counter, _gauge or _histogram"
    assert unit in (_COUNTS_OF_THINGS if family.type == "gauge" else _BASE_UNITS), family.name


def test_a_process_that_answers_probes_shows_its_version() -> None:
    """`/metrics` is one of the probes."""
    guard = health.MetricsGuard(ListenAddress("127.0.0.1", 0), BearerTokens(()))
    health.routes(lambda: "", role="gateway", guard=guard)
    page = metrics.exposition("gateway")
    assert re.search(rb'^voicecall_build_info{.*role="gateway",version="[^"]+".*} 1.0$', page, re.MULTILINE)


@pytest.mark.parametrize("role", metrics.ROLES)
def test_a_page_shows_the_process(role: str) -> None:
    """Memory, processor time, and descriptors with their limit."""
    page = metrics.exposition(role).decode()
    for name in ("resident_memory_bytes", "cpu_seconds_total", "open_fds", "max_fds", "start_time_seconds"):
        assert re.search(rf"^process_{name} [0-9.e+]+$", page, re.MULTILINE), name

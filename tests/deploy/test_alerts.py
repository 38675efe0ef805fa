"""The alerts fire at the faults that they are for, and at nothing else (docs/alerts.md)."""

import json
import re
from typing import Any

import yaml

from tests.deploy.tools import DEPLOY, run, tool
from voicecall import metrics

RULES = DEPLOY / "prometheus" / "alerts.yml"
DOCS = DEPLOY.parent / "docs"


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = [rule["alert"] for rule in rules() if "alert" in rule]
RECORDED = [rule["record"] for rule in rules() if "record" in rule]


def test_rules_and_configuration_are_valid() -> None:
    promtool = tool("promtool")
    run(promtool, "check", "rules", "prometheus/alerts.yml")
    run(promtool, "check", "config", "--syntax-only", "prometheus/prometheus.yml")


def test_every_alert_fires_at_its_expression_and_none_in_health() -> None:
    run(tool("promtool"), "test", "rules", "prometheus/alerts_test.yml")
    tested = (DEPLOY / "prometheus" / "alerts_test.yml").read_text(encoding="utf-8")
    assert set(re.findall(r'alertname="(\w+)"', tested)) == set(ALERTS)


def test_every_alert_is_explained_where_its_runbook_link_leads() -> None:
    """With what to check and what to do."""
    page = (DOCS / "alerts.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (Voicecall\w+)$", page, re.MULTILINE) == ALERTS
    for section in page.split("\n## Voicecall")[1:]:
        assert {"Means", "Check", "Do"} <= set(re.findall(r"^\*\*(\w+)\.\*\*", section, re.MULTILINE)), section[:40]
    for rule in rules():
        if "alert" in rule:
            assert rule["annotations"]["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"
            assert rule["labels"]["severity"] in {"page", "ticket"}


def test_rules_and_dashboard_use_only_metrics_that_exist() -> None:
    """A name that nothing serves makes an alert that never fires. `process_…` are the client's own."""
    served = {name.split(" ")[2] for role in metrics.ROLES for name in _types(metrics.exposition(role).decode())}
    dashboard = json.loads((DEPLOY / "grafana" / "voicecall.json").read_text(encoding="utf-8"))
    used = [rule["expr"] for rule in rules()]
    used += [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    names = {name for text in used for name in re.findall(r"\b(?:voicecall|process)_[a-z0-9_]+", text)}
    assert len(names) > 20
    for name in names:
        assert {name, re.sub(r"_(bucket|count|sum)$", "", name)} & served, name
    recorded = {name for text in used for name in re.findall(r"voicecall:[a-z0-9_:]+", text)}
    assert recorded <= set(RECORDED)


def _types(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("# TYPE")]

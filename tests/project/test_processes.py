"""What needs a process of its own: importing each module alone, and the metrics page of each role."""

import subprocess
import sys

import pytest

from tests.project.modules import ROOT, entries, modules
from tests.project.test_metrics import ENTRY, WRITTEN_BY, metric_names


def python(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_modules_can_be_imported() -> None:
    """In one process, in the order of their names."""
    python("-c", f"import importlib\nfor name in {sorted(modules())}: importlib.import_module(name)")


def test_each_module_can_be_imported_alone() -> None:
    """An import that fails depending on the order is part of a cycle, so each entry of a cycle gets a process."""
    python("-m", "tests.project.import_each", *sorted(entries()))


@pytest.mark.parametrize("role", WRITTEN_BY)
def test_the_page_of_a_process_names_its_metrics_with_a_help_text(role: str) -> None:
    """As Prometheus reads it, before anything has happened."""
    program = (
        f"import importlib, sys; importlib.import_module({ENTRY[role]!r})\n"
        f"from voicecall import metrics; sys.stdout.buffer.write(metrics.exposition({role!r}))"
    )
    lines = [line for line in python("-c", program).splitlines() if line.startswith("# HELP")]
    helps = {line.split(" ")[2]: line.split(" ", 3)[3] for line in lines}
    for name in WRITTEN_BY[role]:
        shown = metric_names()[name]
        assert helps.get(shown) or helps.get(f"{shown}_total") or helps.get(f"{shown}_info"), name

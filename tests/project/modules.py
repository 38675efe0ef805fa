"""The modules of the product as syntax trees, and which of them import which when they are imported.

Used by the tests of this folder. Nothing here imports the product.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["PACKAGES", "ROOT", "Module", "cycles", "entries", "imports_of", "modules", "reached"]

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("voicecall", "actors", "workers", "ingress", "gateway", "simulators")


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))


@cache
def modules() -> Mapping[str, Module]:
    """Every module by its dotted name, without those that are run (`__main__`)."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name == "__main__.py":
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = Module(name, path, ast.parse(path.read_text(encoding="utf-8")))
    return found


def imports_of(module: Module) -> set[str]:
    """The modules of the product that run when this one is imported: those it names, and the packages around all."""
    named: set[str] = set()
    for node in _at_import(module.tree.body):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        else:
            named.add(node.module or "")
            named |= {f"{node.module}.{alias.name}" for alias in node.names}
    around = {parent for name in {*named, module.name} if name in modules() for parent in _parents(name)}
    return {name for name in named | around if name in modules()} - {module.name}


def cycles() -> set[str]:
    """The modules that are imported, over any number of steps, by a module that they import."""
    return {name for name in modules() if name in reached(name)}


def entries() -> set[str]:
    """Where the cycles are entered: for each module of one, the outermost package around it that leads to it.

    Python imports that package first, whichever of its modules is asked for.
    """
    packages = ([parent for parent in _parents(name) if name in reached(parent)] for name in cycles())
    return {around[-1] if around else name for around, name in zip(packages, cycles(), strict=True)}


@cache
def reached(start: str) -> set[str]:
    """The modules that importing `start` imports."""
    graph, reached = _graph(), set[str]()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(graph[name])
    return reached


@cache
def _graph() -> Mapping[str, set[str]]:
    return {name: imports_of(module) for name, module in modules().items()}


def _at_import(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements that run with the module: not those inside functions."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _at_import(node.body)
            yield from _at_import(getattr(node, "orelse", []))


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name

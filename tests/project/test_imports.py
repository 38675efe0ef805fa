"""Modules do not import each other, and say in `__all__` what they offer."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.project.modules import Module, cycles, imports_of, modules


def test_only_packages_that_offer_their_parts_are_imported_by_them() -> None:
    """Two modules never import each other: every cycle goes through a package's `__init__`."""
    parts = [name for name in cycles() if not modules()[name].is_package]
    graph = {name: imports_of(modules()[name]) & set(parts) for name in parts}
    while leaves := [name for name, imported in graph.items() if not imported]:
        for name in leaves:
            del graph[name]
        graph = {name: imported - set(leaves) for name, imported in graph.items()}
    assert graph == {}


@pytest.mark.parametrize("module", modules().values(), ids=str)
def test_all_is_complete_and_sorted(module: Module) -> None:
    """Every public class, function and constant is in `__all__`, and nothing that is not there.

    A package offers what it imports from its modules. Aliases of types and type variables need not be offered. Sorted
    as ruff's RUF022 does it: constants, classes, the rest, each in natural order.
    """
    offered, defined = _offered(module.tree), set(_defined(module))
    if offered is None:
        assert not defined, "no __all__"
        return
    assert {name for name in defined if not name.startswith("_")} - set(offered) == set()
    assert set(offered) - set(_bound(module.tree)) == set()
    assert offered == sorted(offered, key=_order)


def _offered(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(it, ast.Name) and it.id == "__all__" for it in node.targets):
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def _defined(module: Module) -> Iterator[str]:
    """What the module is for: its classes, functions and constants; of a package, what it takes from its modules."""
    for node in module.tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Assign(targets=[ast.Name(name)]) | ast.AnnAssign(target=ast.Name(name)) if name.isupper():
                if not (isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in {"TypeVar", "ParamSpec"}):
                    yield name
            case ast.ImportFrom(module=str(source)) if module.is_package and source.startswith(f"{module.name}."):
                yield from (alias.asname or alias.name for alias in node.names)
            case _:
                pass


def _bound(tree: ast.Module) -> Iterator[str]:
    """Every name that the module binds."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Import() | ast.ImportFrom():
                yield from (alias.asname or alias.name for alias in node.names)
            case ast.Name(name, ast.Store()):
                yield name
            case _:
                pass


def _order(name: str) -> tuple[int, list[tuple[int, str]]]:
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|\D+", name)]

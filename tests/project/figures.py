"""The measures of the project's structure, for one checkout or for two side by side.

`python -m tests.project.figures [path of a checkout …]` prints a table with one column for each checkout; the last
column is always this one. Reads files only and imports nothing of what it measures, so it works on any commit. The
product is every `.py` file below `voicecall`, `actors`, `workers`, `ingress` and `gateway`.
"""

import ast
import re
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.project.language import CITATION, PRODUCT, absent_citations, forbidden

__all__ = ["FIGURES", "main", "measure"]

_ROOT: Final = Path(__file__).resolve().parents[2]
_TWINS: Final = re.compile(r"^(?:voicecall/carriers|simulators)/[^/]+/|^voicecall/speech/(?:tts|stt)/")
"""Folders in which every provider defines the same few names for the same roles."""

_NUMBERED: Final = re.compile(CITATION.pattern + r"|\battacks? \d+", re.IGNORECASE)


def main(*paths: str) -> None:
    """Measure the checkouts at these paths and this one, and print the table."""
    roots = [*(Path(path).resolve() for path in paths), _ROOT]
    columns = [measure(root) for root in roots]
    table = Table(title="measures", title_justify="left")
    table.add_column("measure")
    for root in roots:
        table.add_column(root.name if root != _ROOT else "this checkout", justify="right")
    for name in FIGURES:
        table.add_row(name, *(column[name] for column in columns))
    Console(width=140).print(table)


def measure(root: Path) -> dict[str, str]:
    """Every figure of the checkout at `root`, by name."""
    modules = _parsed(root)
    return {name: figure(root, modules) for name, figure in FIGURES.items()}


Modules = dict[str, ast.Module]
Figure = Callable[[Path, Modules], str]


def _parsed(root: Path) -> Modules:
    return {
        file.relative_to(root).as_posix(): ast.parse(file.read_text())
        for folder in PRODUCT
        for file in sorted((root / folder).rglob("*.py"))
    }


# --- size


def _files(_: Path, modules: Modules) -> str:
    return str(len(modules))


def _function_lines(_: Path, modules: Modules) -> str:
    """From `def` to the last line, docstring included; median and 90th percentile."""
    lengths = sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for module in modules.values()
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return f"{statistics.median(lengths):g} / {lengths[int(len(lengths) * 0.9)]}"


# --- names


def _shared_names(_: Path, modules: Modules) -> str:
    """Class definitions whose name is also that of a class in another product module, of all class definitions."""
    return _share(_classes(modules))


def _shared_names_but_twins(_: Path, modules: Modules) -> str:
    """The same without private classes, and with the providers' twins of one role counted as one meaning."""
    public = [(name, path) for name, path in _classes(modules) if not name.startswith("_")]
    return _share([(name, _TWINS.sub("provider/", path)) for name, path in public])


def _classes(modules: Modules) -> list[tuple[str, str]]:
    return [
        (node.name, path)
        for path, module in modules.items()
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef)
    ]


def _share(classes: list[tuple[str, str]]) -> str:
    places = defaultdict(set)
    for name, path in classes:
        places[name].add(path.rpartition("/")[0] if path.startswith("provider/") else path)
    shared = sum(len(places[name]) > 1 for name, _ in classes)
    return f"{shared / len(classes):.1%} ({sum(len(found) > 1 for found in places.values())} names)"


# --- references


def _citations(root: Path, _: Modules) -> str:
    """Numbered sections of documents, and numbered attacks; also in the scripts and the published schemas."""
    files = [*(file for folder in PRODUCT for file in (root / folder).rglob("*")), *(root / "docs").glob("**/*.json")]
    return str(
        sum(len(_NUMBERED.findall(file.read_text())) for file in files if file.suffix in {".py", ".lua", ".json"})
    )


def _absent(root: Path, _: Modules) -> str:
    """Those of documents that the repository does not hold; also in simulators, benchmarks and pages."""
    return str(len(absent_citations(root)))


def _words(root: Path, _: Modules) -> str:
    """Also in simulators, benchmarks and pages."""
    return str(len(forbidden(root)))


def _unwritten_metrics(_: Path, modules: Modules) -> str:
    """Metrics that no product module sets."""
    own = "voicecall/metrics.py"
    if own not in modules:
        return "-"
    metrics = {
        target.id
        for node in modules[own].body
        if isinstance(node, ast.AnnAssign | ast.Assign) and isinstance(node.value, ast.Call)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and re.fullmatch(r"(?!REGISTRY$)[A-Z][A-Z_]+", target.id)
    }
    used = {name for path, module in modules.items() if path != own for name in _names(module)}
    # What its own module sets itself, as the version of the program.
    used |= {
        node.func.value.id
        for node in ast.walk(modules[own])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "info"
        if isinstance(node.func.value, ast.Name)
    }
    return f"{len(metrics - used)} of {len(metrics)}"


def _names(module: ast.Module) -> Iterator[str]:
    """The metrics that a module refers to: `metrics.NAME`, or NAME imported from the module of metrics."""
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "metrics":
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and node.module == "voicecall.metrics":
            yield from (alias.name for alias in node.names)


# --- imports


def _cycles(_: Path, modules: Modules) -> str:
    """Groups of product modules that import each other, directly or not, by imports at the top of a module."""
    known = {_dotted(path): path for path in modules}
    graph = {name: set(_imports(name, modules[path], known)) for name, path in known.items()}
    return str(sum(len(group) > 1 for group in _components(graph)))


def _dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imports(name: str, module: ast.Module, known: dict[str, str]) -> Iterator[str]:
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found = f"{node.module}.{alias.name}"
                target = found if found in known else node.module
                if target in known and target != name:
                    yield target
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)


def _components(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components (Kosaraju): order by finishing time, then collect on the reversed graph."""
    order: list[str] = []
    seen: set[str] = set()
    for start, first in graph.items():
        if start in seen:
            continue
        seen.add(start)
        stack = [(start, iter(first))]
        while stack:
            node, edges = stack[-1]
            following = next((edge for edge in edges if edge not in seen), None)
            if following is None:
                order.append(stack.pop()[0])
            else:
                seen.add(following)
                stack.append((following, iter(graph[following])))
    reverse: dict[str, set[str]] = defaultdict(set)
    for node, targets in graph.items():
        for target in targets:
            reverse[target].add(node)
    found, taken = [], set[str]()
    for start in reversed(order):
        if start in taken:
            continue
        group, pending = [], [start]
        taken.add(start)
        while pending:
            group.append(pending.pop())
            fresh = reverse[group[-1]] - taken
            taken |= fresh
            pending += fresh
        found.append(group)
    return found


# --- providers


def _outside_plivo(_: Path, modules: Modules) -> str:
    return str(len(_naming("plivo", modules)))


def _outside_elevenlabs(_: Path, modules: Modules) -> str:
    return str(len(_naming("elevenlabs", modules)))


def _naming(provider: str, modules: Modules) -> list[str]:
    """Product files outside the provider's folder, file or manifest whose code (not prose) names it."""
    own = re.compile(rf"/{provider}(?:/|\.py$)")
    return [path for path, module in modules.items() if not own.search(path) and _refers(module, provider)]


def _refers(module: ast.Module, provider: str) -> bool:
    prose = {id(docstring) for node in ast.walk(module) if (docstring := _docstring(node)) is not None}
    words: Counter[str] = Counter()
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            words[node.value.lower()] += 1
        elif isinstance(node, ast.Name | ast.Attribute | ast.alias):
            words[(getattr(node, "id", "") or getattr(node, "attr", "") or getattr(node, "name", "")).lower()] += 1
        elif isinstance(node, ast.ImportFrom):
            words[(node.module or "").lower()] += 1
    return any(provider in word for word in words)


def _docstring(node: ast.AST) -> ast.AST | None:
    return node.value if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) else None


FIGURES: Final[dict[str, Figure]] = {
    "product files": _files,
    "lines of a function, median / p90": _function_lines,
    "class definitions that share their name": _shared_names,
    "… public, providers' twins as one": _shared_names_but_twins,
    "numbered citations in the product": _citations,
    "citations of absent documents, anywhere": _absent,
    "words of the dialect, anywhere": _words,
    "metrics without a writer": _unwritten_metrics,
    "import cycles": _cycles,
    "files outside Plivo's own that name it": _outside_plivo,
    "files outside ElevenLabs's own that name it": _outside_elevenlabs,
}
"""Each measure by its name."""


if __name__ == "__main__":
    main(*sys.argv[1:])

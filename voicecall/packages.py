"""Starts programs from this system's own packages, whatever packages lie in the current folder.

`python -m` and dramatiq search the current folder first, so a folder `workers` or `actors` of another project would be
imported instead. A program is started here without the current folder on its path, and a package of another project
that is still found first is refused. Used by the commands and by the worker. Knows names and folders, not what the
programs do.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

from voicecall.errors import ConfigError

__all__ = ["program", "program_environment", "require_own"]

_FOLDER: Final = Path(__file__).resolve().parents[1]
_MEMBERS: Final = {
    "actors": "call_actor.py",
    "gateway": "app.py",
    "ingress": "app.py",
    "simulators": "service.py",
    "workers": "lifecycle.py",
}
"""A file of each package, by which it is known from another package of the same name."""


def program(*module: str) -> list[str]:
    """The command that runs a module with its arguments, without the current folder on the search path."""
    return [sys.executable, "-P", "-m", *module]


def program_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for `program`: from a checkout, with its folder first on the path."""
    if _is_installed():
        return dict(environ)
    others = [entry for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    return {**environ, "PYTHONPATH": os.pathsep.join([str(_FOLDER), *others])}


def require_own(*packages: str, path: Sequence[str] | None = None) -> None:
    """Raise ConfigError unless each name means a package of this system. `path`: searched; None: what `program` does.

    A package that is not installed is a problem too.
    """
    searched = _path_of_programs() if path is None else path
    problems = [problem for package in packages if (problem := _problem(package, searched))]
    if problems:
        raise ConfigError(problems)


def _problem(package: str, path: Sequence[str]) -> str | None:
    own = _FOLDER / package
    if not (own / _MEMBERS[package]).is_file():
        return f"the package {package} of voicecall is missing in {_FOLDER}; install voicecall again"
    found = PathFinder.find_spec(package, list(path))
    if found is None or found.origin is None:  # a folder without __init__.py is used only when there is no package
        return None
    folder = Path(found.origin).resolve().parent
    if folder == own:
        return None
    return (
        f"the package {package} in {folder} is not voicecall's, and would be used in its place;"
        " start in another folder, or remove it from PYTHONPATH"
    )


def _path_of_programs() -> list[str]:
    here = Path.cwd()
    named = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    others = [*named, *(entry for entry in sys.path if entry and Path(entry).resolve() != here)]
    return others if _is_installed() else [str(_FOLDER), *others]


def _is_installed() -> bool:
    return _FOLDER.name in {"site-packages", "dist-packages"}

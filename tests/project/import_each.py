"""Imports each module that it is given in a process of its own: `python -m tests.project.import_each NAME ...`.

Prints the traceback of each import that fails, and exits with the number of them. The processes are forked from one
that has loaded the libraries, which cost most of the time and do not import the product.
"""

import importlib
import os
import sys
import traceback

_LIBRARIES = ("aiohttp.web", "dramatiq", "numpy", "pydantic", "pykka", "redis.asyncio", "sqlalchemy", "typer")


def main(names: list[str]) -> int:
    for library in _LIBRARIES:
        importlib.import_module(library)
    return sum(not _imports(name) for name in names)


def _imports(name: str) -> bool:
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
        except BaseException:  # noqa: BLE001 - whatever it is, it is the answer
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

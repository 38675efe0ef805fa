"""`python -m simulators.tools`: the simulator as a process. `--stdio`: an MCP server with one tool, `echo`, instead."""

import sys

import orjson

from simulators.service import main
from simulators.tools.app import build
from simulators.tools.mcp import answer
from simulators.tools.script import Script


def _over_stdio() -> None:
    script = Script()
    for line in sys.stdin:
        message = orjson.loads(line)
        arguments = orjson.dumps(message.get("params", {}).get("arguments") or {}).decode()
        answered = answer(message, script, arguments)
        if answered is not None:
            print(orjson.dumps(answered).decode(), flush=True)


if __name__ == "__main__":
    if "--stdio" in sys.argv:
        _over_stdio()
    else:
        main("tools", build)

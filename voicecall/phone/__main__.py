"""`python -m voicecall.phone`: the exchange of test phones; prints its address as a line of JSON (docs/phone.md)."""

from voicecall.signals import leave_on_signals

leave_on_signals()  # before the imports, which take most of the start

import argparse
import os
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial

from voicecall.phone.app import Options, RunningExchange, running_exchange
from voicecall.process import run
from voicecall.settings import Deployment, Settings


def main() -> int:
    """Serve until a signal arrives. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m voicecall.phone", description="The exchange of test phones.")
    parser.add_argument("--host", default="127.0.0.1", help="where it listens; default: 127.0.0.1")
    parser.add_argument("--port", type=int, default=3337, help="0: any free one; default: 3337")
    parser.add_argument("--number", default="+15550004321", help="the number of test phones; default: +15550004321")
    parser.add_argument("--upstream", default="", help="REST API of the carrier of all other numbers; default: none")
    parser.add_argument(
        "--grace", type=float, default=30.0, metavar="SECONDS", help="how long a call waits for a lost tab; default: 30"
    )
    given = parser.parse_args()
    options = Options(
        host=given.host, port=given.port, number=given.number, upstream=given.upstream, grace_s=given.grace
    )
    return run("phone", partial(_opened, options), os.environ)


def _opened(
    options: Options, settings: Settings, deployment: Deployment, environ: Mapping[str, str]
) -> AbstractAsyncContextManager[RunningExchange]:
    return running_exchange(options, settings, deployment, environ)


if __name__ == "__main__":
    sys.exit(main())

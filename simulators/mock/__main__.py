"""`python -m simulators.mock`: the box as a process. Prints one JSON line when it listens; SIGTERM ends it with 0."""

import os

# Before numpy is imported: the tone reader's small matrices gain nothing from a thread per core, and lose much.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import uvloop

from simulators.mock.app import build
from simulators.mock.exchange import Exchange
from simulators.phone.process import options_of, serve, take_common

__all__ = ["main"]


def main() -> None:
    """Read the command line and serve until told to stop."""
    parser = options_of("mock", "The mock carrier in a box, on loopback.")
    parser.add_argument("--secret", required=True, help="signs webhooks, and is the bearer token of commands")
    options = parser.parse_args()
    exchange = Exchange(secret=options.secret, calls_per_second=options.cps)
    take_common(exchange, options)
    uvloop.run(serve(build(exchange, options.webhook), options.host, options.port))


if __name__ == "__main__":
    main()

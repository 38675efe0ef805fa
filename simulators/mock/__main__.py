"""`python -m simulators.mock`: the simulator as a process. Prints one JSON line when it listens; SIGTERM exits 0."""

import os

# Set before numpy is imported: one thread per core slows the small matrices of the tone decoder down.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import uvloop

from simulators.mock.app import build
from simulators.mock.exchange import Exchange
from simulators.phone.process import options_of, serve, take_common

__all__ = ["main"]


def main() -> None:
    """Read the command line and serve until SIGTERM or SIGINT."""
    parser = options_of("mock", "A simulator of the mock carrier, on loopback.")
    parser.add_argument("--secret", required=True, help="signs webhooks, and is the bearer token of commands")
    options = parser.parse_args()
    exchange = Exchange(secret=options.secret, calls_per_second=options.cps)
    take_common(exchange, options)
    uvloop.run(serve(build(exchange, options.webhook), options.host, options.port))


if __name__ == "__main__":
    main()

"""`python -m simulators.telnyx`: the simulator as a process. Prints one JSON line when it listens; SIGTERM exits 0."""

import os

# Set before numpy is imported: one thread per core slows the small matrices of the tone decoder down.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import uvloop

from simulators.phone.process import options_of, serve, take_common
from simulators.telnyx.app import build
from simulators.telnyx.exchange import Exchange
from simulators.telnyx.signature import Signer
from simulators.telnyx.webhooks import Routes

__all__ = ["main"]


def main() -> None:
    """Read the command line and serve until SIGTERM or SIGINT. The ready line holds the public key."""
    parser = options_of("telnyx", "A simulator of Telnyx, on loopback.")
    parser.add_argument("--api-key", required=True)
    parser.add_argument("--connection-id", required=True)
    parser.add_argument("--key-seed", default="", help="64 hex digits: the same key pair each time")
    options = parser.parse_args()
    exchange = Exchange(
        api_key=options.api_key,
        connection_id=options.connection_id,
        signer=Signer(bytes.fromhex(options.key_seed) or None),
        inbound=Routes(options.webhook, options.fallback),
        calls_per_second=options.cps,
    )
    take_common(exchange, options)
    uvloop.run(serve(build(exchange), options.host, options.port, public_key=exchange.signer.public_key))


if __name__ == "__main__":
    main()

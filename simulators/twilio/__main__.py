"""`python -m simulators.twilio`: the simulator as a process. Prints one JSON line when it listens; SIGTERM exits 0."""

import os

# Set before numpy is imported: one thread per core slows the small matrices of the tone decoder down.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import uvloop

from simulators.phone.process import options_of, serve, take_common
from simulators.twilio.app import build
from simulators.twilio.call import StatusCallback
from simulators.twilio.exchange import Exchange
from simulators.twilio.switchboard import Number
from simulators.twilio.twiml import Destination

__all__ = ["main"]


def main() -> None:
    """Read the command line and serve until SIGTERM or SIGINT."""
    parser = options_of("twilio", "A simulator of Twilio, on loopback.")
    parser.add_argument("--account-sid", required=True)
    parser.add_argument("--auth-token", required=True)
    parser.add_argument("--status-callback", default="", help="status callback of inbound numbers")
    options = parser.parse_args()
    exchange = Exchange(account_sid=options.account_sid, token=options.auth_token, calls_per_second=options.cps)
    take_common(exchange, options)
    callback = StatusCallback(options.status_callback) if options.status_callback else None
    inbound = Number(Destination(url=options.webhook, fallback_url=options.fallback), callback)
    uvloop.run(serve(build(exchange, inbound), options.host, options.port))


if __name__ == "__main__":
    main()

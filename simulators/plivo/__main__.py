"""`python -m simulators.plivo`: the simulator as a process. Prints one JSON line when it listens; SIGTERM exits 0."""

import os

# Set before numpy is imported: one thread per core slows the small matrices of the tone decoder down.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import uvloop

from simulators.phone.process import options_of, serve, take_common
from simulators.plivo.app import build
from simulators.plivo.call import Callback
from simulators.plivo.document import Destination
from simulators.plivo.exchange import Exchange
from simulators.plivo.signature import Keys
from simulators.plivo.switchboard import Number

__all__ = ["main"]


def main() -> None:
    """Read the command line and serve until SIGTERM or SIGINT."""
    parser = options_of("plivo", "A simulator of Plivo, on loopback.")
    parser.add_argument("--auth-id", required=True)
    parser.add_argument("--auth-token", required=True)
    parser.add_argument("--main-token", default="", help="the main account's token, where the account is a subaccount")
    parser.add_argument("--hangup-url", default="", help="hangup URL of inbound numbers; the webhook if not given")
    parser.add_argument("--post-empty-input", action="store_true", help="GetInput asks its action even so")
    options = parser.parse_args()
    exchange = Exchange(
        auth_id=options.auth_id,
        keys=Keys(options.auth_token, options.main_token),
        posts_empty_input=options.post_empty_input,
        calls_per_second=options.cps,
    )
    take_common(exchange, options)
    hangup_url = options.hangup_url or options.webhook
    inbound = Number(
        Destination(url=options.webhook, fallback_url=options.fallback), Callback(hangup_url) if hangup_url else None
    )
    uvloop.run(serve(build(exchange, inbound), options.host, options.port))


if __name__ == "__main__":
    main()

"""`python -m simulators.twilio`: the box as a process. Prints one JSON line when it listens; SIGTERM ends it with 0."""

import argparse
import asyncio
import os
import signal

# Before numpy is imported: the tone reader's small matrices gain nothing from a thread per core, and lose much.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import orjson
import uvloop
from aiohttp import web

from simulators.box import port_of
from simulators.twilio.app import build
from simulators.twilio.call import StatusCallback
from simulators.twilio.exchange import Exchange
from simulators.twilio.switchboard import Number
from simulators.twilio.twiml import Destination

__all__ = ["main"]


def main() -> None:
    """Read the command line and serve until told to stop."""
    options = _parser().parse_args()
    exchange = Exchange(options.account_sid, options.auth_token, calls_per_second=options.cps)
    for rule in options.public_map:
        exchange.public.add(rule)
    callback = StatusCallback(options.status_callback) if options.status_callback else None
    inbound = Number(Destination(url=options.webhook, fallback_url=options.fallback), callback)
    uvloop.run(_serve(exchange, inbound, options.host, options.port))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators.twilio", description="A Twilio in a box, on loopback.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--account-sid", required=True)
    parser.add_argument("--auth-token", required=True)
    parser.add_argument("--webhook", default="", help="voice URL of inbound numbers")
    parser.add_argument("--fallback", default="", help="fallback voice URL of inbound numbers")
    parser.add_argument("--status-callback", default="", help="status callback of inbound numbers")
    parser.add_argument(
        "--public-map",
        action="append",
        default=[],
        metavar="PUBLIC=LOCAL[,LOCAL]",
        help="sign the public origin, connect to the local one: https://voice.example.com=http://127.0.0.1:3334",
    )
    parser.add_argument("--cps", type=float, default=0.0, help="outbound calls started per second; 0: no limit")
    return parser


async def _serve(exchange: Exchange, inbound: Number, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # Followers of /_sim/events never finish by themselves: they are not waited for.
    runner = web.AppRunner(build(exchange, inbound), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
        ready = {"ready": True, "url": f"http://{host}:{port_of(runner)}"}
        print(orjson.dumps(ready).decode(), flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    main()

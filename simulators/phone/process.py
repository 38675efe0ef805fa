"""A carrier's simulator as a process: the common options, one JSON line when it listens, exit status 0 on SIGTERM.

The ready line holds the URL, and what the carrier adds (a public key).
"""

import argparse
import asyncio
import signal
from typing import Any

import orjson
from aiohttp import web

from simulators.phone.services import Services
from simulators.phone.spoken import Spoken
from simulators.service import port_of

__all__ = ["options_of", "serve", "take_common"]


def options_of(name: str, about: str) -> argparse.ArgumentParser:
    """A parser with the options that every carrier takes."""
    parser = argparse.ArgumentParser(prog=f"python -m simulators.{name}", description=about)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--webhook", default="", help="voice URL of inbound numbers")
    parser.add_argument("--fallback", default="", help="fallback URL of inbound numbers")
    parser.add_argument(
        "--public-map",
        action="append",
        default=[],
        metavar="PUBLIC=LOCAL[,LOCAL]",
        help="sign the public origin, connect to the local one: https://voice.example.com=http://127.0.0.1:3334",
    )
    parser.add_argument("--cps", type=float, default=0.0, help="outbound calls started per second; 0: no limit")
    parser.add_argument("--speech", default="", help="URL of a speech server: callees have real voices")
    return parser


def take_common(services: Services, options: argparse.Namespace) -> None:
    """Apply the common options to the services."""
    if options.speech:
        services.spoken = Spoken(options.speech)
    for rule in options.public_map:
        services.public.add(rule)


async def serve(app: web.Application, host: str, port: int, **facts: Any) -> None:
    """Serve until SIGTERM or SIGINT; `facts` join the ready line."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # Followers of /_sim/events never finish by themselves, so they are not waited for.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
        ready = {"ready": True, "url": f"http://{host}:{port_of(runner)}", **facts}
        print(orjson.dumps(ready).decode(), flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()

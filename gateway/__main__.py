"""`python -m gateway`: read the configuration, serve until told to stop, leave with 0."""

import asyncio
import logging
import os
import signal
import sys

import uvloop

from gateway.app import running_gateway
from voicecall import logs
from voicecall.errors import ConfigError
from voicecall.settings import Deployment, Settings, load_deployment, load_settings

_EX_CONFIG = 78

_log = logging.getLogger("gateway")


async def _serve(settings: Settings, deployment: Deployment) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running_gateway(settings, deployment) as gateway:
        stopped = asyncio.create_task(stop.wait())
        # What listens to the bus never ends by itself: if it does, better to be started afresh than to be deaf.
        await asyncio.wait((stopped, gateway.background), return_when=asyncio.FIRST_COMPLETED)
        if not stopped.done():
            stopped.cancel()
            await gateway.background
        _log.info("gateway is going down")


def main() -> int:
    """Exit status: 0 after a signal, 78 when the configuration cannot be used, 1 when the port is taken."""
    logs.configure("gateway")
    try:
        uvloop.run(_serve(load_settings(os.environ), load_deployment(os.environ)))
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(f"voicecall gateway cannot start: {problem}\n")
        return _EX_CONFIG
    except OSError as error:
        sys.stderr.write(f"voicecall gateway cannot start: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

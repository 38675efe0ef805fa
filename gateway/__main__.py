"""`python -m gateway`: read the configuration, serve until told to stop, leave with 0."""

import asyncio
import logging
import os
import signal
import sys

import uvloop

from gateway.app import running_gateway
from voicecall import logs
from voicecall.aio import BackgroundFailed, end
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
        failed = asyncio.create_task(gateway.background.failed())
        done, waiting = await asyncio.wait((stopped, failed), return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            await end(task)
        if failed in done:
            await failed
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
    except BackgroundFailed:
        return 1
    except OSError as error:
        sys.stderr.write(f"voicecall gateway cannot start: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""`python -m ingress`: the public server, configured by VOICECALL_CONFIG and the environment.

It listens as soon as it knows where, before it loads the rest of the program: connections that carriers open during a
restart wait for a moment instead of being refused, which would end their calls.
"""

from voicecall.signals import leave_on_signals

leave_on_signals()  # before the imports, which take most of the start

import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address

from voicecall.process import Process, run
from voicecall.settings import Deployment, Settings

_BACKLOG = 1024


@asynccontextmanager
async def _opened(settings: Settings, deployment: Deployment, environ: Mapping[str, str]) -> AsyncIterator[Process]:
    with _listening(settings.serve.bind, settings.serve.port) as listener:
        from ingress.app import running_ingress  # most of the start

        async with running_ingress(settings, deployment, environ, listener) as ingress:
            yield ingress


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OSError when the address is taken."""
    try:
        family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    except ValueError:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def _main() -> None:
    status = run("ingress", _opened, os.environ)
    sys.stdout.flush()
    sys.stderr.flush()
    # The interpreter's own end takes 0.2 s, which the callers of the only ingress would wait for.
    os._exit(status)


if __name__ == "__main__":
    _main()

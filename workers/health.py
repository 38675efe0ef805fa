"""`python -m workers.health`: exit status 0 when the worker on this host has a fresh heartbeat, else 1 and the reason.

For container health checks. The node writes the heartbeat only while its loop, channel and leases work.
"""

import os
import socket
import sys
from typing import Final

import redis

from voicecall.bus.keys import Keys
from voicecall.errors import ConfigError
from voicecall.settings import load_deployment

__all__ = ["HEARTBEAT_MS", "main"]

HEARTBEAT_MS: Final = 5_000
_TIMEOUT_S: Final = 2.0


def main() -> int:
    """0: fresh. 1: no heartbeat, or Redis does not answer."""
    try:
        deployment = load_deployment(os.environ)
        url, names = deployment.redis_url, Keys.at(deployment.redis_url, deployment.namespace)
        with redis.Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S) as client:
            beat = client.get(names.heartbeat(socket.gethostname()))
    except (ConfigError, redis.RedisError) as error:
        return _failed(f"worker health unknown: {type(error).__name__}: {error}")
    return 0 if beat else _failed("no fresh heartbeat of a worker on this host")


def _failed(reason: str) -> int:
    print(reason, file=sys.stderr)  # noqa: T201  what the health check's log shows
    return 1


if __name__ == "__main__":
    raise SystemExit(main())

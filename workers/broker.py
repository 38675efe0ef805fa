"""The dramatiq broker of this process, built when `workers` is imported: without one dramatiq would run no job.

dramatiq carries only rings and background jobs. Its limits are small on purpose: for a job that is lost or delayed, the
sweepers send another. Knows no call.
"""

import logging
import os
from typing import Final

import dramatiq
from dramatiq import Consumer
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import dq_name
from dramatiq.middleware import AgeLimit, Callbacks, Retries, ShutdownNotifications, TimeLimit

from voicecall.bus.connection import connect_blocking
from voicecall.bus.doorbell import QUEUE
from voicecall.bus.keys import Keys
from voicecall.errors import ConfigError
from voicecall.process import configuration, start_failed
from voicecall.settings import Deployment, load_deployment
from workers.archive_sweeper import AFTER_QUEUE
from workers.lifecycle import Lifecycle

__all__ = ["broker", "lifecycle", "make_broker", "without_keys_command"]

_log = logging.getLogger(__name__)

_HEARTBEAT_TIMEOUT_MS: Final = 5_000  # the messages of a dead worker are queued again after this
_MAINTENANCE: Final = 1_000_000  # chance in a million that a fetch also requeues them: every fetch does
_IDLE_MS: Final = {dq_name(QUEUE): 100, AFTER_QUEUE: 500, dq_name(AFTER_QUEUE): 500}
"""The time between two fetches from an empty queue, where no one waits for its jobs: a caller waits for rings only.

Polling all four queues as often as the rings cost 0.025 of a core per worker, and 110 of Redis's scripts a second.
"""
_DEAD_MESSAGE_TTL_MS: Final = 86_400_000
_KEYS_COMMAND: Final = 'local ack_queues = redis.call("keys", dead_worker_acks .. "*")'
_EXISTS_COMMANDS: Final = """local ack_queues = {}
        for _, name in ipairs({%s}) do
            if redis.call("exists", dead_worker_acks .. "." .. name) == 1 then
                ack_queues[#ack_queues + 1] = name
            end
        end"""


class _Broker(RedisBroker):
    """Polls each queue as often as its jobs need it."""

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        return super().consume(queue_name, prefetch, max(timeout, _IDLE_MS.get(queue_name, 0)))


def make_broker(deployment: Deployment, lifecycle: Lifecycle) -> RedisBroker:
    """A broker on the deployment's Redis, with every limit explicit.

    `lifecycle`, which starts the node, is the last middleware.
    """
    client = connect_blocking(deployment.queue_url)
    made = _Broker(  # type: ignore[no-untyped-call]  # dramatiq's own signature has no types
        client=client,
        namespace=Keys.at(deployment.redis_url, deployment.namespace).jobs,
        heartbeat_timeout=_HEARTBEAT_TIMEOUT_MS,
        maintenance_chance=_MAINTENANCE,
        dead_message_ttl=_DEAD_MESSAGE_TTL_MS,
        middleware=[
            AgeLimit(max_age=60_000),
            TimeLimit(time_limit=10_000, interval=1_000),
            ShutdownNotifications(),
            Callbacks(),
            Retries(max_retries=0, min_backoff=200, max_backoff=5_000),
            lifecycle,
        ],
    )
    script = made.scripts["dispatch"].script
    text = script.decode() if isinstance(script, bytes) else str(script)
    made.scripts["dispatch"] = client.register_script(without_keys_command(text))
    return made


def without_keys_command(dispatch: str) -> str:
    """Dramatiq's script, without the command KEYS.

    For every worker that has left it lists all keys of the database to learn whether queues of that worker are left:
    0.1 to 0.4 s of Redis at a million keys, in which no call is served, and an ACL without `@dangerous` refuses it. The
    queues are known here, so each is asked for by its name. A version of dramatiq without that line is left unchanged.
    """
    if dispatch.count(_KEYS_COMMAND) != 1:
        _log.warning("dramatiq's script is not the known one: it may use the command KEYS")
        return dispatch
    queues = ", ".join(f'"{name}", "{dq_name(name)}"' for name in (QUEUE, AFTER_QUEUE))
    return dispatch.replace(_KEYS_COMMAND, _EXISTS_COMMANDS % queues)


def _deployment() -> Deployment:
    try:
        return load_deployment(os.environ)
    except ConfigError as error:
        raise SystemExit(start_failed("worker", _with_settings(error))) from None


def _with_settings(error: ConfigError) -> ConfigError:
    """The problems of the environment and those of the configuration file, to report all at once."""
    try:
        configuration(os.environ)
    except ConfigError as both:
        return both
    return error


lifecycle = Lifecycle(os.environ)
broker = make_broker(_deployment(), lifecycle)
dramatiq.set_broker(broker)

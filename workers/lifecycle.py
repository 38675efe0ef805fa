"""Ties the node to the life of a dramatiq worker process: up before the first job, calls handed over before the last.

dramatiq swallows exceptions in hooks and says "ready" all the same, so a failed boot leaves by SystemExit. Knows
signals and hooks, not calls.
"""

import logging
import secrets
import signal
from collections.abc import Callable, Coroutine, Mapping
from types import FrameType
from typing import Any, Final, TypeVar

import dramatiq.worker
from dramatiq import Broker, Middleware, Worker

from voicecall.call.ids import CallId, NodeId
from voicecall.errors import BusUnavailable, ConfigError
from voicecall.logs import configure
from voicecall.process import configuration, start_failed
from voicecall.speech.tts.clip import apology
from workers.adapters import open_ports
from workers.after_call import AfterCall
from workers.loop_thread import LoopThread
from workers.node import Node
from workers.supervisor import Taken

__all__ = ["Lifecycle"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_SLOTS: Final = 500
_POLL_MS: Final = 50
_RESTART_S: Final = 0.2
_BOOT_S: Final = 20.0
_PATIENCE_S: Final = 10  # Redis may start after us (reliability 5.5)
_STOP_S: Final = 18.0
_JOB_S: Final = 8.0


class Lifecycle(Middleware):
    """Middleware of the broker; the jobs reach the node through it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._id = NodeId(f"worker-{secrets.token_hex(6)}")
        self._thread: LoopThread | None = None
        self._node: Node | None = None
        self._after_call_jobs: AfterCall | None = None

    def after_process_boot(self, broker: Broker) -> None:
        del broker
        configure("worker", instance=self._id)

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start the node, or leave: a worker without its configuration or Redis must not look alive."""
        self._tune(worker)
        try:
            self._start(broker)
        except (ConfigError, BusUnavailable, OSError) as error:
            raise SystemExit(start_failed("worker", error)) from None
        except Exception as error:
            _log.exception("boot failed")
            raise SystemExit(start_failed("worker", error)) from error
        _ignore_repeated_signals()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Fetch no more jobs, hand every call over, stop the node: all within twenty seconds, whatever happens."""
        del broker
        for consumer in worker.consumers.values():
            consumer.pause()
        if self._thread is None or self._node is None:
            return
        try:
            self._thread.call(self._node.stop(), timeout_s=_STOP_S)
        except Exception:  # noqa: BLE001  leaving comes first; what is left is taken over like after a crash
            _log.exception("node did not stop cleanly")

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        del broker, worker
        if self._after_call_jobs is not None:
            self._after_call_jobs.close()
        if self._thread is not None:
            try:
                self._thread.stop(timeout_s=2.0)
            except Exception:  # noqa: BLE001  the thread is a daemon: it ends with the process
                _log.exception("loop did not stop cleanly")

    def take(self, call: CallId) -> Taken:
        """Raises BusUnavailable."""
        return self._on_node(lambda node: node.take(call))

    def sweep(self) -> int:
        """Raises BusUnavailable."""
        return self._on_node(lambda node: node.sweep())

    @property
    def after_call(self) -> AfterCall:
        """Raises BusUnavailable before the first job may run."""
        if self._after_call_jobs is None:
            raise BusUnavailable("the node is not up")
        return self._after_call_jobs

    def _on_node(self, work: Callable[[Node], Coroutine[Any, Any, T]]) -> T:
        if self._thread is None or self._node is None:
            raise BusUnavailable("the node is not up")
        try:
            return self._thread.call(work(self._node), timeout_s=_JOB_S)
        except TimeoutError as error:
            raise BusUnavailable("the node is busy") from error

    def _start(self, broker: Broker) -> None:
        settings, deployment = configuration(self._environ)
        slots = _positive(self._environ, "VOICECALL_WORKER_SLOTS", _SLOTS)
        patience_s = _positive(self._environ, "VOICECALL_BOOT_PATIENCE_S", _PATIENCE_S)
        after_call = AfterCall(settings, self._on_node)
        thread = LoopThread("node")
        thread.start()
        node = Node(
            self._id,
            deployment.redis_url,
            broker,
            lambda: open_ports(settings, deployment),
            apology=apology(),
            slots=slots,
            health=deployment.worker_health,
        )
        thread.call(node.start(patience_s=patience_s), timeout_s=patience_s + _BOOT_S)
        self._thread, self._node, self._after_call_jobs = thread, node, after_call

    def _tune(self, worker: Worker) -> None:
        # dramatiq reads these from the environment when it is imported, which is before us.
        if "dramatiq_worker_timeout" not in self._environ:
            worker.worker_timeout = _POLL_MS
        if "dramatiq_queue_prefetch" not in self._environ:
            # More would hoard rings beside idle workers.
            worker.queue_prefetch = worker.worker_threads
        if "dramatiq_restart_delay" not in self._environ:
            # Three seconds of deafness after each hiccup of Redis, and at each shutdown.
            dramatiq.worker.CONSUMER_RESTART_DELAY_SECS = _RESTART_S


def _positive(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or not int(text):
        raise ConfigError([f"{name}: {text[:20]!r} is not a number above 0"])
    return int(text)


def _ignore_repeated_signals() -> None:
    """The first SIGTERM begins the shutdown; platforms send more, and dramatiq would die of the second."""
    first = signal.getsignal(signal.SIGTERM)
    told = False

    def once(signum: int, frame: FrameType | None) -> None:
        nonlocal told
        if not told and callable(first):
            told = True
            first(signum, frame)

    signal.signal(signal.SIGTERM, once)

"""Starts and stops the node with its dramatiq worker process: up before the first job, calls handed over at the end.

dramatiq swallows exceptions of its hooks and reports "ready" all the same, so a failed start raises SystemExit. Knows
signals and hooks, not calls.
"""

import logging
import multiprocessing
import os
import secrets
import signal
from collections.abc import Callable, Coroutine, Mapping
from types import FrameType
from typing import Any, Final, TypeVar

import dramatiq.worker
from dramatiq import Broker, Middleware, Worker

from voicecall.bus.doorbell import require_queue
from voicecall.call.ids import CallId, NodeId
from voicecall.errors import BusUnavailable, ConfigError
from voicecall.logs import configure
from voicecall.process import configuration, keep_loaded, start_failed
from voicecall.settings import metrics_tokens
from voicecall.speech.tts.clip import apology
from voicecall.tracing import Traces, open_traces
from workers.adapters import open_ports
from workers.after_call import AfterCall
from workers.loop_thread import LoopThread
from workers.node import Node, Parts
from workers.reporting import reporting
from workers.supervisor import ActivationResult

__all__ = ["Lifecycle"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_POLL_MS: Final = 50
_RESTART_S: Final = 0.2
_BOOT_S: Final = 20.0
_STOP_S: Final = 18.0
_JOB_S: Final = 8.0
_LAST_SPANS_S: Final = 1.0


class Lifecycle(Middleware):
    """Middleware of the broker. The jobs reach the node through it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._id = NodeId(f"worker-{secrets.token_hex(6)}")
        self._thread: LoopThread | None = None
        self._node: Node | None = None
        self._after_call_jobs: AfterCall | None = None
        self._traces: Traces | None = None
        self._hung_up = False

    def after_process_boot(self, broker: Broker) -> None:
        del broker
        configure("worker", instance=self._id)

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start the node, or exit: 78 for a configuration that cannot be used, 1 for anything else."""
        self._tune(worker)
        try:
            self._start(broker)
        except (ConfigError, BusUnavailable, OSError) as error:
            raise SystemExit(start_failed("worker", error)) from None
        except Exception as error:
            _log.exception("start failed")
            raise SystemExit(start_failed("worker", error)) from error
        self._stop_once()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Fetch no more jobs, hand every call over, stop the node: within twenty seconds in any case."""
        del broker
        for consumer in worker.consumers.values():
            consumer.pause()
        if self._thread is None or self._node is None:
            return
        try:
            self._thread.call(self._node.stop(), timeout_s=_STOP_S)
        except Exception:  # noqa: BLE001  the process must end; remaining calls are taken over as after a crash
            _log.exception("node not stopped cleanly")

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Close what is left. The exit status is 1 when a background task failed, as in the other processes."""
        del broker, worker
        if self._after_call_jobs is not None:
            self._after_call_jobs.close()
        if self._traces is not None:
            self._traces.close(_LAST_SPANS_S)
        if self._thread is not None:
            try:
                self._thread.stop(timeout_s=2.0)
            except Exception:  # noqa: BLE001  the thread is a daemon: it ends with the process
                _log.exception("event loop not stopped cleanly")
        if self._hung_up and multiprocessing.parent_process() is not None:
            # After a SIGHUP dramatiq's main process would start a new worker; after a SIGTERM it ends.
            os.kill(os.getppid(), signal.SIGTERM)
        if self._node is not None and self._node.has_failed:
            raise SystemExit(1)

    def activate(self, call: CallId) -> ActivationResult:
        """Make sure that the call has an owner. Raises BusUnavailable."""
        return self._on_node(lambda parts: parts.supervisor.activate(call))

    @property
    def after_call(self) -> AfterCall:
        """Raises BusUnavailable until the node is started."""
        if self._after_call_jobs is None:
            raise BusUnavailable("the node is not started")
        return self._after_call_jobs

    def _on_node(self, work: Callable[[Parts], Coroutine[Any, Any, T]]) -> T:
        if self._thread is None or self._node is None:
            raise BusUnavailable("the node is not started")
        try:
            return self._thread.call(work(self._node.parts), timeout_s=_JOB_S)
        except TimeoutError as error:
            raise BusUnavailable("the node is busy") from error

    def _start(self, broker: Broker) -> None:
        settings, deployment = configuration(self._environ)
        redis_timeout_s = deployment.boot_patience_s
        self._traces = open_traces("worker", self._environ)
        after_call = AfterCall(settings, self._on_node, self._traces)
        thread = LoopThread("node")
        thread.start()
        thread.call(require_queue(deployment), timeout_s=_BOOT_S)
        node = Node(
            self._id,
            deployment.redis_url,
            broker,
            lambda: open_ports(settings, deployment),
            namespace=deployment.namespace,
            apology=apology,
            slots=deployment.worker_slots,
            health=deployment.worker_health,
            metrics_tokens=metrics_tokens(deployment),
            beside=lambda parts: reporting(parts, settings),
        )
        thread.call(node.start(redis_timeout_s=redis_timeout_s), timeout_s=redis_timeout_s + _BOOT_S)
        self._thread, self._node, self._after_call_jobs = thread, node, after_call
        keep_loaded()

    def _stop_once(self) -> None:
        """The first SIGTERM or SIGHUP starts the shutdown; platforms send more, and dramatiq would abort on the second.

        Replaces dramatiq's own handlers, which it has installed before the worker boots.
        """
        handler = signal.getsignal(signal.SIGTERM)
        handled = False

        def once(signum: int, frame: FrameType | None) -> None:
            nonlocal handled
            self._hung_up = self._hung_up or signum == signal.SIGHUP
            if not handled and callable(handler):
                handled = True
                handler(signum, frame)

        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, once)

    def _tune(self, worker: Worker) -> None:
        # dramatiq reads these from the environment when it is imported, which is before this runs.
        if "dramatiq_worker_timeout" not in self._environ:
            worker.worker_timeout = _POLL_MS
        if "dramatiq_queue_prefetch" not in self._environ:
            # With more, rings would wait here while other workers are idle.
            worker.queue_prefetch = worker.worker_threads
        if "dramatiq_restart_delay" not in self._environ:
            # The default is three seconds without rings after each short failure of Redis, and at each shutdown.
            dramatiq.worker.CONSUMER_RESTART_DELAY_SECS = _RESTART_S

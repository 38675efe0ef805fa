"""OpenTelemetry's SDK behind the role `Traces`. Imported by `export` only, when spans are exported.

The ids of spans are ours (`spans`), and times are the call's: the SDK samples, queues and sends. Its batches are sent
by a thread of its own, so that a span costs its caller the making of one object.
"""

import logging
import threading
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation import set_span_in_context

from voicecall.call.ids import CallId
from voicecall.tracing.spans import Kind, TraceSpan, span_id, trace_id

__all__ = ["SdkTraces"]

_log = logging.getLogger(__name__)

_KINDS: Final = {Kind.SERVER: SpanKind.SERVER, Kind.CLIENT: SpanKind.CLIENT, Kind.INTERNAL: SpanKind.INTERNAL}
_NS_PER_MS: Final = 1_000_000


class SdkTraces:
    """Fills `Traces`. `named`: the environment gives the service's name. Raises what the SDK raises.

    `exporter`: another than OTLP's, for tests.
    """

    def __init__(self, role: str, *, named: bool, exporter: SpanExporter | None = None) -> None:
        self._last_words = _LastWords()
        self._ids = _GivenIds()
        self._making = threading.Lock()  # ids are given for one span at a time
        # Not closed by the interpreter's end: `close` limits how long that takes.
        self._provider = TracerProvider(
            resource=_resource(role, named=named), id_generator=self._ids, shutdown_on_exit=False
        )
        sender = _Reporting(OTLPSpanExporter() if exporter is None else exporter, self._last_words)
        self._provider.add_span_processor(BatchSpanProcessor(sender))
        self._tracer = self._provider.get_tracer("voicecall")

    def record(self, call: CallId, spans: Iterable[TraceSpan]) -> None:
        """As the role says."""
        trace = trace_id(call)
        decision = self._provider.sampler.should_sample(None, trace, "call").decision
        if not decision.is_sampled():  # type: ignore[no-untyped-call]  # the SDK's own signature has no types
            return
        try:
            with self._making:
                for span in spans:
                    self._record(call, trace, span)
        except Exception:  # noqa: BLE001  a defect here may cost spans, never a call
            _log.exception("spans not recorded", extra={"call_id": call})

    def close(self, within_s: float) -> None:
        """As the role says. In a thread that the end of the process does not wait for."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(within_s)

    def _record(self, call: CallId, trace: int, span: TraceSpan) -> None:
        self._ids.trace, self._ids.span = trace, span_id(call, span.key)
        made = self._tracer.start_span(
            span.name,
            context=_below(trace, span_id(call, span.parent)) if span.parent else Context(),
            kind=_KINDS[span.kind],
            attributes=span.attributes,
            start_time=span.start_ms * _NS_PER_MS,
        )
        if span.failed:
            made.set_status(Status(StatusCode.ERROR))
        made.end(span.end_ms * _NS_PER_MS)


class _GivenIds(IdGenerator):
    """The ids that are set, for the next span."""

    trace = span = 0

    def generate_span_id(self) -> int:
        return self.span

    def generate_trace_id(self) -> int:
        return self.trace


class _Reporting(SpanExporter):
    """Logs what could not be exported, in the words of the SDK: as an outage, so a lasting one is a line a minute."""

    def __init__(self, exporter: SpanExporter, last_words: "_LastWords") -> None:
        self._exporter = exporter
        self._last_words = last_words

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            facts = {"error": "the collector did not take them", "reason": self._last_words.text, "spans": len(spans)}
            _log.warning("traces not exported", extra=facts)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class _LastWords(logging.Handler):
    """Keeps the last line of the SDK's own log, which is written nowhere else: it has a line for each try."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        log = logging.getLogger("opentelemetry")
        log.propagate = False
        log.handlers = [self]

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()[:300]


def _below(trace: int, parent: int) -> Context:
    """A context whose span has this id, in this process or in another."""
    context = SpanContext(trace, parent, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(context), Context())


def _resource(role: str, *, named: bool) -> Resource:
    try:
        build = version("voicecall")
    except PackageNotFoundError:
        build = "unknown"
    # What is given here goes before the environment.
    name = {} if named else {"service.name": f"voicecall-{role}"}
    return Resource.create({**name, "service.version": build})

"""Whether spans are exported, and where: as OpenTelemetry's own environment variables say. Needs the extra `otel`.

Off, and no SDK is loaded, while no variable names a collector. What cannot be used is a warning at the start: no call
is refused because its trace would be lost.
"""

import importlib.util
import logging
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from voicecall.call.ids import CallId
from voicecall.tracing.spans import TraceSpan

__all__ = ["Traces", "open_traces"]

_log = logging.getLogger(__name__)

_SIGNALS: Final = ("TRACES_", "")  # the variable for traces alone goes before that of all signals
_MODULE: Final = "opentelemetry.exporter.otlp.proto.http"
_PROTOCOL: Final = "http/protobuf"


class Traces(Protocol):
    """Takes the spans of calls. Safe to use from any thread; no method raises."""

    def record(self, call: CallId, spans: Iterable[TraceSpan]) -> None:
        """Queue the spans, if the call is sampled. Returns at once."""
        ...

    def close(self, within_s: float) -> None:
        """Export what is queued, and wait that long for it at most."""
        ...


def open_traces(role: str, environ: Mapping[str, str]) -> Traces | None:
    """None when traces are not exported. `role` is part of the service's name, where none is configured.

    The SDK reads the rest from the environment of the process, which `environ` must be a copy of.
    """
    if not _is_wanted(environ):
        return None
    problem = _problem(environ)
    if problem:
        _log.warning("traces are not exported", extra={"reason": problem})
        return None
    from voicecall.tracing.sdk import SdkTraces  # 0.2 s, and 20 MB

    try:
        traces = SdkTraces(role, named=bool(environ.get("OTEL_SERVICE_NAME", "").strip()))
    except Exception as error:  # noqa: BLE001  the SDK raises what it likes for a variable that it cannot read
        # Not its message, which may quote a header.
        reason = f"OpenTelemetry refuses its configuration ({type(error).__name__}); check the variables OTEL_*"
        _log.warning("traces are not exported", extra={"reason": reason})
        return None
    _log.info("traces are exported", extra={"role": role})
    return traces


def _is_wanted(environ: Mapping[str, str]) -> bool:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    return exporters != "none" and bool(_value(environ, "ENDPOINT"))


def _problem(environ: Mapping[str, str]) -> str:
    """Why traces cannot be exported; "" when they can. Names variables, never their values, which may be secrets."""
    exporters = {name.strip().lower() for name in environ.get("OTEL_TRACES_EXPORTER", "otlp").split(",")}
    if not exporters & {"", "otlp"}:
        return "OTEL_TRACES_EXPORTER names no exporter of this program; set it to otlp or none, or leave it out"
    if _value(environ, "PROTOCOL").lower() not in {"", _PROTOCOL}:
        return (
            f"OTEL_EXPORTER_OTLP_PROTOCOL: only {_PROTOCOL} is spoken here; set it so, with the port of that protocol"
        )
    headers = [item for item in _value(environ, "HEADERS").split(",") if item.strip()]
    if not all("=" in item for item in headers):
        return "OTEL_EXPORTER_OTLP_HEADERS: not a list of name=value, separated by commas"
    if not _is_installed():
        return "the extra `otel` is not installed: pip install 'voicecall[otel]', or remove OTEL_EXPORTER_OTLP_ENDPOINT"
    return ""


def _value(environ: Mapping[str, str], name: str) -> str:
    values = (environ.get(f"OTEL_EXPORTER_OTLP_{signal}{name}", "").strip() for signal in _SIGNALS)
    return next((value for value in values if value), "")


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec(_MODULE) is not None
    except ModuleNotFoundError:  # its parents are missing too
        return False

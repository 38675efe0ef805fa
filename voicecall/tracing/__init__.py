"""Calls as OpenTelemetry traces: call, turns, and the parts of each wait (`voicecall/call/waits.py`).

Read in this order: `spans` (what a trace consists of; pure), `export` (the SDK, loaded only when it is configured).
"""

from voicecall.tracing.export import Traces, open_traces
from voicecall.tracing.spans import ROOT, Kind, TraceSpan, call_spans

__all__ = ["ROOT", "Kind", "TraceSpan", "Traces", "call_spans", "open_traces"]
